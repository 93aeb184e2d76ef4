import { assert } from '../base/index.js';
import type { Clock, Timer } from '../interfaces/index.js';
import { SystemClock } from '../timing/index.js';

/** One callback that waits for its time, in whole microseconds. `fn` is null once it ran or was cancelled. */
interface Waiting {
  readonly dueUs: number;
  readonly sequence: number;
  fn: (() => void) | null;
}

/**
 * Time that stands still until it is told to move. What is due runs in the order of (due time, order
 * of asking), so that the same calls give the same order in every process. It moves in whole microseconds:
 * a delay is rounded up to the next one.
 *
 * Nothing runs but inside `runNext`, `advance` and `elapse`. Callbacks that start promises want
 * `elapse`, or a caller of `runNext` that lets them settle before the next event.
 */
export class VirtualClock implements Clock {
  readonly #turns = new SystemClock();
  readonly #wallStartMs: number;
  readonly #heap: Waiting[] = [];
  /** What was asked for `soon`, in the order of asking: most of all callbacks, and no work for a heap. */
  #soon: Waiting[] = [];
  #soonAt = 0;
  #nowUs = 0;
  #sequence = 0;
  #pending = 0;

  /** `wallStartMs`: what `wallNow` says at first. Default: the start of 2024. */
  constructor(options: { readonly wallStartMs?: number | undefined } = {}) {
    this.#wallStartMs = options.wallStartMs ?? 1_704_067_200_000;
  }

  now(): number {
    return this.#nowUs / 1000;
  }

  wallNow(): number {
    return this.#wallStartMs + this.now();
  }

  after(delayMs: number, fn: () => void): Timer {
    const waiting = this.#push(this.#nowUs + microseconds(delayMs), fn);
    return {
      cancel: () => {
        if (waiting.fn !== null) this.#pending -= 1;
        waiting.fn = null;
      },
      keepAlive: () => {},
    };
  }

  soon(fn: () => void): void {
    this.#sequence += 1;
    this.#pending += 1;
    this.#soon.push({ dueUs: this.#nowUs, sequence: this.#sequence, fn });
  }

  afterPoll(fn: () => void): void {
    // As with real turns: what the waiting input asks for `soon` still comes before.
    this.soon(() => this.soon(fn));
  }

  /** Callbacks that wait. */
  get pending(): number {
    return this.#pending;
  }

  /** When the next callback is due, by `now`; null when none waits. In the past after `hold`. */
  get nextDueMs(): number | null {
    const next = this.#next();
    return next === null ? null : next.dueUs / 1000;
  }

  /** Moves to the next callback's time and runs it. False when none waits. */
  runNext(): boolean {
    const waiting = this.#next();
    if (waiting === null) return false;
    if (waiting === this.#heap[0]) this.#pop();
    else this.#shift();
    this.#nowUs = Math.max(this.#nowUs, waiting.dueUs);
    const fn = waiting.fn;
    assert(fn !== null, 'a callback that waits was neither run nor cancelled');
    waiting.fn = null;
    this.#pending -= 1;
    fn();
    return true;
  }

  /** Lets `ms` pass: runs everything that falls due, also what that asks for, without a turn between. */
  advance(ms: number): void {
    const endUs = this.#nowUs + microseconds(ms);
    while (this.#isDue(endUs)) this.runNext();
    this.#nowUs = Math.max(this.#nowUs, endUs);
  }

  /** As `advance`, but after every callback all promises that can settle have settled. */
  async elapse(ms: number): Promise<void> {
    const endUs = this.#nowUs + microseconds(ms);
    await this.#turn();
    while (this.#isDue(endUs)) {
      this.runNext();
      await this.#turn();
    }
    this.#nowUs = Math.max(this.#nowUs, endUs);
  }

  /** A held event loop: `ms` pass and nothing runs; what fell due is late and runs next. */
  hold(ms: number): void {
    this.#nowUs += microseconds(ms);
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.soon(resolve));
  }

  #isDue(endUs: number): boolean {
    const next = this.#next();
    return next !== null && next.dueUs <= endUs;
  }

  /** What runs next: of the heap and of what was asked for `soon`, the earlier one. */
  #next(): Waiting | null {
    while (this.#heap[0]?.fn === null) this.#pop();
    const later = this.#heap[0] ?? null;
    const soon = this.#soon[this.#soonAt] ?? null;
    if (soon === null) return later;
    return later !== null && isBefore(later, soon) ? later : soon;
  }

  #shift(): void {
    this.#soonAt += 1;
    if (this.#soonAt === this.#soon.length) {
      this.#soon = [];
      this.#soonAt = 0;
    } else if (this.#soonAt > 1024) {
      this.#soon = this.#soon.slice(this.#soonAt);
      this.#soonAt = 0;
    }
  }

  #push(dueUs: number, fn: () => void): Waiting {
    this.#sequence += 1;
    const waiting: Waiting = { dueUs, sequence: this.#sequence, fn };
    this.#pending += 1;
    let at = this.#heap.length;
    this.#heap.push(waiting);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = this.#heap[parentAt];
      if (parent === undefined || isBefore(parent, waiting)) break;
      this.#heap[at] = parent;
      at = parentAt;
    }
    this.#heap[at] = waiting;
    return waiting;
  }

  #pop(): Waiting | null {
    const first = this.#heap[0] ?? null;
    const last = this.#heap.pop();
    if (first === null || last === undefined || this.#heap.length === 0) return first;
    this.#sink(last);
    return first;
  }

  /** Fills the empty root, by way of the earlier child each time. */
  #sink(waiting: Waiting): void {
    let at = 0;
    for (;;) {
      const left = this.#heap[2 * at + 1];
      const right = this.#heap[2 * at + 2];
      if (left === undefined) break;
      const takeRight = right !== undefined && isBefore(right, left);
      const child = takeRight ? right : left;
      if (isBefore(waiting, child)) break;
      this.#heap[at] = child;
      at = 2 * at + (takeRight ? 2 : 1);
    }
    this.#heap[at] = waiting;
  }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.dueUs === b.dueUs ? a.sequence < b.sequence : a.dueUs < b.dueUs;
}

function microseconds(ms: number): number {
  return Math.max(0, Math.ceil(ms * 1000));
}
