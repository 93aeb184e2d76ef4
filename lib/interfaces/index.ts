/**
 * The ports: what the library needs from the world, as types with contracts. Implementations import
 * this folder and nothing above it; for each port `quorate/testing` has a suite that checks the
 * contract. Nothing here runs.
 *
 * @module quorate/interfaces
 */
export type {
  Entry,
  EntryKind,
  GroupId,
  Incarnation,
  LogIndex,
  NodeId,
  Term,
} from '../base/index.js';
export type { Role } from '../raft/types.js';
export type * from './clock.js';
export type * from './dialer.js';
export type * from './event-bus.js';
export type * from './file-layer.js';
export type * from './log-storage.js';
export type * from './logger.js';
export type * from './metrics.js';
export type * from './network-transport.js';
export type * from './node-status.js';
export type * from './random.js';
export type * from './saved-snapshot.js';
export type * from './snapshot-storage.js';
export type * from './state-machine.js';
export type * from './state-storage.js';
export type * from './storage-engine.js';
export type * from './tracer.js';
