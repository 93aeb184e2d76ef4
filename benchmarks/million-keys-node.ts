import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KVStore, openKVStore } from 'quorate';
import { chosenEngine, openEngine } from './engines.js';
import { HoldProbe } from './hold-probe.js';
import { mib, milliseconds, row, seconds } from './report.js';
import { SteadyPuts } from './steady-puts.js';

/* The node of `million-keys`. `fill FOLDER` makes the data, `restart FOLDER` opens it again. */

const KEY_COUNT = Number(process.env['KEYS'] ?? 1_000_000);
const VALUE = 'v'.repeat(100);
const IN_FLIGHT = 1024;
/** Puts a second while a snapshot is written. */
const STEADY_RATE = 2000;
/** How long the same load runs without a snapshot, to compare. */
const QUIET_MS = 5000;
const SETTLE_MS = 2000;

const probe = new HoldProbe();

async function fill(folder: string): Promise<void> {
  const kv = await openKVStore({ storage: openEngine(chosenEngine(), folder) });
  const taken: { readonly startMs: number; readonly endMs: number; readonly sizeBytes: number }[] =
    [];
  kv.events.on('raft.snapshotCreated', ({ durationMs, sizeBytes }) => {
    const endMs = performance.now();
    taken.push({ startMs: endMs - durationMs, endMs, sizeBytes });
  });
  await kv.ready();

  const loadMs = performance.now();
  await load(kv);
  const loadedMs = performance.now();
  row(`load of ${KEY_COUNT} keys`, seconds(loadedMs - loadMs), `${taken.length} snapshots`);
  await holds(loadMs, loadedMs);

  const before = taken.length;
  const steady = new SteadyPuts(STEADY_RATE, (n) => kv.put(keyOf(n * 31), VALUE));
  const latest = (): (typeof taken)[number] | undefined => taken.at(-1);
  // The one that the load began may still be under way: the next has begun beside the steady load.
  let largest: DiskUse = { logBytes: 0, otherBytes: 0 };
  while (taken.length < before + 2) {
    const use = await diskUse(folder);
    if (sumOf(use) > sumOf(largest)) largest = use;
    await sleep(50);
  }
  const quietMs = performance.now();
  await sleep(QUIET_MS);
  const quietEndMs = performance.now();
  await steady.stop();

  const snapshot = latest();
  if (snapshot === undefined) throw new Error('a snapshot was taken');
  row('snapshot', seconds(snapshot.endMs - snapshot.startMs), mib(snapshot.sizeBytes));
  await holds(snapshot.startMs, snapshot.endMs);
  puts(steady, snapshot.startMs, snapshot.endMs);
  row('compaction, and 5 s after it');
  await holds(quietMs, quietEndMs);
  puts(steady, quietMs, quietEndMs);
  memory();
  await sleep(SETTLE_MS);
  disk('disk before compaction, at most', largest);
  disk('disk after compaction', await diskUse(folder));
  await kv.close();
  disk('disk after close', await diskUse(folder));
}

async function restart(folder: string): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const kv = await openKVStore({ storage: openEngine(chosenEngine(), folder) });
  const openMs = performance.now();
  await kv.ready();
  const readyMs = performance.now();
  const { user, system } = process.cpuUsage(cpuBefore);
  const cells = [
    `open after ${seconds(openMs - startMs)}`,
    `processor ${seconds((user + system) / 1000)}`,
  ];
  row('restart', seconds(readyMs - startMs), ...cells);
  await holds(startMs, readyMs);
  memory();
  await kv.close();
}

/** Every key once, in an order that looks random. */
async function load(kv: KVStore): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < KEY_COUNT) {
      const n = next;
      next += 1;
      await kv.put(keyOf(n), VALUE);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

function keyOf(n: number): string {
  // The factor is a prime that divides no power of ten: every number below KEY_COUNT comes once.
  return `user/${String((n * 611_953) % KEY_COUNT).padStart(9, '0')}`;
}

function puts(steady: SteadyPuts, startMs: number, endMs: number): void {
  const { count, failedCount, p50Ms, p99Ms, longestMs } = steady.latencies(startMs, endMs);
  const cells = [`p50 ${milliseconds(p50Ms)}`, `p99 ${milliseconds(p99Ms)}`];
  const failed = failedCount === 0 ? '' : `, ${failedCount} failed`;
  row(`  puts`, `${count}${failed}`, ...cells, `longest ${milliseconds(longestMs)}`);
}

async function holds(startMs: number, endMs: number): Promise<void> {
  const { longestMs, longestOwnMs, collections } = await probe.report(startMs, endMs);
  row('  longest hold', milliseconds(longestMs), `own ${milliseconds(longestOwnMs)}`);
  for (const { kind, count, longestMs: longest, totalMs } of collections) {
    const cells = [`longest ${milliseconds(longest)}`, `all ${milliseconds(totalMs)}`];
    row(`  collections, ${kind}`, `${count}`, ...cells);
  }
}

function memory(): void {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  row('memory', `resident ${mib(rss)}`, `heap ${mib(heapUsed)}`, `buffers ${mib(arrayBuffers)}`);
}

interface DiskUse {
  /** Of LevelDB. */
  readonly logBytes: number;
  /** Of snapshots, mostly. */
  readonly otherBytes: number;
}

function sumOf({ logBytes, otherBytes }: DiskUse): number {
  return logBytes + otherBytes;
}

function disk(what: string, use: DiskUse): void {
  const cells = [`log ${mib(use.logBytes)}`, `snapshots ${mib(use.otherBytes)}`];
  row(what, mib(sumOf(use)), ...cells);
}

async function diskUse(folder: string): Promise<DiskUse> {
  const log = join(folder, 'log');
  let logBytes = 0;
  let otherBytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    // LevelDB and the snapshots remove files meanwhile.
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => null);
    if (entry.parentPath === log) logBytes += found?.size ?? 0;
    else otherBytes += found?.size ?? 0;
  }
  return { logBytes, otherBytes };
}

const [part = '', folder = ''] = process.argv.slice(2);
probe.start();
await (part === 'fill' ? fill(folder) : restart(folder));
probe.stop();
