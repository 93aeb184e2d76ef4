import type { GroupId, Incarnation, LogIndex, NodeId, Term } from '../base/index.js';
import type { Role } from '../raft/types.js';

/** One member of a group. */
export interface Member {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  /** `voter` decides and holds the data; `learner` only holds it. */
  readonly role: 'voter' | 'learner';
  readonly peerAddress: string;
  /** Where the member serves clients, or null. */
  readonly clientAddress: string | null;
}

/** Who takes part in a group, as this node knows it. */
export interface Membership {
  /** Sorted by id. Empty until the node belongs to a cluster. */
  list(): readonly Member[];
}

/** How far the leader has brought one member. */
export interface MemberProgress {
  readonly id: NodeId;
  readonly matchIndex: LogIndex;
  readonly nextIndex: LogIndex;
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
  readonly members: readonly Member[];
  /** Leader only, else empty. */
  readonly progress: readonly MemberProgress[];
  /** Calls that wait for an answer. */
  readonly pendingCalls: number;
}
