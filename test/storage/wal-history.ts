/** A small history of two groups, step by step, with what a start finds after each. For tests that cut it. */
import { equal } from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Entry, packEntries } from '../../lib/base/index.js';
import type {
  Clock,
  HardState,
  Logger,
  SnapshotStorage,
  StorageEngine,
  StoredIdentity,
} from '../../lib/interfaces/index.js';
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
      /** Tells payloads of the same size apart. Default 0. */
      readonly variant?: number;
    }
  | { readonly kind: 'compact'; readonly group: string; readonly index: number }
  | {
      readonly kind: 'reset';
      readonly group: string;
      readonly index: number;
      readonly term: number;
    }
  | {
      readonly kind: 'snapshot';
      readonly group: string;
      readonly index: number;
      readonly bytes: number;
    }
  | { readonly kind: 'removeSnapshot'; readonly group: string; readonly index: number };

/** Calls that are made at the same time. */
export type Step = readonly Call[];

/**
 * Rolls, a truncation, compactions, a group that lags and is moved forward, a segment that is used again,
 * snapshots, resets.
 */
export const HISTORY: readonly Step[] = [
  [save('a', 1), save('b', 1)],
  [append('a', 1, 1, 3, 20), append('b', 1, 1, 2, 30)],
  [append('a', 1, 4, 2, 1500)],
  [save('a', 2), append('a', 2, 4, 1, 3)],
  [append('a', 2, 5, 1, 5000)],
  [append('a', 2, 6, 1, 2900), append('b', 1, 3, 1, 10)],
  [snapshot('a', 4, 900)],
  [compact('a', 4)],
  [append('a', 2, 7, 4, 700)],
  [append('a', 2, 11, 1, 3500)],
  [append('a', 2, 12, 1, 3500)],
  [snapshot('a', 10, 1200)],
  [compact('a', 10), append('b', 1, 4, 1, 10)],
  [append('a', 2, 13, 1, 3500)],
  [append('a', 2, 14, 1, 9000)],
  [append('a', 2, 15, 2, 900), save('b', 4)],
  [compact('a', 15)],
  [removeSnapshot('a', 4)],
  [append('b', 4, 3, 1, 40)],
  [append('a', 2, 17, 1, 3500)],
  [append('a', 2, 18, 1, 3500)],
  [reset('a', 30, 5), append('b', 4, 4, 1, 900)],
  [compact('b', 3)],
  [append('a', 5, 31, 1, 3000)],
  [reset('b', 3, 4)],
];

/**
 * Goes on after the history, until there is something of every kind: segments with several batches, some of
 * many blocks, truncations, states, two snapshots of each group.
 */
export const FURTHER: readonly Step[] = [
  [removeSnapshot('a', 10)],
  [snapshot('b', 3, 900)],
  [append('a', 5, 32, 3, 900)],
  [append('b', 4, 4, 20, 60), save('a', 5)],
  [append('a', 5, 35, 2, 1700)],
  [append('a', 6, 36, 5, 600), save('b', 4)],
  [append('b', 4, 24, 1, 11_000)],
  [snapshot('a', 33, 1100)],
  [append('a', 6, 41, 4, 300), save('a', 7)],
  [append('b', 4, 25, 30, 30)],
  [append('b', 5, 41, 6, 333), save('b', 5)],
  [append('a', 7, 45, 2, 1000), append('b', 5, 47, 2, 90)],
  [snapshot('b', 30, 1300)],
  [append('b', 6, 48, 2, 700), save('b', 6)],
  [append('a', 7, 47, 1, 2900)],
  [snapshot('a', 44, 500)],
  [append('a', 8, 46, 2, 1600), save('a', 8)],
  [append('a', 8, 48, 1, 1900)],
  [append('b', 6, 50, 3, 15)],
  [save('a', 9)],
  [append('a', 9, 49, 3, 40)],
  [append('a', 9, 50, 1, 33)],
  [append('a', 9, 51, 1, 4400)],
];

/** What a start finds of each group, in a form that can be compared. */
export type Found = Readonly<Record<string, string>>;

interface Model {
  readonly state: HardState | null;
  readonly base: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
  /** Index and term of each, the newest first. */
  readonly snapshots: readonly string[];
}

export interface HistoryOptions extends WalStorageOptions {
  /** Whose directory it becomes. */
  readonly identity?: StoredIdentity;
  readonly logger?: Logger;
}

/** Whose directory it becomes without another one. */
export const IDENTITY: StoredIdentity = { ...SUITE_IDENTITY, clusterId: 'fedcba9876543210' };

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
  { identity = IDENTITY, logger = silentLogger, ...options }: HistoryOptions,
): Promise<{
  readonly engine: StorageEngine;
  /** Null where the directory was new. */
  readonly identity: StoredIdentity | null;
  readonly found: Found;
}> {
  const engine = walStorage(directory, { ...SMALL, ...options });
  try {
    const stored = await engine.open({ clock: stillClock(), logger });
    if (stored === null) await engine.initialise({ ...identity, clusterId: null });
    if ((stored?.clusterId ?? null) === null) await engine.initialise(identity);
    return { engine, identity: stored, found: await loaded(engine) };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function loaded(engine: StorageEngine): Promise<Found> {
  const models = new Map<string, Model>();
  for (const group of ['a', 'b']) {
    const { state, log, snapshots } = engine.group(group);
    const hardState = await state.load();
    const { compacted, entries } = await log.open();
    const listed = await describedSnapshots(snapshots);
    models.set(group, { state: hardState, base: compacted, entries, snapshots: listed });
  }
  return described(models);
}

async function describedSnapshots(snapshots: SnapshotStorage): Promise<readonly string[]> {
  const all: string[] = [];
  for (const { id, index, term, sizeBytes } of await snapshots.list()) {
    const reader = await snapshots.open(id);
    const content = await reader.read(0, sizeBytes);
    await reader.close();
    all.push(snapshotText(index, term, content));
  }
  return all;
}

function snapshotText(index: number, term: number, content: Uint8Array): string {
  return `${index}/${term}:${content.length}:${crc32(content)}`;
}

/** How many steps went well before one failed. */
export async function perform(
  engine: StorageEngine,
  steps: readonly Step[],
  onDone: (done: number) => void = () => {},
): Promise<number> {
  for (const [done, step] of steps.entries()) {
    const endings = await Promise.allSettled(step.map((call) => performCall(engine, call)));
    const isDone = endings.every(({ status }) => status === 'fulfilled');
    if (!isDone) return done;
    onDone(done + 1);
  }
  return steps.length;
}

export function performCall(engine: StorageEngine, call: Call): Promise<void> {
  const { log, state, snapshots } = engine.group(call.group);
  switch (call.kind) {
    case 'save':
      return state.save({ term: call.term, votedFor: `n${call.term}` });
    case 'append':
      return log.append(entriesOf(call));
    case 'compact':
      return log.compact(call.index, termAt(call.group, call.index));
    case 'reset':
      return log.reset(call.index, call.term);
    case 'snapshot':
      return takeSnapshot(snapshots, call);
    case 'removeSnapshot':
      return dropSnapshot(snapshots, call.index);
  }
}

async function takeSnapshot(
  snapshots: SnapshotStorage,
  { group, index, bytes }: Extract<Call, { kind: 'snapshot' }>,
): Promise<void> {
  const configuration = new Uint8Array([1, 2, 3]);
  const draft = { index, term: termAt(group, index), configuration, logTimeMs: 5 };
  const writer = await snapshots.create(draft);
  await writer.write(snapshotContent(index, bytes));
  await writer.commit();
}

async function dropSnapshot(snapshots: SnapshotStorage, index: number): Promise<void> {
  for (const snapshot of await snapshots.list()) {
    if (snapshot.index === index) await snapshots.remove(snapshot.id);
  }
}

function snapshotContent(index: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => (at % 5 === 0 ? 0 : at * index));
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

const NEW: Model = { state: null, base: { index: 0, term: 0 }, entries: [], snapshots: [] };

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
    case 'snapshot': {
      const { index, bytes } = call;
      const content = snapshotContent(index, bytes);
      const text = snapshotText(index, termAt(call.group, index), content);
      return { ...model, snapshots: [text, ...model.snapshots] };
    }
    case 'removeSnapshot': {
      const isOther = (text: string): boolean => !text.startsWith(`${call.index}/`);
      return { ...model, snapshots: model.snapshots.filter(isOther) };
    }
  }
}

function described(models: ReadonlyMap<string, Model>): Found {
  const texts = [...models].flatMap(([group, { state, base, entries, snapshots }]) => {
    const log = entries.map(({ index, term, packed }) => `${index}/${term}:${crc32(packed)}`);
    const saved = state === null ? 'never' : `${state.term} ${state.votedFor}`;
    const text = `${saved}; ${base.index}/${base.term}; ${log.join(' ')}`;
    return [[group, text] as const, [`${group} snapshots`, snapshots.join(' ')] as const];
  });
  return Object.fromEntries(texts);
}

function entriesOf(call: Extract<Call, { kind: 'append' }>): Entry[] {
  const { group, term, first, count, payloadBytes, variant = 0 } = call;
  const drafts = Array.from({ length: count }, (_, offset) => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload: new Uint8Array(payloadBytes).fill(payloadByte(first + offset, term) ^ variant),
  }));
  return packEntries({ group, term, firstIndex: first, logTimeMs: 0 }, drafts);
}

/** Also what nothing was written looks like, and what a stamp ends in. */
function payloadByte(index: number, term: number): number {
  return [index + term, 0, 0xa5][index % 3] ?? 0;
}

/** In this history terms change only where they are written here. */
function termAt(group: string, index: number): number {
  if (group === 'b') return index >= 3 ? 4 : 1;
  if (index >= 36) return 6;
  if (index >= 30) return 5;
  return index >= 4 ? 2 : 1;
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

function snapshot(group: string, index: number, bytes: number): Call {
  return { kind: 'snapshot', group, index, bytes };
}

function removeSnapshot(group: string, index: number): Call {
  return { kind: 'removeSnapshot', group, index };
}
