import { assert, at } from '../../base/index.js';
import type { Slabs, Slot } from './slabs.js';

/** Keeps the slots that one view can see. */
export interface Hold {
  readonly isHeld: boolean;
  /** May be called twice. */
  release(): void;
}

/** Slots freed by one release, and by one change: a million at once would hold the event loop. */
const FREED_PER_RELEASE = 4096;
const FREED_PER_CHANGE = 8;

/** Slots that wait are kept in blocks: one array of a million would be copied when it grows. */
const BLOCK_SLOTS = 4096;

interface Block {
  readonly slots: Slot[];
  /** Beside each slot: the revision at which its record was gone. */
  readonly untils: number[];
}

/**
 * Frees the slots of replaced and deleted records, later where a view may still read them.
 *
 * A record written at revision `from` and gone at revision `until` is seen by the views of revisions
 * in [from, until). Without such a view the slot is freed at once. Otherwise it waits, in the order of
 * `until`, for the oldest view to be released, and is then freed by that or by a later change.
 */
export class RetiredSlots {
  readonly #slabs: Pick<Slabs, 'free'>;
  /** How many views are held, by revision. Revisions never go down, so the first is the oldest. */
  readonly #held = new Map<number, number>();
  /** The queue of slots that wait: the first block from `#head` on, then the others. */
  readonly #blocks: Block[] = [];
  #head = 0;
  /** Of the views that are held; infinite without any. */
  #oldest = Number.POSITIVE_INFINITY;
  #newest = -1;

  constructor(slabs: Pick<Slabs, 'free'>) {
    this.#slabs = slabs;
  }

  /** Holds what is stored at `revision`, the newest there is. */
  hold(revision: number): Hold {
    assert(revision >= this.#newest, 'views are made of the newest revision');
    this.#newest = revision;
    this.#oldest = Math.min(this.#oldest, revision);
    this.#held.set(revision, (this.#held.get(revision) ?? 0) + 1);
    let isHeld = true;
    const release = (): void => {
      if (isHeld) this.#release(revision);
      isHeld = false;
    };
    return {
      get isHeld() {
        return isHeld;
      },
      release,
    };
  }

  /** Whether a view may show what was made at revision `from` and is still there. */
  isSeen(from: number): boolean {
    return this.#held.size > 0 && this.#newest >= from;
  }

  /** Takes over a slot whose record was written at `from` and is gone at `until`. */
  retire(slot: Slot, from: number, until: number): void {
    if (this.isSeen(from)) this.#keep(slot, until);
    else this.#slabs.free(slot);
    this.#free(FREED_PER_CHANGE);
  }

  #keep(slot: Slot, until: number): void {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.slots.length === BLOCK_SLOTS) {
      block = { slots: [], untils: [] };
      this.#blocks.push(block);
    }
    block.slots.push(slot);
    block.untils.push(until);
  }

  #release(revision: number): void {
    const count = this.#held.get(revision);
    assert(count !== undefined, 'a hold is released once');
    if (count > 1) {
      this.#held.set(revision, count - 1);
      return;
    }
    this.#held.delete(revision);
    const [oldest = Number.POSITIVE_INFINITY] = this.#held.keys();
    this.#oldest = oldest;
    this.#free(FREED_PER_RELEASE);
  }

  #free(limit: number): void {
    for (let freed = 0; freed < limit; freed += 1) {
      const block = this.#blocks[0];
      const slot = block?.slots[this.#head];
      if (block === undefined || slot === undefined) return;
      if (at(block.untils, this.#head) > this.#oldest) return;
      this.#slabs.free(slot);
      this.#head += 1;
      if (this.#head < block.slots.length) continue;
      this.#blocks.shift();
      this.#head = 0;
    }
  }
}
