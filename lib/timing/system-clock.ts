import type { Clock, Random, Timer } from '../interfaces/index.js';

/**
 * The clock of this process. The only file of the library that names timers, dates or chance:
 * everything else is handed a `Clock` and a `Random`, so that a test can drive it.
 *
 * A timer never fires before its time by `now`, and holds the process open until it fires, is
 * cancelled or is told `keepAlive(false)`.
 */
export class SystemClock implements Clock {
  now(): number {
    return performance.now();
  }

  wallNow(): number {
    return Date.now();
  }

  after(delayMs: number, fn: () => void): Timer {
    return new SystemTimer(delayMs, fn);
  }

  soon(fn: () => void): void {
    setImmediate(fn);
  }

  afterPoll(fn: () => void): void {
    // Asked from a timer, the first immediate already follows a look at the sockets. Asked from
    // anywhere else it may not, so the second one makes sure: a whole turn lies between the two.
    setImmediate(() => setImmediate(fn));
  }
}

/** The longest delay that Node accepts; anything above it would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

class SystemTimer implements Timer {
  readonly #fn: () => void;
  #remainingMs: number;
  #keepAlive = true;
  #handle: ReturnType<typeof setTimeout> | null = null;

  constructor(delayMs: number, fn: () => void) {
    this.#fn = fn;
    // Node counts from the start of the current millisecond, so that a timer could fire up to one
    // early. Rounding up keeps the order of timers, which arming again for the rest would not.
    this.#remainingMs = Math.max(0, Math.ceil(delayMs)) + 1;
    this.#arm();
  }

  cancel(): void {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }

  keepAlive(on: boolean): void {
    this.#keepAlive = on;
    this.#applyKeepAlive();
  }

  #arm(): void {
    const delayMs = Math.min(this.#remainingMs, MAX_DELAY_MS);
    this.#remainingMs -= delayMs;
    this.#handle = setTimeout(() => this.#onTimeout(), delayMs);
    this.#applyKeepAlive();
  }

  #onTimeout(): void {
    this.#handle = null;
    if (this.#remainingMs > 0) this.#arm();
    else this.#fn();
  }

  #applyKeepAlive(): void {
    if (this.#keepAlive) this.#handle?.ref();
    else this.#handle?.unref();
  }
}

/** The most bytes that one call for randomness may ask for. */
const MAX_RANDOM_BYTES = 65536;

/** Chance as the machine gives it: `bytes` are unpredictable to others, `next` need not be. */
export const systemRandom: Random = {
  next: () => Math.random(),
  bytes(count) {
    const bytes = new Uint8Array(count);
    for (let start = 0; start < count; start += MAX_RANDOM_BYTES) {
      globalThis.crypto.getRandomValues(bytes.subarray(start, start + MAX_RANDOM_BYTES));
    }
    return bytes;
  },
};
