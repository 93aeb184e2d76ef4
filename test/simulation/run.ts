/**
 * Runs simulations: `npm run simulate -- [--seeds N | --hours H | --seed S [--trace]] [--from FIRST]`. With
 * `--max-seconds S` things go wrong for no longer than that, in simulated time.
 *
 * Two processes share the seeds. Interrupted, it ends those that are under way and sums up. The same hash for the same seed on every machine. The exit code is 1 when
 * something was seen to be broken: the seed is named, with the command that repeats it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  drawFeatures,
  type Features,
  type SimulationResult,
  SimulationSummary,
  simulate,
} from '../../lib/testing/index.js';

const WORKERS = 2;
const DEFAULT_SEEDS = 20;

interface Answer {
  readonly result: SimulationResult;
  readonly cpuMs: number;
}

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    hours: { type: 'string' },
    from: { type: 'string', default: '1' },
    'max-seconds': { type: 'string' },
    trace: { type: 'boolean', default: false },
    hashes: { type: 'boolean', default: false },
    worker: { type: 'boolean', default: false },
  },
});

if (values.worker) work();
else if (values.seed !== undefined) await one(values.seed);
else await many();

/** One seed, in this process. */
async function one(seed: string): Promise<void> {
  const print = values.trace ? (line: string): void => console.log(line) : undefined;
  const result = await simulate({ seed, features: featuresOf(seed), print });
  const summary = new SimulationSummary();
  summary.add(result);
  const { user, system } = process.cpuUsage();
  console.log(summary.text((user + system) / 1000));
  console.log(`seed ${seed} ${result.traceHash}`);
  if (result.violation !== null) report(result);
}

async function many(): Promise<void> {
  const summary = new SimulationSummary();
  const hours = Number(values.hours ?? Number.POSITIVE_INFINITY);
  const count =
    values.hours === undefined ? Number(values.seeds ?? DEFAULT_SEEDS) : Number.POSITIVE_INFINITY;
  const first = Number(values.from);
  let begun = 0;
  let cpuMs = 0;
  let isAsked = false;
  process.once('SIGINT', () => {
    isAsked = true;
  });
  const next = (): string | null => {
    if (isAsked || begun >= count || summary.hours >= hours) return null;
    begun += 1;
    return String(first + begun - 1);
  };
  const progress = setInterval(() => {
    const { seeds, violated } = summary;
    const line = `${seeds} seeds, ${summary.hours.toFixed(2)} hours, ${violated.length} violations`;
    process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`);
  }, 1000);
  const take = (answer: Answer): void => {
    summary.add(answer.result);
    cpuMs += answer.cpuMs;
    if (values.hashes) console.log(`seed ${answer.result.seed} ${answer.result.traceHash}`);
    if (answer.result.violation !== null) report(answer.result);
  };
  const workers = Array.from({ length: Math.min(WORKERS, count) }, () => employ(next, take));
  await Promise.all(workers);
  clearInterval(progress);
  if (process.stderr.isTTY) process.stderr.write('\n');
  console.log(summary.text(cpuMs));
}

/** Gives seeds to a process of its own until there are none. */
function employ(next: () => string | null, take: (answer: Answer) => void): Promise<void> {
  const worker = fork(fileURLToPath(import.meta.url), ['--worker', ...process.argv.slice(2)]);
  return new Promise((resolve, reject) => {
    const give = (): void => {
      const seed = next();
      if (seed === null) worker.disconnect();
      else worker.send(seed);
    };
    worker.on('message', (answer: Answer) => {
      take(answer);
      give();
    });
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(lost(worker, code))));
    give();
  });
}

function lost({ pid }: ChildProcess, code: number | null): Error {
  return new Error(`the process ${pid} ended with ${code}`);
}

function work(): void {
  // Whoever gives out the seeds decides when it is over, and sums up.
  process.on('SIGINT', () => {});
  process.on('message', (seed: string) => {
    const begun = process.cpuUsage();
    simulate({ seed, features: featuresOf(seed) }).then(
      (result) => {
        const { user, system } = process.cpuUsage(begun);
        process.send?.({ result, cpuMs: (user + system) / 1000 } satisfies Answer);
      },
      (error: unknown) => {
        console.error(`seed ${seed}`, error);
        process.exit(1);
      },
    );
  });
}

/** As the seed draws them, but for how long things go wrong. */
function featuresOf(seed: string): Features {
  const features = drawFeatures(seed);
  const mostMs = 1000 * Number(values['max-seconds'] ?? Number.POSITIVE_INFINITY);
  return { ...features, durationMs: Math.min(features.durationMs, mostMs) };
}

function report({ seed, violation, traceHash }: SimulationResult): void {
  process.exitCode = 1;
  console.log(`seed ${seed} ${traceHash} VIOLATION: ${violation}`);
  console.log(`  again: npm run simulate -- --seed ${seed} --trace`);
}
