import { unreachable } from '../../../base/index.js';
import type { Consistency, Revision } from '../../../store/index.js';
import { UNSEEN, withEvidence } from './kv-evidence.js';
import type { Model } from './model.js';

/** A call of a `KVStore`, as it is recorded. */
export type KVInput =
  | {
      readonly kind: 'get';
      readonly key: string;
      readonly consistency: Consistency;
      readonly minRevision?: Revision | undefined;
      readonly maxStalenessMs?: number | undefined;
    }
  | {
      readonly kind: 'put';
      readonly key: string;
      readonly value: string;
      /** The `modRevision` that the key must have, 0 for none; null without a condition. */
      readonly ifRevision: Revision | null;
    }
  | {
      readonly kind: 'delete';
      readonly key: string;
      readonly ifRevision: Revision | null;
    };

/** What a read, or a failed condition, shows of a key. */
export interface SeenEntry {
  readonly value: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
}

/** What a call of a `KVStore` answered. A failed condition is an answer: it shows what stands there. */
export type KVOutput =
  | { readonly kind: 'entry'; readonly entry: SeenEntry | null }
  /** `created` is null where nobody was told. */
  | { readonly kind: 'put'; readonly revision: Revision; readonly created: boolean | null }
  | { readonly kind: 'delete'; readonly revision: Revision; readonly deleted: boolean }
  | { readonly kind: 'conditionFailed'; readonly entry: SeenEntry | null };

/** What one key holds. */
export interface KeyState {
  readonly value: string | null;
  /** Of the last change to the key. */
  readonly revision: Revision;
  /** False after a change that nobody was told the revision of: it is a later one than `revision`. */
  readonly isExact: boolean;
}

/**
 * One key of a `KVStore`, revisions included. Every change takes a later revision than all before it; which
 * one depends on other keys, so a key alone tells no more than that they rise, and that whoever names one
 * means the same change. Only what is linearizable belongs here: no `stale` reads.
 */
export const kvModel: Model<KeyState, KVInput, KVOutput> = {
  init: () => ({ value: null, revision: 0, isExact: true }),
  partition: ({ key }) => key,
  step: (state, input, output) => {
    if (output === undefined) return afterUnknown(state, input);
    if (output.kind === 'entry') return input.kind === 'get' ? seen(state, output.entry) : null;
    if (output.kind === 'conditionFailed') return afterFailure(state, input, output.entry);
    return output.kind === input.kind ? afterChange(state, input, output) : null;
  },
  fingerprint: ({ value, revision, isExact }) => {
    return `${revision}${isExact ? '' : '+'}${value === null ? '' : `=${value}`}`;
  },
  isRead: ({ kind }) => kind === 'get',
  isPast: (state, _, output) => {
    switch (output.kind) {
      case 'entry':
      case 'conditionFailed':
        return output.entry !== null && isBefore(output.entry.modRevision, state);
      case 'put':
        return output.revision <= state.revision;
      case 'delete':
        return output.revision < state.revision;
      default:
        return unreachable(output);
    }
  },
  prepare: (operations) => withEvidence(operations),
  describe: (input, output) => {
    const answer = output === undefined ? '' : ` → ${answerText(output)}`;
    return `${inputText(input)}${answer}`;
  },
  describeState: ({ value, revision, isExact }) => {
    const held = value === null ? 'nothing' : quoted(value);
    if (revision === 0 && isExact) return held;
    return `${held} @${isExact ? '' : '>'}${revision}`;
  },
};

function isBefore(revision: Revision, state: KeyState): boolean {
  return state.isExact ? revision < state.revision : revision <= state.revision;
}

/** The state that is known better once somebody saw `entry`; null where it is another. */
function seen(state: KeyState, entry: SeenEntry | null): KeyState | null {
  if (entry === null) return state.value === null ? state : null;
  if (entry.value !== state.value) return null;
  return withRevision(state, entry.modRevision);
}

/** The state where its revision is this one. */
function withRevision(state: KeyState, revision: Revision): KeyState | null {
  if (state.isExact) return state.revision === revision ? state : null;
  return revision > state.revision ? { value: state.value, revision, isExact: true } : null;
}

/** The state where the condition of a write holds. */
function where(state: KeyState, ifRevision: Revision | null): KeyState | null {
  if (ifRevision === null) return state;
  if (ifRevision === 0) return state.value === null ? state : null;
  return state.value === null ? null : withRevision(state, ifRevision);
}

function afterFailure(state: KeyState, input: KVInput, entry: SeenEntry | null): KeyState | null {
  if (input.kind === 'get' || input.ifRevision === null) return null;
  return input.ifRevision === (entry?.modRevision ?? 0) ? null : seen(state, entry);
}

function afterChange(
  state: KeyState,
  input: KVInput,
  output: Extract<KVOutput, { kind: 'put' | 'delete' }>,
): KeyState | null {
  if (input.kind === 'get') return null;
  const before = where(state, input.ifRevision);
  if (before === null) return null;
  const { revision } = output;
  if (output.kind === 'delete' && !output.deleted) {
    // Nothing was there, and nothing was changed: what comes after is later than the store was then.
    const isPossible = before.value === null && !isBefore(revision, before);
    return isPossible ? { value: null, revision, isExact: true } : null;
  }
  const existed = before.value !== null;
  const isTold = output.kind === 'delete' || output.created !== null;
  if (isTold && existed !== (output.kind === 'delete' || !output.created)) return null;
  if (revision <= before.revision) return null;
  return { value: input.kind === 'put' ? input.value : null, revision, isExact: true };
}

function afterUnknown(state: KeyState, input: KVInput): KeyState | null {
  if (input.kind === 'get') return state;
  const before = where(state, input.ifRevision);
  if (before === null) return null;
  const { revision } = before;
  if (input.kind === 'delete') {
    return before.value === null ? before : { value: null, revision, isExact: false };
  }
  // A value over another, neither of a known revision: where nobody saw it, it is as if it had not happened.
  const isPointless = input.value === UNSEEN && before.value !== null && !state.isExact;
  return isPointless ? state : { value: input.value, revision, isExact: false };
}

function inputText(input: KVInput): string {
  switch (input.kind) {
    case 'get':
      return 'get';
    case 'put':
      return `put ${quoted(input.value)}${conditionText(input.ifRevision)}`;
    case 'delete':
      return `delete${conditionText(input.ifRevision)}`;
    default:
      return unreachable(input);
  }
}

function conditionText(ifRevision: Revision | null): string {
  if (ifRevision === null) return '';
  return ifRevision === 0 ? ' if absent' : ` if @${ifRevision}`;
}

function answerText(output: KVOutput): string {
  switch (output.kind) {
    case 'entry':
      return entryText(output.entry);
    case 'put':
      return `@${output.revision}`;
    case 'delete':
      return output.deleted ? `@${output.revision}` : 'nothing there';
    case 'conditionFailed':
      return `no: ${entryText(output.entry)}`;
    default:
      return unreachable(output);
  }
}

function entryText(entry: SeenEntry | null): string {
  return entry === null ? 'nothing' : `${quoted(entry.value)} @${entry.modRevision}`;
}

/** Long values would push everything else out of the picture. */
function quoted(value: string): string {
  if (value === UNSEEN) return 'a value that nobody saw';
  return JSON.stringify(value.length > 24 ? `${value.slice(0, 21)}...` : value);
}
