/** What an engine does beside what it is asked for: it gives up segments, and ends all of it with a close. */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import t from 'tap';
import { type Entry, packEntries } from '../../lib/base/index.js';
import type { FileLayer, GroupStorage, Logger, StorageEngine } from '../../lib/interfaces/index.js';
import { CapturingLogger, silentLogger } from '../../lib/observe/index.js';
import { walStorage } from '../../storage/wal/index.js';
import { CrashingFiles } from './crashing-files.js';
import { scratch } from './scratch.js';
import { IDENTITY, SMALL, stillClock } from './wal-history.js';

const { fresh, remove } = scratch();
t.teardown(remove);

/** Of each test its own. The lock is there; all else is in memory. */
let directory = '';
t.beforeEach(() => {
  directory = fresh();
});

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

t.test('a little that is dead has nothing written again', async () => {
  const files = new CrashingFiles();
  const { engine, group } = await opened(files);
  const [large, small] = [await group('large'), await group('small')];
  for (let index = 1; index <= 24; index += 1) {
    await large.log.append(entries('large', index, 1, 3500));
  }
  const segments = (await segmentNumbers(files)).length;
  // Many more than the large ones: they take less room than one of them.
  for (let round = 0; round < 2; round += 1) {
    await small.log.append(entries('small', 40 * round + 1, 40, 1));
    await small.log.compact(40 * round + 40, 1);
  }
  await settled();
  const numbers = await segmentNumbers(files);
  equal(numbers[0], 1);
  ok(numbers.length <= segments + 1, `${segments} segments became ${numbers.length}`);
  await engine.close();
});

t.test('many small entries do not keep a few large dead ones', async () => {
  const files = new CrashingFiles();
  const { engine, group } = await opened(files);
  const [lagging, busy] = [await group('lagging'), await group('busy')];
  await lagging.log.append(entries('lagging', 1, 20, 1));
  for (let index = 1; index <= 16; index += 1)
    await busy.log.append(entries('busy', index, 1, 3500));
  await busy.log.compact(16, 1);
  // It is looked at with the next segment.
  await busy.log.append(entries('busy', 17, 1, 7000));
  await settled();
  ok((await firstSegment(files)) > 1);
  await engine.close();
});

t.test('one entry does not keep what is no entry', async () => {
  const files = new CrashingFiles();
  const { engine, group } = await opened(files);
  const { log, state } = await group('a');
  await log.append(entries('a', 1, 1, 30));
  for (let term = 2; (await lastSegment(files)) < 8; term += 1) {
    await state.save({ term, votedFor: 'n1' });
  }
  await settled();
  ok((await firstSegment(files)) > 1);
  await engine.close();
});

t.test('many groups that lag do not keep the segments of one that goes on', async () => {
  const files = new CrashingFiles();
  let writes = 0;
  const { layer } = watched(files, (_, what) => {
    if (what === 'write') writes += 1;
  });
  const { engine, group } = await opened(layer);
  const names = Array.from({ length: 40 }, (_, i) => `lagging${i}`);
  for (const name of names) await (await group(name)).log.append(entries(name, 1, 1, 3));
  const busy = await group('busy');
  const segments = async (): Promise<number> =>
    (await files.list(`${directory}/log`)).filter((name) => name.endsWith('.wal')).length;
  for (let index = 1; index <= 100; index += 1) {
    await busy.log.append(entries('busy', index, 1, 3500));
    await busy.log.compact(index, 1);
    await settled();
    ok((await segments()) < 20, `after ${index} appends there are ${await segments()}`);
  }
  // Groups, their entries, those of the busy one, its compactions, new segments; and few for all that is moved.
  const asked = 41 + 40 + 100 + 100 + (await lastSegment(files));
  ok(writes < asked + 40, `${writes} writes, of which ${asked} were asked for`);
  await engine.close();
  const next = await opened(files);
  for (const name of names) {
    deepEqual(indexes((await next.engine.group(name).log.open()).entries), [1]);
  }
  await next.engine.close();
});

t.test(
  'a segment that cannot be read while entries are moved out of it stays, and the log goes on (fault B11)',
  async () => {
    for (const failure of ['fails', 'is damaged'] as const) {
      const files = new CrashingFiles();
      let isFaulty = false;
      const { layer } = watched(files, (path, what) => {
        const isFirst = path.endsWith('0000000000000001.wal');
        if (isFaulty && isFirst && what === 'read') throw new Error('EIO: i/o error, read');
      });
      const logger = new CapturingLogger();
      const { engine, group } = await opened(layer, logger);
      const [lagging, busy] = [await group('lagging'), await group('busy')];
      await lagging.log.append(entries('lagging', 1, 2, 30));
      if (failure === 'fails') isFaulty = true;
      else await flip(files, `${directory}/log/0000000000000001.wal`, 300);
      for (let index = 1; index <= 16; index += 1) {
        await busy.log.append(entries('busy', index, 1, 3500));
      }
      await busy.log.compact(16, 1);
      // It is looked at with the next segment.
      await busy.log.append(entries('busy', 17, 1, 7000));
      await settled();
      equal(await firstSegment(files), 1, 'nothing that it holds is anywhere else');
      const lines = logger.lines.filter(({ level }) => level === 'error');
      equal(lines.length, 1);
      equal(lines[0]?.fields['event'], 'storage.compactionFailed');
      match(String(lines[0]?.fields['error']), /0000000000000001\.wal/);
      await busy.log.append(entries('busy', 18, 3, 3500));
      await engine.close();

      isFaulty = false;
      if (failure === 'is damaged') {
        await rejects(opened(files), { code: 'ERR_CORRUPT', message: /0000000000000001\.wal at / });
        continue;
      }
      const next = await opened(files);
      deepEqual(indexes((await next.engine.group('lagging').log.open()).entries), [1, 2]);
      deepEqual(indexes((await next.engine.group('busy').log.open()).entries), [17, 18, 19, 20]);
      await next.engine.close();
    }
  },
);

t.test(
  'a segment that cannot be prepared, on a full disk, is made when it is needed or the log ends (faults B9, B32)',
  async () => {
    for (const isFreed of [true, false]) {
      const files = new CrashingFiles();
      let isFull = false;
      const { layer } = watched(files, (path, what) => {
        const isNew = /spare-\d+\.tmp$/.test(path) && what === 'fill';
        if (isFull && isNew) throw new Error('ENOSPC: no space left on device, write');
      });
      const logger = new CapturingLogger();
      const { engine, group } = await opened(layer, logger);
      const { log, state } = await group('a');
      isFull = true;
      let done = 0;
      const append = async (): Promise<void> => {
        await log.append(entries('a', done + 1, 1, 3000));
        done += 1;
      };
      const warned = (): boolean =>
        logger.lines.some(({ fields }) => fields['event'] === 'storage.spareFailed');
      while (!warned()) {
        await append();
        await settled();
      }
      deepEqual(await files.list(`${directory}/log`), ['0000000000000001.wal']);
      if (isFreed) {
        isFull = false;
        while (done < 8) await append();
      } else {
        const failure = { code: 'ERR_STORAGE', message: /ENOSPC/ };
        await rejects(async () => {
          while (done < 8) await append();
        }, failure);
        await rejects(state.save({ term: 2, votedFor: null }), failure);
      }
      await engine.close();

      const next = await opened(files);
      const found = next.engine.group('a');
      const stored = indexes((await found.log.open()).entries);
      deepEqual(
        stored,
        Array.from({ length: done }, (_, i) => i + 1),
        'what was acknowledged',
      );
      equal(await found.state.load(), null);
      await found.log.append(entries('a', done + 1, 1, 30_000));
      await next.engine.close();
    }
  },
);

t.test(
  'a segment is several times as long as its checkpoint, however many groups there are',
  async () => {
    const files = new CrashingFiles();
    const { engine } = await opened(files);
    const ids = Array.from({ length: 200 }, (_, i) => `group${i}`);
    await Promise.all(ids.map((id) => engine.group(id).state.save({ term: 1, votedFor: 'n1' })));
    const before = await lastSegment(files);
    const { log } = engine.group('group7');
    await log.open();
    for (let index = 1; index <= 40; index += 1)
      await log.append(entries('group7', index, 1, 3000));
    const segments = (await lastSegment(files)) - before;
    ok(segments < 8, `${segments} segments for 40 writes`);
    await engine.close();
  },
);

t.test(
  'a write that comes while the engine closes is refused, and leaves nothing behind',
  async () => {
    const files = new CrashingFiles();
    let late: Promise<void> | null = null;
    let call = (): void => {};
    const { layer, openPaths } = watched(files, (path) => {
      if (path.endsWith('mark.1')) call();
    });
    const { engine, group } = await opened(layer);
    const { log } = await group('a');
    await log.append(entries('a', 1, 1, 30));
    call = () => {
      call = () => {};
      late = log.append(entries('a', 2, 1, 30_000));
      late.catch(() => {});
    };
    await engine.close();
    const names = await files.list(`${directory}/log`);
    await rejects(late!, { code: 'ERR_CLOSED' });
    await settled();
    deepEqual(openPaths(), []);
    deepEqual(await files.list(`${directory}/log`), names);
    const next = await opened(files);
    deepEqual(indexes((await next.engine.group('a').log.open()).entries), [1]);
    await next.engine.close();
  },
);

t.test('a close that cannot write the mark lets go of the segment all the same', async () => {
  let isFailing = false;
  const { layer, openPaths } = watched(new CrashingFiles(), (path) => {
    if (isFailing && path.endsWith('mark.1')) throw new Error('EIO');
  });
  const { engine, group } = await opened(layer);
  await group('a');
  equal(openPaths().length, 1);
  isFailing = true;
  await engine.close();
  deepEqual(openPaths(), []);
});

t.test('an open that fails lets the next one in, whatever else fails then', async () => {
  let isFailing = true;
  const { layer } = watched(new CrashingFiles(), (path, what) => {
    const isLog = path.endsWith('.wal') && what !== 'open';
    if (isFailing && isLog) throw new Error(`EIO: ${what}`);
  });
  await rejects(opened(layer), { code: 'ERR_STORAGE', message: /EIO: write/ });
  isFailing = false;
  const { engine } = await opened(layer);
  await engine.close();
});

async function opened(
  files: FileLayer,
  logger: Logger = silentLogger,
): Promise<{
  readonly engine: StorageEngine;
  readonly group: (id: string) => Promise<GroupStorage>;
}> {
  const engine = walStorage(directory, { ...SMALL, files });
  await engine.open({ clock: stillClock(), logger });
  await engine.initialise(IDENTITY);
  const group = async (id: string): Promise<GroupStorage> => {
    const storage = engine.group(id);
    await storage.log.open();
    return storage;
  };
  return { engine, group };
}

/** The same files, with a look at what is done with each, and which are open. */
function watched(
  files: CrashingFiles,
  onCall: (path: string, what: 'open' | 'read' | 'fill' | 'write' | 'close') => void,
): { readonly layer: FileLayer; readonly openPaths: () => readonly string[] } {
  const open = new Set<{ readonly path: string }>();
  const layer: FileLayer = {
    makeFolder: () => files.makeFolder(),
    list: (path) => files.list(path),
    read: (path) => files.read(path),
    rename: (from, to) => files.rename(from, to),
    remove: (path) => files.remove(path),
    syncFolder: (path) => files.syncFolder(path),
    async open(path, options) {
      onCall(path, 'open');
      const file = await files.open(path, options);
      const opening = { path };
      open.add(opening);
      return {
        ...file,
        async read(offset, length) {
          onCall(path, 'read');
          return file.read(offset, length);
        },
        async write(offset, bytes) {
          onCall(path, 'fill');
          await file.write(offset, bytes);
        },
        async writeDurably(offset, bytes) {
          onCall(path, 'write');
          await file.writeDurably(offset, bytes);
        },
        async close() {
          open.delete(opening);
          onCall(path, 'close');
          await file.close();
        },
      };
    },
  };
  return { layer, openPaths: () => [...open].map(({ path }) => path) };
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

/** Turns a bit of what is stored. */
async function flip(files: CrashingFiles, path: string, offset: number): Promise<void> {
  const file = await files.open(path, { create: false });
  const [byte = 0] = await file.read(offset, 1);
  await file.write(offset, Uint8Array.of(byte ^ 1));
  await file.sync();
  await file.close();
}

async function segmentNumbers(files: CrashingFiles): Promise<readonly number[]> {
  const names = await files.list(`${directory}/log`);
  return names.filter((name) => name.endsWith('.wal')).map((name) => Number(name.slice(0, 16)));
}

async function firstSegment(files: CrashingFiles): Promise<number> {
  return Number((await segmentNumbers(files))[0]);
}

async function lastSegment(files: CrashingFiles): Promise<number> {
  return Number((await segmentNumbers(files)).at(-1));
}

/** What was begun in the background is done: it never waits for more than the files in memory. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
