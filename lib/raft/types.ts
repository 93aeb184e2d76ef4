import type { LogIndex, MemberId, Term } from '../base/index.js';

/** What must survive a crash beside the log. Saved together, atomically. */
export interface HardState {
  readonly term: Term;
  /** Whom this member voted for in `term`, or null. */
  readonly votedFor: MemberId | null;
}

/** What a member is at the moment. Only a leader takes proposals. */
export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';

/** An entry, told apart from all others that may stand at its index. */
export interface EntryName {
  readonly index: LogIndex;
  readonly term: Term;
}

/** Where the log begins: after this entry. */
export interface Compacted {
  readonly index: LogIndex;
  readonly term: Term;
  readonly logTimeMs: number;
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
  /** Who is to lead rather than others, where it is not `DEFAULT_PRIORITY`. Of members only. */
  readonly priorities?: ReadonlyMap<MemberId, number> | undefined;
  /** How the members keep and lose a leader. Default: `DEFAULT_LEADERSHIP`. */
  readonly leadership?: LeadershipSettings | undefined;
}

/** Addresses of a member, as others are told to reach it. */
export interface MemberAddresses {
  readonly peer: string;
  /** Where clients are served, or null when nowhere. */
  readonly client: string | null;
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

/** What of the settings is changed. What is not given stays. */
export interface LeadershipChange {
  readonly leaderLeaseMs?: number | null | undefined;
  readonly closeHint?: boolean | undefined;
}

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
