import { assert, type LogIndex } from '../base/index.js';
import { quorumValue } from './quorum.js';
import { startWaitingReads } from './reads.js';
import { trimLog } from './snapshot.js';
import { configurationOf, emit, type RaftState } from './state.js';

/** What is decided, and what may be applied (Raft §5.3, §5.4.2). */

/** Leader: commits what a quorum holds durably, itself counted by its own disk and no earlier. */
export function advanceCommit(state: RaftState): void {
  if (state.role !== 'leader') return;
  const { self } = state.options;
  const reached = quorumValue(configurationOf(state), (member) =>
    member === self ? state.durableIndex : (state.progress.get(member)?.matchIndex ?? 0),
  );
  if (reached <= state.commitIndex) return;
  // Counting replicas decides entries of the leader's own term only; older ones follow along
  // (Raft §5.4.2, Figure 8).
  if (state.log.termAt(reached) !== state.hardState.term) return;
  for (const entry of state.log.slice(state.commitIndex + 1, reached)) {
    state.uncommittedBytes -= entry.sizeBytes;
  }
  commitTo(state, reached);
  startWaitingReads(state);
}

/** Takes note that everything up to `index` is committed. Never goes back. */
export function commitTo(state: RaftState, index: LogIndex): void {
  // It could not be handed over. Once there is a state, the leader says it again.
  if (state.lacksState) return;
  assert(index <= state.log.lastIndex, 'what is committed stands in the log');
  state.commitIndex = Math.max(state.commitIndex, index);
}

/** Ends a step: hands over what is committed and durable here, each entry once. */
export function handOver(state: RaftState): void {
  const until = Math.min(state.commitIndex, state.durableIndex);
  if (until <= state.applyingIndex) return;
  const entries = state.log.slice(state.applyingIndex + 1, until);
  state.applyingIndex = until;
  emit(state, { kind: 'apply', entries });
}

export function onApplied(state: RaftState, index: LogIndex): void {
  assert(index >= state.appliedIndex, 'what is applied stays applied');
  assert(index <= state.applyingIndex, 'only what was handed over is applied');
  state.appliedIndex = index;
  trimLog(state);
}
