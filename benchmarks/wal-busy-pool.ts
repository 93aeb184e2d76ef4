import { pbkdf2 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import type { StorageEngine } from 'quorate/interfaces';
import { walStorage } from 'quorate/storage/wal';
import { LogWriter } from './log-writer.js';
import { percentile, print, printTarget, row } from './report.js';

const hash = promisify(pbkdf2);

const HASHES = 16;
const HASH_ROUNDS = 50_000;
const PAYLOAD = new Uint8Array(4096).fill(5);
const WRITERS = ['worker', 'main'] as const;
/** Twice as long as idle at most, with every shared thread taken. */
const TARGET = 2;
const MAX_APPENDS = 5000;
/** Of idle and busy turns, because a machine is not the same from one second to the next. */
const ROUNDS = 5;

/** What an append takes while the process keeps the threads that Node shares busy. */
export async function walBusyPool(seconds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
  const logs = new Map<string, { readonly engine: StorageEngine; readonly log: LogWriter }>();
  try {
    for (const writer of WRITERS) {
      const engine = walStorage(join(folder, writer), { writer });
      logs.set(writer, { engine, log: await LogWriter.open(engine) });
    }
    print(
      `Appends of ${PAYLOAD.length} B, one at a time; then with ${HASHES} pbkdf2 all the time.`,
    );
    for (const [writer, { log }] of logs) {
      const idle: Turn[] = [];
      const busy: Turn[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        idle.push(await appends(log, (seconds * 1000) / ROUNDS));
        const hashing = new Hashing();
        busy.push(await appends(log, (seconds * 1000) / ROUNDS));
        await hashing.stop();
      }
      print(`\n${writer}, load ${loadavg()[0]?.toFixed(1)}`);
      printTimes('idle', idle);
      printTimes('busy', busy);
      printRatio(writer, idle, busy);
    }
  } finally {
    for (const { engine } of logs.values()) await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What each append of a turn took in milliseconds, sorted. */
type Turn = readonly number[];

/** Has as many hashes computed at the same time, and begins another one for each that ends. */
class Hashing {
  readonly #ended: Promise<unknown>;
  #isStopped = false;

  constructor() {
    this.#ended = Promise.all(Array.from({ length: HASHES }, () => this.#hashes()));
  }

  /** Resolves when none is computed any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
  }

  async #hashes(): Promise<void> {
    while (!this.#isStopped) await hash('a', 'b', HASH_ROUNDS, 64, 'sha512');
  }
}

async function appends(log: LogWriter, forMs: number): Promise<Turn> {
  const times: number[] = [];
  const startMs = performance.now();
  while (performance.now() - startMs < forMs && times.length < MAX_APPENDS) {
    const append = log.prepare(PAYLOAD, 1);
    const fromMs = performance.now();
    await append();
    times.push(performance.now() - fromMs);
  }
  return times.sort((a, b) => a - b);
}

function printTimes(when: string, turns: readonly Turn[]): void {
  const times = turns.flat().sort((a, b) => a - b);
  const at = (share: number): string => `${(percentile(times, share) * 1000).toFixed(0)} us`;
  print(
    `  ${when}  p50 ${at(0.5).padStart(10)}  p99 ${at(0.99).padStart(10)}  ${times.length} appends`,
  );
}

/** The median of what each busy turn is to the idle one before it. */
function printRatio(writer: string, idle: readonly Turn[], busy: readonly Turn[]): void {
  const ratios = busy.map((turn, i) => percentile(turn, 0.5) / percentile(idle[i] ?? turn, 0.5));
  ratios.sort((a, b) => a - b);
  const ratio = percentile(ratios, 0.5);
  const figure = `${ratio.toFixed(2)} x`;
  if (writer !== 'worker') row('  p50, busy against idle', figure);
  else printTarget('p50, busy against idle', figure, `${TARGET} x`, ratio <= TARGET);
}
