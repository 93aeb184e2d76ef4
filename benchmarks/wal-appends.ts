import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { StorageEngine } from 'quorate/interfaces';
import { levelStorage } from 'quorate/storage/level';
import { walStorage } from 'quorate/storage/wal';
import { BareDisk } from './bare-disk.js';
import { LogWriter } from './log-writer.js';
import { percentile, print } from './report.js';

const PAYLOAD_BYTES = [16, 256, 4096, 65_536, 1_048_576];
const BATCHES = [1, 16, 256];
/** Of one append: what a leader hands over at once is not longer. */
const MAX_APPEND_BYTES = 16 * 2 ** 20;
const BARE_BYTES = 64 * 2 ** 20;
/** So many turns has everybody in a line, one after another, there and back again. */
const ROUNDS = 6;

const NOTES = `One append at a time. "x bare": how much longer than the same bytes take the disk alone, by the
median of the turns. A log that is written without a pause also writes the zeros of its next file, which the
disk alone is spared: that is in the mean.`;

/** What is measured: prepares a write of `count` times the payload, and gives what does it. */
interface Subject {
  readonly name: string;
  prepare(payload: Uint8Array, count: number): () => Promise<void> | void;
  settle(): Promise<void>;
  close(): Promise<void>;
}

interface Turn {
  /** Of each write, in milliseconds, sorted. */
  readonly times: readonly number[];
  readonly meanMs: number;
}

/** How one turn compares with that of the disk alone. */
type Comparison = (own: Turn, bare: Turn) => number;

/** One append after another, of each engine and of the disk alone, in turns. */
export async function walAppends(seconds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
  const subjects = await openSubjects(folder);
  try {
    print(NOTES);
    for (const bytes of PAYLOAD_BYTES) {
      for (const batch of BATCHES) {
        if (bytes * batch <= MAX_APPEND_BYTES) await measureLine(subjects, bytes, batch, seconds);
      }
    }
  } finally {
    for (const subject of subjects) await subject.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function openSubjects(folder: string): Promise<readonly Subject[]> {
  const bare = new BareDisk(join(folder, 'bare'), BARE_BYTES);
  const shared = new BareDisk(join(folder, 'shared'), BARE_BYTES);
  const path = (name: string): string => join(folder, name);
  const whole = new Uint8Array(MAX_APPEND_BYTES).fill(7);
  const settle = async (): Promise<void> => {};
  return [
    {
      name: 'bare disk',
      prepare: (payload, count) => () => bare.write(whole.subarray(0, payload.length * count)),
      settle,
      close: () => bare.close(),
    },
    {
      name: 'bare disk, fs.write',
      prepare: (payload, count) => () =>
        shared.writeShared(whole.subarray(0, payload.length * count)),
      settle,
      close: () => shared.close(),
    },
    await engineSubject('wal, worker', walStorage(path('worker'), { writer: 'worker' })),
    await engineSubject('wal, main', walStorage(path('main'), { writer: 'main' })),
    await engineSubject('level', levelStorage(path('level'))),
  ];
}

async function engineSubject(name: string, engine: StorageEngine): Promise<Subject> {
  const log = await LogWriter.open(engine);
  return {
    name,
    prepare: (payload, count) => log.prepare(payload, count),
    settle: () => log.compact(),
    close: () => engine.close(),
  };
}

async function measureLine(
  subjects: readonly Subject[],
  bytes: number,
  batch: number,
  seconds: number,
): Promise<void> {
  const payload = new Uint8Array(bytes).fill(5);
  const turnMs = (seconds * 1000) / ROUNDS / subjects.length;
  const turns = new Map<Subject, Turn[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const subject of round % 2 === 0 ? subjects : [...subjects].reverse()) {
      turns.get(subject)?.push(await takeTurn(subject, payload, batch, turnMs));
    }
  }
  print(`\n${batch} x ${bytes} B`);
  const [bare] = turns.values();
  for (const [subject, own] of turns) printLine(subject.name, own, bare ?? [], bytes, batch);
}

async function takeTurn(
  subject: Subject,
  payload: Uint8Array,
  batch: number,
  turnMs: number,
): Promise<Turn> {
  const times: number[] = [];
  for (let spentMs = 0; spentMs < turnMs || times.length < 3; ) {
    const write = subject.prepare(payload, batch);
    const startMs = performance.now();
    await write();
    times.push(performance.now() - startMs);
    spentMs += times.at(-1) ?? 0;
    await subject.settle();
  }
  const meanMs = times.reduce((sum, one) => sum + one, 0) / times.length;
  return { times: times.sort((a, b) => a - b), meanMs };
}

function printLine(
  name: string,
  turns: readonly Turn[],
  bare: readonly Turn[],
  bytes: number,
  batch: number,
): void {
  const times = turns.flatMap((turn) => turn.times).sort((a, b) => a - b);
  const meanMs = times.reduce((sum, one) => sum + one, 0) / times.length;
  const ratio = (compare: Comparison): string => {
    const ratios = turns.map((own, i) => compare(own, bare[i] ?? own)).sort((a, b) => a - b);
    return percentile(ratios, 0.5).toFixed(2);
  };
  const mean = ratio((own, other) => own.meanMs / other.meanMs);
  const median = ratio((own, other) => percentile(own.times, 0.5) / percentile(other.times, 0.5));
  const cells = [
    name.padEnd(20),
    `${(1000 / meanMs).toFixed(0)} appends/s`.padStart(16),
    `${((bytes * batch) / 2 ** 20 / (meanMs / 1000)).toFixed(2)} MiB/s`.padStart(14),
    `p50 ${(percentile(times, 0.5) * 1000).toFixed(0)} us`.padStart(14),
    `p99 ${(percentile(times, 0.99) * 1000).toFixed(0)} us`.padStart(15),
    `x bare: p50 ${median}, mean ${mean}`.padStart(30),
  ];
  print(cells.join(''));
}
