import { sendHeartbeats } from './heartbeat.js';
import { quorumValue } from './quorum.js';
import { configurationOf, emit, type RaftState } from './state.js';

/**
 * ReadIndex (Thesis §6.4): a read may be answered from the state at the commit index of the moment it
 * began, once a quorum has said *after* that moment that this member still leads.
 */

/** Rounds that wait for answers at the same time. Further reads join the next one. */
const MAX_OPEN_ROUNDS = 8;

export function onRead(state: RaftState, readId: number): void {
  if (state.role !== 'leader') {
    emit(state, { kind: 'readRejected', readId, reason: 'notLeader' });
    return;
  }
  state.waitingReads.push(readId);
  startWaitingReads(state);
}

/** Begins a round for the reads that wait, where one may begin. */
export function startWaitingReads(state: RaftState): void {
  if (state.waitingReads.length === 0 || state.readRounds.length >= MAX_OPEN_ROUNDS) return;
  // A new leader does not know what its predecessor committed before its own no-op is (Raft §8).
  if (state.commitIndex < state.termStartIndex) return;
  const round = state.nextReadRound;
  state.nextReadRound += 1;
  state.readRounds.push({ round, readIds: state.waitingReads, index: state.commitIndex });
  state.waitingReads = [];
  sendHeartbeats(state);
  confirmReads(state);
}

/** Answers the rounds that a quorum of distinct voters has confirmed, this leader among them. */
export function confirmReads(state: RaftState): void {
  const { self } = state.options;
  const latest = state.nextReadRound - 1;
  const confirmed = quorumValue(configurationOf(state), (member) =>
    member === self ? latest : (state.progress.get(member)?.readRound ?? 0),
  );
  let done = 0;
  for (const { round, readIds, index } of state.readRounds) {
    if (round > confirmed) break;
    for (const readId of readIds) emit(state, { kind: 'readReady', readId, index });
    done += 1;
  }
  if (done === 0) return;
  state.readRounds.splice(0, done);
  startWaitingReads(state);
}

/** The member no longer leads: whoever does must be asked. */
export function rejectReads(state: RaftState): void {
  const waiting = [...state.readRounds.flatMap((round) => round.readIds), ...state.waitingReads];
  for (const readId of waiting) emit(state, { kind: 'readRejected', readId, reason: 'notLeader' });
  state.readRounds.length = 0;
  state.waitingReads = [];
}
