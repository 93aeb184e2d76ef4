/**
 * Cuts the power, damages and takes away what can be of a small data directory of `storage/wal`, starts on what is
 * left, and prints how the starts end: `npm run wal-table`. In memory, on two threads; minutes. The exit code is 1
 * where something was lost or wrong.
 */
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import {
  type Case,
  judgeCases,
  keyOf,
  merged,
  type Row,
  type Share,
  type Tally,
} from './wal-cases.js';
import { crashCases } from './wal-crash-cases.js';
import { damageCases, fileSet } from './wal-damage-cases.js';

const WORKERS = 2;
const REPORTED_CASES = 25_000;

export async function* allCases(): AsyncGenerator<Iterable<Case>> {
  yield* crashCases();
  yield* damageCases();
}

/** As it stands in the documentation. */
export function table({ counts }: Tally): string {
  const number = (count: number): string => count.toLocaleString('en').padStart(10);
  const parts = new Map<string, string[]>();
  for (const [key, { recovered, shorter, refused }] of Object.entries(counts)) {
    const [part = '', ...name] = key.split(': ');
    const all = recovered + shorter + refused;
    const columns = [all, recovered, refused, shorter].map(number).join('');
    const line = `  ${name.join(': ').padEnd(62)}${columns}`;
    parts.set(part, [...(parts.get(part) ?? []), line]);
  }
  const lines = [...parts].flatMap(([part, own]) => ['', part, ...own]);
  const head = ['cases', 'recovered', 'refused', 'shorter'].map((one) => one.padStart(10)).join('');
  return [' '.repeat(64) + head, ...lines].join('\n');
}

async function main(): Promise<void> {
  const startMs = performance.now();
  const set = await fileSet();
  const bytes = [...set.values()].reduce((sum, content) => sum + content.length, 0);
  console.log(`${set.size} files of ${bytes.toLocaleString('en')} bytes`);
  const tally = merged(await Promise.all(Array.from({ length: WORKERS }, (_, at) => judged(at))));
  console.log(table(tally));
  for (const failure of tally.failures) console.error(failure);
  console.log(`\n${Math.round((performance.now() - startMs) / 1000)} s`);
  if (tally.failures.length > 0) process.exitCode = 1;
}

/** What a thread says while it judges its share, and in the end. */
type Report =
  | { readonly kind: 'progress'; readonly judged: number; readonly row: Row }
  | { readonly kind: 'done'; readonly tally: Tally };

function judged(worker: number): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: { worker } });
    thread.on('message', (report: Report) => {
      if (report.kind === 'done') resolve(report.tally);
      else console.error(`thread ${worker}: ${report.judged} cases, ${keyOf(report.row)}`);
    });
    thread.once('error', reject);
  });
}

async function judgeShare(tell: (report: Report) => void): Promise<void> {
  // Most cases end in an error, of which nobody wants to know where it was thrown.
  Error.stackTraceLimit = 0;
  let judged = 0;
  const onJudged = (row: Row): void => {
    judged += 1;
    if (judged % REPORTED_CASES === 0) tell({ kind: 'progress', judged, row });
  };
  const { worker } = workerData;
  const share: Share = { worker, workers: WORKERS, stride: () => 1, onJudged };
  tell({ kind: 'done', tally: await judgeCases(allCases(), share) });
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  await judgeShare((report) => port.postMessage(report));
} else if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main();
}
