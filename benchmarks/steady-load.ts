import { type KVStore, QuorateError } from 'quorate';
import { at } from '../lib/base/index.js';
import type { Ledger } from './ledger.js';
import { SteadyPuts } from './steady-puts.js';

export interface SteadyLoadOptions {
  /** Connections, taken in turn. */
  readonly clients: readonly KVStore[];
  readonly perSecond: number;
  readonly ledger: Ledger;
  /** Of each put. Default 10,000. */
  readonly timeoutMs?: number;
  /** Keys are numbered from here. Default 0. */
  readonly firstName?: number;
  /** How much longer than it takes a step is followed: what it did may only be felt then. Default 500. */
  readonly aftermathMs?: number | undefined;
}

/** What became of the puts while something was done to the cluster. */
export interface StepResult {
  readonly name: string;
  readonly durationMs: number;
  /** The longest time without a put that succeeded, which overlaps the step. */
  readonly longestPauseMs: number;
  readonly acknowledged: number;
  /** By code and outcome. */
  readonly failures: ReadonlyMap<string, number>;
  readonly nonRetriable: number;
}

interface Failure {
  readonly atMs: number;
  readonly error: QuorateError;
}

/**
 * Puts at a rate that does not care how long they take, each of a key of its own: a cluster that
 * answers late is asked no less often (an open loop). Nothing is repeated by it.
 */
export class SteadyLoad {
  readonly #options: SteadyLoadOptions;
  readonly #startedMs = performance.now();
  readonly #puts: SteadyPuts;
  readonly #successes: number[] = [];
  readonly #failures: Failure[] = [];

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#puts = new SteadyPuts(options.perSecond, (n) => this.#put(n));
  }

  get issued(): number {
    return this.#puts.count;
  }

  /** Does something to the cluster while the load goes on. */
  async step(name: string, action: () => Promise<unknown>): Promise<StepResult> {
    const { aftermathMs = 500 } = this.#options;
    const beginMs = performance.now();
    try {
      await action();
    } catch (error) {
      throw new Error(`it did not work to ${name}`, { cause: error });
    }
    const endMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, aftermathMs));
    return { name, durationMs: endMs - beginMs, ...this.#between(beginMs, performance.now()) };
  }

  /** Issues no more, and resolves with the whole when every put has settled. */
  async stop(): Promise<StepResult> {
    const endMs = performance.now();
    await this.#puts.stop();
    const durationMs = endMs - this.#startedMs;
    return { name: 'all', durationMs, ...this.#between(this.#startedMs, performance.now()) };
  }

  /** Messages of the first failures, for a report. */
  get samples(): readonly string[] {
    return [...new Set(this.#failures.map(({ error }) => `${error.outcome} ${error.message}`))];
  }

  #between(beginMs: number, endMs: number): Omit<StepResult, 'name' | 'durationMs'> {
    const inside = this.#successes.filter((ms) => ms >= beginMs && ms <= endMs);
    const before = this.#successes.findLast((ms) => ms < beginMs) ?? beginMs;
    const times = [before, ...inside, ...(inside.length === 0 ? [endMs] : [])];
    const pauses = times.slice(1).map((ms, i) => ms - at(times, i));
    const failures = this.#failures.filter(({ atMs }) => atMs >= beginMs && atMs <= endMs);
    return {
      longestPauseMs: pauses.reduce((longest, pause) => Math.max(longest, pause), 0),
      acknowledged: inside.length,
      failures: tally(failures.map(({ error }) => `${error.code} ${error.outcome}`)),
      nonRetriable: failures.filter(({ error }) => !error.retriable).length,
    };
  }

  async #put(number: number): Promise<void> {
    const { clients, ledger, timeoutMs, firstName = 0 } = this.#options;
    const draft = ledger.draft(firstName + number);
    try {
      await at(clients, number % clients.length).put(draft.key, draft.value, { timeoutMs });
      ledger.acknowledge(draft);
      this.#successes.push(performance.now());
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      this.#failures.push({ atMs: performance.now(), error });
    }
  }
}

function tally(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
