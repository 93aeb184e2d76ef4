/** A timer that was armed by a `Clock`. */
export interface Timer {
  /** Disarms it. May be called any number of times, also after it fired. */
  cancel(): void;
  /** Whether the timer, while armed, keeps the process alive. True when armed. */
  keepAlive(on: boolean): void;
}

/**
 * Time and turns, injected so that a test can drive them.
 *
 * Contract:
 * - Callbacks never run inside the call that asked for them, and never overlap.
 * - Callbacks of `after` with the same due time, and those of `soon`, run in the order they were asked for.
 * - `now` never goes back and knows nothing of the wall clock.
 */
export interface Clock {
  /** Monotonic milliseconds, with fractions, from an arbitrary start. */
  now(): number;
  /** Milliseconds since 1970, for people. Nothing is decided by it. */
  wallNow(): number;
  /** Calls `fn` once, `delayMs` or more from now. */
  after(delayMs: number, fn: () => void): Timer;
  /** Calls `fn` in the next turn of the event loop. */
  soon(fn: () => void): void;
  /**
   * Calls `fn` after input that is already waiting has been handed over. A timer that is late asks
   * here before it believes that nothing has arrived: Node runs timers before it reads sockets.
   */
  afterPoll(fn: () => void): void;
}
