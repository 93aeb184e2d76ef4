import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import t from 'tap';
import { assert, at, type Entry, QuorateError } from '../../lib/base/index.js';
import type {
  Clock,
  FileLayer,
  GroupStorage,
  StorageEngine,
  StoredLog,
} from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { storageContext, VirtualClock } from '../../lib/testing/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import { checksum, nodeFiles } from '../../storage/files/index.js';
import { Batcher } from '../../storage/level/batcher.js';
import { openDatabase } from '../../storage/level/database.js';
import { levelStorage } from '../../storage/level/index.js';
import { entryKey } from '../../storage/level/records.js';
import { cuttable, hooked } from './cuttable-files.js';
import { scratch } from './scratch.js';
import { entries, GROUP, IDENTITY } from './small-directory.js';

const { fresh, remove } = scratch();
t.teardown(remove);
t.setTimeout(120_000);

t.test('writes of one turn, and those that come while the disk is busy, share syncs', async () => {
  const database = await openDatabase(fresh(), { create: true });
  const batcher = new Batcher(database, new SystemClock());
  const put = (name: string): Promise<void> =>
    batcher.write([{ type: 'put', key: Buffer.from(name), value: Buffer.from('x') }]);
  const first = Array.from({ length: 20 }, (_, i) => put(`a${i}`));
  await new Promise(setImmediate);
  equal(batcher.syncCount, 1);
  await Promise.all([...first, ...Array.from({ length: 20 }, (_, i) => put(`b${i}`))]);
  equal(batcher.syncCount, 2);
  equal((await database.keys().all()).length, 40);
  await database.close();
});

t.test('a write that waits behind one that fails is not told that it is durable', async () => {
  const database = await openDatabase(fresh(), { create: true });
  const batcher = new Batcher(database, new SystemClock());
  const put = (name: string): Promise<void> =>
    batcher.write([{ type: 'put', key: Buffer.from(name), value: Buffer.from('x') }]);
  const fails = async (): Promise<never> => {
    await new Promise(setImmediate);
    throw new Error('no space left on device');
  };
  const batch = Object.assign(database.batch(), { write: fails });
  Object.assign(database, { batch: () => batch });
  const first = rejects(put('a'), /no space/);
  await new Promise(setImmediate);
  const second = rejects(put('b'), /no space/);
  // From here on the disk would take it.
  Reflect.deleteProperty(database, 'batch');
  await Promise.all([first, second]);
  await rejects(put('c'), /no space/);
  await database.close();
});

t.test(
  'the mark is not written while writes follow each other, and within 50 ms after the last',
  async () => {
    const { clock, virtual, files, marks } = watched();
    const directory = fresh();
    const engine = await started(directory, { clock, files });
    const { log, state } = engine.group(GROUP);
    await log.open();
    await state.save({ term: 1, votedFor: null });
    const before = marks.length;
    for (let index = 1; index <= 40; index += 1) {
      await log.append(entries(1, index, 1));
      virtual.advance(10);
    }
    equal(marks.length, before);
    virtual.advance(50);
    await until(() => marks.length === before + 2);
    // From here on, a log that ends before entry 40 is damage.
    const copy = copied(directory);
    await deleteEntries(copy, [40]);
    await rejects(openedLog(copy), {
      code: 'ERR_CORRUPT',
      message: /\/log: .* ends at entry 39, and held entry 40/,
    });
    await engine.close();
  },
);

for (const cut of ['append', 'reset'] as const) {
  t.test(`${cut}: a tail of any length is cut off in one batch that takes many turns`, async () => {
    const count = 130_000;
    let turns = 0;
    const real = new SystemClock();
    const clock: Clock = Object.assign(new SystemClock(), {
      soon: (fn: () => void) => {
        turns += 1;
        real.soon(fn);
      },
    });
    const directory = fresh();
    const engine = await started(directory, { clock });
    const { log, state } = engine.group(GROUP);
    await log.open();
    await state.save({ term: 3, votedFor: null });
    for (let first = 1; first <= count; first += 10_000) {
      await log.append(entries(1, first, 10_000));
    }
    turns = 0;
    if (cut === 'append') await log.append(entries(2, 2, 1));
    else await log.reset(2, 2);
    ok(turns > 50, `${turns} turns`);
    await engine.close();
    const { compacted, entries: left } = await openedLog(directory);
    equal(compacted.index + left.length, 2);
  });
}

t.test('the mark is lowered before the log is cut, and does not rise meanwhile', async () => {
  const { clock, virtual, files, marks } = watched();
  const directory = join(fresh(), 'data');
  const engine = await started(directory, { clock, files });
  const { log, state } = engine.group(GROUP);
  await log.open();
  await state.save({ term: 9, votedFor: null });
  await log.append(entries(1, 1, 10));
  virtual.advance(50);
  await until(() => marks.at(-1) === '2:10');
  marks.length = 0;
  // Not marked yet: the mark wants to rise to 11 while the log is cut to 5.
  await log.append(entries(1, 11, 1));
  const cut = log.append(entries(2, 5, 1));
  await until(() => marks.length > 0);
  virtual.advance(100);
  await cut;
  deepEqual(marks, ['1:4', '2:4']);
  await expectKilled(directory, [...entries(1, 1, 4), ...entries(2, 5, 1)]);
  virtual.advance(50);
  await until(() => marks.at(-1) === '2:5');
  deepEqual(marks, ['1:4', '2:4', '1:5', '2:5']);
  // A compaction marks the end at once: the log is not hot then.
  await log.append(entries(2, 6, 3));
  await log.compact(7, 2);
  equal(marks.at(-1), '2:8');
  await engine.close();
});

t.test('a folder that a killed process left without a sync lasts before it is used', async () => {
  const directory = join(fresh(), 'data');
  const calls: string[] = [];
  const files: FileLayer = {
    ...nodeFiles,
    syncFolder: async (path) => {
      calls.push(`sync ${path.slice(directory.length)}`);
      await nodeFiles.syncFolder(path);
    },
    rename: async (from, to) => {
      calls.push(`rename ${to.slice(directory.length)}`);
      await nodeFiles.rename(from, to);
    },
  };
  const engine = await started(directory, { files });
  mkdirSync(join(directory, 'groups', GROUP), { recursive: true });
  calls.length = 0;
  await engine.group(GROUP).log.open();
  deepEqual(calls.slice(0, 3), ['sync /groups', 'sync ', `rename /groups/${GROUP}/state.1`]);
  await engine.close();
});

t.test('a group that cannot be closed leaves the others closed, with their marks', async () => {
  const directory = join(fresh(), 'data');
  let isBroken = false;
  const remove: FileLayer['remove'] = async (path) => {
    if (isBroken && path.includes('/a/')) throw new Error('EIO');
    await nodeFiles.remove(path);
  };
  const engine = await started(directory, { files: { ...nodeFiles, remove } });
  const draft = { index: 1, term: 1, configuration: new Uint8Array(0), logTimeMs: 0 };
  for (const name of ['a', GROUP]) {
    const { log, state, snapshots } = engine.group(name);
    await log.open();
    await state.save({ term: 1, votedFor: null });
    await (await snapshots.create(draft)).write(new Uint8Array(1));
  }
  await engine.group(GROUP).log.append(entries(1, 1, 3));
  isBroken = true;
  await engine.close();
  const left = (group: string): string[] =>
    readdirSync(join(directory, 'groups', group, 'snapshots'));
  equal(left('a').length, 1);
  deepEqual(left(GROUP), []);
  await deleteEntries(directory, [3]);
  await rejects(openedLog(directory), { code: 'ERR_CORRUPT', message: /held entry 3/ });
});

t.test(
  'cut short at any call to a file, a directory is opened with the old or the new (schedules A2, A3, F8)',
  async (t) => {
    let cuts = 0;
    for (let calls = 0, isDone = false; !isDone; calls += 1) {
      const directory = join(fresh(), 'data');
      const prepared = await started(directory);
      await prepared.group(GROUP).state.save({ term: 3, votedFor: 'n1' });
      await prepared.group(GROUP).log.open();
      await prepared.group(GROUP).log.append(entries(3, 1, 10));
      await prepared.close();
      const { files, cutAfter } = cuttable();
      const engine = levelStorage(directory, { files });
      await engine.open(storageContext());
      const group = engine.group(GROUP);
      await group.log.open();
      cutAfter(calls);
      const done = await stepsUntilFailure([
        () => group.state.save({ term: 4, votedFor: 'n2' }),
        () => group.log.append(entries(4, 4, 2)),
        () => group.log.compact(2, 3),
        () => group.log.reset(20, 4),
      ]);
      isDone = done === 4;
      // Nothing that comes after a failed write is believed, however well the disk is by then.
      cutAfter(Number.POSITIVE_INFINITY);
      if (!isDone) {
        await rejects(group.state.save({ term: 5, votedFor: null }), { code: 'ERR_STORAGE' });
        await rejects(group.log.reset(30, 4), { code: 'ERR_STORAGE' });
      }
      await engine.close();
      const found = await reopened(directory);
      ok(
        STATES[done]?.includes(found.state) || STATES[done + 1]?.includes(found.state),
        found.state,
      );
      ok(LOGS[done] === found.log || LOGS[done + 1] === found.log, `${done}: ${found.log}`);
      cuts += 1;
    }
    t.comment(`${cuts} cuts`);
    ok(cuts > 20);
  },
);

t.test(
  'damage that LevelDB does not see is ERR_CORRUPT, and again at every start (schedule D14)',
  async () => {
    const directory = join(fresh(), 'data');
    const engine = await started(directory);
    await engine.group(GROUP).state.save({ term: 9, votedFor: null });
    const { log } = engine.group(GROUP);
    await log.open();
    await log.append(entries(1, 1, 4));
    await log.append(entries(2, 5, 4));
    await log.append(entries(3, 8, 1));
    await engine.close();
    const damages: readonly (readonly [string, (database: Raw) => Promise<void>, RegExp])[] = [
      ['a hole', (database) => database.del(entryKey(GROUP, 3)), /entry 3 .* is missing/],
      ['a lost end', (database) => database.del(entryKey(GROUP, 8)), /ends at entry 7/],
      ['a lost beginning', (database) => database.del(entryKey(GROUP, 1)), /entry 1 .* is missing/],
      ['a lost base', (database) => database.del(Buffer.from(`b${GROUP}`)), /has no beginning/],
      ['a lost log', (database) => database.clear(), /is missing/],
      [
        'a damaged base',
        (database) => database.put(Buffer.from(`b${GROUP}`), new Uint8Array(25)),
        /base .* damaged/,
      ],
      [
        'a changed byte',
        (database) => change(database, 2, (value) => value.fill(7, 20, 21)),
        /entry 2 .* is damaged/,
      ],
      [
        'a short value',
        (database) => change(database, 2, (value) => value.subarray(0, 3)),
        /entry 2 .* is damaged/,
      ],
      ['two entries swapped', (database) => swap(database, 6, 7), /entry 6 .* is damaged/],
      [
        'an entry of an earlier life',
        (database) => database.put(entryKey(GROUP, 9), earlierLife()),
        /entry 9 .* is damaged/,
      ],
    ];
    for (const [what, damage, expected] of damages) {
      const copy = copied(directory);
      await inDatabase(copy, damage);
      for (let start = 0; start < 2; start += 1) {
        await rejects(openedLog(copy), { code: 'ERR_CORRUPT', message: expected }, what);
      }
    }
  },
);

t.test('the state or the log of an earlier time is refused where it can be told', async (t) => {
  const directory = join(fresh(), 'data');
  const first = await started(directory);
  await first.group(GROUP).state.save({ term: 1, votedFor: 'n1' });
  await first.group(GROUP).log.open();
  await first.group(GROUP).log.append(entries(1, 1, 3));
  await first.close();
  const older = copied(directory);
  const second = levelStorage(directory);
  await second.open(storageContext());
  await second.group(GROUP).state.save({ term: 4, votedFor: 'n1' });
  await second.group(GROUP).log.open();
  await second.group(GROUP).log.append(entries(4, 3, 3));
  await second.close();
  const rolledBack = (names: readonly string[]): string => {
    const copy = copied(directory);
    for (const name of names) {
      rmSync(join(copy, name), { recursive: true });
      cpSync(join(older, name), join(copy, name), { recursive: true });
    }
    return copy;
  };
  const folder = `groups/${GROUP}`;
  const states = [`${folder}/state.1`, `${folder}/state.2`];
  await rejects(openedLog(rolledBack(states)), {
    code: 'ERR_CORRUPT',
    message: /state\.1: holds term 1, older/,
  });
  await rejects(openedLog(rolledBack(['log'])), { code: 'ERR_CORRUPT', message: /\/log: / });
  // One copy of a pair never counts against a newer one.
  for (const name of ['state.1', 'state.2', 'mark.1', 'mark.2']) {
    equal((await openedLog(rolledBack([`${folder}/${name}`]))).entries.length, 5);
  }
  // An older mark is not the log of that time any more: here the log was cut below it.
  const marks = [`${folder}/mark.1`, `${folder}/mark.2`];
  await rejects(openedLog(rolledBack(marks)), { code: 'ERR_CORRUPT', message: /is not the one/ });
  t.comment(
    'not told apart: the whole directory, or both copies of a vote of the same term, put back',
  );
});

t.test('what LevelDB loses above the mark is a shorter log, never a changed one', async (t) => {
  const { clock, files } = watched();
  const directory = join(fresh(), 'data');
  const engine = await started(directory, { clock, files });
  await engine.group(GROUP).state.save({ term: 9, votedFor: null });
  const { log } = engine.group(GROUP);
  await log.open();
  const all = entries(1, 1, 8);
  for (const entry of all) await log.append([entry]);
  // As a kill in the middle of writing leaves it: the mark is still at 0.
  const killed = copied(directory);
  await engine.close();
  const [name] = readdirSync(join(killed, 'log')).filter((file) => file.endsWith('.log'));
  assert(name !== undefined, 'LevelDB has a log of its own');
  const bytes = readFileSync(join(killed, 'log', name));
  const counts = { whole: 0, shorter: 0, refused: 0 };
  for (let offset = 0; offset < bytes.length; offset += 1) {
    const isSampled = offset % 4 === 0;
    for (const damaged of [
      bytes.subarray(0, offset),
      ...(isSampled ? [flipped(bytes, offset)] : []),
    ]) {
      const copy = copied(killed);
      writeFileSync(join(copy, 'log', name), damaged);
      const found = await openedLog(copy).catch(refusal);
      if (found === null) counts.refused += 1;
      else {
        deepEqual(found.entries.map(text), all.slice(0, found.entries.length).map(text));
        counts[found.entries.length === all.length ? 'whole' : 'shorter'] += 1;
      }
    }
  }
  t.comment(
    `${bytes.length} bytes of entries above the mark, cut at each, one in four flipped: ${JSON.stringify(counts)}`,
  );
  ok(counts.shorter > 0);
});

t.test(
  'every entry that was acknowledged before a kill is there (schedule F1, fault A1)',
  async () => {
    for (let round = 0; round < 5; round += 1) {
      const directory = join(fresh(), 'data');
      const program = join(import.meta.dirname, 'busy-writer.js');
      const child = spawn(process.execPath, [program, directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      assert(child.stdout !== null, 'the child writes to a pipe');
      let printed = '';
      child.stdout.on('data', (chunk) => {
        printed += chunk;
        if (printed.split('\n').length > 20 * (round + 1)) child.kill('SIGKILL');
      });
      const [, signal] = await once(child, 'close');
      equal(signal, 'SIGKILL');
      const acknowledged = Number(printed.split('\n').at(-2));
      const { entries: found } = await openedLog(directory);
      ok(found.length >= acknowledged, `${found.length} of ${acknowledged}`);
      ok(found.length <= acknowledged + 10);
    }
  },
);

t.test('a directory of another engine or version is ERR_CONFIG, and stays as it is', async () => {
  const directory = join(fresh(), 'data');
  await (await started(directory)).close();
  const cases = [
    [formatLine('wal', 1), 'ERR_CONFIG', /was written by storage engine wal and keeps it/],
    [formatLine('level', 2), 'ERR_CONFIG', /engine level, version 2/],
    ['', 'ERR_CORRUPT', /FORMAT: damaged/],
  ] as const;
  for (const [line, code, message] of cases) {
    writeFileSync(join(directory, 'FORMAT'), line);
    await rejects(levelStorage(directory).open(storageContext()), { code, message });
    equal(readFileSync(join(directory, 'FORMAT'), 'utf8'), line);
  }
});

t.test('a directory that cannot be used is refused in one line', async () => {
  const file = join(fresh(), 'file');
  writeFileSync(file, 'x');
  for (const path of [file, join(file, 'inside'), '/proc/quorate', '/sys/quorate/data']) {
    const error = await levelStorage(path)
      .open(storageContext())
      .catch((error) => error);
    ok(QuorateError.is(error));
    equal(error.code, 'ERR_STORAGE');
    match(error.message, /^ERR_STORAGE: cannot use data directory [^\n]+$/);
  }
  await rejects(async () => levelStorage(''), { code: 'ERR_CONFIG' });
});

t.test('a directory that is removed under a running node is noticed (fault B29)', async () => {
  const directory = join(fresh(), 'data');
  const engine = await started(directory);
  const { state } = engine.group(GROUP);
  await state.save({ term: 1, votedFor: null });
  rmSync(directory, { recursive: true });
  await rejects(state.save({ term: 2, votedFor: null }), {
    code: 'ERR_STORAGE',
    message: /was taken away while the node ran/,
  });
  await engine.close();
  ok(!existsSync(directory));
});

t.test(
  'left-over temporary files are removed and unknown files left alone (fault B22)',
  async () => {
    const directory = join(fresh(), 'data');
    const engine = await started(directory);
    await engine.group(GROUP).state.save({ term: 1, votedFor: null });
    await engine.close();
    const folder = join(directory, 'groups', GROUP);
    const left = [join(directory, 'FORMAT.tmp'), join(folder, 'state.1.tmp')];
    const unknown = [
      join(directory, 'notes.txt'),
      join(folder, 'state.3'),
      join(directory, 'lost+found'),
    ];
    for (const path of [...left, ...unknown]) writeFileSync(path, 'x');
    await openedLog(directory);
    deepEqual(left.filter(existsSync), []);
    deepEqual(unknown.filter(existsSync), unknown);
  },
);

t.test('without classic-level the error says what to install', async () => {
  const hide = `export async function resolve(name, context, next) {
    if (name === 'classic-level') throw new Error('not installed');
    return next(name, context);
  }`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(asUrl(hide))});`;
  const program = `const { levelStorage } = await import(${JSON.stringify(ENGINE)});
    const { storageContext } = await import(${JSON.stringify(TESTING)});
    await levelStorage(${JSON.stringify(fresh())}).open(storageContext()).catch((error) => console.log(error.message));`;
  const child = spawn(process.execPath, [
    '--import',
    asUrl(register),
    '--input-type=module',
    '-e',
    program,
  ]);
  let printed = '';
  child.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  await once(child, 'close');
  match(printed, /^ERR_CONFIG: .*npm install classic-level/);
});

const ENGINE = new URL('../../storage/level/index.js', import.meta.url).href;
const TESTING = new URL('../../lib/testing/index.js', import.meta.url).href;

/** What may be found after so many steps of the scenario. The state changes in the first only. */
const STATES: readonly (readonly string[])[] = [['3 n1'], ['4 n2'], ['4 n2'], ['4 n2'], ['4 n2']];
const LOGS: readonly string[] = [
  '0/0 + 3333333333',
  '0/0 + 3333333333',
  '0/0 + 33344',
  '2/3 + 344',
  '20/4 + ',
];

type Raw = ClassicLevel<Uint8Array, Uint8Array>;

async function started(
  directory: string,
  options: { readonly clock?: Clock; readonly files?: FileLayer } = {},
): Promise<StorageEngine> {
  const engine = levelStorage(directory, { files: options.files });
  await engine.open({ ...storageContext(), ...(options.clock && { clock: options.clock }) });
  await engine.initialise(IDENTITY);
  return engine;
}

async function withGroup<T>(
  directory: string,
  use: (group: GroupStorage) => Promise<T>,
): Promise<T> {
  const engine = levelStorage(directory);
  await engine.open({ ...storageContext(), logger: silentLogger });
  try {
    return await use(engine.group(GROUP));
  } finally {
    await engine.close();
  }
}

function openedLog(directory: string): Promise<StoredLog> {
  return withGroup(directory, ({ log }) => log.open());
}

/** State and log in short: term and vote; base, then the term of each entry. */
function reopened(directory: string): Promise<{ readonly state: string; readonly log: string }> {
  return withGroup(directory, async ({ log, state }) => {
    const { compacted, entries: found } = await log.open();
    const saved = await state.load();
    return {
      state: `${saved?.term} ${saved?.votedFor}`,
      log: `${compacted.index}/${compacted.term} + ${found.map(({ term }) => term).join('')}`,
    };
  });
}

async function expectKilled(directory: string, expected: readonly Entry[]): Promise<void> {
  const { entries: found } = await openedLog(copied(directory));
  deepEqual(found.map(text), expected.map(text));
}

/** A copy of the files, as a kill at this moment would leave them. */
function copied(directory: string): string {
  const copy = join(fresh(), 'copy');
  cpSync(directory, copy, { recursive: true, filter: (path) => !path.includes('/lock.') });
  return copy;
}

async function inDatabase(directory: string, use: (database: Raw) => Promise<void>): Promise<void> {
  const options = { keyEncoding: 'view', valueEncoding: 'view' };
  const database = new ClassicLevel<Uint8Array, Uint8Array>(join(directory, 'log'), options);
  await database.open();
  await use(database);
  await database.close();
}

function deleteEntries(directory: string, indexes: readonly number[]): Promise<void> {
  return inDatabase(directory, async (database) => {
    for (const index of indexes) await database.del(entryKey(GROUP, index));
  });
}

async function change(
  database: Raw,
  index: number,
  how: (value: Uint8Array) => Uint8Array,
): Promise<void> {
  const value = await database.get(entryKey(GROUP, index));
  assert(value !== undefined, 'the entry is stored');
  await database.put(entryKey(GROUP, index), how(new Uint8Array(value)));
}

async function swap(database: Raw, a: number, b: number): Promise<void> {
  const [first, second] = await database.getMany([entryKey(GROUP, a), entryKey(GROUP, b)]);
  assert(first !== undefined && second !== undefined, 'both entries are stored');
  await database.put(entryKey(GROUP, a), second);
  await database.put(entryKey(GROUP, b), first);
}

/** A whole record of entry 9, as an earlier log could have held it. */
function earlierLife(): Uint8Array {
  const { packed } = at(entries(3, 9, 1), 0);
  return new Uint8Array([1, 2, 3, 4, ...packed]);
}

/** Files of the machine, with a list of what was written to marks: copy and index. */
function watched(): { clock: Clock; virtual: VirtualClock; files: FileLayer; marks: string[] } {
  const virtual = new VirtualClock();
  const real = new SystemClock();
  const clock: Clock = {
    now: () => virtual.now(),
    wallNow: () => virtual.wallNow(),
    after: (delayMs, fn) => virtual.after(delayMs, fn),
    soon: (fn) => real.soon(fn),
    afterPoll: (fn) => real.afterPoll(fn),
  };
  const marks: string[] = [];
  const files: FileLayer = {
    ...nodeFiles,
    async open(path, options) {
      const file = await nodeFiles.open(path, options);
      if (!path.includes('/mark.')) return file;
      return hooked(file, (bytes) => {
        const index = new DataView(bytes.buffer).getUint32(16 + GROUP.length, true);
        marks.push(`${/mark\.(\d)/.exec(path)?.[1]}:${index}`);
      });
    },
  };
  return { clock, virtual, files, marks };
}

/** How many steps went well before one failed. */
async function stepsUntilFailure(steps: readonly (() => Promise<void>)[]): Promise<number> {
  for (const [done, step] of steps.entries()) {
    try {
      await step();
    } catch (error) {
      ok(QuorateError.is(error));
      equal(error.code, 'ERR_STORAGE');
      return done;
    }
  }
  return steps.length;
}

function formatLine(engine: string, version: number): string {
  const line = `quorate ${engine} ${version}`;
  return `${line} ${checksum(Buffer.from(line)).toString(16).padStart(8, '0')}\n`;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

function refusal(error: unknown): null {
  ok(QuorateError.is(error));
  equal(error.code, 'ERR_CORRUPT');
  return null;
}

function flipped(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ 0xff;
  return copy;
}

function text({ packed }: Entry): string {
  return Buffer.from(packed).toString('hex');
}

function asUrl(program: string): string {
  return `data:text/javascript,${encodeURIComponent(program)}`;
}
