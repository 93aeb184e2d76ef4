import { performance } from 'node:perf_hooks';
import { walStorage } from 'quorate/storage/wal';
import { storageContext } from '../lib/testing/index.js';

/** What a start of `FOLDER` took. */
export interface StartReport {
  /** Until the engine was open: all was read and judged. */
  readonly openMs: number;
  /** Until every group had its entries. */
  readonly groupsMs: number;
  readonly entries: number;
  /** By how much the memory of the process grew. */
  readonly grownBytes: number;
}

const engine = walStorage(process.argv[2] ?? '');
const emptyBytes = process.memoryUsage().rss;
const startMs = performance.now();
await engine.open(storageContext());
const openedMs = performance.now();
let entries = 0;
for (const group of await engine.groups()) {
  const log = await engine.group(group).log.open();
  entries += log.entries.length;
}
const report: StartReport = {
  openMs: openedMs - startMs,
  groupsMs: performance.now() - openedMs,
  entries,
  grownBytes: process.memoryUsage().rss - emptyBytes,
};
process.send?.(report);
await engine.close();
process.disconnect();
