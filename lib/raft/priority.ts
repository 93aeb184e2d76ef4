import { DEFAULT_PRIORITY, type MemberId } from '../base/index.js';
import { isCaughtUp } from './catch-up.js';
import { votersOf } from './quorum.js';
import { configurationOf, inForce, type RaftState } from './state.js';
import { beginTransfer, isClose } from './transfer.js';
import type { Configuration } from './types.js';

/*
 * Who is to lead rather than others. Elections know nothing of it: whoever can win may lead, so that any
 * majority has a leader, whatever the priorities of those who are left. A leader that sees somebody of a
 * higher one keep up hands over to it.
 */

/** Longest election timeouts that a leader stays at least. Each attempt that came to nothing doubles them. */
const PATIENCE_ELECTION_TIMEOUTS = 10;

export function priorityOf({ priorities }: Configuration, member: MemberId): number {
  return priorities?.get(member) ?? DEFAULT_PRIORITY;
}

/** One tick of a leader. */
export function tickPriority(state: RaftState): void {
  const { tick } = state.catchUp;
  const { count, lastTick } = state.ownTransfers;
  const waitTicks = PATIENCE_ELECTION_TIMEOUTS * state.options.timing.electionMaxTicks * 2 ** count;
  if (tick - lastTick < waitTicks || state.transfer !== null || isChanging(state)) return;
  const to = preferred(state);
  if (to === null) return;
  // One that is told and cannot take over costs a pause: it is asked less and less often.
  state.ownTransfers = { count: count + 1, lastTick: tick };
  beginTransfer(state, null, to);
}

/** The voter of the highest priority above this leader's that answers and keeps up, or null. */
function preferred(state: RaftState): MemberId | null {
  const configuration = configurationOf(state);
  if (configuration.priorities === undefined) return null;
  let best: MemberId | null = null;
  let bestPriority = priorityOf(configuration, state.options.self);
  for (const member of votersOf(configuration)) {
    const priority = priorityOf(configuration, member);
    if (priority <= bestPriority || !isCaughtUp(state, member) || !isClose(state, member)) continue;
    best = member;
    bestPriority = priority;
  }
  return best;
}

/** Whether the members are not settled, or not known to be. A joint configuration is left once it is committed. */
function isChanging(state: RaftState): boolean {
  return inForce(state).index > state.commitIndex || state.commitIndex < state.termStartIndex;
}
