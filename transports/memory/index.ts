/**
 * A network inside one process, for tests, simulators and the first five minutes.
 *
 *     a.send ──copy──> fate (drop? delay? duplicate? reorder?) ──queue──> later turn ──> b.receive
 *                        one stream of chance per link            cut? lost
 *
 * `memoryNetwork()` holds the faults; `network.transport('a')` is what a node is given. Time and
 * chance are injected, so that a seed decides every run. It speaks no bytes of a wire format: frames
 * are moved as they are, and addresses are ignored, because a name is enough to find a peer.
 *
 * @module quorate/transports/memory
 */
export type { FrameInFlight, LinkFaults } from './faults.js';
export type { MemoryNetwork, MemoryNetworkOptions } from './network.js';
export { memoryNetwork } from './network.js';
