import { assert, type LogIndex } from '../base/index.js';
import { noteHeard } from './catch-up.js';
import { promiseWhatIsStored } from './lease.js';
import type { Heartbeat, SnapshotNeeded } from './messages.js';
import { becomeProbe, becomeSnapshot } from './progress.js';
import { emit, type RaftState } from './state.js';
import type { SnapshotPosition } from './types.js';

/*
 * A member whose log begins in the middle, and whose snapshots are all unreadable. Term and vote, and the
 * entries that it still has, are as good as ever; what came before them is lost, with the state that they
 * made. Until it has installed a snapshot that leads to where its log begins, it
 *
 *   - votes for nobody and never stands. Its log would tell who may be elected as well as any; that it
 *     keeps out of it is caution, where a disk has just been found to lose what it held;
 *   - acknowledges nothing, so that no leader counts it for entries whose past it lacks;
 *   - applies nothing, whatever it is told is committed;
 *   - keeps its log, and does not exchange it for a snapshot that ends inside it:
 *
 *       1. a leads; (1,7) is committed by a and c. b has come as far as (1,5).
 *       2. c loses its snapshots, restarts, and would begin anew after the one of a, at (1,6).
 *       3. a dies. c and b elect one of them: (1,7), which c had acknowledged, is gone.
 *
 * That has a price: where a majority is such, nobody is elected, though one member may hold everything.
 *
 * Heartbeats are answered: that this member is in their leader's term is true. And at each it asks:
 *
 *     leader ─── heartbeat ──────▶ member
 *     leader ◀── snapshotNeeded ── member
 *     leader ─── snapshotOffer ──▶ member        and on as for one that is far behind
 */

/** Tells the leader that appends are of no use here. */
export function askForSnapshot(state: RaftState, { from: leader }: Pick<Heartbeat, 'from'>): void {
  const { self, group } = state.options;
  const { term } = state.hardState;
  const fromIndex = firstUsableIndex(state);
  emit(state, {
    kind: 'send',
    message: { kind: 'snapshotNeeded', group, from: self, to: leader, term, fromIndex },
  });
}

/** A snapshot that ends before leaves a gap between itself and the log. */
export function firstUsableIndex(state: RaftState): LogIndex {
  return state.log.firstIndex - 1;
}

/** The snapshot stands for the part of the log that is lost; what follows it in the log stays. */
export function keepLogAfter(
  state: RaftState,
  { index, term, logTimeMs, configuration }: SnapshotPosition,
): void {
  assert(state.durableIndex === state.log.lastIndex, 'a member without a state appends nothing');
  state.log.beginAfter({ index, term, logTimeMs });
  const placed = state.configurations.filter((later) => later.index > index);
  state.configurations = [{ index, configuration }, ...placed];
}

/** A member again. What it promised before it started was for a configuration that it knows only now. */
export function regainState(state: RaftState): void {
  state.lacksState = false;
  promiseWhatIsStored(state);
}

/** Leader: offers the latest snapshot although the logs may agree, or has one taken that is late enough. */
export function onSnapshotNeeded(state: RaftState, { from, fromIndex }: SnapshotNeeded): void {
  const progress = state.progress.get(from);
  if (progress === undefined) return;
  noteHeard(state, progress);
  if (progress.snapshot !== null && progress.snapshot.index >= fromIndex) return;
  const newest = state.snapshot;
  if (newest !== null && newest.index >= fromIndex) {
    becomeSnapshot(progress, newest);
    return;
  }
  emit(state, { kind: 'takeSnapshot' });
  if (progress.mode === 'snapshot') return;
  becomeProbe(progress, progress.matchIndex + 1);
  // Nothing that is sent would be of use. It asks again.
  progress.probing = true;
}
