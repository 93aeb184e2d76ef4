import type { Clock, LogFields, Logger } from '../../lib/interfaces/index.js';

const WINDOW_MS = 10_000;
/** Distinct messages in one window: reasons can hold names that others choose. */
const MAX_LINES = 64;

interface Line {
  sinceMs: number;
  suppressed: number;
}

/**
 * Lets each distinct message through once in 10 seconds, and counts what it held back in the next:
 * a flood of bad connections is a line, not a full disk.
 */
export class LogLimiter {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #lines = new Map<string, Line>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** `message` decides which lines are the same; what varies belongs into `fields`. */
  log(level: 'warn' | 'info', fields: LogFields, message: string): void {
    const now = this.#clock.now();
    const line = this.#lines.get(message);
    if (line !== undefined && now - line.sinceMs < WINDOW_MS) {
      line.suppressed += 1;
      return;
    }
    this.#lines.delete(message);
    if (!this.#hasRoom(now)) return;
    this.#lines.set(message, { sinceMs: now, suppressed: 0 });
    const suppressed = line?.suppressed ?? 0;
    this.#logger[level](suppressed === 0 ? fields : { ...fields, suppressed }, message);
  }

  /** Lines stand in the order of their windows: only the oldest can have outlived its own. */
  #hasRoom(now: number): boolean {
    const [oldest] = this.#lines;
    if (this.#lines.size < MAX_LINES || oldest === undefined) return true;
    const [message, line] = oldest;
    if (now - line.sinceMs < WINDOW_MS) return false;
    return this.#lines.delete(message);
  }
}
