/** What is given up of the log, and what is written again so that it can be. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import t from 'tap';
import { type Entry, packEntries } from '../../lib/base/index.js';
import type { GroupStorage, StorageEngine } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { walStorage } from '../../storage/wal/index.js';
import { CrashingFiles } from './crashing-files.js';
import { scratch } from './scratch.js';
import { IDENTITY, SMALL, stillClock } from './wal-history.js';

const { fresh, remove } = scratch();
t.teardown(remove);

// The lock is of the real file system; all else is in memory.
const directory = fresh();

t.test('what is moved before a group asks for its log is still in it', async () => {
  const files = new CrashingFiles();
  const { engine, group } = await opened(files);
  const [lagging, busy] = [await group('lagging'), await group('busy')];
  await lagging.log.append(entries('lagging', 1, 2, 30));
  for (let index = 1; index <= 16; index += 1)
    await busy.log.append(entries('busy', index, 1, 3500));
  await busy.log.compact(16, 1);
  // Before anything is moved, which the next start does then.
  files.crashAfter(0);
  await settled();
  await engine.close();

  const disk = files.afterPowerCut('all');
  equal(await firstSegment(disk), 1);
  const next = await opened(disk);
  await settled();
  ok((await firstSegment(disk)) > 1, 'what kept the first segment is moved forward');
  const found = next.engine.group('lagging').log;
  deepEqual(indexes((await found.open()).entries), [1, 2]);
  await found.append(entries('lagging', 2, 2, 30));
  await next.engine.close();
  const last = await opened(disk);
  deepEqual(indexes((await last.engine.group('lagging').log.open()).entries), [1, 2, 3]);
  await last.engine.close();
});

async function opened(files: CrashingFiles): Promise<{
  readonly engine: StorageEngine;
  readonly group: (id: string) => Promise<GroupStorage>;
}> {
  const engine = walStorage(directory, { ...SMALL, files });
  await engine.open({ clock: stillClock(), logger: silentLogger });
  await engine.initialise(IDENTITY);
  const group = async (id: string): Promise<GroupStorage> => {
    const storage = engine.group(id);
    await storage.log.open();
    return storage;
  };
  return { engine, group };
}

function entries(group: string, first: number, count: number, payloadBytes: number): Entry[] {
  const drafts = Array.from({ length: count }, () => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload: new Uint8Array(payloadBytes).fill(first),
  }));
  return packEntries({ group, term: 1, firstIndex: first, logTimeMs: 0 }, drafts);
}

function indexes(found: readonly Entry[]): readonly number[] {
  return found.map(({ index }) => index);
}

async function firstSegment(files: CrashingFiles): Promise<number> {
  const names = await files.list(`${directory}/log`);
  return Number(names.find((name) => name.endsWith('.wal'))?.slice(0, 16));
}

/** What was begun in the background is done: it never waits for more than the files in memory. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
