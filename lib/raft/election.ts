import { assert, type MemberId, type Term } from '../base/index.js';
import { leadershipOf } from './configuration.js';
import { isPromised } from './lease.js';
import { mayLead } from './membership.js';
import type { VoteReply, VoteRequest } from './messages.js';
import { forgiveTransfers } from './priority.js';
import { electionResult, votersOf } from './quorum.js';
import { appendNoop } from './replication.js';
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
  waitShort,
} from './roles.js';
import { configurationOf, emit, type RaftState } from './state.js';
import { afterWrite, setHardState } from './writes.js';

/** Elections (Raft §5.2, §5.4.1), with PreVote (Thesis §9.6) and sticky leaders (Thesis §4.2.3). */

/** Failed elections in a row that are tried again after a short wait instead of a whole timeout. */
const MAX_SHORT_RETRIES = 3;

/** One tick of anybody but the leader. */
export function tickElection(state: RaftState, mayStand: boolean): void {
  state.electionElapsedTicks += 1;
  if (state.electionElapsedTicks < state.electionTimeoutTicks) return;
  state.electionElapsedTicks = 0;
  if (!state.isWaitShort) state.shortRetries = 0;
  state.leader = null;
  if (!mayLead(state)) return;
  emit(state, { kind: 'electionTimedOut' });
  if (mayStand) campaign(state);
}

/** Stands for election where that is allowed; a leader and those who are no voters stay as they are. */
export function campaign(state: RaftState): void {
  const { self } = state.options;
  if (state.role === 'leader' || !mayLead(state)) return;
  // Its own vote is a vote.
  if (isPromised(state)) return;
  becomePreCandidate(state);
  recordPreVote(state, self, true);
  // A single voter has won by that, and has nobody to ask.
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
    !state.lacksState &&
    !isStickyToLeader(state) &&
    !isPromised(state) &&
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
  const isBound = request.isTransfer !== true && isPromised(state);
  const isBarred = state.lacksState || isBound;
  if (!free || isBarred || !state.log.isUpToDate(request.lastIndex, request.lastTerm)) {
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

/**
 * The leader's connections broke. Only this member's memory of it goes: whoever still hears it refuses
 * as before, and a refused pre-vote waits for a whole timeout.
 */
export function onLeaderLost(state: RaftState, leader: MemberId): void {
  if (state.leader !== leader) return;
  const { leaderLeaseMs, closeHint } = leadershipOf(configurationOf(state));
  // Under leases a voter that forgets its leader could elect another inside a lease that it granted.
  if (!closeHint || leaderLeaseMs !== null) return;
  state.leader = null;
  waitShort(state, Math.max(1, Math.floor(state.options.timing.electionMinTicks / 5)));
}

function recordPreVote(state: RaftState, from: MemberId, granted: boolean): void {
  state.votes.set(from, granted);
  const result = electionResult(configurationOf(state), state.votes);
  if (result === 'won') {
    becomeCandidate(state);
    afterWrite(state, { kind: 'stand', term: state.hardState.term });
    return;
  }
  // Others would have this member, too few of them yet: soon they may be more. Where nobody would,
  // they hear a leader or know more, and a whole timeout passes.
  const { self } = state.options;
  const isBacked = [...state.votes].some(([voter, grant]) => grant && voter !== self);
  const isRefused = [...state.votes.values()].includes(false);
  if (result === 'lost') becomeFollower(state, state.hardState.term, null);
  if (isBacked && isRefused) retrySoon(state);
}

function recordVote(state: RaftState, from: MemberId, granted: boolean): void {
  state.votes.set(from, granted);
  const result = electionResult(configurationOf(state), state.votes);
  if (result === 'won') {
    becomeLeader(state);
    forgiveTransfers(state);
    appendNoop(state);
    return;
  }
  if (result === 'lost') becomeFollower(state, state.hardState.term, null);
  // A voter of this term has voted otherwise: with the old leader gone, that alone splits the rest.
  if (!granted) retrySoon(state);
}

/** At most some times in a row: rivals whose waits keep meeting go back to whole timeouts. */
function retrySoon(state: RaftState): void {
  if (state.isWaitShort || state.shortRetries >= MAX_SHORT_RETRIES) return;
  state.shortRetries += 1;
  waitShort(state, Math.max(1, Math.floor(state.options.timing.electionMaxTicks / 4)));
}

function requestVotes(state: RaftState, kind: 'preVote' | 'vote', term: Term): void {
  const { self, group } = state.options;
  const { lastIndex, lastTerm } = state.log;
  const transfer = state.isTransferTarget ? { isTransfer: true } : {};
  for (const to of votersOf(configurationOf(state))) {
    if (to === self) continue;
    emit(state, {
      kind: 'send',
      message: { kind, group, from: self, to, term, lastIndex, lastTerm, ...transfer },
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
