import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pass } from 'node:timers/promises';
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

/** Appends of as much keep a disk busy with what is written, and with the zeros of the next file. */
const LONG_BYTES = 256 * 1024;
/** Less than what a segment holds, and then time enough for the zeros of the next one. */
const RESTED_TURN_BYTES = 16 * 2 ** 20;
const REST_MS = 200;

const NOTES = `One append at a time. "x bare": how much longer than the same bytes take the disk alone, written by
a thread that waits for each; "x fs.write": the same by way of Node's threads for files. Medians of the turns.
A log that is written without a pause also writes the zeros of its next file, which the disk alone is spared:
that is in appends/s, MiB/s and the mean. "Rested" has a pause after each ${RESTED_TURN_BYTES / 2 ** 20} MiB, in which the zeros are written.`;

/** What is measured: prepares a write of `count` times the payload, and gives what does it. */
interface Subject {
  readonly name: string;
  readonly isRested: boolean;
  prepare(payload: Uint8Array, count: number): () => Promise<void> | void;
  settle(): Promise<void>;
  close(): Promise<void>;
}

interface Turn {
  /** Of each write, in milliseconds, sorted. */
  readonly times: readonly number[];
  readonly meanMs: number;
}

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
    for (const subject of subjects) if (!subject.isRested) await subject.close();
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
      isRested: false,
      prepare: (payload, count) => () => bare.write(whole.subarray(0, payload.length * count)),
      settle,
      close: () => bare.close(),
    },
    {
      name: 'bare disk, fs.write',
      isRested: false,
      prepare: (payload, count) => () =>
        shared.writeShared(whole.subarray(0, payload.length * count)),
      settle,
      close: () => shared.close(),
    },
    ...(await engineSubjects('wal, worker', walStorage(path('worker'), { writer: 'worker' }))),
    ...(await engineSubjects('wal, main', walStorage(path('main'), { writer: 'main' }))),
    ...(await engineSubjects('level', levelStorage(path('level')))).slice(0, 1),
  ];
}

/** The engine without pauses, and with them. */
async function engineSubjects(name: string, engine: StorageEngine): Promise<readonly Subject[]> {
  const log = await LogWriter.open(engine);
  const subject: Subject = {
    name,
    isRested: false,
    prepare: (payload, count) => log.prepare(payload, count),
    settle: () => log.compact(),
    close: () => engine.close(),
  };
  return [subject, { ...subject, name: `${name}, rested`, isRested: true }];
}

async function measureLine(
  all: readonly Subject[],
  bytes: number,
  batch: number,
  seconds: number,
): Promise<void> {
  const subjects = all.filter(({ isRested }) => !isRested || bytes * batch >= LONG_BYTES);
  const payload = new Uint8Array(bytes).fill(5);
  const turnMs = (seconds * 1000) / ROUNDS / subjects.length;
  const turns = new Map<Subject, Turn[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const subject of round % 2 === 0 ? subjects : [...subjects].reverse()) {
      turns.get(subject)?.push(await takeTurn(subject, payload, batch, turnMs));
    }
  }
  print(`\n${batch} x ${bytes} B, load ${loadavg()[0]?.toFixed(1)}`);
  const [bare = [], shared = []] = turns.values();
  for (const [subject, own] of turns) {
    printLine(subject.name, { own, bare, shared }, bytes * batch);
  }
}

async function takeTurn(
  subject: Subject,
  payload: Uint8Array,
  batch: number,
  turnMs: number,
): Promise<Turn> {
  const times: number[] = [];
  const length = payload.length * batch;
  const maxWrites = subject.isRested ? RESTED_TURN_BYTES / length : Number.POSITIVE_INFINITY;
  for (let spentMs = 0; (spentMs < turnMs || times.length < 3) && times.length < maxWrites; ) {
    const write = subject.prepare(payload, batch);
    const startMs = performance.now();
    await write();
    times.push(performance.now() - startMs);
    spentMs += times.at(-1) ?? 0;
    await subject.settle();
  }
  if (subject.isRested) await pass(REST_MS);
  const meanMs = times.reduce((sum, one) => sum + one, 0) / times.length;
  return { times: times.sort((a, b) => a - b), meanMs };
}

/** The turns of a subject, and those of the disk alone beside them. */
interface Turns {
  readonly own: readonly Turn[];
  readonly bare: readonly Turn[];
  readonly shared: readonly Turn[];
}

function printLine(name: string, { own, bare, shared }: Turns, length: number): void {
  const times = own.flatMap((turn) => turn.times).sort((a, b) => a - b);
  const meanMs = times.reduce((sum, one) => sum + one, 0) / times.length;
  const median = (turn: Turn): number => percentile(turn.times, 0.5);
  const cells = [
    name.padEnd(20),
    `${(1000 / meanMs).toFixed(0)} appends/s`.padStart(16),
    `${(length / 2 ** 20 / (meanMs / 1000)).toFixed(2)} MiB/s`.padStart(15),
    `p50 ${(percentile(times, 0.5) * 1000).toFixed(0)} us`.padStart(14),
    `p99 ${(percentile(times, 0.99) * 1000).toFixed(0)} us`.padStart(15),
    `x bare ${ratio(own, bare, median)}`.padStart(14),
    `x fs.write ${ratio(own, shared, median)}`.padStart(18),
    `mean x bare ${ratio(own, bare, ({ meanMs: mean }) => mean)}`.padStart(19),
  ];
  print(cells.join(''));
}

/** The median of what each turn is to the one beside it. */
function ratio(
  own: readonly Turn[],
  other: readonly Turn[],
  figure: (turn: Turn) => number,
): string {
  const ratios = own.map((turn, i) => figure(turn) / figure(other[i] ?? turn));
  return percentile(
    ratios.sort((a, b) => a - b),
    0.5,
  ).toFixed(2);
}
