import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import type { HardState, SnapshotDraft } from '../../lib/interfaces/index.js';
import { CapturingLogger, silentLogger } from '../../lib/observe/index.js';
import {
  checksum,
  Health,
  lockFolder,
  SnapshotFiles,
  type SnapshotFilesOptions,
  TwinFile,
} from '../../storage/files/index.js';
import { decodeState, encodeState } from '../../storage/files/small-values.js';
import { CrashingFiles, type Remains } from './crashing-files.js';

const REMAINS: readonly Remains[] = ['nothing', 'half', 'all'];
const OLD: HardState = { term: 5, votedFor: 'x' };
const NEW: HardState = { term: 6, votedFor: 'a-longer-name' };

t.test(
  'a save cut short at any call leaves the old pair or the new one (schedule A2)',
  async (t) => {
    let cuts = 0;
    for (const remains of REMAINS) {
      for (let calls = 0, isDone = false; !isDone; calls += 1) {
        const files = new CrashingFiles();
        const state = twin(files);
        equal(await state.load(), null);
        await state.save(encodeState(OLD));
        files.crashAfter(calls);
        isDone = await succeeds(state.save(encodeState(NEW)));
        const rebooted = files.afterPowerCut(remains);
        const found = await loaded(twin(rebooted));
        ok(isDone ? found?.term === 6 : found?.term === 5 || found?.term === 6);
        deepEqual(found, found?.term === 5 ? OLD : NEW);
        // Healed, it survives the same cut again, and the next save counts.
        const again = twin(rebooted.afterPowerCut('nothing'));
        deepEqual(await loaded(again), found);
        await again.save(encodeState({ term: 7, votedFor: null }));
        cuts += 1;
      }
    }
    t.comment(`${cuts} cuts`);
  },
);

t.test('a first save cut short at any call leaves nothing or the value, never damage', async () => {
  for (const remains of REMAINS) {
    for (let calls = 0, isDone = false; !isDone; calls += 1) {
      const files = new CrashingFiles();
      files.crashAfter(calls);
      isDone = await succeeds(twin(files).save(encodeState(NEW)));
      const found = await loaded(twin(files.afterPowerCut(remains)));
      if (isDone || found !== null) deepEqual(found, NEW);
    }
  }
});

t.test('a heal cut short at any call loses nothing', async () => {
  for (const remains of REMAINS) {
    for (const copy of ['/state.1', '/state.2']) {
      for (let calls = 0, isDone = false; !isDone; calls += 1) {
        const files = new CrashingFiles();
        const state = twin(files);
        await state.save(encodeState(OLD));
        await state.save(encodeState(NEW));
        files.damage(copy, (bytes) => bytes.fill(9));
        files.crashAfter(calls);
        isDone = await succeeds(twin(files).load());
        deepEqual(await loaded(twin(files.afterPowerCut(remains))), NEW);
      }
    }
  }
});

t.test('a damaged copy is written again at the next start, before it is needed', async () => {
  for (const copies of [
    ['/state.1', '/state.2'],
    ['/state.2', '/state.1'],
  ] as const) {
    const files = new CrashingFiles();
    await twin(files).save(encodeState(NEW));
    for (const copy of copies) {
      files.damage(copy, (bytes) => bytes.fill(9));
      deepEqual(await loaded(twin(files)), NEW);
    }
  }
});

t.test('any single damage to one copy costs nothing, to both it is ERR_CORRUPT', async () => {
  const damages = [...Array(256).keys()].flatMap((at) => [
    (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 0xff : byte)),
    (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 0x01 : byte)),
    (bytes: Uint8Array): Uint8Array => bytes.slice(0, at),
  ]);
  damages.push((bytes) => new Uint8Array([...bytes, 0]));
  for (const damage of damages) {
    for (const copies of [['/state.1'], ['/state.2'], ['/state.1', '/state.2']]) {
      const files = new CrashingFiles();
      const state = twin(files);
      await state.save(encodeState(OLD));
      await state.save(encodeState(NEW));
      for (const copy of copies) files.damage(copy, damage);
      if (copies.length === 1) deepEqual(await loaded(twin(files)), NEW);
      else await rejects(loaded(twin(files)), { code: 'ERR_CORRUPT', message: /\/state\.1: / });
    }
  }
});

t.test('one copy that is older than the other does not count', async () => {
  const files = new CrashingFiles();
  const state = twin(files);
  await state.save(encodeState(OLD));
  const older = (await files.read('/state.2'))!;
  await state.save(encodeState(NEW));
  files.damage('/state.2', () => older);
  deepEqual(await loaded(twin(files)), NEW);
});

t.test('a copy of another group, or another kind, is never read as ours', async () => {
  const files = new CrashingFiles();
  await twin(files, 'other').save(encodeState(OLD));
  await rejects(twin(files).load(), { code: 'ERR_CORRUPT', message: /belongs to other/ });
});

for (const compression of ['none', 'gzip'] as const) {
  t.test(
    `${compression}: a commit cut short at any call leaves the snapshot or nothing (fault A8)`,
    async () => {
      for (const remains of REMAINS) {
        for (let calls = 0, isDone = false; !isDone; calls += 1) {
          const files = new CrashingFiles();
          const kept = await written(snapshots(files, { compression }), 1);
          files.crashAfter(calls);
          isDone = await succeeds(written(snapshots(files, { compression }), 2));
          const found = await snapshots(files.afterPowerCut(remains)).list();
          const ids = found.map(({ id }) => id);
          ok(ids.includes(kept));
          equal(found.length, isDone ? 2 : ids.length);
          for (const { sizeBytes } of found) equal(sizeBytes, CONTENT.length);
        }
      }
    },
  );

  t.test(
    `${compression}: a snapshot with any byte changed or cut off is never listed, and is named`,
    async () => {
      const intact = new CrashingFiles();
      const id = await written(snapshots(intact, { compression }), 1, new Uint8Array(100).fill(3));
      const path = `/snapshots/${id}.snap`;
      const size = (await intact.read(path))!.length;
      for (let at = 0; at < size; at += 1) {
        const damages = [
          (bytes: Uint8Array): Uint8Array =>
            bytes.map((byte, i) => (i === at ? byte ^ 0x10 : byte)),
          (bytes: Uint8Array): Uint8Array => bytes.slice(0, at),
        ];
        for (const damage of damages) {
          const files = intact.afterPowerCut('all');
          files.damage(path, damage);
          const logger = new CapturingLogger();
          deepEqual(await snapshots(files, { logger }).list(), []);
          equal(logger.lines[0]?.fields['event'], 'storage.snapshotDamaged');
          await rejects(readAll(snapshots(files), id), {
            code: 'ERR_CORRUPT',
            message: /\.snap: /,
          });
        }
      }
    },
  );
}

t.test(
  'a snapshot is compressed where that makes it shorter, and read whatever the setting',
  async () => {
    const files = new CrashingFiles();
    const noise = new Uint8Array(200_000).map((_, i) => Math.imul(i + 7, 2_654_435_761) >>> 13);
    const contents = [new Uint8Array(200_000).fill(7), noise, new Uint8Array(0)];
    for (const [index, content] of contents.entries()) {
      const id = await written(snapshots(files, { compression: 'gzip' }), index + 1, content);
      const sizeBytes = (await files.read(`/snapshots/${id}.snap`))!.length;
      if (index === 0) ok(sizeBytes < 2_000, `${sizeBytes} bytes`);
      ok(sizeBytes < content.length + 200);
      const reader = await snapshots(files).open(id);
      for (const offset of [0, 65_536, 70_001, 199_999]) {
        deepEqual(await reader.read(offset, 70_000), content.slice(offset, offset + 70_000));
      }
    }
    equal((await snapshots(files).list()).length, 3);
  },
);

t.test(
  'a compression that is not known is told by file and name, and nothing is touched',
  async () => {
    const files = new CrashingFiles();
    const id = await written(snapshots(files, { compression: 'gzip' }), 1);
    const path = `/snapshots/${id}.snap`;
    files.damage(path, (bytes) => renamed(bytes, 'gzip', 'zstd'));
    const before = await files.read(path);
    const refusal = { code: 'ERR_CONFIG', message: new RegExp(`${id}.snap: .*"zstd"`) };
    await rejects(snapshots(files).list(), refusal);
    await rejects(snapshots(files).open(id), refusal);
    deepEqual(await files.read(path), before);
  },
);

t.test(
  'a damaged snapshot stays until one that reaches as far is durable (fault B15)',
  async () => {
    for (let calls = 0, isDone = false; !isDone; calls += 1) {
      const files = new CrashingFiles();
      const made = [];
      for (const index of [3, 5, 7]) made.push(await written(snapshots(files), index));
      for (const id of made) files.damage(`/snapshots/${id}.snap`, (bytes) => bytes.fill(0));
      const storage = snapshots(files);
      deepEqual(await storage.list(), []);
      equal((await files.list('/snapshots')).length, 3);
      await written(storage, 4);
      deepEqual(await names(files), [4, 5, 7]);
      // Cut short, the next start goes on with it.
      files.crashAfter(calls);
      // The removal of the damaged ones fails without a word to whoever took the snapshot.
      isDone = (await succeeds(written(storage, 9))) && !files.hasCrashed;
      files.crashAfter(Number.POSITIVE_INFINITY);
      if (isDone) deepEqual(await names(files), [4, 9]);
      const rebooted = files.afterPowerCut('nothing');
      const again = snapshots(rebooted);
      const found = await again.list();
      ok(found.some(({ index }) => index >= 4));
      await written(again, 10);
      deepEqual(
        await names(rebooted),
        [...found.map(({ index }) => index), 10].sort((a, b) => a - b),
      );
    }
  },
);

t.test(
  'a configuration that a header does not hold is refused before anything is written',
  async () => {
    const files = new CrashingFiles();
    const storage = snapshots(files);
    const configuration = new Uint8Array(1024 * 1024);
    const writer = await storage.create({ ...draft(1), configuration });
    const { id } = await writer.commit();
    equal((await snapshots(files).list())[0]?.id, id, 'the longest is read back');
    const longer = { ...draft(2), configuration: new Uint8Array(1024 * 1024 + 1) };
    await rejects(storage.create(longer), { code: 'ERR_TOO_LARGE' });
    equal((await files.list('/snapshots')).length, 1);
  },
);

t.test('a snapshot is not seen before its commit resolves, nor when it fails', async () => {
  const files = new CrashingFiles();
  const storage = snapshots(files);
  for (let calls = 0, isDone = false; !isDone; calls += 1) {
    const writer = await storage.create(draft(calls + 1));
    await writer.write(CONTENT);
    files.crashAfter(calls);
    isDone = await succeeds(writer.commit());
    files.crashAfter(Number.POSITIVE_INFINITY);
    equal((await storage.list()).length, isDone ? 1 : 0);
  }
  let seen = -1;
  Object.assign(files, {
    syncFolder: async () => {
      seen = (await storage.list()).length;
    },
  });
  await written(storage, 100);
  equal(seen, 1);
  equal((await storage.list()).length, 2);
});

t.test('a snapshot that a killed process left without a sync lasts once it is listed', async () => {
  let found = 0;
  for (let calls = 0, isDone = false; !isDone; calls += 1) {
    const files = new CrashingFiles();
    files.crashAfter(calls);
    isDone = await succeeds(written(snapshots(files), 1));
    // The machine lives on, with all that was written in its memory.
    files.crashAfter(Number.POSITIVE_INFINITY);
    const listed = await snapshots(files).list();
    deepEqual(await snapshots(files.afterPowerCut('nothing')).list(), listed);
    found += listed.length;
  }
  equal(found, 2);
});

t.test('the folders of a snapshot last, whoever made them', async () => {
  const synced: string[] = [];
  class NotedFiles extends CrashingFiles {
    override async syncFolder(path: string): Promise<void> {
      synced.push(path);
      await super.syncFolder(path);
    }
  }
  // They are there: an earlier process made them, and was killed before it could sync the last one.
  const storage = snapshots(new NotedFiles(), { folder: '/data/groups/g/snapshots' });
  const writer = await storage.create(draft(1));
  const folders = ['/data/groups/g', '/data/groups', '/data'];
  deepEqual(synced, folders);
  await writer.commit();
  await (await storage.create(draft(1))).abort();
  deepEqual(synced, [...folders, '/data/groups/g/snapshots']);
});

t.test('two chunks of a snapshot that changed places are damage', async () => {
  const files = new CrashingFiles();
  const content = new Uint8Array(3 * 65_536).map((_, i) => Math.floor(i / 65_536));
  const id = await written(snapshots(files), 1, content);
  files.damage(`/snapshots/${id}.snap`, (bytes) => {
    // Before the footer and a table of three.
    const start = bytes.length - 24 - 12 - 3 * 65_540;
    equal(bytes[start + 4 + 65_540], 1);
    const first = bytes.slice(start, start + 65_540);
    bytes.copyWithin(start, start + 65_540, start + 2 * 65_540);
    bytes.set(first, start + 65_540);
    return bytes;
  });
  deepEqual(await snapshots(files).list(), []);
  await rejects(readAll(snapshots(files), id), { code: 'ERR_CORRUPT' });
});

t.test('a chunk that is left of another snapshot is damage', async () => {
  const content = (value: number) => new Uint8Array(3 * 65_536).fill(value);
  for (const [index, isSeenAtRead] of [
    [2, true],
    // Alike in all that its header says: the checksum of the whole content tells.
    [1, false],
  ] as const) {
    const files = new CrashingFiles();
    const own = await written(snapshots(files), 1, content(1));
    const other = await written(snapshots(files), index, content(2));
    const bytes = (await files.read(`/snapshots/${other}.snap`))!;
    files.damage(`/snapshots/${own}.snap`, (stored) => {
      const start = stored.length - 24 - 12 - 2 * 65_540;
      stored.set(bytes.subarray(start, start + 65_540), start);
      return stored;
    });
    deepEqual(
      (await snapshots(files).list()).map(({ id }) => id),
      [other],
    );
    const reading = readAll(snapshots(files), own);
    if (isSeenAtRead) await rejects(reading, { code: 'ERR_CORRUPT', message: /chunk 1 / });
    else await reading;
  }
});

t.test('a full disk aborts the snapshot and leaves the storage usable (schedule F5)', async () => {
  const files = new CrashingFiles();
  const storage = snapshots(files);
  const writer = await storage.create(draft(1));
  files.crashAfter(0);
  await rejects(writer.write(new Uint8Array(100_000)), { code: 'ERR_STORAGE' });
  files.crashAfter(Number.POSITIVE_INFINITY);
  await written(storage, 2);
  equal((await storage.list()).length, 1);
});

t.test('of many that lock one folder at once at most one succeeds', async (t) => {
  const folder = t.testdir();
  for (let round = 0; round < 20; round += 1) {
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    const held = tries.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    ok(held.length <= 1);
    for (const result of tries) {
      if (result.status === 'rejected') equal(result.reason.code, 'ERR_LOCKED');
    }
    for (const lock of held) await lock.release();
    const lock = await lockFolder(folder);
    await rejects(lockFolder(folder), { code: 'ERR_LOCKED' });
    await lock.release();
    await lock.release();
    deepEqual(readdirSync(folder), []);
  }
});

t.test('a folder whose path is too long for a socket can be locked', async (t) => {
  const folder = join(t.testdir(), 'x'.repeat(120), 'y'.repeat(120));
  mkdirSync(folder, { recursive: true });
  const lock = await lockFolder(folder);
  await rejects(lockFolder(folder), { code: 'ERR_LOCKED' });
  await lock.release();
  await (await lockFolder(folder)).release();
});

t.test('a lock file that nobody answers for does not lock', async (t) => {
  const folder = t.testdir();
  // The process id is alive: it is our own. Only an answer counts.
  writeFileSync(join(folder, `lock.${process.pid}.0123456789abcdef`), '');
  const lock = await lockFolder(folder);
  equal(readdirSync(folder).length, 1);
  await lock.release();
});

t.test(
  'after the first write that fails every call fails, though the disk is well (schedule F8)',
  async () => {
    const health = new Health();
    const first = health.write('/a', async () => {
      throw new Error('EIO');
    });
    await rejects(first, { code: 'ERR_STORAGE', outcome: 'unknown', message: /\/a: EIO/ });
    let isCalled = false;
    await rejects(
      health.write('/b', async () => {
        isCalled = true;
      }),
      { code: 'ERR_STORAGE', message: /\/a: EIO/ },
    );
    equal(isCalled, false);
    notEqual(health.failure, null);
  },
);

const CONTENT = new Uint8Array(70_000).fill(5);

function twin(files: CrashingFiles, owner = 'g'): TwinFile {
  return new TwinFile({ files, path: '/state', kind: 'state', owner, logger: silentLogger });
}

async function loaded(file: TwinFile): Promise<HardState | null> {
  const record = await file.load();
  return record === null ? null : decodeState(record.body);
}

function snapshots(
  files: CrashingFiles,
  options: Pick<Partial<SnapshotFilesOptions>, 'logger' | 'compression' | 'folder'> = {},
): SnapshotFiles {
  const { logger = new CapturingLogger(), compression, folder = '/snapshots' } = options;
  const health = new Health();
  return new SnapshotFiles({
    files,
    logger,
    health,
    folder,
    group: 'g',
    compression,
  });
}

/** The indexes of all files, damaged ones too. */
async function names(files: CrashingFiles): Promise<readonly number[]> {
  const found = await files.list('/snapshots');
  return found.filter((name) => name.endsWith('.snap')).map((name) => Number(name.slice(0, 16)));
}

/** A file whose header names another algorithm, of as many letters, as if it had been written so. */
function renamed(bytes: Uint8Array, from: string, to: string): Uint8Array {
  const buffer = Buffer.from(bytes);
  const at = buffer.indexOf(from);
  buffer.write(to, at);
  // Group, algorithm and a configuration of one byte stand before the header's CRC.
  const crcAt = at + from.length + 1;
  buffer.writeUInt32LE(checksum(buffer.subarray(0, crcAt)), crcAt);
  return new Uint8Array(buffer);
}

function draft(index: number): SnapshotDraft {
  return { index, term: 1, configuration: new Uint8Array([1]), logTimeMs: 0 };
}

async function written(storage: SnapshotFiles, index: number, content = CONTENT): Promise<string> {
  const writer = await storage.create(draft(index));
  await writer.write(content);
  return (await writer.commit()).id;
}

async function readAll(storage: SnapshotFiles, id: string): Promise<void> {
  const reader = await storage.open(id);
  for (let offset = 0; offset < reader.description.sizeBytes; offset += 1000) {
    await reader.read(offset, 1000);
  }
}

async function succeeds(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (
      QuorateError.is(error) ||
      (error instanceof Error && error.message === 'the power is cut')
    ) {
      return false;
    }
    throw error;
  }
}
