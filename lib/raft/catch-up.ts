import type { MemberId } from '../base/index.js';
import type { Progress } from './progress.js';
import type { RaftState } from './state.js';

/*
 * Whether a learner may be promoted. What it once acknowledged proves nothing: it may have stopped
 * since, and the cluster would then wait for a voter that is not there.
 */

export function noteHeard(state: RaftState, progress: Progress): void {
  progress.active = true;
  progress.heardTick = state.catchUp.tick;
  progress.quietTicks = 0;
}

/** One tick of a leader. */
export function tickCatchUp(state: RaftState): void {
  const { catchUp } = state;
  catchUp.tick += 1;
  if (catchUp.tick % state.options.timing.electionMinTicks !== 0) return;
  catchUp.index = catchUp.roundIndex;
  catchUp.roundIndex = state.log.lastIndex;
}

/** Leader: ticks since a member was heard from, or since this leader began. */
export function silentTicksOf(state: RaftState, { heardTick }: Progress): number {
  return state.catchUp.tick - (heardTick ?? 0);
}

/** Leader: whether that member answers, and follows closely enough to be counted on. */
export function isCaughtUp(state: RaftState, member: MemberId): boolean {
  const progress = state.progress.get(member);
  if (progress === undefined || progress.heardTick === null) return false;
  if (silentTicksOf(state, progress) >= state.options.timing.electionMinTicks) return false;
  return progress.matchIndex >= state.catchUp.index;
}
