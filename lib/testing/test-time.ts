import type { Clock } from '../interfaces/index.js';
import { SystemClock } from '../timing/index.js';
import { VirtualClock } from './virtual-clock.js';

/** Time of a cluster under test: who lets it pass. */
export interface TestTime {
  readonly clock: Clock;
  /** Lets time pass until `isTrue`. False when it is not after `limitMs`. */
  until(isTrue: () => boolean, limitMs: number): Promise<boolean>;
  /** Lets `ms` pass. */
  elapse(ms: number): Promise<void>;
}

/** Between two looks at a condition. */
const LOOK_MS = 1;

/** The clock of the machine: time passes by itself. */
export class RealTime implements TestTime {
  readonly clock: Clock = new SystemClock();

  async until(isTrue: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.clock.now() + limitMs;
    while (!isTrue()) {
      if (this.clock.now() >= endMs) return false;
      await this.elapse(LOOK_MS);
    }
    return true;
  }

  elapse(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve);
    });
  }
}

/** Time that passes only inside these calls, one event a turn of the event loop. */
export class VirtualTime implements TestTime {
  readonly clock = new VirtualClock();
  readonly #turns = new SystemClock();

  /**
   * One event, then everything that follows from it without another: all promises that can settle
   * have settled when this resolves, however many awaits lie between. False when no event waits.
   */
  async next(): Promise<boolean> {
    const wasOne = this.clock.runNext();
    await new Promise<void>((resolve) => this.#turns.soon(resolve));
    return wasOne;
  }

  async until(isTrue: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.clock.now() + limitMs;
    // What the caller has just begun may not have asked for its first event yet.
    await new Promise<void>((resolve) => this.#turns.soon(resolve));
    while (!isTrue()) {
      const dueMs = this.clock.nextDueMs;
      if (dueMs === null || dueMs > endMs) return false;
      await this.next();
    }
    return true;
  }

  elapse(ms: number): Promise<void> {
    return this.clock.elapse(ms);
  }
}
