import {
  assert,
  EMPTY_BYTES,
  type Entry,
  type EntryDraft,
  type LogIndex,
  type MemberId,
  packEntries,
} from '../base/index.js';
import { noteHeard } from './catch-up.js';
import { advanceCommit } from './commit.js';
import type { Input } from './inputs.js';
import { isLeaving } from './membership.js';
import type { AppendAccepted, AppendRejected } from './messages.js';
import { becomeProbe, isWindowFull, noteAccepted, noteSent, type Progress } from './progress.js';
import { needsSnapshot, offerSnapshot } from './snapshot.js';
import { emit, type RaftState } from './state.js';
import { appendToLog } from './writes.js';

/** The leader's side of replication (Raft §5.3), pipelined (Thesis §10.2.1). */

/** Opens a term: nothing of an older term commits before something of this one (Raft §5.4.2, §8). */
export function appendNoop(state: RaftState): void {
  appendOwn(state, [{ kind: 'noop', commandVersion: 0, payload: EMPTY_BYTES }]);
  state.termStartIndex = state.log.lastIndex;
}

export function onPropose(state: RaftState, input: Input & { kind: 'propose' }): void {
  const { proposalId, drafts } = input;
  if (state.role !== 'leader') {
    emit(state, { kind: 'proposalRejected', proposalId, reason: 'notLeader' });
    return;
  }
  // What is appended now the next leader might not hold, and handing over would have no end.
  if (state.transfer !== null || isLeaving(state)) {
    emit(state, { kind: 'proposalRejected', proposalId, reason: 'transferring' });
    return;
  }
  // One that alone is over the limit passes when nothing else waits, or it never could.
  if (state.uncommittedBytes > state.options.limits.maxUncommittedBytes) {
    emit(state, { kind: 'proposalRejected', proposalId, reason: 'busy' });
    return;
  }
  const firstIndex = state.log.lastIndex + 1;
  appendOwn(state, drafts);
  emit(state, { kind: 'proposed', proposalId, term: state.hardState.term, firstIndex });
}

export function onAppendAccepted(state: RaftState, reply: AppendAccepted): void {
  const progress = heardFrom(state, reply.from);
  // A log longer than the leader's is nothing that a leader can have asked for.
  if (progress === null || reply.matchIndex > state.log.lastIndex) return;
  if (noteAccepted(progress, reply.matchIndex)) advanceCommit(state);
}

/**
 * The logs part before what was sent. The hint skips whole terms at once (Raft §5.3): the follower
 * named the last place where its log can agree with the append; here the leader goes back to the
 * last place where its own log can agree with that.
 */
export function onAppendRejected(state: RaftState, reply: AppendRejected): void {
  const progress = heardFrom(state, reply.from);
  if (progress === null) return;
  // An answer to something that was overtaken says nothing about now.
  const expected = progress.nextIndex - 1;
  if (reply.prevIndex <= progress.matchIndex || progress.mode === 'snapshot') return;
  if (progress.mode === 'probe' && reply.prevIndex !== expected) return;
  const agreeing = lastAgreeing(state, reply);
  becomeProbe(progress, Math.min(agreeing + 1, reply.prevIndex));
}

/** Ends a leader's step: every member is sent what it may have by now. */
export function replicate(state: RaftState): void {
  for (const [member, progress] of state.progress) {
    if (needsSnapshot(state, progress)) offerSnapshot(state, member, progress);
    else if (progress.mode === 'probe') sendProbe(state, member, progress);
    else sendWindow(state, member, progress);
  }
}

/** A hint from before what is compacted says that a snapshot is needed, and no append. */
function lastAgreeing(state: RaftState, { hintIndex, hintTerm }: AppendRejected): LogIndex {
  if (hintIndex < state.log.firstIndex - 1) return hintIndex;
  return state.log.lastIndexWithTermAtMost(hintIndex, hintTerm);
}

/** The leader's own entries. Their write and their appends run side by side (Thesis §10.2.1). */
export function appendOwn(state: RaftState, drafts: readonly EntryDraft[]): void {
  const entries = packEntries(
    {
      group: state.options.group,
      term: state.hardState.term,
      firstIndex: state.log.lastIndex + 1,
      logTimeMs: logTimeNow(state),
    },
    drafts,
  );
  appendToLog(state, entries);
  for (const entry of entries) state.uncommittedBytes += entry.sizeBytes;
}

/** Goes on from where the log stands, by elapsed time: no wall clock, and never back. */
function logTimeNow(state: RaftState): number {
  const { logTimeMs, nowMs } = state.logTimeAnchor;
  const elapsedMs = Math.floor(state.nowMs - nowMs);
  return Math.max(state.log.lastLogTimeMs, logTimeMs + elapsedMs);
}

function heardFrom(state: RaftState, member: MemberId): Progress | null {
  const progress = state.progress.get(member);
  if (progress === undefined) return null;
  noteHeard(state, progress);
  return progress;
}

function sendProbe(state: RaftState, to: MemberId, progress: Progress): void {
  if (!progress.probing) sendAppend(state, to, progress, nextEntries(state, progress));
}

function sendWindow(state: RaftState, to: MemberId, progress: Progress): void {
  const { limits } = state.options;
  while (progress.nextIndex <= state.log.lastIndex && !isWindowFull(progress, limits)) {
    sendAppend(state, to, progress, nextEntries(state, progress));
  }
  const commitIsNews = progress.sentCommitIndex < state.commitIndex;
  if (progress.checkDue || (commitIsNews && !isWindowFull(progress, limits))) {
    sendAppend(state, to, progress, []);
  }
}

function nextEntries(state: RaftState, progress: Progress): readonly Entry[] {
  return state.log.sliceBytes(progress.nextIndex, state.options.limits.maxAppendBytes);
}

function sendAppend(
  state: RaftState,
  to: MemberId,
  progress: Progress,
  entries: readonly Entry[],
): void {
  const { self, group } = state.options;
  const prevIndex = progress.nextIndex - 1;
  const prevTerm = state.log.termAt(prevIndex);
  assert(prevTerm !== null, 'the leader holds what comes before the next entry of a member');
  let bytes = 0;
  for (const entry of entries) bytes += entry.sizeBytes;
  noteSent(progress, prevIndex + entries.length, bytes);
  progress.sentCommitIndex = state.commitIndex;
  progress.checkDue = false;
  emit(state, {
    kind: 'send',
    message: {
      kind: 'append',
      group,
      from: self,
      to,
      term: state.hardState.term,
      prevIndex,
      prevTerm,
      commitIndex: state.commitIndex,
      entries,
    },
  });
}
