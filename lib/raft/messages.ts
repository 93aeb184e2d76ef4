import type { Entry, GroupId, LogIndex, MemberId, Term } from '../base/index.js';
import type { SnapshotReference } from './types.js';

/** What one member tells another. Any of them may be lost, repeated or late. */
export type Message =
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | SnapshotOffer
  | SnapshotNeeded
  | TimeoutNow;

export type MessageKind = Message['kind'];

interface Addressed {
  readonly group: GroupId;
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's term; for a pre-vote request and its grant, the term the candidate would stand in. */
  readonly term: Term;
}

export interface VoteRequest extends Addressed {
  readonly kind: 'preVote' | 'vote';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Only of a vote: the leader told the candidate to stand, so nobody defends that leader. */
  readonly isTransfer?: boolean | undefined;
}

/** Stand for election at once: the leader of this term hands over. */
export interface TimeoutNow extends Addressed {
  readonly kind: 'timeoutNow';
}

export interface VoteReply extends Addressed {
  readonly kind: 'preVoteReply' | 'voteReply';
  readonly granted: boolean;
}

export interface AppendRequest extends Addressed {
  readonly kind: 'append';
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commitIndex: LogIndex;
  /** Follow `prevIndex` without a gap. May be empty. */
  readonly entries: readonly Entry[];
}

/** The follower's log equals the leader's up to `matchIndex`, durably. */
export interface AppendAccepted extends Addressed {
  readonly kind: 'appendAccepted';
  readonly matchIndex: LogIndex;
}

/** The follower does not hold (`prevTerm`, `prevIndex`) of the append. */
export interface AppendRejected extends Addressed {
  readonly kind: 'appendRejected';
  /** `prevIndex` of the append that is refused. */
  readonly prevIndex: LogIndex;
  /** The last place where the two logs may still agree. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

export interface Heartbeat extends Addressed {
  readonly kind: 'heartbeat';
  /** Never above what the receiver is known to hold. */
  readonly commitIndex: LogIndex;
  /** The latest read round that the answer confirms; 0 for none. */
  readonly readRound: number;
  /** The promise that a voter makes by answering. Absent where leases are off. */
  readonly lease?: LeaseStamp | undefined;
}

/** A leader asks for a lease: when by its own clock, and for how long. */
export interface LeaseStamp {
  /** Whole milliseconds of the leader's clock; says nothing to anybody else. */
  readonly sentMs: number;
  readonly leaseMs: number;
}

export interface HeartbeatReply extends Addressed {
  readonly kind: 'heartbeatReply';
  readonly readRound: number;
  /** As the heartbeat that is answered has it. */
  readonly lease?: LeaseStamp | undefined;
}

/**
 * The leader no longer holds what comes next for the receiver, and names a snapshot that covers it:
 * durable there, to be pulled from it. Repeated until the receiver holds that much.
 */
export interface SnapshotOffer extends Addressed {
  readonly kind: 'snapshotOffer';
  readonly snapshot: SnapshotReference;
}

/** The sender has lost the state that its log goes on from: whatever the logs say, it needs a snapshot. */
export interface SnapshotNeeded extends Addressed {
  readonly kind: 'snapshotNeeded';
  /** One that ends before this entry is of no use. */
  readonly fromIndex: LogIndex;
}
