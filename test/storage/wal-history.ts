/** A small history of two groups, step by step, with what a start finds after each. For tests that cut it. */
import { equal } from 'node:assert/strict';
import { type Entry, packEntries } from '../../lib/base/index.js';
import type { Clock, HardState, StorageEngine } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { SUITE_IDENTITY, VirtualClock } from '../../lib/testing/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import { type WalStorageOptions, walStorage } from '../../storage/wal/index.js';

/** Segments of two blocks, so that a few entries fill one. */
export const SMALL: WalStorageOptions = { segmentBytes: 8192, nonce: 7 };

/** One call to the log or the state of a group. */
export type Call =
  | { readonly kind: 'save'; readonly group: string; readonly term: number }
  | {
      readonly kind: 'append';
      readonly group: string;
      readonly term: number;
      readonly first: number;
      readonly count: number;
      readonly payloadBytes: number;
    }
  | { readonly kind: 'compact'; readonly group: string; readonly index: number }
  | {
      readonly kind: 'reset';
      readonly group: string;
      readonly index: number;
      readonly term: number;
    };

/** Calls that are made at the same time. */
export type Step = readonly Call[];

/** Rolls, a truncation, compactions, a group that lags behind and is moved forward, resets. */
export const HISTORY: readonly Step[] = [
  [save('a', 1), save('b', 1)],
  [append('a', 1, 1, 3, 20), append('b', 1, 1, 2, 30)],
  [append('a', 1, 4, 2, 1500)],
  [save('a', 2), append('a', 2, 4, 1, 3)],
  [append('a', 2, 5, 1, 5000)],
  [append('a', 2, 6, 1, 2900), append('b', 1, 3, 1, 10)],
  [compact('a', 4)],
  [append('a', 2, 7, 4, 700)],
  [append('a', 2, 11, 1, 3500)],
  [append('a', 2, 12, 1, 3500)],
  [compact('a', 10), append('b', 1, 4, 1, 10)],
  [append('a', 2, 13, 1, 3500)],
  [append('a', 2, 14, 1, 9000)],
  [append('a', 2, 15, 2, 900), save('b', 3)],
  [compact('a', 15)],
  [append('b', 3, 3, 1, 40)],
  [append('a', 2, 17, 1, 3500)],
  [append('a', 2, 18, 1, 3500)],
  [reset('a', 30, 5), compact('b', 1)],
  [append('a', 5, 31, 1, 3000)],
  [reset('b', 3, 4)],
];

/** What a start finds of each group, in a form that can be compared. */
export type Found = Readonly<Record<string, string>>;

interface Model {
  readonly state: HardState | null;
  readonly base: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
}

/** What is found after none of the steps, the first one, and so on. */
export function expectations(steps: readonly Step[]): readonly Found[] {
  let models: ReadonlyMap<string, Model> = new Map(['a', 'b'].map((group) => [group, NEW]));
  const all = [described(models)];
  for (const step of steps) {
    const next = new Map(models);
    for (const call of step) next.set(call.group, after(next.get(call.group) ?? NEW, call));
    models = next;
    all.push(described(models));
  }
  return all;
}

/** Opens an engine with both groups. Its timers stand still, so that a run is always the same. */
export async function openHistory(
  directory: string,
  options: WalStorageOptions,
): Promise<{ readonly engine: StorageEngine; readonly found: Found }> {
  const engine = walStorage(directory, { ...SMALL, ...options });
  try {
    const identity = await engine.open({ clock: stillClock(), logger: silentLogger });
    if (identity === null) await engine.initialise(SUITE_IDENTITY);
    return { engine, found: await loaded(engine) };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function loaded(engine: StorageEngine): Promise<Found> {
  const models = new Map<string, Model>();
  for (const group of ['a', 'b']) {
    const { state, log } = engine.group(group);
    const hardState = await state.load();
    const { compacted, entries } = await log.open();
    models.set(group, { state: hardState, base: compacted, entries });
  }
  return described(models);
}

/** How many steps went well before one failed. */
export async function perform(engine: StorageEngine, steps: readonly Step[]): Promise<number> {
  for (const [done, step] of steps.entries()) {
    const endings = await Promise.allSettled(step.map((call) => performCall(engine, call)));
    const isDone = endings.every(({ status }) => status === 'fulfilled');
    if (!isDone) return done;
  }
  return steps.length;
}

export function performCall(engine: StorageEngine, call: Call): Promise<void> {
  const { log, state } = engine.group(call.group);
  switch (call.kind) {
    case 'save':
      return state.save({ term: call.term, votedFor: `n${call.term}` });
    case 'append':
      return log.append(entriesOf(call));
    case 'compact':
      return log.compact(call.index, termAt(call.group, call.index));
    case 'reset':
      return log.reset(call.index, call.term);
  }
}

/** A clock whose turns pass and whose time does not. */
export function stillClock(): Clock {
  const virtual = new VirtualClock();
  const real = new SystemClock();
  return {
    now: () => virtual.now(),
    wallNow: () => virtual.wallNow(),
    after: (delayMs, fn) => virtual.after(delayMs, fn),
    soon: (fn) => real.soon(fn),
    afterPoll: (fn) => real.afterPoll(fn),
  };
}

const NEW: Model = { state: null, base: { index: 0, term: 0 }, entries: [] };

function after(model: Model, call: Call): Model {
  switch (call.kind) {
    case 'save':
      return { ...model, state: { term: call.term, votedFor: `n${call.term}` } };
    case 'append': {
      const kept = model.entries.filter(({ index }) => index < call.first);
      return { ...model, entries: [...kept, ...entriesOf(call)] };
    }
    case 'compact': {
      const base = { index: call.index, term: termAt(call.group, call.index) };
      equal(model.entries.find(({ index }) => index === call.index)?.term, base.term);
      return { ...model, base, entries: model.entries.filter(({ index }) => index > call.index) };
    }
    case 'reset':
      return { ...model, base: { index: call.index, term: call.term }, entries: [] };
  }
}

function described(models: ReadonlyMap<string, Model>): Found {
  const texts = [...models].map(([group, { state, base, entries }]) => {
    const log = entries.map(({ index, term, payload }) => {
      const [first, last] = [payload[0], payload.at(-1)];
      return `${index}/${term}:${payload.length}:${first}:${last}`;
    });
    const saved = state === null ? 'never' : `${state.term} ${state.votedFor}`;
    return [group, `${saved}; ${base.index}/${base.term}; ${log.join(' ')}`] as const;
  });
  return Object.fromEntries(texts);
}

function entriesOf(call: Extract<Call, { kind: 'append' }>): Entry[] {
  const { group, term, first, count, payloadBytes } = call;
  const drafts = Array.from({ length: count }, (_, offset) => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload: new Uint8Array(payloadBytes).fill(first + offset + term),
  }));
  return packEntries({ group, term, firstIndex: first, logTimeMs: 0 }, drafts);
}

/** In this history terms change only where they are written here. */
function termAt(group: string, index: number): number {
  return group === 'a' && index >= 4 ? 2 : 1;
}

function save(group: string, term: number): Call {
  return { kind: 'save', group, term };
}

function append(
  group: string,
  term: number,
  first: number,
  count: number,
  payloadBytes: number,
): Call {
  return { kind: 'append', group, term, first, count, payloadBytes };
}

function compact(group: string, index: number): Call {
  return { kind: 'compact', group, index };
}

function reset(group: string, index: number, term: number): Call {
  return { kind: 'reset', group, index, term };
}
