import { assert } from '../../base/index.js';
import type { Slot, ValueSlabs } from './slabs.js';

/** Keeps the slots that views can see: see `RetiredSlots`. */
export interface Hold {
  readonly isHeld: boolean;
  /** May be called twice. */
  release(): void;
}

/**
 * Frees the slots of replaced and deleted values, later where a view may still read them.
 *
 * A value written at revision `from` and gone at revision `until` is seen by the views of revisions
 * in [from, until). Without such a view the slot is freed at once. Otherwise it waits, in the order of
 * `until`, for the oldest view to be released; it may wait longer than its own views live.
 */
export class RetiredSlots {
  readonly #slabs: ValueSlabs;
  /** How many views are held, by revision. Revisions never go down, so the first is the oldest. */
  readonly #held = new Map<number, number>();
  readonly #waiting: { readonly slot: Slot; readonly until: number }[] = [];
  #newest = -1;

  constructor(slabs: ValueSlabs) {
    this.#slabs = slabs;
  }

  /** Slots that wait for a view. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Holds what is stored at `revision`, the newest there is. */
  hold(revision: number): Hold {
    assert(revision >= this.#newest, 'views are made of the newest revision');
    this.#newest = revision;
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

  retire(slot: Slot, from: number, until: number): void {
    if (this.#held.size === 0 || this.#newest < from) this.#slabs.free(slot);
    else this.#waiting.push({ slot, until });
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
    const kept = this.#waiting.findIndex(({ until }) => until > oldest);
    const done = this.#waiting.splice(0, kept < 0 ? this.#waiting.length : kept);
    for (const { slot } of done) this.#slabs.free(slot);
  }
}
