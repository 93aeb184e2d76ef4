import type { Clock } from '../interfaces/index.js';
import type { OpenCall } from './pending-calls.js';

interface Parked {
  readonly notBeforeMs: number;
  readonly call: OpenCall;
  readonly go: () => void;
}

/** How long a call waits before it asks again, when whoever was asked did not lead. */
const RETRY_MS = 20;

/** Calls that wait for a leader, or for a moment before they ask one again. */
export class ParkedCalls {
  readonly #clock: Clock;
  #parked: Parked[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#parked.length;
  }

  /** `go` is called once, unless the call settles before. */
  park(call: OpenCall, go: () => void): void {
    if (call.isSettled) return;
    this.#parked.push({ notBeforeMs: this.#clock.now() + RETRY_MS, call, go });
  }

  /** There is another leader: nobody waits any longer. */
  retryAll(): void {
    this.#retry(Number.POSITIVE_INFINITY);
  }

  retryDue(): void {
    this.#retry(this.#clock.now());
  }

  /** Forgets calls that have settled while they waited. */
  sweep(): void {
    if (this.#parked.some(({ call }) => call.isSettled)) {
      this.#parked = this.#parked.filter(({ call }) => !call.isSettled);
    }
  }

  clear(): void {
    this.#parked = [];
  }

  #retry(nowMs: number): void {
    const parked = this.#parked;
    this.#parked = parked.filter(({ notBeforeMs }) => notBeforeMs > nowMs);
    for (const { notBeforeMs, call, go } of parked) {
      if (notBeforeMs <= nowMs && !call.isSettled) go();
    }
  }
}
