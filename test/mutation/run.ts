/**
 * Tries every mutation: `npm run mutate -- [--only ID,ID…] [--jobs N] [--seeds N] [--seed-seconds N] [--only-seeds]`.
 * Each is put into a copy of the build and tried by the tests that are named for it, until one fails, and by the
 * simulator: first the seed that noticed it last, then others, for so many seconds (0: not at all). One of the
 * two must notice. What came of it goes to results.json, and by `npm run tables` to docs/evidence.md. The exit
 * code is 1 where one survives, or does not run.
 */
import { readFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { allMutations } from './all-mutations.js';
import { Baseline } from './baseline.js';
import { endChildren } from './child-process.js';
import { Compiler } from './compiler.js';
import type { PlacedMutation } from './mutation.js';
import { isCaught, type MutationResult, objectionTo, readResults, saveResult } from './results.js';
import { type SimulatedMutation, tryMutation } from './trial.js';
import { Workshop } from './workshop.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    jobs: { type: 'string', default: '2' },
    seeds: { type: 'string', default: '12' },
    'seed-seconds': { type: 'string', default: '180' },
    'only-seeds': { type: 'boolean', default: false },
  },
});

const NICE = 10;

setPriority(NICE);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    endChildren();
    process.exit(1);
  });
}
const mutations = allMutations();
const chosen = chosenOf(mutations, values.only ?? '');
const compiler = new Compiler();
await checkBuild(chosen);
const workshops = await Promise.all(
  Array.from({ length: Number(values.jobs) }, () => Workshop.open()),
);
const untouched = await Workshop.open();
const seeds = Array.from({ length: Number(values.seeds) }, (_, place) => String(place + 1));
const baseline = new Baseline(untouched, seeds);
let failed = 0;
try {
  const waiting = [...chosen];
  await Promise.all(workshops.map((workshop) => work(workshop, waiting)));
} finally {
  for (const workshop of [...workshops, untouched]) await workshop.close();
}
console.log(`${chosen.length} mutations tried, ${failed} not as they must be`);
process.exitCode = failed > 0 ? 1 : 0;

async function work(workshop: Workshop, waiting: PlacedMutation[]): Promise<void> {
  for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
    const { id } = mutation;
    const before = readResults()[id];
    const result = await tryMutation(workshop, mutation, {
      compiler,
      baseline,
      knownSeed: before?.seed ?? null,
      seedSeconds: Number(values['seed-seconds']),
      tested: values['only-seeds'] && before?.bug === mutation.bug ? before : null,
    });
    // A run without the simulator takes nothing back that it has shown.
    const kept = result.seeds > 0 || before === undefined ? {} : simulatedIn(before);
    const whole = { ...result, ...kept };
    saveResult(id, whole, mutations);
    const problem = objectionTo(whole);
    if (problem !== null) failed += 1;
    console.log(`${chosen.length - waiting.length}/${chosen.length} ${id}: ${said(result)}`);
    if (problem !== null) console.log(`  ${id} ${problem}: ${mutation.bug}`);
  }
}

function simulatedIn({ seed, seedSeconds, seeds }: MutationResult): SimulatedMutation {
  return { seed, seedSeconds, seeds };
}

function said(result: MutationResult): string {
  const { test, testSeconds, seed, seedSeconds, seeds, hasRun } = result;
  const tested = test === null ? 'no test' : `${test}, ${testSeconds} s`;
  const simulated = seed === null ? `none of ${seeds} seeds` : `seed ${seed}, ${seedSeconds} s`;
  return `${isCaught(result) ? 'caught' : 'alive'}; ${tested}; ${simulated}; ran: ${hasRun}`;
}

function chosenOf(all: readonly PlacedMutation[], only: string): readonly PlacedMutation[] {
  if (only === '') return all;
  const names = only.split(',');
  return all.filter(({ id }) => names.some((name) => id === name || id.startsWith(`${name}-`)));
}

/** The build must be of these sources: a mutation is compared with what it was made of. */
async function checkBuild(tried: readonly PlacedMutation[]): Promise<void> {
  for (const file of new Set(tried.map((mutation) => mutation.file))) {
    const compiled = await readFile(`dist/${file.replace(/\.ts$/, '.js')}`, 'utf8');
    if (compiled === compiler.compile(file, await readFile(file, 'utf8'))) continue;
    throw new Error(`dist is not of these sources: ${file} differs; run: npm run build`);
  }
}
