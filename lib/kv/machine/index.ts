/**
 * The key-value store as a pure machine.
 *
 *     command bytes --decode--> condition? --> tree of records --> result bytes
 *                                              (keys in order)
 *                                                    |
 *                                              slabs of values
 *
 * Keys stand in a copy-on-write tree, values in pages of memory. A view is a clone of the tree, which
 * costs nothing, and keeps the slots it can see from being used again; a snapshot is a view written out.
 *
 * It reads no clock, waits for nothing and knows nothing of logs, nodes or networks.
 */
export { COMMAND_VERSION, decodeCommand, encodeCommand } from './commands.js';
export { KVMachine, type KVRestorer, type VersionedCommand } from './kv-machine.js';
export { decodeFound, decodeResult, encodeFound, encodeResult, type KVResult } from './results.js';
export type { SlabUsage } from './slabs.js';
export type * from './types.js';
