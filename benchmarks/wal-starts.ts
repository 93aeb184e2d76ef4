import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { crc32 } from 'node:zlib';
import { walStorage } from 'quorate/storage/wal';
import { concatBytes, packEntries, unpackEntries } from '../lib/base/index.js';
import { LogWriter } from './log-writer.js';
import { mib, milliseconds, percentile, print, printTarget, row } from './report.js';
import type { StartReport } from './wal-start-node.js';

const ENTRIES = 1_000_000;
const ENTRY_BYTES = 256;
const ENTRIES_AN_APPEND = 1000;
const TARGET_MS = 1000;
const READ_BYTES = 2 * 1024 * 1024;

const GROUPS = 10_000;
const GROUP_ROUNDS = 10;
/** Of one group, so that segments are filled while the others stand still. */
const BUSY_APPENDS = 2500;
const BUSY_BYTES = 256 * 1024;

/** What it takes to read a long log, before anything is applied. */
export async function walRecovery(): Promise<void> {
  await inFolder(async (folder) => {
    const engine = walStorage(folder);
    const log = await LogWriter.open(engine);
    const payload = new Uint8Array(ENTRY_BYTES).fill(5);
    const startMs = performance.now();
    for (let count = 0; count < ENTRIES; count += ENTRIES_AN_APPEND) {
      await log.prepare(payload, ENTRIES_AN_APPEND)();
    }
    const appendMs = performance.now() - startMs;
    await engine.close();
    print(`\n${ENTRIES} entries of ${ENTRY_BYTES} B, ${ENTRIES_AN_APPEND} an append`);
    row('written', milliseconds(appendMs));
    const report = await start(folder);
    printStart(report);
    await printParts(join(folder, 'log'), payload);
    const totalMs = report.openMs + report.groupsMs;
    printTarget('start', milliseconds(totalMs), `${TARGET_MS} ms`, totalMs < TARGET_MS);
  });
}

/** Very many groups in one stream. */
export async function walGroups(): Promise<void> {
  await inFolder(async (folder) => {
    const engine = walStorage(folder);
    const first = await LogWriter.open(engine, 'g0');
    const emptyBytes = usedBytes();
    const createMs = performance.now();
    const names = Array.from({ length: GROUPS - 1 }, (_, i) => `g${i + 1}`);
    const logs = [first, ...(await Promise.all(names.map((name) => LogWriter.of(engine, name))))];
    print(`\n${GROUPS} groups`);
    row('created at once', milliseconds(performance.now() - createMs));
    const payload = new Uint8Array(ENTRY_BYTES).fill(5);
    const appendMs = performance.now();
    for (let round = 0; round < GROUP_ROUNDS; round += 1) {
      await Promise.all(logs.map((log) => log.prepare(payload, 1)()));
    }
    const spentMs = performance.now() - appendMs;
    const perSecond = (GROUPS * GROUP_ROUNDS * 1000) / spentMs;
    row('an append of each at once', `${perSecond.toFixed(0)} appends/s`);
    row('memory of a group', `${((usedBytes() - emptyBytes) / GROUPS / 1024).toFixed(1)} KiB`);
    await printBusyGroup(first, join(folder, 'log'));
    await engine.close();
    printStart(await start(folder));
  });
}

/** Fills segments, each of which begins with a record of every group, and says what the others keep of them. */
async function printBusyGroup(log: LogWriter, folder: string): Promise<void> {
  const payload = new Uint8Array(BUSY_BYTES).fill(5);
  const times: number[] = [];
  for (let count = 0; count < BUSY_APPENDS; count += 1) {
    times.push(await timed(log.prepare(payload, 1)));
    await log.compact();
  }
  times.sort((a, b) => a - b);
  const middle = milliseconds(percentile(times, 0.5));
  row(`appends of ${BUSY_BYTES / 1024} KiB by one of them`, `p50 ${middle}`);
  row('the longest, with a new segment', milliseconds(times.at(-1) ?? 0));
  const segments = (await readdir(folder)).filter((name) => name.endsWith('.wal'));
  row('segments that are left', `${segments.length}, first ${Number(segments[0]?.slice(0, 16))}`);
}

/** In a process of its own, so that nothing is in memory yet. */
async function start(folder: string): Promise<StartReport> {
  const program = fileURLToPath(new URL('wal-start-node.js', import.meta.url));
  const child = fork(program, [folder], { execArgv: process.execArgv });
  const [report] = await once(child, 'message');
  await once(child, 'exit');
  return report;
}

/** What the parts of a start take alone, one after another: a start reads while it does the rest. */
async function printParts(folder: string, payload: Uint8Array): Promise<void> {
  const piece = new Uint8Array(READ_BYTES);
  let readBytes = 0;
  const readMs = await timed(async () => {
    for (const name of await readdir(folder)) {
      readBytes += await readThrough(join(folder, name), piece);
    }
  });
  row(`alone: ${mib(readBytes)} of files read`, milliseconds(readMs));
  const crcMs = await timed(async () => {
    for (let bytes = 0; bytes < readBytes; bytes += READ_BYTES) {
      // Each byte is in a portion, which ends with its block, and in a record.
      for (let at = 0; at < READ_BYTES; at += 4096) crc32(piece.subarray(at, at + 4080));
      crc32(piece);
    }
  });
  row('alone: their checksums', milliseconds(crcMs));
  const draft = { kind: 'command' as const, commandVersion: 1, payload };
  const drafts = Array.from({ length: ENTRIES_AN_APPEND }, () => draft);
  const entries = packEntries({ group: 'g', term: 1, firstIndex: 1, logTimeMs: 0 }, drafts);
  const region = concatBytes(entries.map(({ packed }) => packed));
  const kept: unknown[] = [];
  const unpackMs = await timed(async () => {
    for (let i = 0; i < ENTRIES / ENTRIES_AN_APPEND; i += 1) kept.push(unpackEntries(region));
  });
  row('alone: entries unpacked', milliseconds(unpackMs));
}

async function readThrough(path: string, piece: Uint8Array): Promise<number> {
  const file = await open(path);
  let bytes = 0;
  for (let bytesRead = 1; bytesRead > 0; bytes += bytesRead) {
    ({ bytesRead } = await file.read(piece, 0, piece.length, bytes));
  }
  await file.close();
  return bytes;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function printStart({ openMs, groupsMs, entries, grownBytes }: StartReport): void {
  row('start: the engine', milliseconds(openMs));
  row(`start: ${entries} entries of the groups`, milliseconds(groupsMs));
  row('memory of that process grew by', mib(grownBytes));
}

/** Of this process, garbage collected before. */
function usedBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
