import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import type { Baseline } from './baseline.js';
import { type ChildEnd, runChild, runCovered } from './child-process.js';
import type { Compiler } from './compiler.js';
import { mutatedText, type PlacedMutation } from './mutation.js';
import type { MutationResult } from './results.js';
import { testRun } from './test-run.js';
import type { Workshop } from './workshop.js';

export interface TrialOptions {
  readonly compiler: Compiler;
  readonly baseline: Baseline;
  /** Tried before all others: a seed that has noticed this mutation before. */
  readonly knownSeed: string | null;
  /** Seeds are begun for so long; 0 for none. */
  readonly seedSeconds: number;
  /** What the directed tests have shown before, where they are not to be asked again. */
  readonly tested: TestedMutation | null;
}

/** What directed tests say of a mutation. */
export type TestedMutation = Pick<MutationResult, 'test' | 'testSeconds' | 'hasRun'>;

/** What the simulator says of it. */
export type SimulatedMutation = Pick<MutationResult, 'seed' | 'seedSeconds' | 'seeds'>;

/** Tries one mutation in a copy of the build, which is as before when it resolves. */
export async function tryMutation(
  workshop: Workshop,
  mutation: PlacedMutation,
  options: TrialOptions,
): Promise<MutationResult> {
  const { bug, seen, file, equivalent = null } = mutation;
  const { compiler } = options;
  const text = await readFile(file, 'utf8');
  const changed = mutatedText(mutation, text);
  const base = { bug, seen, file, equivalent };
  const nothing = { test: null, testSeconds: null, seed: null, seedSeconds: null, seeds: 0 };
  if (compiler.typeErrors(file, changed) !== null) {
    return { ...base, ...nothing, test: 'types', testSeconds: 0, hasRun: null };
  }
  const original = compiler.compile(file, text);
  const compiled = compiler.compile(file, changed);
  const place = {
    url: pathToFileURL(workshop.compiledPath(file)).href,
    offset: changedAt(original, compiled),
  };
  await workshop.put(file, compiled);
  try {
    const tested = options.tested ?? (await tryTests(workshop, mutation, place, options.baseline));
    const simulated = await trySeeds(workshop, options);
    return { ...tested, ...base, ...simulated };
  } finally {
    await workshop.put(file, original);
  }
}

/** Where the compiled text changes: the first that is not space. */
function changedAt(original: string, compiled: string): number {
  let offset = 0;
  while (offset < compiled.length && original[offset] === compiled[offset]) offset += 1;
  if (offset === compiled.length) throw new Error('a mutation changes what is compiled');
  while (/\s/.test(compiled[offset] ?? 'x')) offset += 1;
  return offset;
}

async function tryTests(
  workshop: Workshop,
  { tests }: PlacedMutation,
  place: { readonly url: string; readonly offset: number },
  baseline: Baseline,
): Promise<TestedMutation> {
  let hasRun: boolean | null = null;
  let tookMs = 0;
  for (const test of tests) {
    const limitMs = 3 * (await baseline.testMs(test)) + 10_000;
    const ended = await runCovered(testRun(workshop, test, limitMs), place);
    tookMs += ended.tookMs;
    hasRun = hasRun === true || ended.hasRun === true ? true : (ended.hasRun ?? hasRun);
    if (ended.exitCode === 0) continue;
    return { test: `${test} ${whatFailed(ended)}`, testSeconds: seconds(tookMs), hasRun };
  }
  return { test: null, testSeconds: null, hasRun };
}

async function trySeeds(
  { folder }: Workshop,
  { baseline, knownSeed, seedSeconds }: TrialOptions,
): Promise<SimulatedMutation> {
  if (seedSeconds === 0) return { seed: null, seedSeconds: null, seeds: 0 };
  const passed = await baseline.passedSeeds();
  const known = knownSeed === null ? [] : [knownSeed];
  const seeds = [...known, ...passed.seeds.filter((seed) => seed !== knownSeed)];
  const startedMs = performance.now();
  let count = 0;
  const ended = await runChild({
    folder,
    args: ['dist/test/mutation/seeds.js', ...seeds],
    limitMs: seedSeconds * 1000 + 20 * passed.longestMs + 20_000,
    onLine: (line) => {
      count += 1;
      return line.startsWith('broken') || performance.now() - startedMs > seedSeconds * 1000;
    },
  });
  const broken = /^broken (\S+)/m.exec(ended.output)?.[1];
  // One that does not come to its end is as good as one that is broken.
  const isStuck = ended.isLate || (ended.exitCode !== 0 && ended.exitCode !== null);
  const seed = broken ?? (isStuck ? (seeds[count] ?? null) : null);
  if (seed === null) return { seed, seedSeconds: null, seeds: count };
  return { seed, seedSeconds: seconds(ended.tookMs), seeds: Math.max(count, 1) };
}

/** The sentence of the first test that failed. */
function whatFailed({ output, isLate, exitCode }: ChildEnd): string {
  const lines = output.split('\n');
  const failed = lines.findIndex((line) => /^\s*not ok /.test(line));
  if (failed < 0) return isLate ? 'does not end' : `ends with ${exitCode ?? 'a signal'}`;
  const before = lines.slice(0, failed).findLast((line) => /^\s*# Subtest: /.test(line));
  const sentence = before?.replace(/^\s*# Subtest: /, '') ?? lines[failed]?.replace(/^.* - /, '');
  return `"${sentence ?? ''}"`;
}

function seconds(ms: number): number {
  return Math.round(ms / 100) / 10;
}
