import { QuorateError } from '../base/index.js';
import type { Clock } from '../interfaces/index.js';
import type { Closing } from './closing.js';

export interface CallScopeOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly closing: Closing;
}

/** How long one call may still wait, and what else ends it. Here nothing was sent: all is `'rejected'`. */
export class CallScope {
  readonly #options: CallScopeOptions;
  readonly #dueMs: number;

  constructor(options: CallScopeOptions) {
    this.#options = options;
    this.#dueMs = options.clock.now() + options.timeoutMs;
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  get remainingMs(): number {
    return this.#dueMs - this.#options.clock.now();
  }

  /** Throws when the call is over; `why` says what it was waiting for. */
  check(why: string): void {
    const { signal, closing } = this.#options;
    if (closing.isOver) {
      throw new QuorateError('ERR_CLOSED', { message: 'the client is closed' });
    }
    if (signal?.aborted === true) {
      const message = 'the call was aborted';
      throw new QuorateError('ERR_ABORTED', { message, cause: signal.reason });
    }
    if (this.remainingMs <= 0) throw this.#timedOut(why);
  }

  /** Waits for `work`, unless the call ends first; the work itself goes on. */
  async wait<T>(work: Promise<T>, why: string): Promise<T> {
    this.check(why);
    const { clock, signal, closing } = this.#options;
    let onEnd = (): void => {};
    const over = new Promise<void>((resolve) => {
      onEnd = resolve;
    }).then(() => {
      this.check(why);
      throw this.#timedOut(why);
    });
    const timer = clock.after(this.remainingMs, () => clock.afterPoll(onEnd));
    signal?.addEventListener('abort', onEnd, { once: true });
    const ignoreClosing = closing.onOver(onEnd);
    try {
      return await Promise.race([work, over]);
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', onEnd);
      ignoreClosing();
    }
  }

  async sleep(delayMs: number, why: string): Promise<void> {
    let wake = (): void => {};
    const slept = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const timer = this.#options.clock.after(delayMs, wake);
    try {
      await this.wait(slept, why);
    } finally {
      timer.cancel();
    }
  }

  #timedOut(why: string): QuorateError {
    const message = `not done within ${this.#options.timeoutMs} ms: ${why}`;
    return new QuorateError('ERR_TIMEOUT', { message });
  }
}
