import type { Clock, Timer } from '../../lib/interfaces/index.js';

/** How long a connection may take for what. Milliseconds; each is met within a quarter more. */
export interface Deadlines {
  /** From the connect to the end of the handshake. Default 5,000. */
  readonly handshakeTimeoutMs: number;
  /** A side that has said nothing for this long sends a ping. Default 1,000. */
  readonly pingIntervalMs: number;
  /** Without a byte from the other side for this long, it counts as gone. Default 5,000. */
  readonly silenceTimeoutMs: number;
  /** From the first byte of a frame to its last. Default 30,000. */
  readonly frameTimeoutMs: number;
  /** A write of at most 256 KiB and one frame that the other side does not take. Default 30,000. */
  readonly writeTimeoutMs: number;
  /** What a clean close waits for the other side before it lets go. Default 500. */
  readonly lingerMs: number;
}

export const DEFAULT_DEADLINES: Deadlines = {
  handshakeTimeoutMs: 5000,
  pingIntervalMs: 1000,
  silenceTimeoutMs: 5000,
  frameTimeoutMs: 30_000,
  writeTimeoutMs: 30_000,
  lingerMs: 500,
};

export interface Sweepable {
  sweep(nowMs: number): void;
}

const SWEEPS_PER_DEADLINE = 4;

/** One timer for the deadlines of all connections; it runs while there are any. */
export class Sweeper {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #members = new Set<Sweepable>();
  #timer: Timer | null = null;

  constructor(clock: Clock, deadlines: Deadlines) {
    this.#clock = clock;
    this.#intervalMs = Math.min(...Object.values<number>({ ...deadlines })) / SWEEPS_PER_DEADLINE;
  }

  add(member: Sweepable): void {
    this.#members.add(member);
    this.#timer ??= this.#arm();
  }

  remove(member: Sweepable): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): Timer {
    const timer = this.#clock.after(this.#intervalMs, () => {
      this.#timer = this.#arm();
      // A process that was held up has bytes waiting in its sockets: only what is silent after they
      // were read is silent.
      this.#clock.afterPoll(() => {
        for (const member of [...this.#members]) member.sweep(this.#clock.now());
      });
    });
    timer.keepAlive(false);
    return timer;
  }
}
