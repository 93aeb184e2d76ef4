import { assert, at, type LogIndex, type MemberId } from '../base/index.js';
import { commitTo } from './commit.js';
import { follow } from './following.js';
import type { Input } from './inputs.js';
import { promiseWhatIsStored } from './lease.js';
import { firstUsableIndex, keepLogAfter, regainState } from './lost-state.js';
import type { SnapshotOffer } from './messages.js';
import { becomeSnapshot, type Progress } from './progress.js';
import { membersOf } from './quorum.js';
import { configurationOf, emit, type RaftState } from './state.js';
import type { SnapshotPosition, SnapshotReference } from './types.js';
import { afterWrite, resetLog } from './writes.js';

/*
 * Compaction of the log, and members that need what it forgot (Raft §7). A snapshot is pulled: the
 * leader offers one, the member fetches it, stores it, and begins its log anew after it.
 *
 *     leader ── snapshotOffer ─▶ follower ─▶ fetchSnapshot … snapshotFetched
 *                                               │ write { reset }, restore
 *     leader ◀── appendAccepted ────────────────┘ once that is durable
 *
 * A crash anywhere in between leaves a log and a snapshot from which the next start goes on: the
 * snapshot is durable before anything of the log is given up.
 */

/** Of `maxLogBytes`, what is kept once it was reached: not every step shall forget a little. */
const KEPT_SHARE = 7 / 8;

/** Forgotten in one go; the next step goes on. A million at once would hold the event loop. */
const MAX_TRIMMED_ENTRIES = 4096;

/** What a snapshot of the state machine says of itself, taken now. */
export function positionToSnapshot(state: RaftState): SnapshotPosition {
  const { log, appliedIndex } = state;
  const term = log.termAt(appliedIndex);
  assert(term !== null, 'what was applied last is held, or the last that was compacted');
  // The one in force *there*, which a later entry may have replaced by now (schedule D1).
  const placed = state.configurations.filter(({ index }) => index <= appliedIndex);
  const { configuration } = at(placed, placed.length - 1);
  return { index: appliedIndex, term, logTimeMs: log.logTimeAt(appliedIndex), configuration };
}

export function onSnapshotTaken(state: RaftState, snapshot: SnapshotReference): void {
  assert(snapshot.index <= state.appliedIndex, 'a snapshot holds what was applied');
  if (snapshot.index < (state.snapshot?.index ?? 0)) return;
  state.snapshot = snapshot;
  trimLog(state);
}

export function onSnapshotLost(state: RaftState, snapshotId: string): void {
  for (const progress of state.progress.values()) {
    if (progress.snapshot?.id === snapshotId) offerNewest(state, progress);
  }
}

/** A member that is offered a snapshot is offered the latest one from now on. */
export function offerNewest(state: RaftState, progress: Progress): void {
  if (progress.snapshot === null || state.snapshot === null) return;
  if (progress.snapshot.id !== state.snapshot.id) becomeSnapshot(progress, state.snapshot);
}

/**
 * Forgets what the latest snapshot covers, but for the trailing entries and what members that receive
 * a snapshot need after it. Where memory runs out, those have to begin again.
 */
export function trimLog(state: RaftState): void {
  const { snapshot, log } = state;
  if (snapshot === null) return;
  const { trailingEntries, maxLogBytes } = state.options.limits;
  // What is being restored is not held any more, and what is not yet applied is still needed.
  const covered = Math.min(snapshot.index, state.appliedIndex);
  let until = covered - trailingEntries;
  for (const { snapshot: offered } of state.progress.values()) {
    if (offered !== null) until = Math.min(until, offered.index);
  }
  if (log.bytes > maxLogBytes) {
    until = Math.max(until, log.indexWithin(maxLogBytes * KEPT_SHARE, covered));
  }
  compactTo(state, Math.min(until, log.firstIndex - 1 + MAX_TRIMMED_ENTRIES));
}

/** Whether appends cannot go on for this member. */
export function needsSnapshot(state: RaftState, progress: Progress): boolean {
  return progress.mode === 'snapshot' || state.log.termAt(progress.nextIndex - 1) === null;
}

/** Leader: names a snapshot, the same one for as long as the log goes on after it. */
export function offerSnapshot(state: RaftState, to: MemberId, progress: Progress): void {
  const { self, group } = state.options;
  const newest = state.snapshot;
  assert(newest !== null, 'a snapshot covers what is compacted');
  const isStale = progress.snapshot !== null && state.log.termAt(progress.snapshot.index) === null;
  if (progress.snapshot === null || isStale) becomeSnapshot(progress, newest);
  if (progress.probing) return;
  progress.probing = true;
  const snapshot = progress.snapshot ?? newest;
  const { term } = state.hardState;
  emit(state, {
    kind: 'send',
    message: { kind: 'snapshotOffer', group, from: self, to, term, snapshot },
  });
}

export function onSnapshotOffer(state: RaftState, offer: SnapshotOffer): void {
  follow(state, offer.from);
  const { snapshot } = offer;
  if (state.lacksState) {
    // What is held is no reason not to fetch it: it stands for what is not.
    if (snapshot.index < firstUsableIndex(state)) return;
    afterWrite(state, { kind: 'fetch', term: offer.term, from: offer.from, snapshot });
    return;
  }
  // What is committed here equals the leader's log; it is never given up for an older snapshot (D4).
  if (snapshot.index <= state.commitIndex) acceptUpTo(state, state.commitIndex);
  // The snapshot stands for a prefix of this log: what follows it stays (schedule D3).
  else if (isHeld(state, snapshot)) acceptUpTo(state, snapshot.index);
  // A snapshot that outlives a crash without its term would leave a log that is ahead of the vote.
  else afterWrite(state, { kind: 'fetch', term: offer.term, from: offer.from, snapshot });
}

export function onSnapshotFetched(
  state: RaftState,
  { snapshotId, position }: Input & { kind: 'snapshotFetched' },
): void {
  const { index } = position;
  if (state.lacksState) {
    if (index < firstUsableIndex(state)) return;
    if (isHeld(state, position)) keepLogAfter(state, position);
    else beginAnewAfter(state, position);
    install(state, snapshotId, position);
    regainState(state);
    return;
  }
  // A leader holds all that was ever committed (Raft §5.4.3).
  if (state.role === 'leader' || index <= state.commitIndex) return;
  if (isHeld(state, position)) {
    commitTo(state, index);
    acceptUpTo(state, index);
    return;
  }
  beginAnewAfter(state, position);
  install(state, snapshotId, position);
  promiseWhatIsStored(state);
}

function beginAnewAfter(
  state: RaftState,
  { index, term, logTimeMs, configuration }: SnapshotPosition,
): void {
  // A tail that conflicts goes with the rest (schedule D2).
  resetLog(state, { index, term, logTimeMs });
  state.configurations = [{ index, configuration }];
}

/** The state machine goes on from the snapshot, with the log that now begins after it. */
function install(
  state: RaftState,
  snapshotId: string,
  { index, term }: Pick<SnapshotPosition, 'index' | 'term'>,
): void {
  assert(term <= state.hardState.term, 'a snapshot is of no term to come');
  state.commitIndex = index;
  state.applyingIndex = index;
  state.snapshot = { id: snapshotId, index, term };
  emit(state, { kind: 'restore', snapshotId, index });
  emit(state, { kind: 'configured', configuration: configurationOf(state) });
  acceptUpTo(state, index);
}

/** Terms and indexes name entries: with this one, all before it are the leader's (Raft §5.3). */
function isHeld(state: RaftState, { index, term }: { index: LogIndex; term: number }): boolean {
  return state.log.termAt(index) === term;
}

/** Tells the leader how far this log is its own, once that much is durable. */
function acceptUpTo(state: RaftState, matchIndex: LogIndex): void {
  const { self, group } = state.options;
  const { leader } = state;
  const { term } = state.hardState;
  if (leader === null) return;
  afterWrite(state, {
    kind: 'send',
    term,
    index: matchIndex,
    message: { kind: 'appendAccepted', group, from: self, to: leader, term, matchIndex },
  });
}

function compactTo(state: RaftState, index: LogIndex): void {
  if (index < state.log.firstIndex) return;
  state.log.compactTo(index);
  const { configurations, options } = state;
  const inForce = Math.max(
    0,
    configurations.findLastIndex((placed) => placed.index <= index),
  );
  state.wasMember ||= configurations
    .slice(0, inForce)
    .some(({ configuration }) => membersOf(configuration).includes(options.self));
  state.configurations = configurations.slice(inForce);
}
