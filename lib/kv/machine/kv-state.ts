import { assert, EMPTY_BYTES } from '../../base/index.js';
import { RecordTree } from './record-tree.js';
import { Records } from './records.js';
import { RetiredSlots } from './retired-slots.js';
import type { Slot } from './slabs.js';
import type { KVView, RangeQuery, RangeResult, StoredEntry } from './types.js';

/** Everything that the commands made. */
export interface KVState {
  revision: number;
  readonly records: Records;
  readonly tree: RecordTree;
  readonly retired: RetiredSlots;
}

/** The state before the first command. */
export function emptyState(): KVState {
  const records = new Records();
  const retired = new RetiredSlots(records);
  const tree = new RecordTree({ records, isSeen: (since) => retired.isSeen(since) });
  return { revision: 0, records, tree, retired };
}

/** A view with the records behind it, for snapshots. */
export interface RecordView extends KVView {
  readonly size: number;
  /** Records as they are packed, in the order of their keys: views, to be read at once, or copied. */
  packedRecords(): IterableIterator<Uint8Array>;
}

/** Fixes the state as it is now. What is applied later frees nothing that the view can see. */
export function viewOf(state: KVState): RecordView {
  const { revision, records } = state;
  const tree = state.tree.clone();
  const hold = state.retired.hold(revision);
  // Behind a released view slots hold other records by and by.
  const held = (): Readable => {
    assert(hold.isHeld, 'a view is read before it is released');
    return { tree, records };
  };
  return {
    revision,
    get: (key) => getEntry(held(), key),
    range: (query) => getRange(held(), query),
    size: tree.size,
    *packedRecords() {
      for (const slot of tree.from(EMPTY_BYTES)) yield held().records.packed(slot);
    },
    release: () => hold.release(),
  };
}

type Readable = Pick<KVState, 'tree' | 'records'>;

/** What stands at `key`, copied. */
export function getEntry({ tree, records }: Readable, key: Uint8Array): StoredEntry | null {
  const { slot } = tree.find(key);
  return slot === null ? null : records.entry(slot);
}

/** The first entries of a span, copied, and what is left of it. */
export function getRange(state: Readable, query: RangeQuery): RangeResult {
  const { limit, maxBytes, reverse } = query;
  const entries: StoredEntry[] = [];
  let sizeBytes = 0;
  for (const slot of slotsIn(state, query)) {
    if (entries.length >= limit || sizeBytes >= maxBytes) {
      const key = new Uint8Array(state.records.key(slot));
      // What comes next is known: forward it begins the rest, in reverse it ends it, itself included.
      const rest = reverse ? { from: query.from, to: withZero(key) } : { from: key, to: query.to };
      return { entries, rest };
    }
    const entry = state.records.entry(slot);
    sizeBytes += entry.key.length + entry.value.length;
    entries.push(entry);
  }
  return { entries, rest: null };
}

function* slotsIn(
  { tree, records }: Readable,
  { from, to, reverse }: RangeQuery,
): Generator<Slot, void, undefined> {
  if (reverse) {
    for (const slot of tree.before(to)) {
      if (records.compareKey(slot, from) < 0) return;
      yield slot;
    }
    return;
  }
  for (const slot of tree.from(from)) {
    if (to !== null && records.compareKey(slot, to) >= 0) return;
    yield slot;
  }
}

function withZero(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
