import sortedBTree from 'sorted-btree';
import { assert } from '../../base/index.js';
import { fromBinaryKey, toBinaryKey } from './binary-keys.js';
import { RetiredSlots } from './retired-slots.js';
import { ArenaSlabs, type Slot, type ValueSlabs } from './slabs.js';
import type { KVView, RangeQuery, RangeResult, StoredEntry } from './types.js';

/** What the tree holds for a key. Never changed: trees of views share it. */
export interface KVRecord {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string | null;
  readonly slot: Slot;
}

/** Records by binary key, in order. `clone` is O(1): nodes are copied when one side changes them. */
export type RecordTree = InstanceType<typeof sortedBTree.default<string, KVRecord>>;

/** Everything that the commands made. */
export interface KVState {
  revision: number;
  readonly tree: RecordTree;
  readonly slabs: ValueSlabs;
  readonly retired: RetiredSlots;
}

/** The state before the first command. */
export function emptyState(): KVState {
  const slabs = new ArenaSlabs();
  const tree = new sortedBTree.default<string, KVRecord>(undefined, compareKeys);
  return { revision: 0, tree, slabs, retired: new RetiredSlots(slabs) };
}

function compareKeys(a: string, b: string): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}

/** A view with the records behind it, for snapshots. */
export interface RecordView extends KVView {
  readonly size: number;
  records(): IterableIterator<[string, KVRecord]>;
  /** A view into the slabs: read at once, or copied. */
  value(record: KVRecord): Uint8Array;
}

/** Fixes the state as it is now. What is applied later frees nothing that the view can see. */
export function viewOf(state: KVState): RecordView {
  const { revision, slabs } = state;
  const tree = state.tree.clone();
  const hold = state.retired.hold(revision);
  // Behind a released view slots hold other values by and by.
  const held = (): Readable => {
    assert(hold.isHeld, 'a view is read before it is released');
    return { tree, slabs };
  };
  return {
    revision,
    get: (key) => getEntry(held(), key),
    range: (query) => getRange(held(), query),
    size: tree.size,
    records: () => tree.entries(),
    value: (record) => held().slabs.read(record.slot),
    release: () => hold.release(),
  };
}

type Readable = Pick<KVState, 'tree' | 'slabs'>;

/** What stands at `key`, copied. */
export function getEntry(state: Readable, key: Uint8Array): StoredEntry | null {
  const record = state.tree.get(toBinaryKey(key));
  return record === undefined ? null : entryOf(state, key, record);
}

/** The first entries of a span, copied, and what is left of it. */
export function getRange(state: Readable, query: RangeQuery): RangeResult {
  const { limit, maxBytes, reverse } = query;
  const entries: StoredEntry[] = [];
  let sizeBytes = 0;
  for (const [binaryKey, record] of recordsIn(state.tree, query)) {
    const key = fromBinaryKey(binaryKey);
    if (entries.length >= limit || sizeBytes >= maxBytes) {
      // What comes next is known: forward it begins the rest, in reverse it ends it, itself included.
      const rest = reverse ? { from: query.from, to: withZero(key) } : { from: key, to: query.to };
      return { entries, rest };
    }
    const entry = entryOf(state, key, record);
    sizeBytes += entry.key.length + entry.value.length;
    entries.push(entry);
  }
  return { entries, rest: null };
}

function* recordsIn(
  tree: RecordTree,
  { from, to, reverse }: RangeQuery,
): Generator<[string, KVRecord], void, undefined> {
  const first = toBinaryKey(from);
  const end = to === null ? undefined : toBinaryKey(to);
  if (reverse) {
    for (const pair of tree.entriesReversed(end, undefined, true)) {
      if (pair[0] < first) return;
      yield pair;
    }
    return;
  }
  for (const pair of tree.entries(first)) {
    if (end !== undefined && pair[0] >= end) return;
    yield pair;
  }
}

function entryOf({ slabs }: Readable, key: Uint8Array, record: KVRecord): StoredEntry {
  const { createRevision, modRevision, version, lease, slot } = record;
  const value = new Uint8Array(slabs.read(slot));
  return { key: new Uint8Array(key), value, createRevision, modRevision, version, lease };
}

function withZero(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
