import { at, type Entry, type LogIndex, type MemberId, type Term } from '../base/index.js';
import type { Effect } from './effects.js';
import type { RaftLog } from './log.js';
import type { Message } from './messages.js';
import type { RaftOptions } from './options.js';
import type { Progress } from './progress.js';
import type { Transfer } from './transfer.js';
import type { Configuration, HardState, Role, SnapshotReference } from './types.js';

/**
 * All that a member knows. One interface, owned by `Raft`; the files beside it are functions over
 * it, one file a section of the paper.
 */
export interface RaftState {
  readonly options: RaftOptions;

  /** In memory; on disk once the writes that carry it are done. The term never goes back. */
  hardState: HardState;
  role: Role;
  /** Whom this member follows in this term; itself when it leads; null when it does not know. */
  leader: MemberId | null;

  readonly log: RaftLog;
  /** On this member's disk: 0 <= durableIndex <= log.lastIndex. Lowered only by truncation. */
  durableIndex: LogIndex;
  /** Known to be committed. Never goes back; commitIndex <= log.lastIndex. */
  commitIndex: LogIndex;
  /** Handed to the state machine: appliedIndex <= applyingIndex <= min(commitIndex, durableIndex). */
  applyingIndex: LogIndex;
  /** The state machine has answered for it. */
  appliedIndex: LogIndex;

  /** The latest durable snapshot here: log.firstIndex - 1 <= snapshot.index <= commitIndex. */
  snapshot: SnapshotReference | null;
  /**
   * The state machine lost what came before the log: appliedIndex is 0, snapshot null, and nothing is
   * handed over until a snapshot is installed.
   */
  lacksState: boolean;

  /**
   * The configurations of this log, oldest first; the last is in force, committed or not (Raft §6).
   * Never empty. Indexes rise; all but the first stand in the log, or did until it was compacted.
   */
  configurations: readonly PlacedConfiguration[];
  /** Whether this member stood in a configuration that was compacted since it started. */
  wasMember: boolean;

  /** Ticks since the leader was heard of, a vote was granted or an election began. */
  electionElapsedTicks: number;
  /** In [electionMinTicks, electionMaxTicks), drawn whenever the role or the term changes. */
  electionTimeoutTicks: number;
  /** Whether `electionTimeoutTicks` is a short wait, for a rival or for a leader that was lost. */
  isWaitShort: boolean;
  /** Elections that were tried again after a short wait, since a leader was heard of or a whole timeout passed. */
  shortRetries: number;
  /** Leader: ticks since the last heartbeats. */
  heartbeatElapsedTicks: number;
  /** Candidates: who answered, and what. Keyed, so that an answer counts once (Raft §5.2). */
  readonly votes: Map<MemberId, boolean>;

  /** Leader: how far each other member is. Empty for all other roles. */
  readonly progress: Map<MemberId, Progress>;
  /** Leader: packed bytes of its log after commitIndex. 0 for all other roles. */
  uncommittedBytes: number;
  /** Leader: index of the no-op that opened its term. */
  termStartIndex: LogIndex;
  /** Leader: what a learner must hold to be promoted. */
  catchUp: CatchUp;
  /** Leader: what log time stood at which moment when its term began. */
  logTimeAnchor: { readonly logTimeMs: number; readonly nowMs: number };

  /** Until when this member votes for nobody, for a lease; null before its first step. */
  promisedUntilMs: number | null;

  /** Leader: the transfer under way, or null. */
  transfer: Transfer | null;
  /**
   * How often this member began a transfer by itself that came to nothing, or not to much: whom it told does
   * not lead, or did not for long. And the ticks since the last of them, whatever its role.
   */
  ownTransfers: { count: number; elapsedTicks: number };
  /** Leader: somebody was told to stand in this term, so that no lease may be relied on any more. */
  isLeaseGone: boolean;
  /** Candidate: it stands because the leader told it to. */
  isTransferTarget: boolean;

  /** Given to the disk and not yet done, oldest first, ids rising. */
  readonly writes: PendingWrite[];
  nextWriteId: number;
  /** What this step has changed and not yet given to the disk. */
  readonly unwritten: Unwritten;

  /** Reads that wait for a quorum to confirm this leader, oldest round first. */
  readonly readRounds: ReadRound[];
  /**
   * Reads that wait for a round: the term has nothing committed yet, or too many rounds are open. As
   * many as the driver has calls that wait, and no more.
   */
  waitingReads: number[];
  /** Never used twice, so that a late answer confirms nothing that began after it. */
  nextReadRound: number;

  /** The driver's monotonic clock at this step. */
  nowMs: number;
  /** What this step has asked for so far. */
  effects: Effect[];
}

/**
 * Rounds of one shortest election timeout each: a learner that holds what stood in the log when the
 * last whole round began needs no more time than that to follow (Thesis §4.2.1).
 */
export interface CatchUp {
  /** Ticks of this leader so far. */
  tick: number;
  /** Where the log ended when the round before this one began. */
  index: LogIndex;
  /** Where the log ended when this round began. index <= roundIndex. */
  roundIndex: LogIndex;
}

export interface PlacedConfiguration {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

export interface PendingWrite {
  readonly writeId: number;
  /** Last index that this write makes durable; 0 for none. Lowered by a truncation below it. */
  lastIndex: LogIndex;
  readonly promises: DurablePromise[];
}

export interface Unwritten {
  hardState: boolean;
  /** The log begins anew after this position. */
  reset: { readonly index: LogIndex; readonly term: Term } | null;
  entries: readonly Entry[];
  promises: DurablePromise[];
}

/**
 * What may be said once the disk holds what it rests on. It remembers the term it was made in, and
 * is dropped, not kept late, when the term has moved on.
 */
export type DurablePromise =
  /** Send a granted vote or an acknowledgement; `index` is what the log must durably reach. */
  | {
      readonly kind: 'send';
      readonly term: Term;
      readonly index: LogIndex;
      readonly message: Message;
    }
  /** Pull a snapshot: it may be of a term that this member has only now heard of. */
  | {
      readonly kind: 'fetch';
      readonly term: Term;
      readonly from: MemberId;
      readonly snapshot: SnapshotReference;
    }
  /** Ask for votes, and count one's own. */
  | { readonly kind: 'stand'; readonly term: Term };

export interface ReadRound {
  readonly round: number;
  readonly readIds: readonly number[];
  /** commitIndex when the round began. */
  readonly index: LogIndex;
}

/** The configuration in force. */
export function configurationOf(state: RaftState): Configuration {
  return inForce(state).configuration;
}

/** The configuration in force, and where it stands. */
export function inForce(state: RaftState): PlacedConfiguration {
  return at(state.configurations, state.configurations.length - 1);
}

export function emit(state: RaftState, effect: Effect): void {
  state.effects.push(effect);
}
