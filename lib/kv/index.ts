/**
 * The replicated store on a node of one's own.
 *
 *     KVStore (lib/store) ─▶ LocalBackend ─▶ writes: Group.calls.submit ─▶ leader ─▶ log
 *                                 │           reads: Group.calls.readBarrier
 *                                 ▼                      │
 *                          KVStateMachine ◀── apply ─────┘
 *
 * It opens nodes from settings; defaults for clock, chance and storage come from the composition root.
 * It knows no sockets, no files and no other process.
 */
export { KVStateMachine } from './kv-state-machine.js';
export type { NodeHost } from './node-host.js';
export { OfflineKVStateMachine } from './offline-machine.js';
export { DEFAULT_GROUP, openHost, openMachineNode, openStoreNode } from './open.js';
