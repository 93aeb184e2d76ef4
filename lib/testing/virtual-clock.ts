import { assert } from '../base/index.js';
import type { Clock, Timer } from '../interfaces/index.js';
import { SystemClock } from '../timing/index.js';

/** One callback that waits for its time. `fn` is null once it ran or was cancelled. */
interface Waiting {
  readonly dueMs: number;
  readonly sequence: number;
  fn: (() => void) | null;
}

/**
 * Time that stands still until it is told to move. What is due runs in the order of (due time, order
 * of asking), so that the same calls give the same order in every process.
 *
 * Nothing runs but inside `runNext`, `advance` and `elapse`. Callbacks that start promises want
 * `elapse`, or a caller of `runNext` that lets them settle before the next event.
 */
export class VirtualClock implements Clock {
  readonly #turns = new SystemClock();
  readonly #wallStartMs: number;
  readonly #heap: Waiting[] = [];
  #nowMs = 0;
  #sequence = 0;
  #pending = 0;

  /** `wallStartMs`: what `wallNow` says at first. Default: the start of 2024. */
  constructor(options: { readonly wallStartMs?: number | undefined } = {}) {
    this.#wallStartMs = options.wallStartMs ?? 1_704_067_200_000;
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const waiting = this.#push(this.#nowMs + Math.max(0, delayMs), fn);
    return {
      cancel: () => {
        if (waiting.fn !== null) this.#pending -= 1;
        waiting.fn = null;
      },
      keepAlive: () => {},
    };
  }

  soon(fn: () => void): void {
    this.#push(this.#nowMs, fn);
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
    this.#dropCancelled();
    return this.#heap[0]?.dueMs ?? null;
  }

  /** Moves to the next callback's time and runs it. False when none waits. */
  runNext(): boolean {
    this.#dropCancelled();
    const waiting = this.#pop();
    if (waiting === null) return false;
    this.#nowMs = Math.max(this.#nowMs, waiting.dueMs);
    const fn = waiting.fn;
    assert(fn !== null, 'a callback that waits was neither run nor cancelled');
    waiting.fn = null;
    this.#pending -= 1;
    fn();
    return true;
  }

  /** Lets `ms` pass: runs everything that falls due, also what that asks for, without a turn between. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    while (this.#isDue(endMs)) this.runNext();
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** As `advance`, but after every callback all promises that can settle have settled. */
  async elapse(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.#turn();
    while (this.#isDue(endMs)) {
      this.runNext();
      await this.#turn();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** A held event loop: `ms` pass and nothing runs; what fell due is late and runs next. */
  hold(ms: number): void {
    this.#nowMs += ms;
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#turns.soon(resolve));
  }

  #isDue(endMs: number): boolean {
    const dueMs = this.nextDueMs;
    return dueMs !== null && dueMs <= endMs;
  }

  #push(dueMs: number, fn: () => void): Waiting {
    this.#sequence += 1;
    const waiting: Waiting = { dueMs, sequence: this.#sequence, fn };
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

  #dropCancelled(): void {
    while (this.#heap[0]?.fn === null) this.#pop();
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
  return a.dueMs === b.dueMs ? a.sequence < b.sequence : a.dueMs < b.dueMs;
}
