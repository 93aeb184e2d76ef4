import { assert, QuorateError } from '../base/index.js';
import type { Clock, Random, Timer } from '../interfaces/index.js';

/** One request that was sent and not answered. */
export interface Waiting {
  /** Who is asked, as people know it. */
  readonly to: string;
  /** What the answer must come back on. */
  readonly channel: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

interface Pending<Answer> extends Waiting {
  readonly dueMs: number;
  readonly onAbort: () => void;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: QuorateError) => void;
}

/** Deadlines are looked at no more often than this, all at once: a timer each would cost more than they do. */
const SWEEP_MS = 20;
const CORRELATIONS = 0x1_0000_0000;

/**
 * Requests that wait for an answer, by correlation. Each settles exactly once: by its answer, its
 * deadline (at most 20 ms late), its signal, the loss of its peer, or `close`. All but the answer
 * leave the outcome unknown, because the request was sent.
 */
export class PendingRequests<Answer> {
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending<Answer>>();
  #lastCorrelation: number;
  #sweep: { readonly dueMs: number; readonly timer: Timer } | null = null;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    // An answer to what an earlier start of this node asked must not match a request of this one.
    this.#lastCorrelation = Math.floor(random.next() * CORRELATIONS);
  }

  get count(): number {
    return this.#pending.size;
  }

  /** A correlation that nothing waits for; from 1 to 2^32 - 1. */
  nextCorrelation(): number {
    assert(this.#pending.size < CORRELATIONS / 2, 'there are more correlations than requests');
    do {
      this.#lastCorrelation = (this.#lastCorrelation + 1) % CORRELATIONS;
    } while (this.#lastCorrelation === 0 || this.#pending.has(this.#lastCorrelation));
    return this.#lastCorrelation;
  }

  wait(correlation: number, waiting: Waiting): Promise<Answer> {
    assert(!this.#pending.has(correlation), 'a correlation belongs to one request');
    const { signal, timeoutMs } = waiting;
    const dueMs = this.#clock.now() + timeoutMs;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#fail(correlation, abortedAfterSending(signal));
      this.#pending.set(correlation, { ...waiting, dueMs, onAbort, resolve, reject });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sweepBy(dueMs);
    });
  }

  /** False when nothing waits for it: the answer is late, or of another peer or channel. */
  settle(
    correlation: number,
    from: string,
    channel: string,
    answer: Answer | QuorateError,
  ): boolean {
    const pending = this.#pending.get(correlation);
    if (pending?.to !== from || pending.channel !== channel) return false;
    this.#remove(correlation, pending);
    if (QuorateError.is(answer)) pending.reject(answer);
    else pending.resolve(answer);
    return true;
  }

  failAllTo(to: string, reason: string): void {
    for (const [correlation, pending] of [...this.#pending]) {
      if (pending.to === to) this.#fail(correlation, lostAfterSending(to, reason));
    }
  }

  /** Settles everything; `message` says what was closed. */
  close(message: string): void {
    for (const correlation of [...this.#pending.keys()]) {
      this.#fail(correlation, new QuorateError('ERR_CLOSED', { message, outcome: 'unknown' }));
    }
  }

  #fail(correlation: number, error: QuorateError): void {
    const pending = this.#pending.get(correlation);
    if (pending === undefined) return;
    this.#remove(correlation, pending);
    pending.reject(error);
  }

  #remove(correlation: number, pending: Pending<Answer>): void {
    this.#pending.delete(correlation);
    pending.signal?.removeEventListener('abort', pending.onAbort);
    if (this.#pending.size > 0) return;
    // A pending call keeps the process alive; its timer must not outlive it.
    this.#sweep?.timer.cancel();
    this.#sweep = null;
  }

  #sweepBy(dueMs: number): void {
    if (this.#sweep !== null && this.#sweep.dueMs <= dueMs) return;
    this.#sweep?.timer.cancel();
    const timer = this.#clock.after(Math.max(0, dueMs - this.#clock.now()), () => {
      // Answers that already wait in a socket are not too late: the event loop was.
      this.#clock.afterPoll(() => this.#expire(timer));
    });
    this.#sweep = { dueMs, timer };
  }

  #expire(timer: Timer): void {
    // Replaced or emptied while it waited for the poll.
    if (this.#sweep?.timer !== timer) return;
    this.#sweep = null;
    const nowMs = this.#clock.now();
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const [correlation, pending] of [...this.#pending]) {
      if (pending.dueMs <= nowMs) this.#fail(correlation, noAnswer(pending));
      else earliestMs = Math.min(earliestMs, pending.dueMs);
    }
    if (this.#pending.size > 0) this.#sweepBy(Math.max(earliestMs, nowMs + SWEEP_MS));
  }
}

function noAnswer({ to, timeoutMs }: Waiting): QuorateError {
  return new QuorateError('ERR_TIMEOUT', {
    message: `${to} did not answer within ${timeoutMs} ms`,
    outcome: 'unknown',
  });
}

function lostAfterSending(to: string, reason: string): QuorateError {
  return new QuorateError('ERR_UNREACHABLE', {
    message: `the connection to ${to} was lost before it answered: ${reason}`,
    outcome: 'unknown',
  });
}

function abortedAfterSending(signal: AbortSignal | undefined): QuorateError {
  return new QuorateError('ERR_ABORTED', {
    message: 'the call was aborted after it was sent',
    outcome: 'unknown',
    cause: signal?.reason,
  });
}
