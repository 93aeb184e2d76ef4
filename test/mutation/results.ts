import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { PlacedMutation } from './mutation.js';

/** What became of one mutation in the last run that tried it. */
export interface MutationResult {
  readonly bug: string;
  readonly seen: string | null;
  readonly file: string;
  /** The directed test that noticed: `types` where it did not compile, `raft/paper "sentence"` else. */
  readonly test: string | null;
  readonly testSeconds: number | null;
  /** The seed of the simulator that noticed. */
  readonly seed: string | null;
  readonly seedSeconds: number | null;
  /** How many seeds were simulated; 0 where none was. */
  readonly seeds: number;
  /** Whether the line was seen to run: null where no process was left to tell. */
  readonly hasRun: boolean | null;
  readonly equivalent: string | null;
}

export type MutationResults = Readonly<Record<string, MutationResult>>;

const PATH = 'test/mutation/results.json';

export function readResults(): MutationResults {
  return existsSync(PATH) ? JSON.parse(readFileSync(PATH, 'utf8')) : {};
}

/** Takes note of one, beside the others; what is no mutation any more is left out. */
export function saveResult(
  id: string,
  result: MutationResult,
  mutations: readonly PlacedMutation[],
): void {
  const results = { ...readResults(), [id]: result };
  const kept = mutations.flatMap(({ id: name }) => {
    const known = results[name];
    return known === undefined ? [] : [[name, known] as const];
  });
  writeFileSync(PATH, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
}

export function isCaught({ test, seed }: MutationResult): boolean {
  return test !== null || seed !== null;
}

/** Why a result is not as it must be; null where it is. */
export function objectionTo(result: MutationResult): string | null {
  if (result.equivalent !== null) {
    return isCaught(result) ? 'is said to be equivalent, and is caught' : null;
  }
  if (!isCaught(result)) return 'is caught by nothing';
  return result.hasRun === false ? 'never ran' : null;
}
