import { QuorateError } from '../base/index.js';
import type { Clock, Timer } from '../interfaces/index.js';
import type { KeySpan, KVView } from './machine/index.js';

export interface OpenViewsOptions {
  readonly clock: Clock;
  /** When reached, the view that was idle longest is dropped. */
  readonly maxOpenViews: number;
  /** Distinguishes this start of this node: a cursor of another one is never mistaken for ours. */
  readonly instance: string;
}

/** What is left to read of one view. */
export interface Continuation {
  readonly view: KVView;
  readonly rest: KeySpan;
  readonly reverse: boolean;
}

interface OpenView {
  readonly id: number;
  readonly view: KVView;
  readonly reverse: boolean;
  /** What pages begin with, by number; the last two, so that any page but the final one may be asked for twice. */
  readonly rests: Map<number, KeySpan>;
  usedMs: number;
}

/** A view that nobody has read for this long is dropped. */
const IDLE_MS = 60_000;
const PAGES_KEPT = 2;

/** Views that listings hold between two pages, so that all pages show one revision. */
export class OpenViews {
  readonly #options: OpenViewsOptions;
  readonly #views = new Map<number, OpenView>();
  #nextId = 1;
  #timer: Timer | null = null;

  constructor(options: OpenViewsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#views.size;
  }

  /** Holds the view, and gives the cursor of what is left. */
  hold(view: KVView, rest: KeySpan, reverse: boolean): string {
    if (this.#views.size >= this.#options.maxOpenViews) this.#dropOldest();
    const id = this.#nextId;
    this.#nextId += 1;
    const usedMs = this.#options.clock.now();
    this.#views.set(id, { id, view, reverse, rests: new Map([[1, rest]]), usedMs });
    this.#arm();
    return this.#cursor(id, 1);
  }

  /** What a cursor stands for. One that is not held any more, or never was here, is ERR_COMPACTED. */
  resume(cursor: string): Continuation {
    const place = this.#find(cursor);
    const rest = place?.open.rests.get(place.page);
    if (place === null || rest === undefined) throw gone();
    const { open } = place;
    open.usedMs = this.#options.clock.now();
    return { view: open.view, rest, reverse: open.reverse };
  }

  /** The cursor of the page after `cursor`; with nothing left, the view is given back. */
  advance(cursor: string, rest: KeySpan | null): string | null {
    const place = this.#find(cursor);
    if (place === null) throw gone();
    const { open, page } = place;
    if (rest === null) {
      this.#drop(open);
      return null;
    }
    open.rests.set(page + 1, rest);
    open.rests.delete(page + 1 - PAGES_KEPT);
    return this.#cursor(open.id, page + 1);
  }

  release(cursor: string): void {
    const place = this.#find(cursor);
    if (place !== null) this.#drop(place.open);
  }

  close(): void {
    for (const open of [...this.#views.values()]) this.#drop(open);
  }

  #cursor(id: number, page: number): string {
    return `${this.#options.instance}-${id}-${page}`;
  }

  #find(cursor: string): { readonly open: OpenView; readonly page: number } | null {
    const [instance, id, page] = cursor.split('-');
    if (instance !== this.#options.instance) return null;
    const open = this.#views.get(Number(id));
    return open === undefined ? null : { open, page: Number(page) };
  }

  #drop(open: OpenView): void {
    this.#views.delete(open.id);
    open.view.release();
    if (this.#views.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #dropOldest(): void {
    let oldest: OpenView | null = null;
    for (const open of this.#views.values()) {
      if (oldest === null || open.usedMs < oldest.usedMs) oldest = open;
    }
    if (oldest !== null) this.#drop(oldest);
  }

  #arm(): void {
    if (this.#timer !== null || this.#views.size === 0) return;
    this.#timer = this.#options.clock.after(IDLE_MS, () => {
      this.#timer = null;
      const before = this.#options.clock.now() - IDLE_MS;
      for (const open of [...this.#views.values()]) if (open.usedMs <= before) this.#drop(open);
      this.#arm();
    });
    this.#timer.keepAlive(false);
  }
}

function gone(): QuorateError {
  return new QuorateError('ERR_COMPACTED', {
    message: 'the listing that the cursor belongs to is no longer held; begin again',
  });
}
