import { assert, type MemberId, type Term } from '../base/index.js';
import { electionResult, isVoter, votersOf } from './quorum.js';
import { appendNoop } from './replication.js';
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.js';
import { configurationOf, emit, type RaftState } from './state.js';
import type { VoteReply, VoteRequest } from './types.js';
import { afterWrite, setHardState } from './writes.js';

/** Elections (Raft §5.2, §5.4.1), with PreVote (Thesis §9.6) and sticky leaders (Thesis §4.2.3). */

/** One tick of anybody but the leader. */
export function tickElection(state: RaftState, mayStand: boolean): void {
  state.electionElapsedTicks += 1;
  if (state.electionElapsedTicks < state.electionTimeoutTicks) return;
  state.electionElapsedTicks = 0;
  state.leader = null;
  if (!isVoter(configurationOf(state), state.options.self)) return;
  emit(state, { kind: 'electionTimedOut' });
  if (mayStand) campaign(state);
}

/** Stands for election where that is allowed; a leader and those who are no voters stay as they are. */
export function campaign(state: RaftState): void {
  const { self } = state.options;
  if (state.role === 'leader' || !isVoter(configurationOf(state), self)) return;
  becomePreCandidate(state);
  recordPreVote(state, self, true);
  if (state.role !== 'preCandidate') return;
  requestVotes(state, 'preVote', state.hardState.term + 1);
}

/** The disk holds the candidate's own vote: now anybody may know that it stands (Thesis §3.8). */
export function stand(state: RaftState): void {
  assert(state.role === 'candidate', 'a promise to stand is kept by a candidate only');
  requestVotes(state, 'vote', state.hardState.term);
  // Its own vote counts like any other: once it is on disk.
  recordVote(state, state.options.self, true);
}

/** Changes nothing, whatever the answer: neither term nor vote nor timers (Thesis §9.6). */
export function onPreVote(state: RaftState, request: VoteRequest): void {
  const granted =
    request.term > state.hardState.term &&
    !isStickyToLeader(state) &&
    state.log.isUpToDate(request.lastIndex, request.lastTerm);
  // A refusal carries this member's own term, so that a candidate that is behind learns it.
  const term = granted ? request.term : state.hardState.term;
  sendVoteReply(state, 'preVoteReply', request.from, term, granted);
}

/** `request.term` is this member's term: the caller has moved it there. */
export function onVote(state: RaftState, request: VoteRequest): void {
  const { term, votedFor } = state.hardState;
  assert(request.term === term, 'a vote is decided in the term it was asked in');
  const free = votedFor === request.from || (votedFor === null && state.leader === null);
  if (!free || !state.log.isUpToDate(request.lastIndex, request.lastTerm)) {
    sendVoteReply(state, 'voteReply', request.from, term, false);
    return;
  }
  setHardState(state, term, request.from);
  state.electionElapsedTicks = 0;
  const { self, group } = state.options;
  // A vote that is granted before it is durable can be granted twice (Raft §5.1).
  afterWrite(state, {
    kind: 'send',
    term,
    index: 0,
    message: { kind: 'voteReply', group, from: self, to: request.from, term, granted: true },
  });
}

export function onPreVoteReply(state: RaftState, reply: VoteReply): void {
  if (state.role !== 'preCandidate') return;
  if (reply.granted && reply.term !== state.hardState.term + 1) return;
  recordPreVote(state, reply.from, reply.granted);
}

export function onVoteReply(state: RaftState, reply: VoteReply): void {
  if (state.role !== 'candidate') return;
  recordVote(state, reply.from, reply.granted);
}

/** Refuses a candidate whose term has passed, and tells it ours. */
export function refuseVote(state: RaftState, request: VoteRequest): void {
  const kind = request.kind === 'preVote' ? 'preVoteReply' : 'voteReply';
  sendVoteReply(state, kind, request.from, state.hardState.term, false);
}

/**
 * Whether this member leads, or has heard from a leader within the shortest election timeout. It
 * then passes over candidates: one that was cut off must not unseat a leader that works.
 */
export function isStickyToLeader(state: RaftState): boolean {
  if (state.role === 'leader') return true;
  return (
    state.leader !== null && state.electionElapsedTicks < state.options.timing.electionMinTicks
  );
}

function recordPreVote(state: RaftState, from: MemberId, granted: boolean): void {
  state.votes.set(from, granted);
  const result = electionResult(configurationOf(state), state.votes);
  if (result === 'lost') becomeFollower(state, state.hardState.term, null);
  if (result !== 'won') return;
  becomeCandidate(state);
  afterWrite(state, { kind: 'stand', term: state.hardState.term });
}

function recordVote(state: RaftState, from: MemberId, granted: boolean): void {
  state.votes.set(from, granted);
  const result = electionResult(configurationOf(state), state.votes);
  if (result === 'lost') becomeFollower(state, state.hardState.term, null);
  if (result !== 'won') return;
  becomeLeader(state);
  appendNoop(state);
}

function requestVotes(state: RaftState, kind: 'preVote' | 'vote', term: Term): void {
  const { self, group } = state.options;
  const { lastIndex, lastTerm } = state.log;
  for (const to of votersOf(configurationOf(state))) {
    if (to === self) continue;
    emit(state, {
      kind: 'send',
      message: { kind, group, from: self, to, term, lastIndex, lastTerm },
    });
  }
}

function sendVoteReply(
  state: RaftState,
  kind: VoteReply['kind'],
  to: MemberId,
  term: Term,
  granted: boolean,
): void {
  const { self, group } = state.options;
  emit(state, { kind: 'send', message: { kind, group, from: self, to, term, granted } });
}
