import { assert } from '../base/index.js';
import { configurationOf, type RaftState } from './state.js';

/** What holds after every step, whatever came in. Tests and the simulator check it each time. */
export function checkInvariants(state: RaftState): void {
  checkPointers(state);
  checkWrites(state);
  checkRole(state);
  checkProgress(state);
  checkConfigurations(state);
}

function checkPointers(state: RaftState): void {
  const { log, durableIndex, commitIndex, applyingIndex, appliedIndex } = state;
  assert(durableIndex <= log.lastIndex, 'what is durable stands in the log');
  assert(commitIndex <= log.lastIndex, 'what is committed stands in the log');
  assert(log.firstIndex - 1 <= applyingIndex, 'what is compacted was handed over, or restored');
  const covered = state.snapshot?.index ?? 0;
  const isCovered = state.lacksState || log.firstIndex - 1 <= covered;
  assert(isCovered, 'a snapshot covers what is compacted');
  assert(covered <= commitIndex, 'a snapshot holds only what is committed');
  if (state.lacksState) {
    assert(state.role === 'follower', 'a member without a state only follows');
    assert(
      state.snapshot === null && appliedIndex === 0,
      'a member without a state has applied nothing',
    );
    assert(applyingIndex === log.firstIndex - 1, 'a member without a state is handed nothing');
  }
  assert(appliedIndex <= applyingIndex, 'what is applied was handed over');
  assert(applyingIndex <= commitIndex, 'only what is committed is handed over');
  assert(applyingIndex <= durableIndex, 'only what is durable is handed over');
  assert(log.lastTerm <= state.hardState.term, 'no entry is of a term to come');
}

function checkWrites(state: RaftState): void {
  let previous = 0;
  for (const { writeId, lastIndex } of state.writes) {
    assert(writeId > previous, 'writes are in order');
    assert(lastIndex <= state.log.lastIndex, 'no pending write vouches for what was cut off');
    previous = writeId;
  }
  const { hardState, reset, entries, promises } = state.unwritten;
  assert(reset === null, 'a step leaves no log to be emptied');
  assert(!hardState, 'a step leaves no unwritten term or vote');
  assert(entries.length === 0, 'a step leaves no unwritten entries');
  assert(promises.length === 0, 'a step leaves no promise behind');
}

function checkRole(state: RaftState): void {
  const { self } = state.options;
  if (state.role === 'leader') {
    assert(state.leader === self, 'a leader follows itself');
    assert(state.hardState.votedFor === self, 'a leader voted for itself');
    assert(state.termStartIndex > 0, 'a leader has opened its term');
    return;
  }
  assert(state.leader !== self, 'only a leader follows itself');
  assert(state.termStartIndex === 0, 'only a leader has opened its term');
  assert(state.progress.size === 0, 'only a leader keeps progress');
  assert(state.uncommittedBytes === 0, 'only a leader counts uncommitted bytes');
  assert(state.readRounds.length === 0, 'only a leader holds reads');
  assert(state.waitingReads.length === 0, 'only a leader holds reads');
  if (state.role !== 'follower') assert(state.leader === null, 'a candidate follows nobody');
}

function checkProgress(state: RaftState): void {
  if (state.role !== 'leader') return;
  for (const progress of state.progress.values()) {
    const { matchIndex, nextIndex, inflight, inflightBytes } = progress;
    assert(matchIndex < nextIndex, 'the next entry follows what is matched');
    assert(nextIndex <= state.log.lastIndex + 1, 'the next entry is in the log, or the one after');
    const bytes = inflight.reduce((sum, sent) => sum + sent.bytes, 0);
    assert(bytes === inflightBytes, 'bytes in flight are those of the appends in flight');
    if (progress.mode !== 'replicate') assert(inflight.length === 0, 'a probe keeps no window');
    const isOffered = progress.snapshot !== null;
    assert(isOffered === (progress.mode === 'snapshot'), 'a snapshot is offered in its own mode');
  }
  const uncommitted = state.log.slice(state.commitIndex + 1, state.log.lastIndex);
  const bytes = uncommitted.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  assert(bytes === state.uncommittedBytes, 'uncommitted bytes are those after the commit index');
  assert(configurationOf(state).incoming.length > 0, 'a leader has a configuration');
}

function checkConfigurations(state: RaftState): void {
  let previous = -1;
  for (const { index } of state.configurations) {
    assert(index > previous, 'configurations are in the order of the log');
    assert(index <= state.log.lastIndex, 'a configuration in force stands in the log');
    previous = index;
  }
}
