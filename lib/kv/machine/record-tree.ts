import sortedBTree from 'sorted-btree';
import { assert, at } from '../../base/index.js';
import { toBinaryKey } from './binary-keys.js';
import type { Records } from './records.js';
import type { Slot } from './slabs.js';

/** Slots of records that follow each other, in the order of their keys. */
interface Leaf {
  readonly slots: Slot[];
  /** The revision it was made at: a view of that revision or a later one may show it. */
  readonly since: number;
}

/** Where a key stands, or would stand. To be used before the next change. */
export interface Place {
  /** Of the key's record; null where there is none. */
  readonly slot: Slot | null;
  readonly leaf: Leaf;
  /** The leaf's own key. */
  readonly least: string;
  /** In the leaf. */
  readonly position: number;
}

/** Slots of a leaf. More make two of it. */
const MAX_LEAF_SLOTS = 64;
/** A leaf with fewer joins the one before it, where both fit into one. */
const MIN_LEAF_SLOTS = MAX_LEAF_SLOTS / 4;
/** What a leaf holds that was made from sorted records: the first put shall not split it. */
export const FILLED_LEAF_SLOTS: number = (MAX_LEAF_SLOTS * 3) / 4;

type Leaves = InstanceType<typeof sortedBTree.default<string, Leaf>>;

export interface RecordTreeOptions {
  readonly records: Records;
  /** Whether a view shows what was made at revision `since`: it is copied before it is changed. */
  readonly isSeen: (since: number) => boolean;
}

/**
 * The records in the order of their keys: a tree over leaves of slots, so that a million keys are some
 * twenty thousand objects. A leaf stands under the least key that may be in it; the first under no key.
 */
export class RecordTree {
  readonly #options: RecordTreeOptions;
  readonly #leaves: Leaves;
  #size: number;

  constructor(options: RecordTreeOptions, leaves = firstLeaf(), size = 0) {
    this.#options = options;
    this.#leaves = leaves;
    this.#size = size;
  }

  /** How many records there are. */
  get size(): number {
    return this.#size;
  }

  /** How many leaves hold them. */
  get leafCount(): number {
    return this.#leaves.size;
  }

  /** The same records, whatever is changed here later. Costs nothing; a change copies what it touches. */
  clone(): RecordTree {
    return new RecordTree(this.#options, this.#leaves.clone(), this.#size);
  }

  find(key: Uint8Array): Place {
    const found = this.#leaves.getPairOrNextLower(toBinaryKey(key));
    assert(found !== undefined, 'the first leaf stands under no key');
    const [least, leaf] = found;
    const position = this.#lowerBound(leaf, key);
    const slot = leaf.slots[position] ?? null;
    const isKey = slot !== null && this.#options.records.compareKey(slot, key) === 0;
    return { slot: isKey ? slot : null, leaf, least, position };
  }

  /** Puts `slot` where its key belongs, in place of what stands there. */
  put(place: Place, slot: Slot, revision: number): void {
    const { slots } = this.#writable(place, revision);
    if (place.slot !== null) {
      slots[place.position] = slot;
      return;
    }
    slots.splice(place.position, 0, slot);
    this.#size += 1;
    if (slots.length > MAX_LEAF_SLOTS) {
      this.#addLeaf({ slots: slots.splice(MAX_LEAF_SLOTS / 2), since: revision });
    }
  }

  /** Removes the record that stands at `place`. */
  delete(place: Place, revision: number): void {
    assert(place.slot !== null, 'only what is there is removed');
    const { slots } = this.#writable(place, revision);
    slots.splice(place.position, 1);
    this.#size -= 1;
    if (slots.length < MIN_LEAF_SLOTS) this.#join(place.least, slots, revision);
  }

  /** Adds records whose keys come after all others, in their order; at most `FILLED_LEAF_SLOTS`. */
  append(slots: Slot[]): void {
    assert(slots.length <= FILLED_LEAF_SLOTS, 'what is added is one leaf');
    if (slots.length === 0) return;
    this.#size += slots.length;
    this.#addLeaf({ slots, since: 0 });
  }

  /** Records from `key` on, itself included. */
  *from(key: Uint8Array): Generator<Slot, void, undefined> {
    const { least, position } = this.find(key);
    let start = position;
    for (const [, { slots }] of this.#leaves.entries(least)) {
      for (let i = start; i < slots.length; i += 1) yield at(slots, i);
      start = 0;
    }
  }

  /** Records before `key` and back to the first; from the last one with null. */
  *before(key: Uint8Array | null): Generator<Slot, void, undefined> {
    const end = key === null ? undefined : toBinaryKey(key);
    for (const [, leaf] of this.#leaves.entriesReversed(end, undefined, true)) {
      const { slots } = leaf;
      let i = key === null ? slots.length : this.#lowerBound(leaf, key);
      for (; i > 0; i -= 1) yield at(slots, i - 1);
    }
  }

  /** How many records of `leaf` come before `key`. */
  #lowerBound({ slots }: Leaf, key: Uint8Array): number {
    const { records } = this.#options;
    let low = 0;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (records.compareKey(at(slots, middle), key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #writable({ leaf, least }: Pick<Place, 'leaf' | 'least'>, revision: number): Leaf {
    if (!this.#options.isSeen(leaf.since)) return leaf;
    const copy = { slots: leaf.slots.slice(), since: revision };
    this.#leaves.set(least, copy);
    return copy;
  }

  #addLeaf(leaf: Leaf): void {
    this.#leaves.set(toBinaryKey(this.#options.records.key(at(leaf.slots, 0))), leaf);
  }

  #join(least: string, slots: readonly Slot[], revision: number): void {
    const before = this.#leaves.nextLowerPair(least);
    if (before === undefined) return;
    const [lower, leaf] = before;
    if (leaf.slots.length + slots.length > MAX_LEAF_SLOTS) return;
    this.#writable({ leaf, least: lower }, revision).slots.push(...slots);
    this.#leaves.delete(least);
  }
}

function firstLeaf(): Leaves {
  const leaves = new sortedBTree.default<string, Leaf>(undefined, compareKeys);
  leaves.set('', { slots: [], since: 0 });
  return leaves;
}

function compareKeys(a: string, b: string): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}
