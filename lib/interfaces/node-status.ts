import type { GroupId, Incarnation, LogIndex, NodeId, Term } from '../base/index.js';
import type { LeadershipChange, LeadershipSettings, Role } from '../raft/types.js';

export type { LeadershipChange, LeadershipSettings } from '../raft/types.js';

/** One member of a group. */
export interface Member {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  /** `voter` decides and holds the data; `learner` only holds it. */
  readonly role: 'voter' | 'learner';
  readonly peerAddress: string;
  /** Where the member serves clients, or null. */
  readonly clientAddress: string | null;
  /** Voters of a higher one are to lead; see `Membership.update`. */
  readonly priority: number;
}

/** How a change of the members is called. */
export interface ChangeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now; the node's `callTimeoutMs` unless told. */
  readonly timeoutMs?: number | undefined;
  /**
   * The `version` that must be in force, or the call is ERR_CONDITION, so that two administrators cannot
   * cross. Of a `replace` it is looked at in the first of its steps. Default: any.
   */
  readonly expect?: string | undefined;
}

/** Where a member is reached. */
export interface MemberAddressOptions extends ChangeOptions {
  /** Needed where the transport has addresses. */
  readonly peerAddress?: string | undefined;
  readonly clientAddress?: string | undefined;
}

/** What of a member is changed. What is not given stays. */
export interface MemberUpdateOptions extends MemberAddressOptions {
  /** An integer from 0 to 100; 1 unless it was changed. */
  readonly priority?: number | undefined;
}

/**
 * Who takes part in a group, as this node knows it, and how that is changed. Any node takes the calls;
 * each resolves once the change is committed, and rejects with ERR_MEMBERSHIP where it makes no sense.
 * What is only too early, because another change is under way or a learner lags behind, waits.
 */
export interface Membership {
  /** Sorted by id. Empty until the node belongs to a cluster. */
  list(): readonly Member[];
  /**
   * Names what `list` and `leadership` say, the same on every node and at every client: for `expect`. Empty where `list`
   * is. A client's is as old as what it last heard, at most a few seconds.
   */
  readonly version: string;
  /** Adds a node, which must be running and new, as a learner. */
  add(id: NodeId, options?: MemberAddressOptions): Promise<void>;
  /** Makes a learner a voter once it has caught up. */
  promote(id: NodeId, options?: ChangeOptions): Promise<void>;
  /**
   * A leader that is removed leads until that is committed, with all that it had taken, and hands over.
   * A node that was removed refuses calls as soon as it hears of no leader: ERR_NO_LEADER, `'rejected'`.
   */
  remove(id: NodeId, options?: ChangeOptions): Promise<void>;
  /**
   * Puts `by`, which must be running, in the place of `id`: as a learner first, and in one step once
   * it has caught up. Both may be the same node, whose directory was wiped. `id` may lead, and need not
   * run. A call that ends in between, by its deadline or its signal, leaves `by` a learner and `id` what it
   * was: called again it goes on from there.
   */
  replace(id: NodeId, by: NodeId, options?: MemberAddressOptions): Promise<void>;
  /**
   * Tells everybody other addresses of a member, or another priority. A leader hands over to a voter of a
   * higher priority that keeps up with it: after ten of the longest election timeouts in office, never while
   * a change of the members is under way, and less and less often where that one does not take over, or
   * does not lead for long.
   * Priorities keep nobody from being elected: whoever is left leads. With both addresses and a priority
   * these are two changes, and `expect` is looked at in the first.
   */
  update(id: NodeId, options: MemberUpdateOptions): Promise<void>;
  /** How the group keeps its leader. A client's is as old as `version` is there. */
  readonly leadership: LeadershipSettings;
  /**
   * Switches leader leases on, off, or to another length, and the hint that broken connections are, for all
   * members at once; what is not given stays. A lease is longer than the leader's heartbeat, and with a
   * tenth more at most its shortest election timeout, or the call is ERR_CONFIG: docs/timing.md says what
   * leases rest on. Reads with `consistency: 'leaderLease'` use them from the moment that this is committed.
   */
  setLeadership(change: LeadershipChange, options?: ChangeOptions): Promise<void>;
}

/** What handing leadership on came to. */
export interface TransferResult {
  /** Who leads now. */
  readonly leader: NodeId;
}

/** How far the leader has brought one member. */
export interface MemberProgress {
  readonly id: NodeId;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
}

/** Why something of the log, or a snapshot, is still kept. */
export interface KeepingReason {
  /**
   * `notInSnapshot`: the entries after `index` are in no snapshot yet; 0 where none was taken.
   * `trailingEntries`: entries from `index` to the newest snapshot stay in memory, for members that are
   * not far behind: `limits.trailingEntries` of them, and more while one receives a snapshot.
   * `memberReceives`: `member` is receiving the snapshot at `index`, and needs the log after it. Leader only.
   * `olderSnapshot`: should the newest be damaged, the one at `index` and the log on disk after it do as well.
   */
  readonly kind: 'notInSnapshot' | 'trailingEntries' | 'memberReceives' | 'olderSnapshot';
  readonly index: LogIndex;
  /** Who; null but for `memberReceives`. */
  readonly member: NodeId | null;
}

/** What a node keeps of its log and its snapshots, and why. */
export interface KeptData {
  /** The first entry that is held in memory; one past `lastIndex` when none is. */
  readonly firstIndex: LogIndex;
  /** Of the entries that are held in memory. */
  readonly logBytes: number;
  /** Usable ones in its storage, newest first. */
  readonly snapshots: readonly { readonly index: LogIndex; readonly sizeBytes: number }[];
  readonly reasons: readonly KeepingReason[];
}

/** What a node says of itself at one moment. */
export interface NodeStatus {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly group: GroupId;
  /** Null until the node belongs to a cluster. */
  readonly clusterId: string | null;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: NodeId | null;
  readonly leader: {
    readonly id: NodeId;
    readonly address: string | null;
    readonly clientAddress: string | null;
  } | null;
  readonly lastIndex: LogIndex;
  /** On this node's disk. */
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Whether the node lost its snapshots: it takes no part in decisions until a leader has sent it one. */
  readonly lacksState: boolean;
  readonly kept: KeptData;
  readonly members: readonly Member[];
  /** Names what `members` says: `Membership.version`. */
  readonly membershipVersion: string;
  /** As in `Membership`. */
  readonly leadership: LeadershipSettings;
  /** Leader only, else empty. */
  readonly progress: readonly MemberProgress[];
  /** Calls that wait for an answer. */
  readonly pendingCalls: number;
}
