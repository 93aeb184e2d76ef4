import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { walStorage } from 'quorate/storage/wal';
import { LogWriter } from './log-writer.js';
import { mib, milliseconds, print, printTarget, row } from './report.js';
import type { StartReport } from './wal-start-node.js';

const ENTRIES = 1_000_000;
const ENTRY_BYTES = 256;
const ENTRIES_AN_APPEND = 1000;
const TARGET_MS = 1000;

const GROUPS = 10_000;
const GROUP_ROUNDS = 10;

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
    await engine.close();
    printStart(await start(folder));
  });
}

/** In a process of its own, so that nothing is in memory yet. */
async function start(folder: string): Promise<StartReport> {
  const program = fileURLToPath(new URL('wal-start-node.js', import.meta.url));
  const child = fork(program, [folder], { execArgv: process.execArgv });
  const [report] = await once(child, 'message');
  await once(child, 'exit');
  return report;
}

function printStart({ openMs, groupsMs, entries, residentBytes }: StartReport): void {
  row('start: the engine', milliseconds(openMs));
  row(`start: ${entries} entries of the groups`, milliseconds(groupsMs));
  row('memory of that process', mib(residentBytes));
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
