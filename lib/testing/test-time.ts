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

/** Events between two looks at the world outside: the more, the fewer turns of the real event loop. */
const BURST_EVENTS = 256;

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
    for (;;) {
      const isFound = await this.#burst(isTrue, endMs);
      if (isFound !== null) return isFound;
    }
  }

  elapse(ms: number): Promise<void> {
    return this.clock.elapse(ms);
  }

  /**
   * Many turns that are asked for at once: between two of them all promises that can settle settle, however
   * many awaits lie between, and nobody polls for input that cannot come. Null where it is not decided yet.
   */
  #burst(isTrue: () => boolean, endMs: number): Promise<boolean | null> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (isFound: boolean | null): void => {
        isOver = true;
        resolve(isFound);
      };
      const step = (): void => {
        if (isOver) return;
        try {
          if (isTrue()) return end(true);
          const dueMs = this.clock.nextDueMs;
          if (dueMs === null || dueMs > endMs) return end(false);
          this.clock.runNext();
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      for (let count = 0; count < BURST_EVENTS; count += 1) this.#turns.soon(step);
      this.#turns.soon(() => {
        if (!isOver) end(null);
      });
    });
  }
}
