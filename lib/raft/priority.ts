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

/** Longest election timeouts that a leader stays at least. */
const PATIENCE_ELECTION_TIMEOUTS = 10;

/** Whoever led for so many times as long as it was waited for has not failed. */
const FORGIVEN_WAITS = 10;

export function priorityOf({ priorities }: Configuration, member: MemberId): number {
  return priorities?.get(member) ?? DEFAULT_PRIORITY;
}

/** One tick of a leader. */
export function tickPriority(state: RaftState): void {
  const { catchUp, ownTransfers } = state;
  if (catchUp.tick < waitTicks(state, 0) || state.transfer !== null || isChanging(state)) return;
  const { count, elapsedTicks } = ownTransfers;
  if (count > 0 && elapsedTicks < waitTicks(state, count)) return;
  const to = preferred(state);
  if (to === null) return;
  state.ownTransfers = { count: count + 1, elapsedTicks: 0 };
  beginTransfer(state, null, to);
}

/**
 * A new leader. One that is told and cannot take over costs a pause, and so does one that leads for a moment,
 * until its disk hangs or its connections break: it is asked less and less often, also by a leader that has
 * been its follower meanwhile. Otherwise leadership would go to and fro for as long as that lasts.
 */
export function forgiveTransfers(state: RaftState): void {
  const { count, elapsedTicks } = state.ownTransfers;
  if (elapsedTicks >= FORGIVEN_WAITS * waitTicks(state, count)) state.ownTransfers.count = 0;
}

/** Before a leader hands over by itself, after so many transfers in vain. */
function waitTicks({ options }: RaftState, count: number): number {
  return PATIENCE_ELECTION_TIMEOUTS * options.timing.electionMaxTicks * 2 ** count;
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
