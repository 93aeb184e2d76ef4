import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Latencies {
  readonly count: number;
  readonly failedCount: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

/** Puts at a steady rate, whatever the answers do; latencies count from when each was due. */
export class SteadyPuts {
  readonly #perSecond: number;
  readonly #put: (n: number) => Promise<unknown>;
  readonly #beganMs = performance.now();
  readonly #done: { readonly dueMs: number; readonly tookMs: number }[] = [];
  readonly #failedMs: number[] = [];
  readonly #timer: NodeJS.Timeout;
  #count = 0;
  #pending = 0;

  /** Begins at once; `put` makes the n-th put. */
  constructor(perSecond: number, put: (n: number) => Promise<unknown>) {
    this.#perSecond = perSecond;
    this.#put = put;
    this.#timer = setInterval(() => this.#putDue(), 2);
  }

  /** How many were made so far. */
  get count(): number {
    return this.#count;
  }

  /** Resolves when all are answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#pending > 0) await sleep(5);
  }

  /** Of the puts that were due in [startMs, endMs) of `performance.now()` and are answered. */
  latencies(startMs: number, endMs: number): Latencies {
    const tookMs = this.#done
      .filter(({ dueMs }) => dueMs >= startMs && dueMs < endMs)
      .map((put) => put.tookMs)
      .sort((a, b) => a - b);
    const at = (share: number): number =>
      tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? 0;
    const failedCount = this.#failedMs.filter((ms) => ms >= startMs && ms < endMs).length;
    return { count: tookMs.length, failedCount, p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
  }

  #putDue(): void {
    const due = ((performance.now() - this.#beganMs) / 1000) * this.#perSecond;
    for (; this.#count < due; this.#count += 1) void this.#putOne(this.#count);
  }

  async #putOne(n: number): Promise<void> {
    const dueMs = this.#beganMs + (n / this.#perSecond) * 1000;
    this.#pending += 1;
    // A node that is too busy says so; that is a figure too.
    const isAnswered = await this.#put(n).then(
      () => true,
      () => false,
    );
    this.#pending -= 1;
    if (isAnswered) this.#done.push({ dueMs, tookMs: performance.now() - dueMs });
    else this.#failedMs.push(dueMs);
  }
}
