import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import type { HardState, SnapshotDraft } from '../../lib/interfaces/index.js';
import { CapturingLogger, silentLogger } from '../../lib/observe/index.js';
import { Health, lockFolder, SnapshotFiles, TwinFile } from '../../storage/files/index.js';
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

t.test('a commit cut short at any call leaves the snapshot or nothing (fault A8)', async () => {
  for (const remains of REMAINS) {
    for (let calls = 0, isDone = false; !isDone; calls += 1) {
      const files = new CrashingFiles();
      const kept = await written(snapshots(files), 1);
      files.crashAfter(calls);
      isDone = await succeeds(written(snapshots(files), 2));
      const found = await snapshots(files.afterPowerCut(remains)).list();
      const ids = found.map(({ id }) => id);
      ok(ids.includes(kept));
      equal(found.length, isDone ? 2 : ids.length);
      for (const { sizeBytes } of found) equal(sizeBytes, CONTENT.length);
    }
  }
});

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

t.test('a snapshot with any byte changed or cut off is never listed, and is named', async () => {
  const intact = new CrashingFiles();
  const id = await written(snapshots(intact), 1, new Uint8Array(100).fill(3));
  const path = `/snapshots/${id}.snap`;
  const size = (await intact.read(path))!.length;
  for (let at = 0; at < size; at += 1) {
    const damages = [
      (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 0x10 : byte)),
      (bytes: Uint8Array): Uint8Array => bytes.slice(0, at),
    ];
    for (const damage of damages) {
      const files = intact.afterPowerCut('all');
      files.damage(path, damage);
      const logger = new CapturingLogger();
      deepEqual(await snapshots(files, logger).list(), []);
      equal(logger.lines[0]?.fields['event'], 'storage.snapshotDamaged');
      await rejects(readAll(snapshots(files), id), { code: 'ERR_CORRUPT', message: /\.snap: / });
    }
  }
});

t.test('two chunks of a snapshot that changed places are damage', async () => {
  const files = new CrashingFiles();
  const content = new Uint8Array(3 * 65_536).map((_, i) => Math.floor(i / 65_536));
  const id = await written(snapshots(files), 1, content);
  files.damage(`/snapshots/${id}.snap`, (bytes) => {
    const start = bytes.length - 20 - 3 * 65_540;
    const first = bytes.slice(start, start + 65_540);
    bytes.copyWithin(start, start + 65_540, start + 2 * 65_540);
    bytes.set(first, start + 65_540);
    return bytes;
  });
  deepEqual(await snapshots(files).list(), []);
  await rejects(readAll(snapshots(files), id), { code: 'ERR_CORRUPT' });
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

function snapshots(files: CrashingFiles, logger = new CapturingLogger()): SnapshotFiles {
  return new SnapshotFiles({
    files,
    logger,
    health: new Health(),
    folder: '/snapshots',
    group: 'g',
  });
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
