import { assert, type Entry, type LogIndex, type MemberId } from '../base/index.js';
import { decodeConfiguration } from './configuration.js';
import { newProgress } from './progress.js';
import { isVoter, membersOf } from './quorum.js';
import {
  configurationOf,
  emit,
  inForce,
  type PlacedConfiguration,
  type RaftState,
} from './state.js';
import type { Configuration, EntryName } from './types.js';

/** A configuration takes effect when it is appended, not when it is committed (Raft §6). */
export function noteAppended(state: RaftState, entries: readonly Entry[]): void {
  const placed = placedConfigurations(entries);
  if (placed.length === 0) return;
  state.configurations = [...state.configurations, ...placed];
  if (state.role === 'leader') trackMembers(state);
  emit(state, { kind: 'configured', configuration: configurationOf(state) });
}

/** A configuration that is truncated away was never in force: the one before it is again. */
export function noteTruncated(state: RaftState, index: LogIndex): void {
  const kept = state.configurations.filter((placed) => placed.index < index);
  if (kept.length === state.configurations.length) return;
  assert(kept.length > 0, 'the first configuration is committed or empty');
  state.configurations = kept;
  emit(state, { kind: 'configured', configuration: configurationOf(state) });
}

/**
 * Leader: begins to follow how far each member is, and goes on where it does. Whom an uncommitted
 * configuration removes is a member until then: it may yet be rolled back.
 */
export function trackMembers(state: RaftState): void {
  for (const member of membersToReach(state)) {
    if (member === state.options.self || state.progress.has(member)) continue;
    state.progress.set(member, newProgress(state.log.lastIndex));
  }
}

/** Leader: those whose removal is committed are sent nothing more. */
export function forgetRemoved(state: RaftState): void {
  const members = new Set(membersToReach(state));
  for (const member of state.progress.keys()) {
    if (!members.has(member)) state.progress.delete(member);
  }
}

/**
 * Whether this member may stand for election. Also one that an uncommitted configuration removes: its
 * log may be the only one that can win.
 *
 *   1. b leads a and b, and removes itself: the joint entry is committed by both.
 *   2. b appends the entry that leaves a alone, and crashes before it is sent.
 *   3. a is still in the joint configuration and needs b, whose log is longer. Only b can win, without
 *      counting itself (Thesis §4.2.2).
 */
export function mayLead(state: RaftState): boolean {
  if (state.lacksState) return false;
  return openConfigurations(state).some((configuration) =>
    isVoter(configuration, state.options.self),
  );
}

/** Leader: whether its own removal is committed. It takes nothing new, and is not going to lead for long. */
export function isLeaving(state: RaftState): boolean {
  const { index, configuration } = inForce(state);
  return index <= state.commitIndex && !isVoter(configuration, state.options.self);
}

/**
 * The entry that makes this member a learner, where it cannot know yet that it is decided; index 0 where it
 * holds a log that does not name it. Null for all others: who was let in once is let in again by users only.
 */
export function undecidedAdmission(state: RaftState): EntryName | null {
  const { options, configurations, commitIndex, log } = state;
  const { self } = options;
  if (state.lacksState || state.wasMember) return null;
  const named = configurations.filter(({ configuration }) =>
    membersOf(configuration).includes(self),
  );
  if (named.some(({ configuration }) => isVoter(configuration, self))) return null;
  const index = named[0]?.index ?? 0;
  if (index === 0) return { index: 0, term: 0 };
  if (index <= commitIndex) return null;
  const term = log.termAt(index);
  assert(term !== null, 'what is not committed is held');
  return { index, term };
}

/**
 * Whether an entry can never be decided, by what is decided here. Once true it stays so, wherever it was
 * asked: at that index stands another, or what is decided before it is of a later term, and terms never go
 * back along a log. False for what cannot be told (any more).
 */
export function isOvertaken({ commitIndex, log }: RaftState, { index, term }: EntryName): boolean {
  if (index > commitIndex) return (log.termAt(commitIndex) ?? 0) > term;
  const held = log.termAt(index);
  return held !== null && held !== term;
}

/** The last configuration that is committed, and all that follow it. */
function openConfigurations(state: RaftState): readonly Configuration[] {
  const committed = state.configurations.findLastIndex(({ index }) => index <= state.commitIndex);
  return state.configurations.slice(Math.max(committed, 0)).map((placed) => placed.configuration);
}

function membersToReach(state: RaftState): readonly MemberId[] {
  return openConfigurations(state).flatMap(membersOf);
}

/** The configurations among entries, in order. A malformed one throws: it must not be passed over. */
export function placedConfigurations(entries: readonly Entry[]): readonly PlacedConfiguration[] {
  return entries
    .filter((entry) => entry.kind === 'configuration')
    .map((entry) => ({
      index: entry.index,
      configuration: decodeConfiguration(entry.payload),
    }));
}
