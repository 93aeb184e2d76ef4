/**
 * Raft as a pure machine. One `Raft` is one member of one group.
 *
 *     tick, messages, proposals, changes, reads, "written", "applied"
 *                          │ step(input, nowMs)
 *                          ▼
 *      election · replication · following · commit · reads · snapshot · writes   over one RaftState
 *                          │
 *                          ▼
 *     write, send, apply, restore, fetchSnapshot, proposed, changeAppended, readReady, became, configured
 *
 * An effect may be carried out the moment it is returned: what has to wait for the disk is returned
 * by the step that handles `written`. Not here: timers, promises, sockets, files, encoding of messages,
 * and the calls of users, which `lib/node` keeps.
 */
export {
  configurationVersion,
  decodeConfiguration,
  encodeConfiguration,
  leadershipOf,
  NO_CONFIGURATION,
} from './configuration.js';
export type * from './effects.js';
export type * from './inputs.js';
export { LEASE_CLOCK_BOUND } from './lease.js';
export type * from './messages.js';
export type * from './options.js';
export { isVoter, membersOf, votersOf } from './quorum.js';
export { Raft } from './raft.js';
export type * from './status.js';
export type * from './types.js';
