import type { MemberId, Term } from '../base/index.js';
import { assert } from '../base/index.js';
import { trackMembers } from './membership.js';
import { rejectReads } from './reads.js';
import type { RaftState } from './state.js';
import type { Role } from './types.js';
import { setHardState } from './writes.js';

/*
 * Who a member is. Each transition leaves behind what belonged to the role before it, so that no
 * handler has to clean up after another.
 */

/** Follows, in `term`, whoever is `leader`. A vote of the same term is kept (Raft §5.2). */
export function becomeFollower(state: RaftState, term: Term, leader: MemberId | null): void {
  const changed = term !== state.hardState.term || state.role !== 'follower';
  if (term > state.hardState.term) setHardState(state, term, null);
  if (changed) enterRole(state, 'follower');
  state.leader = leader;
}

/** Asks whether it could win, before it disturbs anybody's term (Thesis §9.6). */
export function becomePreCandidate(state: RaftState): void {
  assert(state.role !== 'leader', 'a leader does not campaign');
  enterRole(state, 'preCandidate');
}

/** Stands in the next term, with its own vote. */
export function becomeCandidate(state: RaftState): void {
  assert(state.role !== 'leader', 'a leader does not campaign');
  setHardState(state, state.hardState.term + 1, state.options.self);
  enterRole(state, 'candidate');
}

export function becomeLeader(state: RaftState): void {
  assert(state.role === 'candidate', 'only a candidate becomes leader');
  assert(state.hardState.votedFor === state.options.self, 'a leader voted for itself');
  enterRole(state, 'leader');
  state.leader = state.options.self;
  trackMembers(state);
  state.catchUp = { tick: 0, index: state.log.lastIndex, roundIndex: state.log.lastIndex };
  state.logTimeAnchor = { logTimeMs: state.log.lastLogTimeMs, nowMs: state.nowMs };
  for (const entry of state.log.slice(state.commitIndex + 1, state.log.lastIndex)) {
    state.uncommittedBytes += entry.sizeBytes;
  }
}

/** A leader lives: nobody stands before another whole timeout has passed. */
export function heardLeader(state: RaftState): void {
  state.shortRetries = 0;
  if (state.isWaitShort) resetElectionTimer(state);
  state.electionElapsedTicks = 0;
}

/** Stands again within `maxTicks`, drawn, unless that is due sooner anyway. */
export function waitShort(state: RaftState, maxTicks: number): void {
  const ticks = 1 + Math.floor(state.options.random() * maxTicks);
  state.isWaitShort = true;
  state.electionTimeoutTicks = Math.min(
    state.electionTimeoutTicks,
    state.electionElapsedTicks + ticks,
  );
}

/** Starts the timers of a role and forgets what belonged to the one before. */
function enterRole(state: RaftState, role: Role): void {
  rejectReads(state);
  state.role = role;
  state.leader = null;
  state.votes.clear();
  state.progress.clear();
  state.uncommittedBytes = 0;
  state.termStartIndex = 0;
  state.transfer = null;
  state.isLeaseGone = false;
  state.isTransferTarget = false;
  state.heartbeatElapsedTicks = 0;
  resetElectionTimer(state);
}

/** Draws a new timeout, so that members seldom stand at the same time (Raft §5.2). */
function resetElectionTimer(state: RaftState): void {
  const { electionMinTicks, electionMaxTicks } = state.options.timing;
  const range = electionMaxTicks - electionMinTicks;
  state.electionElapsedTicks = 0;
  state.isWaitShort = false;
  state.electionTimeoutTicks = electionMinTicks + Math.floor(state.options.random() * range);
}
