import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { at, QuorateError } from '../../lib/base/index.js';
import type { StorageEngine } from '../../lib/interfaces/index.js';
import { SUITE_IDENTITY, storageContext } from '../../lib/testing/index.js';
import {
  examineDirectory as examineLevel,
  levelStorage,
  salvageDirectory as salvageLevel,
} from '../../storage/level/index.js';
import {
  examineDirectory,
  salvageDirectory,
  snapshotFile,
  type WalExamination,
  walStorage,
} from '../../storage/wal/index.js';
import { CrashingFiles } from './crashing-files.js';
import { scratch } from './scratch.js';
import { entries, GROUP, writeSmallDirectory } from './small-directory.js';
import { HISTORY, openHistory, perform, SMALL } from './wal-history.js';

const { fresh, remove } = scratch();
t.teardown(remove);
t.setTimeout(180_000);

// The lock is of the real file system; in these tests all else is in memory.
const inMemory = fresh();

t.test('the doctor finds damage where a start is refused, and nowhere else', async (t) => {
  const whole = await historyFiles();
  let refused = 0;
  let opened = 0;
  const paths = await allPaths(whole);
  for (const path of paths) {
    const bytes = (await whole.read(path))!;
    const step = bytes.length > 1000 ? 31 : 13;
    for (let offset = 0; offset < bytes.length; offset += step) {
      for (const change of [flip, zeroBlock, cut]) {
        const files = whole.afterPowerCut('all');
        files.damage(path, (stored) => change(stored, offset));
        const what = `${path} at ${offset}, ${change.name}`;
        const isRefused = await agree(files, what);
        if (isRefused) refused += 1;
        else opened += 1;
      }
    }
    const files = whole.afterPowerCut('all');
    await files.remove(path);
    if (await agree(files, `${path} missing`)) refused += 1;
  }
  ok(refused > 300 && opened > 300, `${refused} refused, ${opened} opened`);
  t.comment(`${refused} refused, ${opened} opened`);
});

t.test('what a crash leaves is no damage, and the torn tail is told', async (t) => {
  let torn = 0;
  for (let calls = 0, isDone = false; !isDone; calls += 1) {
    const files = new CrashingFiles();
    files.crashAfter(calls);
    const done = await openHistory(inMemory, { files }).then(
      async ({ engine }) => {
        const count = await perform(engine, HISTORY);
        await engine.close();
        return count;
      },
      () => 0,
    );
    isDone = done === HISTORY.length;
    for (const remains of ['nothing', 'half', 'all'] as const) {
      const disk = files.afterPowerCut(remains);
      if ((await disk.read(`${inMemory}/FORMAT`)) === null) continue;
      const found = await examineDirectory(inMemory, { files: disk });
      const wrong = [...found.damage, ...found.damagedSnapshots];
      deepEqual(wrong, [], `call ${calls}, ${remains}`);
      if (found.tornTail !== null) torn += 1;
    }
  }
  ok(torn > 5, `${torn} torn tails`);
  t.comment(`${torn} torn tails`);
});

t.test('a directory in order is told in full, and not a byte of it changes', async () => {
  const directory = await smallDirectory();
  const before = image(directory);
  // A disk that failed is often mounted so: nothing may be opened to be written.
  for (const path of before.keys()) chmodSync(path, 0o444);
  const found = await examineDirectory(directory);
  deepEqual(image(directory), before);
  deepEqual([found.damage, found.damagedSnapshots, found.unknownNames], [[], [], []]);
  deepEqual(found.identity, SUITE_IDENTITY);
  const [group] = found.groups;
  deepEqual(
    { ...group, configuration: null },
    {
      group: GROUP,
      state: { term: 3, votedFor: 'n1#0123456789abcdef' },
      base: { index: 2, term: 1 },
      last: { index: 6, term: 2 },
      configuration: null,
    },
  );
  const [snapshot] = found.snapshots;
  deepEqual(
    [snapshot?.group, snapshot?.index, snapshot?.term, snapshot?.sizeBytes],
    [GROUP, 2, 1, 20],
  );
  ok(found.segments.length > 1 && found.segments.every(({ state }) => state === 'good'));
  equal(found.mark?.path, found.segments.at(-1)?.path);
});

t.test('a directory in use, none, and one of another engine are refused', async () => {
  const directory = join(fresh(), 'data');
  await rejects(examineDirectory(directory), { code: 'ERR_CONFIG', message: /no data directory/ });
  equal(readdirSync(join(directory, '..')).length, 0);
  const engine = walStorage(directory);
  await engine.open(storageContext());
  await rejects(examineDirectory(directory), {
    code: 'ERR_LOCKED',
    message: new RegExp(`process ${process.pid}`),
  });
  await engine.close();
  await rejects(examineLevel(directory), { code: 'ERR_CONFIG', message: /engine wal/ });
  ok((await examineDirectory(directory)).damage.length === 0);
});

t.test(
  'what is good before and behind the damage is saved, and no node starts from it',
  async () => {
    const directory = await smallDirectory();
    const [first, second] = (await examineDirectory(directory)).segments;
    flipAt(second!.path, 200);
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    const before = image(directory);
    const out = join(fresh(), 'out');
    const { examination, salvage } = await salvageDirectory(directory, out);
    deepEqual(image(directory), before);
    match(at(examination.damage, 0).path, /0000000000000002\.wal$/);
    equal(at(examination.damage, 0).offset, 192);
    deepEqual(
      [states(examination, first!.path), states(examination, second!.path)],
      ['good', 'damaged'],
    );
    ok(examination.segments.slice(2).every(({ state }) => state === 'good'));
    deepEqual(examination.unknownNames, ['notes.txt']);
    // The last part says how the log ended.
    deepEqual(at(examination.groups, 0).last, { index: 6, term: 2 });

    const saved = salvage.files.filter(({ kind }) => kind === 'entries');
    ok(saved.some(({ path }) => path.includes('part-1-')));
    ok(saved.some(({ path }) => path.includes('part-2-')));
    const stored = [...entries(1, 1, 4), ...entries(2, 4, 3)];
    for (const { path, firstIndex, lastIndex } of saved) {
      const records = readFileSync(join(out, path), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      equal(records.length, lastIndex - firstIndex + 1);
      for (const { index, term, payload } of records) {
        const entry = stored.find((one) => one.index === index && one.term === term);
        equal(payload, Buffer.from(entry!.payload).toString('base64'), `${path}: ${index}`);
      }
    }
    const [copy] = salvage.files.filter(({ kind }) => kind === 'snapshot');
    const snapshot = await snapshotFile(join(out, copy!.path)).open();
    equal(snapshot.description.index, 2);
    await snapshot.close();
    const manifest = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8'));
    equal(manifest.identity.nodeId, SUITE_IDENTITY.nodeId);
    equal(manifest.damage.length, examination.damage.length);
    deepEqual(
      manifest.logs.map(({ part, isEnd }: { part: number; isEnd: boolean }) => [part, isEnd]),
      [
        [1, false],
        [2, true],
      ],
    );
    for (const engine of [walStorage(out), levelStorage(out)]) {
      await rejects(engine.open(storageContext()), { code: 'ERR_CORRUPT', message: /FORMAT/ });
    }
    for (const target of [out, directory, join(directory, 'out')]) {
      await rejects(salvageDirectory(directory, target), { code: 'ERR_CONFIG' });
    }
  },
);

t.test('a log whose mark is lost is read as far as it goes', async () => {
  const directory = await smallDirectory();
  for (const copy of [1, 2]) rmSync(join(directory, `mark.${copy}`));
  const { damage, segments, groups, mark } = await examineDirectory(directory);
  deepEqual(
    damage.map(({ path, what }) => [path, what]),
    [[join(directory, 'mark.1'), 'missing beside data']],
  );
  equal(mark, null);
  ok(segments.every(({ state }) => state === 'good'));
  deepEqual(at(groups, 0).last, { index: 6, term: 2 });
});

t.test('a level directory is read in a copy, and not a byte of it changes', async () => {
  const directory = fresh();
  await (await writeSmallDirectory(directory)).close();
  const before = image(directory);
  const found = await examineLevel(directory);
  deepEqual(image(directory), before);
  deepEqual([found.damage, found.isDatabaseRead], [[], true]);
  equal(at(found.groups, 0).last.index, 5);
  const out = join(fresh(), 'out');
  const { salvage } = await salvageLevel(directory, out);
  deepEqual(
    salvage.files.map(({ kind, firstIndex, lastIndex }) => [kind, firstIndex, lastIndex]),
    [
      ['snapshot', 2, 2],
      ['entries', 1, 5],
    ],
  );

  for (const name of readdirSync(join(directory, 'log'))) {
    if (/\.(ldb|log)$/.test(name)) rmSync(join(directory, 'log', name));
  }
  const lost = await examineLevel(directory);
  equal(lost.isDatabaseRead, false);
  ok(
    lost.damage.every(({ path }) => path.startsWith(directory)),
    JSON.stringify(lost.damage),
  );
});

/** Whether a start is refused; the doctor must find damage just then. */
async function agree(files: CrashingFiles, what: string): Promise<boolean> {
  const found = await verdict(() => examineDirectory(inMemory, { files }));
  const started = await verdict(async () => {
    const { engine } = await openHistory(inMemory, { files });
    await engine.close();
    return null;
  });
  const isRefused = started instanceof QuorateError;
  if (found instanceof QuorateError) ok(isRefused, `${what}: ${found.message}`);
  else if (found === null) throw new Error(`${what}: nothing was told`);
  else equal(found.damage.length > 0, isRefused, `${what}: ${JSON.stringify(found.damage)}`);
  return isRefused;
}

async function verdict<T>(call: () => Promise<T>): Promise<T | QuorateError> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof QuorateError) return error;
    throw error;
  }
}

async function historyFiles(): Promise<CrashingFiles> {
  const files = new CrashingFiles();
  const { engine } = await openHistory(inMemory, { files });
  equal(await perform(engine, HISTORY), HISTORY.length);
  await engine.close();
  return files;
}

async function allPaths(files: CrashingFiles): Promise<readonly string[]> {
  const folders = [inMemory, `${inMemory}/log`];
  const lists = await Promise.all(
    folders.map(async (folder) => (await files.list(folder)).map((name) => `${folder}/${name}`)),
  );
  return lists.flat().filter((path) => !path.endsWith('.tmp'));
}

/** On the disk: six entries in several segments, of which two are in a snapshot. */
async function smallDirectory(): Promise<string> {
  const directory = fresh();
  let engine: StorageEngine = walStorage(directory, SMALL);
  await engine.open(storageContext());
  await engine.initialise({ ...SUITE_IDENTITY, clusterId: null });
  await engine.group(GROUP).log.open();
  await engine.group(GROUP).state.save({ term: 1, votedFor: null });
  await engine.group(GROUP).log.append(entries(1, 1, 4));
  await engine.close();
  engine = walStorage(directory, SMALL);
  await engine.open(storageContext());
  await engine.initialise(SUITE_IDENTITY);
  const { log, state, snapshots } = engine.group(GROUP);
  await log.open();
  for (let i = 0; i < 300; i += 1) await state.save({ term: 2, votedFor: `n${i}` });
  for (const entry of entries(2, 4, 2)) await log.append([entry]);
  for (let i = 0; i < 300; i += 1) await state.save({ term: 2, votedFor: `n${i}` });
  await state.save({ term: 3, votedFor: 'n1#0123456789abcdef' });
  await log.append(entries(2, 6, 1));
  const draft = { index: 2, term: 1, configuration: new Uint8Array([1, 2]), logTimeMs: 5 };
  const writer = await snapshots.create(draft);
  await writer.write(new Uint8Array(20).fill(7));
  await writer.commit();
  await log.compact(2, 1);
  await engine.close();
  return directory;
}

function image(directory: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory()) found.set(path, readFileSync(path).toString('latin1'));
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function states({ segments }: WalExamination, path: string): string | undefined {
  return segments.find((segment) => segment.path === path)?.state;
}

function flipAt(path: string, offset: number): void {
  const bytes = readFileSync(path);
  writeFileSync(path, flip(bytes, offset));
}

function flip(bytes: Uint8Array, offset: number): Uint8Array {
  const changed = new Uint8Array(bytes);
  changed[offset] = (changed[offset] ?? 0) ^ 4;
  return changed;
}

function zeroBlock(bytes: Uint8Array, offset: number): Uint8Array {
  const changed = new Uint8Array(bytes);
  return changed.fill(0, offset - (offset % 512), offset - (offset % 512) + 512);
}

function cut(bytes: Uint8Array, offset: number): Uint8Array {
  return bytes.slice(0, offset);
}
