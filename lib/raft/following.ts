import { assert, type Entry, type LogIndex } from '../base/index.js';
import { commitTo } from './commit.js';
import { promiseLease, promiseWhatIsStored } from './lease.js';
import { askForSnapshot } from './lost-state.js';
import type { AppendRequest, Heartbeat, SnapshotOffer } from './messages.js';
import { becomeFollower, heardLeader } from './roles.js';
import { emit, type RaftState } from './state.js';
import { afterWrite, appendToLog, truncateLog } from './writes.js';

/** The follower's side of replication (Raft §5.3). The request is of this member's own term. */

export function onAppend(state: RaftState, request: AppendRequest): void {
  follow(state, request.from);
  if (state.lacksState) return askForSnapshot(state, request);
  const { prevIndex, prevTerm, entries } = request;
  const lastIndex = prevIndex + entries.length;
  if (!holds(state, prevIndex, prevTerm)) {
    rejectAppend(state, request);
    return;
  }
  storeMissing(state, entries);
  // Only what this append has vouched for: our own tail may be another leader's (Raft §5.3).
  commitTo(state, Math.min(request.commitIndex, lastIndex));
  acceptAppend(state, request, lastIndex);
}

export function onHeartbeat(state: RaftState, heartbeat: Heartbeat): void {
  follow(state, heartbeat.from);
  const { lease } = heartbeat;
  if (lease !== undefined) promiseLease(state, lease);
  commitTo(state, heartbeat.commitIndex);
  if (state.lacksState) askForSnapshot(state, heartbeat);
  const { self, group } = state.options;
  emit(state, {
    kind: 'send',
    message: {
      kind: 'heartbeatReply',
      group,
      from: self,
      to: heartbeat.from,
      term: state.hardState.term,
      readRound: heartbeat.readRound,
      ...(lease === undefined ? {} : { lease }),
    },
  });
}

/** Tells a leader whose term has passed what the term is now; it will step down. */
export function refuseLeader(
  state: RaftState,
  request: AppendRequest | Heartbeat | SnapshotOffer,
): void {
  const { self, group } = state.options;
  const term = state.hardState.term;
  emit(state, {
    kind: 'send',
    message: { kind: 'heartbeatReply', group, from: self, to: request.from, term, readRound: 0 },
  });
}

export function follow(state: RaftState, leader: string): void {
  // A leader follows itself, so that this holds for it too.
  assert(state.leader === null || state.leader === leader, 'a term has one leader');
  becomeFollower(state, state.hardState.term, leader);
  heardLeader(state);
}

/** Whether the log agrees up to there. What is committed or compacted agrees with any leader. */
function holds(state: RaftState, index: LogIndex, term: number): boolean {
  if (index < state.log.firstIndex - 1) return true;
  return state.log.termAt(index) === term;
}

/** Appends what is new; cuts off only what conflicts, so that a late duplicate removes nothing. */
function storeMissing(state: RaftState, entries: readonly Entry[]): void {
  const position = entries.findIndex(
    (entry) => entry.index >= state.log.firstIndex && state.log.termAt(entry.index) !== entry.term,
  );
  const first = entries[position];
  if (first === undefined) return;
  if (first.index <= state.log.lastIndex) truncateLog(state, first.index);
  const { configurations } = state;
  appendToLog(state, position === 0 ? entries : entries.slice(position));
  if (state.configurations !== configurations) promiseWhatIsStored(state);
}

function acceptAppend(state: RaftState, request: AppendRequest, matchIndex: LogIndex): void {
  const { self, group } = state.options;
  const term = state.hardState.term;
  // An entry that is acknowledged before it is durable can be lost after it was committed.
  afterWrite(state, {
    kind: 'send',
    term,
    index: matchIndex,
    message: { kind: 'appendAccepted', group, from: self, to: request.from, term, matchIndex },
  });
}

function rejectAppend(state: RaftState, request: AppendRequest): void {
  const { self, group } = state.options;
  const hintIndex = state.log.lastIndexWithTermAtMost(request.prevIndex, request.prevTerm);
  emit(state, {
    kind: 'send',
    message: {
      kind: 'appendRejected',
      group,
      from: self,
      to: request.from,
      term: state.hardState.term,
      prevIndex: request.prevIndex,
      hintIndex,
      hintTerm: state.log.termAt(hintIndex) ?? 0,
    },
  });
}
