import type { MemberId } from '../../lib/base/index.js';
import type {
  AppendRequest,
  Heartbeat,
  HeartbeatReply,
  Message,
  VoteRequest,
} from '../../lib/raft/index.js';
import type { Member } from './harness.js';
import { entries, GROUP, position } from './notation.js';

/*
 * Messages as another member would send them, for tests of one member. The sender is written first.
 */

export function voteRequest(from: MemberId, to: MemberId, term: number, last = '0/0'): VoteRequest {
  return request('vote', from, to, term, last);
}

export function preVoteRequest(
  from: MemberId,
  to: MemberId,
  term: number,
  last = '0/0',
): VoteRequest {
  return request('preVote', from, to, term, last);
}

export function voteReply(from: MemberId, to: MemberId, term: number, granted = true): Message {
  return { kind: 'voteReply', group: GROUP, from, to, term, granted };
}

export function preVoteReply(from: MemberId, to: MemberId, term: number, granted = true): Message {
  return { kind: 'preVoteReply', group: GROUP, from, to, term, granted };
}

/** `prev` and `log` in the notation `term/index`. */
export function append(
  from: MemberId,
  to: MemberId,
  term: number,
  { prev = '0/0', log = '', commit = 0 } = {},
): AppendRequest {
  const { term: prevTerm, index: prevIndex } = position(prev);
  return {
    kind: 'append',
    group: GROUP,
    from,
    to,
    term,
    prevIndex,
    prevTerm,
    commitIndex: commit,
    entries: entries(log),
  };
}

export function accepted(from: MemberId, to: MemberId, term: number, matchIndex: number): Message {
  return { kind: 'appendAccepted', group: GROUP, from, to, term, matchIndex };
}

export function rejected(
  from: MemberId,
  to: MemberId,
  term: number,
  prevIndex: number,
  hint: string,
): Message {
  const { term: hintTerm, index: hintIndex } = position(hint);
  return { kind: 'appendRejected', group: GROUP, from, to, term, prevIndex, hintIndex, hintTerm };
}

export function heartbeat(
  from: MemberId,
  to: MemberId,
  term: number,
  { commit = 0, round = 0 } = {},
): Heartbeat {
  return { kind: 'heartbeat', group: GROUP, from, to, term, commitIndex: commit, readRound: round };
}

export function heartbeatReply(
  from: MemberId,
  to: MemberId,
  term: number,
  round = 0,
): HeartbeatReply {
  return { kind: 'heartbeatReply', group: GROUP, from, to, term, readRound: round };
}

export function snapshotNeeded(
  from: MemberId,
  to: MemberId,
  term: number,
  fromIndex: number,
): Message {
  return { kind: 'snapshotNeeded', group: GROUP, from, to, term, fromIndex };
}

export function timeoutNow(from: MemberId, to: MemberId, term: number): Message {
  return { kind: 'timeoutNow', group: GROUP, from, to, term };
}

/** Makes a member leader of its next term by the votes of `voters`. Its no-op is not yet written. */
export function lead(member: Member, voters = 'b'): Member {
  const term = member.status.term + 1;
  member.campaign();
  member.receive(...[...voters].map((voter) => preVoteReply(voter, member.id, term)));
  member.finishWrites();
  member.receive(...[...voters].map((voter) => voteReply(voter, member.id, term)));
  return member;
}

function request(
  kind: 'vote' | 'preVote',
  from: MemberId,
  to: MemberId,
  term: number,
  last: string,
): VoteRequest {
  const { term: lastTerm, index: lastIndex } = position(last);
  return { kind, group: GROUP, from, to, term, lastIndex, lastTerm };
}
