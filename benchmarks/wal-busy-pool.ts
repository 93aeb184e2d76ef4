import { pbkdf2 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { StorageEngine } from 'quorate/interfaces';
import { walStorage } from 'quorate/storage/wal';
import { LogWriter } from './log-writer.js';
import { percentile, print, printTarget, row } from './report.js';

const HASHES = 16;
const HASH_ROUNDS = 50_000;
const PAYLOAD = new Uint8Array(4096).fill(5);
const WRITERS = ['worker', 'main'] as const;
/** Twice as long as idle at most, with every shared thread taken. */
const TARGET = 2;
const MAX_APPENDS = 5000;

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
      const idle = await appends(log, seconds * 1000);
      const hashing = new Hashing();
      const busy = await appends(log, seconds * 1000);
      hashing.stop();
      const ratio = percentile(busy, 0.5) / percentile(idle, 0.5);
      print(`\n${writer}`);
      printTimes('idle', idle);
      printTimes('busy', busy);
      const figure = `${ratio.toFixed(2)} x`;
      if (writer !== 'worker') row('  p50, busy against idle', figure);
      else printTarget('p50, busy against idle', figure, `${TARGET} x`, ratio <= TARGET);
    }
  } finally {
    for (const { engine } of logs.values()) await engine.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Has as many hashes computed at the same time, and begins another one for each that ends. */
class Hashing {
  #isStopped = false;

  constructor() {
    for (let i = 0; i < HASHES; i += 1) this.#next();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #next(): void {
    if (!this.#isStopped) pbkdf2('a', 'b', HASH_ROUNDS, 64, 'sha512', () => this.#next());
  }
}

/** The time that each took, sorted. */
async function appends(log: LogWriter, forMs: number): Promise<readonly number[]> {
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

function printTimes(when: string, times: readonly number[]): void {
  const at = (share: number): string => `${(percentile(times, share) * 1000).toFixed(0)} us`;
  print(
    `  ${when}  p50 ${at(0.5).padStart(10)}  p99 ${at(0.99).padStart(10)}  ${times.length} appends`,
  );
}
