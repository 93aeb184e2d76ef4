import { type Outcome, QuorateError } from '../base/index.js';
import type { Clock } from '../interfaces/index.js';

/** What a caller may say about how long it waits. */
export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now; the node's `callTimeoutMs` unless told. */
  readonly timeoutMs?: number | undefined;
}

export interface PendingCallsOptions {
  readonly clock: Clock;
  readonly callTimeoutMs: number;
  /** When reached, `open` throws ERR_BUSY. */
  readonly maxPendingCalls: number;
  /** What the calls hold together, in bytes; one call may always be open. As `maxPendingCalls`. */
  readonly maxPendingBytes: number;
  /** Why a call that ran out of time got no answer. */
  readonly explain: (call: OpenCall) => QuorateError;
  /** Told when the first call opens and when the last one settles. */
  readonly onBusy: (busy: boolean) => void;
}

/** A call without the type of its answer. */
export interface OpenCall {
  readonly operation: string;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly outcome: Outcome;
  readonly waitsFor: string;
  readonly isSettled: boolean;
  fail(error: QuorateError): void;
}

/** One call of a user or a peer. It settles exactly once, whatever happens; later tries are passed over. */
export class PendingCall<T> implements OpenCall {
  readonly promise: Promise<T>;
  readonly operation: string;
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** What a failure would mean now: `'unknown'` from the moment something was proposed. */
  outcome: Outcome = 'rejected';
  /** Why it was put off, in words; empty where there is nothing to say. */
  waitsFor = '';
  readonly #onSettled: () => void;
  #settle: { resolve(value: T): void; reject(error: QuorateError): void } | null = null;

  constructor(operation: string, startedMs: number, deadlineMs: number, onSettled: () => void) {
    this.operation = operation;
    this.startedMs = startedMs;
    this.deadlineMs = deadlineMs;
    this.#onSettled = onSettled;
    this.promise = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  get isSettled(): boolean {
    return this.#settle === null;
  }

  resolve(value: T): void {
    const settle = this.#settle;
    if (settle === null) return;
    this.#settle = null;
    this.#onSettled();
    settle.resolve(value);
  }

  fail(error: QuorateError): void {
    const settle = this.#settle;
    if (settle === null) return;
    this.#settle = null;
    this.#onSettled();
    settle.reject(error);
  }
}

/** Every call that waits, each with a deadline. One sweep a tick serves them all; none has a timer. */
export class PendingCalls {
  readonly #options: PendingCallsOptions;
  readonly #calls = new Set<OpenCall>();
  #bytes = 0;

  constructor(options: PendingCallsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  /**
   * Opens a call that holds `bytes` while it waits. Throws what it would reject with when it may not
   * even begin.
   */
  open<T>(operation: string, wait: WaitOptions = {}, bytes = 0): PendingCall<T> {
    const { signal, timeoutMs } = wait;
    if (signal?.aborted === true) throw aborted(signal, 'rejected');
    const { clock, callTimeoutMs } = this.#options;
    if (timeoutMs !== undefined && !(timeoutMs > 0)) {
      throw new QuorateError('ERR_CONFIG', {
        message: `timeoutMs must be more than 0 milliseconds, not ${timeoutMs}`,
      });
    }
    this.#checkRoom(bytes);
    const now = clock.now();
    const call = new PendingCall<T>(operation, now, now + (timeoutMs ?? callTimeoutMs), () => {
      signal?.removeEventListener('abort', onAbort);
      this.#calls.delete(call);
      this.#bytes -= bytes;
      if (this.#calls.size === 0) this.#options.onBusy(false);
    });
    const onAbort = (): void => {
      if (signal !== undefined) call.fail(aborted(signal, call.outcome));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#calls.add(call);
    this.#bytes += bytes;
    if (this.#calls.size === 1) this.#options.onBusy(true);
    return call;
  }

  /** Fails what has run out of time. */
  sweep(): void {
    const now = this.#options.clock.now();
    for (const call of this.#calls) {
      if (call.deadlineMs <= now) call.fail(this.#options.explain(call));
    }
  }

  /** Fails everything that still waits. */
  failAll(errorFor: (call: OpenCall) => QuorateError): void {
    for (const call of [...this.#calls]) call.fail(errorFor(call));
  }

  #checkRoom(bytes: number): void {
    const { maxPendingCalls, maxPendingBytes } = this.#options;
    if (this.#calls.size >= maxPendingCalls) {
      throw new QuorateError('ERR_BUSY', {
        message: `${maxPendingCalls} calls wait already (limits.maxPendingCalls)`,
      });
    }
    if (bytes > 0 && this.#bytes > 0 && this.#bytes + bytes > maxPendingBytes) {
      throw new QuorateError('ERR_BUSY', {
        message: `calls of ${this.#bytes} bytes wait already (limits.maxPendingBytes)`,
      });
    }
  }
}

function aborted(signal: AbortSignal, outcome: Outcome): QuorateError {
  return new QuorateError('ERR_ABORTED', {
    message: 'the caller gave up',
    outcome,
    cause: signal.reason,
  });
}
