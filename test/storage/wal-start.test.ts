/** What a start reads of a long log, and what it says meanwhile. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import t from 'tap';
import { type Entry, packEntries } from '../../lib/base/index.js';
import type { FileLayer, StorageContext, StorageEngine } from '../../lib/interfaces/index.js';
import { CapturingLogger, FunctionLogger } from '../../lib/observe/index.js';
import { storageContext } from '../../lib/testing/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import { nodeFiles } from '../../storage/files/index.js';
import { type WalStorageOptions, walStorage } from '../../storage/wal/index.js';
import { Progress } from '../../storage/wal/progress.js';
import { scratch } from './scratch.js';
import { GROUP, IDENTITY } from './small-directory.js';

const { fresh, remove } = scratch();
t.teardown(remove);

const MIB = 1024 * 1024;

t.test(
  'a log that is read in many pieces has every byte that was written (fault B31)',
  async () => {
    const path = fresh();
    const { engine, entries } = await opened(path);
    equal(entries.length, 0);
    const written: Entry[] = [];
    // Of many lengths, so that batches end anywhere in what is read at once, and one is longer than that.
    for (const payloadBytes of [90_000, 700, 3_000_000, 41, 260_000, 5000, 60_000]) {
      for (let count = 1; count <= 8; count += 1) {
        const added = someEntries(written.length + 1, count, Math.ceil(payloadBytes / count));
        await engine.group(GROUP).log.append(added);
        written.push(...added);
      }
    }
    await engine.close();
    const next = await opened(path);
    equal(next.entries.length, written.length);
    for (const [i, { packed }] of next.entries.entries()) {
      equal(Buffer.compare(packed, written[i]!.packed), 0, `entry ${i + 1}`);
    }
    await next.engine.close();
  },
);

t.test('a start that takes long says once a second how far it is (fault B31)', async () => {
  const path = fresh();
  const options = { segmentBytes: 8192, writer: 'main' } as const;
  const { engine } = await opened(path, options);
  for (let index = 1; index <= 10; index += 1) {
    await engine.group(GROUP).log.append(someEntries(index, 1, 6000));
  }
  await engine.close();

  const quick = await linesOfStart(path, options, 10);
  deepEqual(quick, [], 'where it does not, nothing is said');

  const lines = await linesOfStart(path, options, 400);
  const read = lines.filter(({ event }) => event === 'storage.recovering');
  ok(read.length >= 3, `${read.length} lines`);
  for (const [i, { readBytes, atMs }] of read.entries()) {
    ok(readBytes > (read[i - 1]?.readBytes ?? 0));
    ok(atMs - (read[i - 1]?.atMs ?? 0) >= 1000);
  }
  const done = lines.at(-1);
  deepEqual([done?.event, done?.readBytes], ['storage.recovered', 10 * 8192]);
  equal(done?.durationMs, done?.atMs);
});

t.test('so does one that reads much, however fast', async () => {
  const logger = new CapturingLogger();
  const progress = new Progress({ clock: new SlowDisk(), logger });
  for (let mib = 0; mib < 1000; mib += 2) progress.add(2 * MIB);
  progress.finish();
  deepEqual(
    logger.lines.map(({ fields }) => fields['readBytes']),
    [256 * MIB, 512 * MIB, 768 * MIB, 1000 * MIB],
  );
});

/** Time that passes only while something is read. */
class SlowDisk extends SystemClock {
  #nowMs = 0;

  override now(): number {
    return this.#nowMs;
  }

  /** The file system, of which each reading takes so long. */
  files(readMs: number): FileLayer {
    const open: FileLayer['open'] = async (path, options) => {
      const file = await nodeFiles.open(path, options);
      const read: typeof file.read = (...place) => {
        this.#nowMs += readMs;
        return file.read(...place);
      };
      return {
        ...{ read, sizeBytes: () => file.sizeBytes(), truncate: (size) => file.truncate(size) },
        ...{ write: (...piece) => file.write(...piece), sync: () => file.sync() },
        ...{ writeDurably: (...piece) => file.writeDurably(...piece), close: () => file.close() },
      };
    };
    return { ...nodeFiles, open };
  }
}

interface StartLine {
  readonly event: unknown;
  readonly readBytes: number;
  readonly durationMs: unknown;
  readonly atMs: number;
}

async function linesOfStart(
  path: string,
  options: WalStorageOptions,
  readMs: number,
): Promise<readonly StartLine[]> {
  const clock = new SlowDisk();
  const lines: StartLine[] = [];
  const logger = new FunctionLogger(({ fields: { event, readBytes, durationMs } }) => {
    lines.push({ event, readBytes: Number(readBytes), durationMs, atMs: clock.now() });
  });
  const files = clock.files(readMs);
  const { engine } = await opened(path, { ...options, files }, { clock, logger });
  await engine.close();
  return lines;
}

async function opened(
  path: string,
  options: WalStorageOptions = {},
  context: StorageContext = storageContext(),
): Promise<{ readonly engine: StorageEngine; readonly entries: readonly Entry[] }> {
  const engine = walStorage(path, options);
  await engine.open(context);
  await engine.initialise(IDENTITY);
  const { entries } = await engine.group(GROUP).log.open();
  return { engine, entries };
}

/** Of which no two are the same. */
function someEntries(firstIndex: number, count: number, payloadBytes: number): Entry[] {
  const drafts = Array.from({ length: count }, (_, offset) => {
    const payload = new Uint8Array(payloadBytes).fill((firstIndex + offset) % 251);
    return { kind: 'command' as const, commandVersion: 1, payload };
  });
  return packEntries({ group: GROUP, term: 1, firstIndex, logTimeMs: firstIndex }, drafts);
}
