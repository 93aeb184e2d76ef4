import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import type { SavedSnapshot } from '../../lib/interfaces/index.js';
import { snapshotFile } from '../../storage/level/index.js';
import { CrashingFiles, type Remains } from './crashing-files.js';

const PATH = '/backups/one.snap';
const DRAFT = { index: 12, term: 3, configuration: new Uint8Array([123, 125]), logTimeMs: 9 };
const CONTENT = new Uint8Array(200_000).map((_, i) => (i * i) >> 3);

t.test('what was saved is read as it was, with a digest of the whole file', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'deep', 'a.snap');
  for (const compression of ['gzip', 'none'] as const) {
    await save(snapshotFile(path, { compression, overwrite: true }), CONTENT);
    const saved = await snapshotFile(path).open();
    equal(saved.group, 'g.1');
    deepEqual({ ...saved.description, id: '' }, { ...DRAFT, id: '', sizeBytes: CONTENT.length });
    equal(saved.digest, createHash('sha256').update(readFileSync(path)).digest('hex'));
    deepEqual(await contentOf(saved), CONTENT);
    await saved.close();
  }
  deepEqual(readdirSync(join(folder, 'deep')), ['a.snap']);
});

t.test('a file that is there is refused before anything is written, and at the end', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'a.snap');
  writeFileSync(path, 'mine');
  const refused = { code: 'ERR_CONFIG', reason: /a\.snap exists already/ };
  await rejects(snapshotFile(path).create('g', DRAFT), refused);
  deepEqual(readdirSync(folder), ['a.snap']);
  // Of two that save to one path at once, one is whole and the other one fails.
  const other = join(folder, 'b.snap');
  const tries = [1, 2, 3].map((value) =>
    save(snapshotFile(other), new Uint8Array(70_000).fill(value)),
  );
  const [first, ...rest] = await Promise.allSettled(tries);
  ok([first, ...rest].some((one) => one?.status === 'fulfilled'));
  const content = await contentOf(await snapshotFile(other).open());
  equal(new Set(content).size, 1);
  deepEqual(readdirSync(folder), ['a.snap', 'b.snap']);
  equal(readFileSync(path, 'utf8'), 'mine');
});

t.test('a save cut short at any call leaves the old file, the new one, or none', async () => {
  const old = new Uint8Array(70_000).fill(1);
  for (const remains of ['nothing', 'half', 'all'] satisfies Remains[]) {
    for (const overwrite of [false, true]) {
      for (let calls = 0, isDone = false; !isDone; calls += 1) {
        const files = new CrashingFiles();
        if (overwrite) await save(snapshotFile(PATH, { files }), old);
        files.crashAfter(calls);
        isDone = await succeeds(save(snapshotFile(PATH, { files, overwrite }), CONTENT));
        const left = files.afterPowerCut(remains);
        const names = await left.list('/backups');
        const found = names.includes('one.snap')
          ? await contentOf(await snapshotFile(PATH, { files: left }).open())
          : null;
        if (isDone) deepEqual(found, CONTENT);
        else ok(equals(found, CONTENT) || equals(found, overwrite ? old : null));
      }
    }
  }
});

t.test('a save that is aborted, or whose disk is full, leaves nothing', async () => {
  const files = new CrashingFiles();
  const writer = await snapshotFile(PATH, { files }).create('g', DRAFT);
  await writer.write(CONTENT);
  await writer.abort();
  await writer.abort();
  deepEqual(await files.list('/backups'), []);
  const failing = await snapshotFile(PATH, { files }).create('g', DRAFT);
  files.crashAfter(0);
  await rejects(failing.write(CONTENT), { code: 'ERR_STORAGE' });
  files.crashAfter(Number.POSITIVE_INFINITY);
  await failing.abort();
  equal((await files.list('/backups')).includes('one.snap'), false);
});

t.test('a saved file with any byte changed or cut off is ERR_CORRUPT, and named', async () => {
  const intact = new CrashingFiles();
  await save(snapshotFile(PATH, { files: intact }), new Uint8Array(50).fill(3));
  const size = (await intact.read(PATH))!.length;
  for (let at = 0; at < size; at += 1) {
    for (const damage of [
      (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 0x10 : byte)),
      (bytes: Uint8Array): Uint8Array => bytes.slice(0, at),
    ]) {
      const files = intact.afterPowerCut('all');
      files.damage(PATH, damage);
      const opening = snapshotFile(PATH, { files }).open();
      await rejects(opening, { code: 'ERR_CORRUPT', message: /one\.snap: / });
    }
  }
});

t.test('what is no file, or no path, is said in one line', async (t) => {
  const folder = t.testdir();
  throws(() => snapshotFile(''), { code: 'ERR_CONFIG' });
  const missing = snapshotFile(join(folder, 'x')).open();
  await rejects(missing, { code: 'ERR_CONFIG', reason: /there is no file/ });
  mkdirSync(join(folder, 'y'));
  await rejects(snapshotFile(join(folder, 'y')).open(), { code: 'ERR_STORAGE' });
  writeFileSync(join(folder, 'z'), '');
  await rejects(snapshotFile(join(folder, 'z')).open(), { code: 'ERR_CORRUPT' });
  await rejects(snapshotFile(join(folder, 'z', 'f')).create('g', DRAFT), { code: 'ERR_STORAGE' });
});

async function save(file: ReturnType<typeof snapshotFile>, content: Uint8Array): Promise<void> {
  const writer = await file.create('g.1', DRAFT);
  try {
    await writer.write(content.subarray(0, 100));
    await writer.write(content.subarray(100));
    await writer.commit();
  } finally {
    await writer.abort();
  }
}

async function contentOf(saved: SavedSnapshot): Promise<Uint8Array> {
  const content = await saved.read(0, saved.description.sizeBytes + 1);
  await saved.close();
  return content;
}

function equals(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === b || (a !== null && b !== null && Buffer.from(a).equals(b));
}

async function succeeds(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (QuorateError.is(error)) return false;
    throw error;
  }
}
