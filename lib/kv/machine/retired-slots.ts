import { assert } from '../../base/index.js';
import type { Slot, ValueSlabs } from './slabs.js';

/** Keeps the slots that one view can see. */
export interface Hold {
  readonly isHeld: boolean;
  /** May be called twice. */
  release(): void;
}

/** Slots freed by one release, and by one change: a million at once would hold the event loop. */
const FREED_PER_RELEASE = 4096;
const FREED_PER_CHANGE = 8;

/** Places at the head of the queue that are given back at once. */
const HEAD_MAX = 65_536;

/**
 * Frees the slots of replaced and deleted values, later where a view may still read them.
 *
 * A value written at revision `from` and gone at revision `until` is seen by the views of revisions
 * in [from, until). Without such a view the slot is freed at once. Otherwise it waits, in the order of
 * `until`, for the oldest view to be released, and is then freed by that or by a later change.
 */
export class RetiredSlots {
  readonly #slabs: ValueSlabs;
  /** How many views are held, by revision. Revisions never go down, so the first is the oldest. */
  readonly #held = new Map<number, number>();
  /** The queue of slots that wait, from `#head` on, and beside each when its value was gone. */
  readonly #slots: Slot[] = [];
  readonly #untils: number[] = [];
  #head = 0;
  /** Of the views that are held; infinite without any. */
  #oldest = Number.POSITIVE_INFINITY;
  #newest = -1;

  constructor(slabs: ValueSlabs) {
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

  /** Takes over a slot whose value was written at `from` and is gone at `until`. */
  retire(slot: Slot, from: number, until: number): void {
    if (this.#held.size === 0 || this.#newest < from) {
      this.#slabs.free(slot);
    } else {
      this.#slots.push(slot);
      this.#untils.push(until);
    }
    this.#free(FREED_PER_CHANGE);
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
    const end = Math.min(this.#head + limit, this.#slots.length);
    while (this.#head < end && (this.#untils[this.#head] ?? 0) <= this.#oldest) {
      const slot = this.#slots[this.#head];
      assert(slot !== undefined, 'a slot waits at the head of the queue');
      this.#slabs.free(slot);
      this.#head += 1;
    }
    if (this.#head < HEAD_MAX && this.#head < this.#slots.length) return;
    this.#slots.splice(0, this.#head);
    this.#untils.splice(0, this.#head);
    this.#head = 0;
  }
}
