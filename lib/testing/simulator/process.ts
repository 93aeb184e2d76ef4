import type { Clock, Timer } from '../../interfaces/index.js';
import type { VirtualClock } from '../virtual-clock.js';

export interface ProcessOptions {
  /** Of the world: by it everything happens. */
  readonly clock: VirtualClock;
  /** How fast the process's clock runs: 1.05 gains three seconds a minute. */
  readonly rate: number;
  /** What its wall clock is ahead of the world's, in milliseconds. */
  readonly wallOffsetMs: number;
}

interface Held {
  readonly fn: () => void;
  readonly isTimer: boolean;
}

/**
 * One start of a node, as its process sees the world: nothing reaches it but through here. While it is
 * stalled everything waits, and comes in a burst afterwards, timers before input, as Node does it. Once
 * it is killed nothing reaches it any more.
 */
export class Process {
  readonly clock: Clock;
  /** Resolves when it is killed. */
  readonly killed: Promise<void>;
  wallOffsetMs: number;
  readonly #clock: VirtualClock;
  #held: Held[] | null = null;
  #isDead = false;
  #resolveKilled: () => void = () => {};

  constructor({ clock, rate, wallOffsetMs }: ProcessOptions) {
    this.#clock = clock;
    this.wallOffsetMs = wallOffsetMs;
    this.killed = new Promise((resolve) => {
      this.#resolveKilled = resolve;
    });
    this.clock = this.#newClock(rate);
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isStalled(): boolean {
    return this.#held !== null;
  }

  /** Lets input reach the process: now, or when it goes on. */
  deliver(fn: () => void): void {
    this.#deliver(fn, false);
  }

  /** Holds everything until `resume`. */
  stall(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held;
    this.#held = null;
    if (held === null || this.#isDead) return;
    const inOrder = [...held.filter((one) => one.isTimer), ...held.filter((one) => !one.isTimer)];
    for (const { fn, isTimer } of inOrder) this.#clock.soon(() => this.#deliver(fn, isTimer));
  }

  kill(): void {
    this.#isDead = true;
    this.#held = null;
    this.#resolveKilled();
  }

  #deliver(fn: () => void, isTimer: boolean): void {
    if (this.#isDead) return;
    if (this.#held === null) fn();
    else this.#held.push({ fn, isTimer });
  }

  #newClock(rate: number): Clock {
    const world = this.#clock;
    const startMs = world.now();
    const soon = (fn: () => void): void => world.soon(() => this.#deliver(fn, true));
    const after = (delayMs: number, fn: () => void): Timer => {
      let isCancelled = false;
      // A microsecond more where the rates differ: a timer is never early by its own clock.
      const worldMs = rate === 1 ? delayMs : delayMs / rate + 0.001;
      const timer = world.after(worldMs, () => {
        this.#deliver(() => {
          if (!isCancelled) fn();
        }, true);
      });
      const cancel = (): void => {
        isCancelled = true;
        timer.cancel();
      };
      return { cancel, keepAlive: () => {} };
    };
    return {
      now: () => {
        if (rate === 1) return world.now();
        return startMs + Math.floor((world.now() - startMs) * 1000 * rate) / 1000;
      },
      wallNow: () => world.wallNow() + this.wallOffsetMs,
      after,
      soon,
      afterPoll: (fn) => soon(() => soon(fn)),
    };
  }
}
