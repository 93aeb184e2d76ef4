import type { Entry, EntryDraft, GroupId, LogIndex, MemberId, Term } from '../base/index.js';

/** What must survive a crash beside the log. Saved together, atomically. */
export interface HardState {
  readonly term: Term;
  /** Whom this member voted for in `term`, or null. */
  readonly votedFor: MemberId | null;
}

/** What a member is at the moment. Only a leader takes proposals. */
export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** Addresses of a member, as others are told to reach it. */
export interface MemberAddresses {
  readonly peer: string;
  /** Where clients are served, or null when nowhere. */
  readonly client: string | null;
}

/**
 * Who decides. With `outgoing` empty, a majority of `incoming`; otherwise (joint configuration, Raft
 * §6) a majority of each. Learners hold the log and decide nothing.
 */
export interface Configuration {
  readonly clusterId: string;
  readonly incoming: readonly MemberId[];
  readonly outgoing: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** Every member named above, and no other. */
  readonly addresses: ReadonlyMap<MemberId, MemberAddresses>;
  /** How the members keep and lose a leader. Default: `DEFAULT_LEADERSHIP`. */
  readonly leadership?: LeadershipSettings | undefined;
}

/** Replicated, because safety needs that all members agree on it. */
export interface LeadershipSettings {
  /**
   * How long a leader that a quorum has confirmed may answer reads without asking again, in
   * milliseconds from the moment that it asked; null for never.
   */
  readonly leaderLeaseMs: number | null;
  /** Whether a member that sees its leader's connections break stands soon. Off while leases are on. */
  readonly closeHint: boolean;
}

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

export type Message =
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | SnapshotOffer
  | TimeoutNow;

/** A durable snapshot of one member's storage, and the last entry that it covers. */
export interface SnapshotReference {
  /** As that member's storage names it. Never empty; opaque to the core. */
  readonly id: string;
  readonly index: LogIndex;
  readonly term: Term;
}

/** What a snapshot says of the log that it stands for. */
export interface SnapshotPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly logTimeMs: number;
  /** In force at `index`. */
  readonly configuration: Configuration;
}

export type MessageKind = Message['kind'];

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
  /** The same member, reached elsewhere. */
  | {
      readonly kind: 'changeAddresses';
      readonly member: MemberId;
      readonly addresses: MemberAddresses;
    };

export type ChangeRejection =
  /** Not the leader; `leader` may be. */
  | 'notLeader'
  /** One change is not committed yet, or its joint configuration not left yet. */
  | 'changeInFlight'
  /** Nothing of the leader's own term is committed yet. */
  | 'termNotCommitted'
  /** Another configuration is in force than the one that was expected. */
  | 'versionMismatch'
  /** Leadership is being handed over. */
  | 'transferring'
  | 'unknownMember'
  | 'alreadyMember'
  /** Only a learner is promoted, or put in the place of another. */
  | 'notLearner'
  /** The learner has not shown within the last election timeout that it holds the log. */
  | 'notCaughtUp'
  /** Nobody would be left to decide. */
  | 'noVoters';

/** Answered as a change of the members is. */
export interface ChangeLeadership {
  readonly kind: 'changeLeadership';
  readonly changeId: number;
  readonly leadership: LeadershipSettings;
  readonly expect: string | null;
}

export type TransferRefusal =
  | 'notLeader'
  /** Another transfer is under way. */
  | 'underWay'
  /** No voter, or the leader itself. */
  | 'noTarget'
  /** Not heard from lately, or more than one window behind. */
  | 'lagging'
  /** An election timeout has passed, and this member still leads. */
  | 'tookTooLong';

export type RejectionReason =
  /** Not the leader; `leader` may be. */
  | 'notLeader'
  /** `maxUncommittedBytes` is reached. Reads are never refused for it: they share rounds. */
  | 'busy'
  /** Leadership is being handed over: there will be another leader soon. */
  | 'transferring';

/**
 * Everything a member wants done. An effect may be carried out the moment it is returned: whatever
 * has to wait for the disk is returned later, by the step that handles `written`.
 */
export type Effect =
  /**
   * Make durable: first the hard state where there is one, then the entries, replacing anything
   * stored at or after `entries[0].index`. Writes complete in the order of their ids. With `reset`, the
   * stored log is emptied between the two, and goes on after that position: a snapshot covers it.
   */
  | {
      readonly kind: 'write';
      readonly writeId: number;
      readonly hardState: HardState | null;
      readonly reset?: { readonly index: LogIndex; readonly term: Term } | undefined;
      readonly entries: readonly Entry[];
    }
  /** Best effort: may be lost, repeated or reordered. */
  | { readonly kind: 'send'; readonly message: Message }
  /** Hand to the state machine, in order, exactly once per start. Committed, and durable here. */
  | { readonly kind: 'apply'; readonly entries: readonly Entry[] }
  /**
   * Pull this snapshot from `from` and store it durably; answered by `snapshotFetched`. Repeated as
   * long as the leader offers it; another one, or another leader, replaces it.
   */
  | {
      readonly kind: 'fetchSnapshot';
      readonly from: MemberId;
      readonly snapshot: SnapshotReference;
    }
  /**
   * Replace the state of the state machine by this durable snapshot; what was handed over and is not
   * applied yet is covered by it. Answered by `applied` with its index. Later entries wait for that.
   */
  | { readonly kind: 'restore'; readonly snapshotId: string; readonly index: LogIndex }
  /** The proposal stands in the log at `firstIndex` and after; committed or not is not known yet. */
  | {
      readonly kind: 'proposed';
      readonly proposalId: number;
      readonly term: Term;
      readonly firstIndex: LogIndex;
    }
  /** Nothing was appended. */
  | {
      readonly kind: 'proposalRejected';
      readonly proposalId: number;
      readonly reason: RejectionReason;
    }
  /** Once `index` is applied, a read sees everything that was acknowledged before the read began. */
  | { readonly kind: 'readReady'; readonly readId: number; readonly index: LogIndex }
  | { readonly kind: 'readRejected'; readonly readId: number; readonly reason: RejectionReason }
  /** The change stands in the log at `index`, and is in force; committed or not is not known yet. */
  | {
      readonly kind: 'changeAppended';
      readonly changeId: number;
      readonly term: Term;
      readonly index: LogIndex;
    }
  /** Nothing was appended. */
  | {
      readonly kind: 'changeRejected';
      readonly changeId: number;
      readonly reason: ChangeRejection;
    }
  /** This member goes on as it was. */
  | {
      readonly kind: 'transferRefused';
      readonly transferId: number;
      readonly reason: TransferRefusal;
    }
  /** The configuration in force has changed; it takes effect when appended, not when committed. */
  | { readonly kind: 'configured'; readonly configuration: Configuration }
  /** Role, term or leader has changed. Emitted once at the end of a step, with the state it ends in. */
  | {
      readonly kind: 'became';
      readonly role: Role;
      readonly term: Term;
      readonly leader: MemberId | null;
    }
  /** An election timeout passed without a leader. For those who watch; nothing is to be done. */
  | { readonly kind: 'electionTimedOut' }
  /** A leader's heartbeats were due; they stand beside this as `send`. For those who watch. */
  | { readonly kind: 'heartbeatTimedOut' };

/** Where the log begins: after this entry. */
export interface Compacted {
  readonly index: LogIndex;
  readonly term: Term;
  readonly logTimeMs: number;
}

export interface RaftOptions {
  readonly self: MemberId;
  readonly group: GroupId;
  /** As found on disk; null for a member that never voted. */
  readonly hardState: HardState | null;
  /** The last entry that is no longer in the log; all three are 0 for a whole log. */
  readonly compacted: Compacted;
  /** The configuration as of `compacted.index`, null where none was in force. */
  readonly configuration: Configuration | null;
  /** What follows `compacted.index`, durable, without a gap. */
  readonly entries: readonly Entry[];
  /**
   * What the state machine begins with, and others may pull: `compacted.index <= snapshot.index`, and
   * the entries reach as far. Null, the default, where it begins with nothing.
   */
  readonly snapshot?: SnapshotReference | null | undefined;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** A number in [0, 1). The only source of chance. */
  readonly random: () => number;
  /** Runs `checkInvariants` after every step. For tests and the simulator. Default false. */
  readonly checked?: boolean | undefined;
}

/** In ticks. 0 < heartbeat < electionMin < electionMax. */
export interface RaftTiming {
  readonly heartbeatTicks: number;
  /** An election timeout is drawn from [min, max), anew each time it is armed. */
  readonly electionMinTicks: number;
  readonly electionMaxTicks: number;
}

/** As in `Limits`, whose docstrings say what happens when one is reached. All at least 1. */
export interface RaftLimits {
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
  readonly maxInflightBytes: number;
  readonly maxUncommittedBytes: number;
  readonly trailingEntries: number;
  readonly maxLogBytes: number;
}

/** What a member says of itself, for status pages, logs and tests. */
export interface RaftStatus {
  readonly self: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: MemberId | null;
  readonly leader: MemberId | null;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly configuration: Configuration;
  /** Bytes of the entries that are held in memory. */
  readonly logBytes: number;
  /** Leader only, else empty. */
  readonly progress: ReadonlyMap<
    MemberId,
    {
      readonly matchIndex: LogIndex;
      readonly nextIndex: LogIndex;
      readonly mode: 'probe' | 'replicate' | 'snapshot';
      /** The snapshot that is offered; null in other modes. */
      readonly snapshot: SnapshotReference | null;
      /** Ticks since it was heard from, or since this leader began. */
      readonly silentTicks: number;
    }
  >;
}
