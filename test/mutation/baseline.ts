import { performance } from 'node:perf_hooks';
import { runChild } from './child-process.js';
import { testRun } from './test-run.js';
import type { Workshop } from './workshop.js';

const TEST_LIMIT_MS = 300_000;
const SEEDS_LIMIT_MS = 900_000;

/** Seeds that the build as it is passes, and the longest that one took. */
export interface PassedSeeds {
  readonly seeds: readonly string[];
  readonly longestMs: number;
}

/**
 * What the build as it is shows, in a copy that is never changed: it must pass what a mutation is tried by, or
 * a failure tells nothing. Each is asked once, when it is first needed.
 */
export class Baseline {
  readonly #workshop: Workshop;
  readonly #seeds: readonly string[];
  readonly #testMs = new Map<string, Promise<number>>();
  #passed: Promise<PassedSeeds> | null = null;

  constructor(workshop: Workshop, seeds: readonly string[]) {
    this.#workshop = workshop;
    this.#seeds = seeds;
  }

  /** How long a test file takes. Rejects where it fails. */
  testMs(test: string): Promise<number> {
    const known = this.#testMs.get(test) ?? this.#measure(test);
    this.#testMs.set(test, known);
    return known;
  }

  passedSeeds(): Promise<PassedSeeds> {
    this.#passed ??= this.#simulate();
    return this.#passed;
  }

  async #measure(test: string): Promise<number> {
    const ended = await runChild(testRun(this.#workshop, test, TEST_LIMIT_MS));
    if (ended.exitCode === 0) return ended.tookMs;
    throw new Error(`the build as it is fails ${test}:\n${ended.output.slice(-2000)}`);
  }

  async #simulate(): Promise<PassedSeeds> {
    const { folder } = this.#workshop;
    const seeds: string[] = [];
    let longestMs = 0;
    let lastMs = performance.now();
    const { output } = await runChild({
      folder,
      args: ['dist/test/mutation/seeds.js', ...this.#seeds],
      limitMs: SEEDS_LIMIT_MS,
      onLine: (line) => {
        if (line.startsWith('ok ')) seeds.push(line.slice(3));
        longestMs = Math.max(longestMs, performance.now() - lastMs);
        lastMs = performance.now();
        return false;
      },
    });
    if (seeds.length === this.#seeds.length) return { seeds, longestMs };
    throw new Error(`the build as it is fails a seed:\n${output.slice(-2000)}`);
  }
}
