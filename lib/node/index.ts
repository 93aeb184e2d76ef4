/**
 * The driver: pure machines decide, this folder does.
 *
 *     Host ── one per process: transport, storage engine, tick loop, address book
 *      ├─ PeerLink   channels between nodes: Raft messages, forwarded calls, first start
 *      ├─ Founding   asks the listed members until the group exists
 *      └─ Group      one Raft group: inbox ─▶ Raft.step ─▶ effects
 *          ├─ Inbox        what has come since the last turn
 *          ├─ GroupDisk    one durable write at a time, everything else joins the next
 *          ├─ Applier      committed entries to the state machine, in slices
 *          ├─ GroupCalls   whoever waits: queued, parked, forwarded, placed in the log
 *          ├─ GroupSnapshots   takes them, hands them out, fetches and restores them
 *          ├─ PendingChanges, Transfers   changes of the members and of the leader
 *          └─ GroupNews    what those who watch are told
 *
 * It decides nothing about consensus, knows no keys and values, and reads no clock but the injected one.
 */
export { Group, type GroupEnd } from './group.js';
export { Host } from './host.js';
export {
  type MemberRecovery,
  type RecoveredGroup,
  type RecoveryOptions,
  recoverMember,
} from './member-recovery.js';
export type { OpenGroupOptions } from './open-group.js';
export {
  type NodeDefaults,
  type NodeOptions,
  type NodeSettings,
  resolveSettings,
} from './options.js';
export type { WaitOptions } from './pending-calls.js';
export { HostedRaftNode, type QueryOptions, type RaftNode } from './raft-node.js';
export { type RebuildOptions, rebuildSnapshot } from './snapshot-rebuild.js';
export { type RestoredMember, type RestoreOptions, restoreSnapshot } from './snapshot-restore.js';
export { storedMembers } from './stored-members.js';
