import type { EntryDraft, LogIndex, MemberId } from '../base/index.js';
import type { Message } from './messages.js';
import type {
  LeadershipChange,
  MemberAddresses,
  SnapshotPosition,
  SnapshotReference,
} from './types.js';

/** Everything that can happen to a member. Time passes only through `tick`. */
export type Input =
  /**
   * `mayStand: false` says that this member's disk could not keep a vote now: an election timeout then
   * passes without a candidacy. Default true.
   */
  | { readonly kind: 'tick'; readonly mayStand?: boolean | undefined }
  | { readonly kind: 'receive'; readonly message: Message }
  /** Append these, in order. Answered by `proposed` or `proposalRejected` in the same step. */
  | {
      readonly kind: 'propose';
      readonly proposalId: number;
      readonly drafts: readonly EntryDraft[];
    }
  /** The disk finished the `write` effect with this id, and every one before it. */
  | { readonly kind: 'written'; readonly writeId: number }
  /** The state machine has applied everything up to and including `index`. */
  | { readonly kind: 'applied'; readonly index: LogIndex }
  /** Find an index such that a read after applying it is linearizable. Answered by `readReady` or `readRejected`. */
  | { readonly kind: 'read'; readonly readId: number }
  /** Stand for election now, if this member may. A leader ignores it. */
  | { readonly kind: 'campaign' }
  /**
   * The last connection to `member` is gone. Without a goodbye its process has probably died: whoever
   * follows it forgets that it heard of it, and nobody else does. That is passed over where leases are
   * on, or by a setting.
   */
  | { readonly kind: 'peerLost'; readonly member: MemberId; readonly saidGoodbye: boolean }
  /** Stop leading: this member cannot keep up. The most caught-up other is told to stand. */
  | { readonly kind: 'resign' }
  | ChangeLeadership
  /**
   * Hand leadership to `to`, or to the most caught-up voter. Answered by `transferRefused`, at once or
   * after an election timeout; otherwise by a `became` with another leader.
   */
  | {
      readonly kind: 'transferLeadership';
      readonly transferId: number;
      readonly to: MemberId | null;
    }
  /** A snapshot of this member's own state is durable: the log in memory may forget what it covers. */
  | { readonly kind: 'snapshotTaken'; readonly snapshot: SnapshotReference }
  /** A snapshot of this member cannot be read: another is offered in its place once there is one. */
  | { readonly kind: 'snapshotLost'; readonly snapshotId: string }
  /** What `fetchSnapshot` asked for is durable here. Passed over where the log has come as far. */
  | {
      readonly kind: 'snapshotFetched';
      readonly snapshotId: string;
      readonly position: SnapshotPosition;
    }
  /**
   * Change who the members are. Answered by `changeAppended` or `changeRejected` in the same step.
   * `expect`, where it is not null, must be the `configurationVersion` of what is in force.
   */
  | {
      readonly kind: 'changeMembership';
      readonly changeId: number;
      readonly change: MembershipChange;
      readonly expect: string | null;
    };

/** One change of the members. Changes of the voters pass through a joint configuration (Raft §6). */
export type MembershipChange =
  /** A new member, which holds the log and decides nothing. */
  | {
      readonly kind: 'addLearner';
      readonly member: MemberId;
      readonly addresses: MemberAddresses;
    }
  /** A learner that has caught up becomes a voter. */
  | { readonly kind: 'promote'; readonly member: MemberId }
  | { readonly kind: 'remove'; readonly member: MemberId }
  /** A learner that has caught up takes the place of `member`, in one step. */
  | { readonly kind: 'replace'; readonly member: MemberId; readonly by: MemberId }
  /** A member is to lead rather than those of a lower priority: an integer from 0 to `MAX_PRIORITY`. */
  | { readonly kind: 'changePriority'; readonly member: MemberId; readonly priority: number }
  /** The same member, reached elsewhere. */
  | {
      readonly kind: 'changeAddresses';
      readonly member: MemberId;
      readonly addresses: MemberAddresses;
    };

/** Answered as a change of the members is. */
export interface ChangeLeadership {
  readonly kind: 'changeLeadership';
  readonly changeId: number;
  readonly leadership: LeadershipChange;
  readonly expect: string | null;
}
