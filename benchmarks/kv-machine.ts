/**
 * How fast the pure key-value machine applies puts of 256 bytes at a million keys, what it takes of
 * memory, and how long it holds the event loop.
 *
 *     node --expose-gc dist/benchmarks/kv-machine.js [keys]
 */
import { PerformanceObserver, performance } from 'node:perf_hooks';
import { at, encodeUtf8, packEntries } from '../lib/base/index.js';
import { COMMAND_VERSION, encodeCommand, KVMachine } from '../lib/kv/machine/index.js';

const keyCount = Number(process.argv[2] ?? 1_000_000);
/** Pauses are measured over this many commands: about what a driver applies in one slice. */
const SLICE = 256;
const value = new Uint8Array(256).fill(0x61);
const order = Array.from({ length: keyCount }, (_, i) => i);
shuffle(order);

let longestCollectionMs = 0;
const observer = new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    longestCollectionMs = Math.max(longestCollectionMs, duration);
  }
});
observer.observe({ entryTypes: ['gc'] });

const before = memory();
const machine = new KVMachine();
await puts(`first puts of ${keyCount} keys`);
await puts('overwrites');
report('memory');

const view = machine.view();
await puts('overwrites beside a view');
report('memory, every value held twice');
timed('release of the view', () => view.release());

const chunks: Uint8Array[] = [];
timed('snapshot', () => {
  for (const chunk of machine.snapshot()) chunks.push(chunk);
});
timed('restore', () => {
  const restorer = machine.restorer();
  for (const chunk of chunks) restorer.write(chunk);
  restorer.finish();
});
const snapshotBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
console.log(`snapshot: ${mib(snapshotBytes)} in ${chunks.length} chunks`);
observer.disconnect();

/** Puts every key once, in random order, and lets the event loop run between slices. */
async function puts(name: string): Promise<void> {
  longestCollectionMs = 0;
  let longestMs = 0;
  let spentMs = 0;
  for (let start = 0; start < keyCount; start += SLICE) {
    const drafts = order.slice(start, start + SLICE).map((n) => {
      const key = encodeUtf8(`user/${String(at(order, n)).padStart(9, '0')}`);
      const payload = encodeCommand({ kind: 'put', key, value, condition: null });
      return { kind: 'command' as const, commandVersion: COMMAND_VERSION, payload };
    });
    // As in the log: the commands of a batch share one region.
    const position = { group: 'default', term: 1, firstIndex: start + 1, logTimeMs: 0 };
    const entries = packEntries(position, drafts);
    const beginMs = performance.now();
    for (const { payload, commandVersion, logTimeMs } of entries) {
      machine.apply({ command: payload, commandVersion, logTimeMs });
    }
    const tookMs = performance.now() - beginMs;
    spentMs += tookMs;
    longestMs = Math.max(longestMs, tookMs);
    if (start % (SLICE * 64) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const rate = Math.round((keyCount / spentMs) * 1000);
  console.log(
    `${name}: ${rate} a second, longest slice of ${SLICE} ${longestMs.toFixed(1)} ms, ` +
      `longest collection ${longestCollectionMs.toFixed(1)} ms`,
  );
}

function timed(name: string, run: () => void): void {
  const beginMs = performance.now();
  const cpuBefore = process.cpuUsage();
  run();
  const tookMs = performance.now() - beginMs;
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuMs = (user + system) / 1000;
  console.log(`${name}: ${tookMs.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms of CPU`);
}

function report(name: string): void {
  const { usedBytes, reservedBytes } = machine.usage;
  const now = memory();
  console.log(
    `${name}: records ${mib(usedBytes)} in ${mib(reservedBytes)}, ` +
      `heap ${mib(now.heapUsed - before.heapUsed)}, resident ${mib(now.rss - before.rss)}`,
  );
}

function memory(): NodeJS.MemoryUsage {
  globalThis.gc?.();
  return process.memoryUsage();
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function shuffle(items: number[]): void {
  let seed = 42;
  for (let i = items.length - 1; i > 0; i -= 1) {
    seed = (seed * 48_271) % 0x7fff_ffff;
    const j = seed % (i + 1);
    [items[i], items[j]] = [at(items, j), at(items, i)];
  }
}
