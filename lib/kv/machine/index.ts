/**
 * The key-value store as a pure machine.
 *
 *     command bytes --decode--> condition? --> tree of leaves --> result bytes
 *                                              (slots in the order of their keys)
 *                                                    |
 *                                              slabs of records
 *
 * A record (key, value and what is known of them) is packed into one slot of a few large pages, as it
 * stands in a snapshot. A leaf holds some dozens of slots, and a copy-on-write tree the leaves: to the
 * garbage collector a million keys are some twenty thousand objects. A view is a clone of that tree, which
 * costs nothing; it keeps the slots it can see from being used again, and a leaf that it can see is
 * copied before it changes. A snapshot is a view written out.
 *
 * It reads no clock, waits for nothing and knows nothing of logs, nodes or networks.
 */
export { COMMAND_VERSION, decodeCommand, encodeCommand } from './commands.js';
export { KVMachine, type KVRestorer, type VersionedCommand } from './kv-machine.js';
export { decodeFound, decodeResult, encodeFound, encodeResult, type KVResult } from './results.js';
export type { SlabUsage } from './slabs.js';
export type * from './types.js';
