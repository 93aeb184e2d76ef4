import { assert, type LogIndex, unreachable } from '../base/index.js';
import { silentTicksOf } from './catch-up.js';
import { advanceCommit, handOver, onApplied } from './commit.js';
import { NO_CONFIGURATION } from './configuration.js';
import type { Effect } from './effects.js';
import {
  campaign,
  isStickyToLeader,
  onPreVote,
  onPreVoteReply,
  onVote,
  onVoteReply,
  refuseVote,
  stand,
  tickElection,
} from './election.js';
import { onAppend, onHeartbeat, refuseLeader } from './following.js';
import type { Input } from './inputs.js';
import { checkInvariants } from './invariants.js';
import { onHeartbeatReply, onPeerLost, tickLeader } from './leading.js';
import { isPromised, leaseIndex, promiseAgain } from './lease.js';
import { RaftLog } from './log.js';
import { onSnapshotNeeded } from './lost-state.js';
import { isOvertaken, placedConfigurations, undecidedAdmission } from './membership.js';
import {
  leaveJoint,
  onChangeLeadership,
  onChangeMembership,
  settleRemovals,
} from './membership-change.js';
import type { Message } from './messages.js';
import type { RaftLimits, RaftOptions, RaftTiming } from './options.js';
import { onRead } from './reads.js';
import { onAppendAccepted, onAppendRejected, onPropose, replicate } from './replication.js';
import { becomeFollower } from './roles.js';
import {
  onSnapshotFetched,
  onSnapshotLost,
  onSnapshotOffer,
  onSnapshotTaken,
  positionToSnapshot,
  trimLog,
} from './snapshot.js';
import { configurationOf, type DurablePromise, emit, type RaftState } from './state.js';
import type { RaftStatus } from './status.js';
import { advanceTransfer, onTimeoutNow, onTransfer, resign } from './transfer.js';
import type { EntryName, SnapshotPosition } from './types.js';
import { completeWrites, flushWrites, stillHolds } from './writes.js';

/**
 * One member of one Raft group, as a machine: inputs in, effects out; no clock, no disk, no network.
 * It owns the state, applies the rules that all messages share (Raft §5.1), and dispatches.
 */
export class Raft {
  readonly #state: RaftState;

  constructor(options: RaftOptions) {
    this.#state = initialState(options);
    if (options.checked === true) checkInvariants(this.#state);
  }

  /** `nowMs` is monotonic. Elections do not read it; it stamps entries. */
  step(input: Input, nowMs: number): readonly Effect[] {
    const state = this.#state;
    const { role, leader } = state;
    const { term } = state.hardState;
    state.nowMs = Math.max(state.nowMs, nowMs);
    state.effects = [];
    promiseAgain(state);
    dispatch(state, input);
    this.#finish();
    if (state.role !== role || state.leader !== leader || state.hardState.term !== term) {
      emit(state, {
        kind: 'became',
        role: state.role,
        term: state.hardState.term,
        leader: state.leader,
      });
    }
    if (state.options.checked === true) checkInvariants(state);
    return state.effects;
  }

  /**
   * The index that a linearizable read at `nowMs` must have applied, without asking anybody: what a
   * leader knows while it holds a lease. Null for all others: they ask by a `read`.
   */
  leaseIndex(nowMs: number): LogIndex | null {
    return leaseIndex(this.#state, nowMs);
  }

  status(): RaftStatus {
    const state = this.#state;
    return {
      self: state.options.self,
      role: state.role,
      term: state.hardState.term,
      votedFor: state.hardState.votedFor,
      leader: state.leader,
      firstIndex: state.log.firstIndex,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
      durableIndex: state.durableIndex,
      commitIndex: state.commitIndex,
      appliedIndex: state.appliedIndex,
      lacksState: state.lacksState,
      configuration: configurationOf(state),
      logBytes: state.log.bytes,
      progress: new Map(
        [...state.progress].map(([member, progress]) => {
          const { matchIndex, nextIndex, mode, snapshot } = progress;
          const silentTicks = silentTicksOf(state, progress);
          return [member, { matchIndex, nextIndex, mode, snapshot, silentTicks }];
        }),
      ),
    };
  }

  /** Bytes of the entries that are held in memory. */
  get logBytes(): number {
    return this.#state.log.bytes;
  }

  get appliedIndex(): LogIndex {
    return this.#state.appliedIndex;
  }

  /** Whether it waits for a snapshot of a leader, and takes no part in decisions. */
  get lacksState(): boolean {
    return this.#state.lacksState;
  }

  /** By which entry it is a learner, where that may come to nothing. Null where it is not, or is no more. */
  get undecidedAdmission(): EntryName | null {
    return undecidedAdmission(this.#state);
  }

  /** Whether that entry is known here to be none that will ever be decided. */
  isOvertaken(entry: EntryName): boolean {
    return isOvertaken(this.#state, entry);
  }

  /** What a snapshot of the state machine says of itself, taken now: as of `appliedIndex`. */
  snapshotPosition(): SnapshotPosition {
    return positionToSnapshot(this.#state);
  }

  /** What a step began is sent and written at its end, once. */
  #finish(): void {
    const state = this.#state;
    if (state.role === 'leader') leaveJoint(state);
    flushWrites(state, (promise) => keepPromise(state, promise));
    if (state.role === 'leader') {
      replicate(state);
      settleRemovals(state);
      advanceTransfer(state);
    }
    handOver(state);
  }
}

function dispatch(state: RaftState, input: Input): void {
  switch (input.kind) {
    case 'tick':
      trimLog(state);
      state.ownTransfers.elapsedTicks += 1;
      return state.role === 'leader'
        ? tickLeader(state)
        : tickElection(state, input.mayStand ?? true);
    case 'receive':
      return onMessage(state, input.message);
    case 'propose':
      return onPropose(state, input);
    case 'written':
      return onWritten(state, input.writeId);
    case 'applied':
      return onApplied(state, input.index);
    case 'read':
      return onRead(state, input.readId);
    case 'campaign':
      return campaign(state);
    case 'peerLost':
      return onPeerLost(state, input);
    case 'resign':
      return resign(state);
    case 'snapshotTaken':
      return onSnapshotTaken(state, input.snapshot);
    case 'snapshotLost':
      return onSnapshotLost(state, input.snapshotId);
    case 'snapshotFetched':
      return onSnapshotFetched(state, input);
    case 'changeMembership':
      return onChangeMembership(state, input);
    case 'changeLeadership':
      return onChangeLeadership(state, input);
    case 'transferLeadership':
      return onTransfer(state, input);
    default:
      return unreachable(input);
  }
}

/** Raft §5.1: who is behind catches up; what is behind is refused. */
function onMessage(state: RaftState, message: Message): void {
  const { self, group } = state.options;
  if (message.to !== self || message.from === self || message.group !== group) return;
  if (message.term > state.hardState.term && !moveToTerm(state, message)) return;
  // A pre-vote is answered whatever its term: the answer tells one that is behind.
  if (message.term < state.hardState.term && message.kind !== 'preVote') {
    refuseOldTerm(state, message);
    return;
  }
  onCurrentMessage(state, message);
}

/** A message of a later term. False when it is passed over. */
function moveToTerm(state: RaftState, message: Message): boolean {
  switch (message.kind) {
    case 'preVote':
      return true; // Asks about a term; nobody is in it.
    case 'preVoteReply':
      if (message.granted) return true; // Grants the term that this member asked for.
      break;
    case 'vote':
      // A promise binds in every term; a transfer ends it, because the leader itself has ended its lease.
      if (message.isTransfer !== true && (isStickyToLeader(state) || isPromised(state)))
        return false;
      break;
    default:
      break;
  }
  becomeFollower(state, message.term, null);
  return true;
}

/** Tells a sender that is behind, where it asked for something; answers of old terms mean nothing. */
function refuseOldTerm(state: RaftState, message: Message): void {
  if (message.kind === 'vote') refuseVote(state, message);
  const { kind } = message;
  if (kind === 'append' || kind === 'heartbeat' || kind === 'snapshotOffer') {
    refuseLeader(state, message);
  }
}

function onCurrentMessage(state: RaftState, message: Message): void {
  switch (message.kind) {
    case 'preVote':
      return onPreVote(state, message);
    case 'vote':
      return onVote(state, message);
    case 'preVoteReply':
      return onPreVoteReply(state, message);
    case 'voteReply':
      return onVoteReply(state, message);
    case 'append':
      return onAppend(state, message);
    case 'heartbeat':
      return onHeartbeat(state, message);
    case 'appendAccepted':
      return onAppendAccepted(state, message);
    case 'appendRejected':
      return onAppendRejected(state, message);
    case 'heartbeatReply':
      return onHeartbeatReply(state, message);
    case 'snapshotOffer':
      return onSnapshotOffer(state, message);
    case 'snapshotNeeded':
      return onSnapshotNeeded(state, message);
    case 'timeoutNow':
      return onTimeoutNow(state, message);
    default:
      return unreachable(message);
  }
}

function onWritten(state: RaftState, writeId: number): void {
  const promises = completeWrites(state, writeId);
  for (const promise of promises) keepPromise(state, promise);
  advanceCommit(state);
}

/** Says what may now be said, unless the term has moved on or the log was cut below it. */
function keepPromise(state: RaftState, promise: DurablePromise): void {
  if (!stillHolds(state, promise)) return;
  switch (promise.kind) {
    case 'send':
      return emit(state, { kind: 'send', message: promise.message });
    case 'fetch':
      return emit(state, {
        kind: 'fetchSnapshot',
        from: promise.from,
        snapshot: promise.snapshot,
      });
    case 'stand':
      return stand(state);
    default:
      return unreachable(promise);
  }
}

function initialState(options: RaftOptions): RaftState {
  const { hardState, compacted, configuration, entries, timing, random } = options;
  assertTiming(timing);
  assertLimits(options.limits);
  const log = new RaftLog(compacted, entries);
  const { snapshot = null, lacksState = false } = options;
  assert(!lacksState || snapshot === null, 'what a snapshot leads to is not lost');
  const restoredIndex = snapshot?.index ?? compacted.index;
  assert(restoredIndex >= compacted.index, 'the snapshot reaches to where the log begins');
  assert(restoredIndex <= log.lastIndex, 'the log reaches to where the snapshot ends');
  assert((hardState?.term ?? 0) >= log.lastTerm, 'the stored term is not behind the stored log');
  const state: RaftState = {
    options,
    hardState: hardState ?? { term: 0, votedFor: null },
    role: 'follower',
    leader: null,
    log,
    durableIndex: log.lastIndex,
    commitIndex: restoredIndex,
    applyingIndex: restoredIndex,
    appliedIndex: lacksState ? 0 : restoredIndex,
    snapshot,
    lacksState,
    configurations: [
      { index: compacted.index, configuration: configuration ?? NO_CONFIGURATION },
      ...placedConfigurations(entries),
    ],
    wasMember: false,
    electionElapsedTicks: 0,
    electionTimeoutTicks:
      timing.electionMinTicks +
      Math.floor(random() * (timing.electionMaxTicks - timing.electionMinTicks)),
    isWaitShort: false,
    shortRetries: 0,
    heartbeatElapsedTicks: 0,
    votes: new Map(),
    progress: new Map(),
    uncommittedBytes: 0,
    termStartIndex: 0,
    catchUp: { tick: 0, index: 0, roundIndex: 0 },
    logTimeAnchor: { logTimeMs: 0, nowMs: 0 },
    promisedUntilMs: null,
    transfer: null,
    ownTransfers: { count: 0, elapsedTicks: 0 },
    isLeaseGone: false,
    isTransferTarget: false,
    writes: [],
    nextWriteId: 1,
    unwritten: { hardState: false, reset: null, entries: [], promises: [] },
    readRounds: [],
    waitingReads: [],
    nextReadRound: 1,
    nowMs: 0,
    effects: [],
  };
  trimLog(state);
  return state;
}

function assertTiming(timing: RaftTiming): void {
  const { heartbeatTicks, electionMinTicks, electionMaxTicks } = timing;
  assert(heartbeatTicks > 0, 'heartbeats take at least one tick');
  assert(heartbeatTicks < electionMinTicks, 'heartbeats are more frequent than elections');
  assert(electionMinTicks < electionMaxTicks, 'election timeouts are drawn from a range');
}

function assertLimits(limits: RaftLimits): void {
  for (const limit of Object.values(limits)) assert(limit >= 1, 'a limit lets at least one pass');
}
