import type { Clock, Timer } from '../interfaces/index.js';

export interface TickLoopOptions {
  readonly clock: Clock;
  readonly tickMs: number;
  /** A hold longer than this is reported. */
  readonly maxHeldMs: number;
  readonly onTick: () => void;
  readonly onDelayed: (heldMs: number) => void;
}

/**
 * One timer for all groups of a process, which tells time that has passed and guesses none.
 *
 * Node runs timers before it reads sockets, so after a stall the tick would come before heartbeats
 * that have long arrived, and start an election. Each tick is therefore handed over only after one
 * more poll, and ticks that were missed are one tick: time in which this process could not listen is
 * no evidence that nobody spoke.
 */
export class TickLoop {
  readonly #options: TickLoopOptions;
  #timer: Timer | null = null;
  #dueMs = 0;
  #running = false;
  #keepAlive = false;

  constructor(options: TickLoopOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = true;
    this.#dueMs = this.#options.clock.now() + this.#options.tickMs;
    this.#arm();
  }

  /** Whether the loop keeps the process alive: while somebody waits for an answer. */
  keepAlive(on: boolean): void {
    this.#keepAlive = on;
    this.#timer?.keepAlive(on);
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer = clock.after(Math.max(0, this.#dueMs - clock.now()), () => this.#fire());
    this.#timer.keepAlive(this.#keepAlive);
  }

  #fire(): void {
    const { clock, tickMs, maxHeldMs } = this.#options;
    const lateMs = clock.now() - this.#dueMs;
    if (lateMs > maxHeldMs) this.#options.onDelayed(lateMs);
    this.#dueMs = lateMs > tickMs ? clock.now() + tickMs : this.#dueMs + tickMs;
    clock.afterPoll(() => {
      if (!this.#running) return;
      this.#options.onTick();
      if (this.#running) this.#arm();
    });
  }
}
