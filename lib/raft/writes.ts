import { assert, type Entry, type LogIndex, type MemberId, type Term } from '../base/index.js';
import { noteAppended, noteTruncated } from './membership.js';
import { type DurablePromise, emit, type RaftState } from './state.js';
import type { Compacted } from './types.js';

/*
 * What waits for the disk (rules 1 and 2 of the core). A promise rides on the write that makes it
 * true, or on the newest one under way. It remembers its term, and a truncation lowers what pending
 * writes vouch for:
 *
 *   1. Term 1: write #3 carries (1,5) (1,6) (1,7).
 *   2. A leader of term 2 truncates at 5; write #4 carries (2,5).
 *   3. #3 completes. It may vouch for nothing at or after 5: what it wrote there is gone.
 */

/** Changes term or vote. Both reach the disk in one save. */
export function setHardState(state: RaftState, term: Term, votedFor: MemberId | null): void {
  assert(term >= state.hardState.term, 'the term never goes back');
  assert(
    term > state.hardState.term ||
      state.hardState.votedFor === null ||
      state.hardState.votedFor === votedFor,
    'a vote is not changed within its term',
  );
  if (term === state.hardState.term && votedFor === state.hardState.votedFor) return;
  state.hardState = { term, votedFor };
  state.unwritten.hardState = true;
}

/** Appends to the log in memory; this step's write carries the entries to the disk. */
export function appendToLog(state: RaftState, entries: readonly Entry[]): void {
  assert(state.unwritten.entries.length === 0, 'a step appends once');
  state.log.append(entries);
  noteAppended(state, entries);
  state.unwritten.entries = entries;
}

/** Removes what follows from `index` on, and what any pending write vouches for there. */
export function truncateLog(state: RaftState, index: LogIndex): void {
  assert(index > state.commitIndex, 'what is committed is never truncated');
  state.log.truncateFrom(index);
  noteTruncated(state, index);
  state.durableIndex = Math.min(state.durableIndex, index - 1);
  for (const write of state.writes) write.lastIndex = Math.min(write.lastIndex, index - 1);
}

/** The log begins anew after a snapshot; this step's write does the same on disk. */
export function resetLog(state: RaftState, compacted: Compacted): void {
  assert(state.unwritten.entries.length === 0, 'a step appends or resets');
  const { index, term } = compacted;
  state.log.resetTo(compacted);
  state.unwritten.reset = { index, term };
  // The snapshot that covers it is durable. What earlier writes stored after it is gone.
  state.durableIndex = index;
  for (const write of state.writes) write.lastIndex = Math.min(write.lastIndex, index);
}

/** Keeps the promise once everything that this step and those before it wrote is durable. */
export function afterWrite(state: RaftState, promise: DurablePromise): void {
  state.unwritten.promises.push(promise);
}

/**
 * Ends a step: its changes become one write, and its promises wait where they belong. `keep` is for
 * those that rest on nothing still to be written: repeated answers, which change nothing any more.
 */
export function flushWrites(state: RaftState, keep: (promise: DurablePromise) => void): void {
  const { hardState, reset, entries, promises } = state.unwritten;
  state.unwritten.hardState = false;
  state.unwritten.reset = null;
  state.unwritten.entries = [];
  state.unwritten.promises = [];
  if (hardState || reset !== null || entries.length > 0) {
    const writeId = state.nextWriteId;
    state.nextWriteId += 1;
    state.writes.push({ writeId, lastIndex: entries.at(-1)?.index ?? 0, promises });
    const saved = hardState ? state.hardState : null;
    emit(state, {
      kind: 'write',
      writeId,
      hardState: saved,
      ...(reset === null ? {} : { reset }),
      entries,
    });
    return;
  }
  const newest = state.writes.at(-1);
  for (const promise of promises) {
    if (newest === undefined) keep(promise);
    else addPromise(newest.promises, promise);
  }
}

/**
 * Duplicates that arrive while the disk is slow do not pile up: of promises to say the same to the
 * same member, the one that says most is kept.
 */
function addPromise(promises: DurablePromise[], promise: DurablePromise): void {
  const position = promises.findIndex((other) => saysTheSame(other, promise));
  const other = promises[position];
  if (other === undefined) promises.push(promise);
  else if (promise.kind === 'send' && other.kind === 'send' && promise.index > other.index) {
    promises[position] = promise;
  }
}

function saysTheSame(a: DurablePromise, b: DurablePromise): boolean {
  if (a.term !== b.term || a.kind !== b.kind) return false;
  if (a.kind !== 'send' || b.kind !== 'send') return true;
  return a.message.kind === b.message.kind && a.message.to === b.message.to;
}

/** The disk has finished this write and all before it: raises durableIndex, gives back the promises. */
export function completeWrites(state: RaftState, writeId: number): readonly DurablePromise[] {
  const position = state.writes.findIndex((write) => write.writeId === writeId);
  assert(position >= 0, 'the disk completes a write that it was given');
  const promises: DurablePromise[] = [];
  for (const write of state.writes.splice(0, position + 1)) {
    state.durableIndex = Math.max(state.durableIndex, write.lastIndex);
    promises.push(...write.promises);
  }
  return promises;
}

/** Whether what the promise rests on still stands. */
export function stillHolds(state: RaftState, promise: DurablePromise): boolean {
  if (promise.term !== state.hardState.term) return false;
  if (promise.kind === 'stand') return state.role === 'candidate';
  if (promise.kind === 'fetch') return true;
  return promise.index <= state.durableIndex;
}
