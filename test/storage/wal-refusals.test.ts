import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import type { OpenFile } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { storageContext } from '../../lib/testing/index.js';
import { TwinFile } from '../../storage/files/index.js';
import { levelStorage } from '../../storage/level/index.js';
import { walStorage } from '../../storage/wal/index.js';
import { decodeMark, encodeMark, MARK_PAIR } from '../../storage/wal/position.js';
import { decodeHead } from '../../storage/wal/segment-head.js';
import { CrashingFiles } from './crashing-files.js';
import { type Image, ImageFiles } from './disk-image.js';
import { scratch } from './scratch.js';
import {
  expectations,
  FURTHER,
  HISTORY,
  openHistory,
  perform,
  performCall,
  SMALL,
} from './wal-history.js';
import { DIRECTORY } from './wal-judge.js';
import { runHistory } from './wal-run.js';

const { fresh, remove } = scratch();
t.teardown(remove);
t.setTimeout(120_000);

const directory = fresh();
const steps = [...HISTORY, ...FURTHER];
const expected = expectations(steps).at(-1);
const whole = await written({ nonce: 7 });
const segments = (await whole.list(`${directory}/log`)).map((name) => `${directory}/log/${name}`);

t.test('a segment that is missing, cut, copied or of another log is refused by name', async () => {
  const stranger = await written({ nonce: 8 });
  for (const [at, path] of segments.entries()) {
    const neighbour = segments[at + 1] ?? segments[at - 1] ?? '';
    const damages: Record<string, (files: CrashingFiles) => Promise<unknown> | unknown> = {
      missing: (files) => files.remove(path),
      cut: (files) => files.damage(path, (bytes) => bytes.subarray(0, -4096)),
      'cut to nothing': (files) => files.damage(path, () => new Uint8Array(0)),
      'without its head': (files) => files.damage(path, (bytes) => bytes.fill(0, 0, 64)),
      'with zeros at its end': (files) => files.damage(path, (bytes) => longer(bytes)),
      'of another log': async (files) => {
        const other = await stranger.read(path);
        files.damage(path, () => other ?? new Uint8Array(0));
      },
      'in place of another': async (files) => {
        const other = await files.read(neighbour);
        files.damage(path, () => other ?? new Uint8Array(0));
      },
    };
    for (const [what, damage] of Object.entries(damages)) {
      const files = whole.afterPowerCut('all');
      await damage(files);
      const error = await refusal(files);
      equal(error.code, 'ERR_CORRUPT', `${path} ${what}`);
      ok(error.message.includes(`${directory}/log/`), error.message);
      // Refused again, because nothing was changed.
      equal((await refusal(files)).message, error.message);
    }
  }
  ok(segments.length > 4);
});

t.test('where nothing can be lost, a segment is refused for what is wrong with it', async () => {
  const last = segments.at(-1)!;
  const zeroed = whole.afterPowerCut('all');
  zeroed.damage(last, (bytes) => bytes.fill(0));
  match((await refusal(zeroed)).message, /the segment has no beginning/);
  const first = segments[0]!;
  const followed = whole.afterPowerCut('all');
  followed.damage(first, (bytes) => bytes.fill(1, bytes.length - 100, bytes.length - 50));
  match((await refusal(followed)).message, /the log goes on elsewhere/);
});

t.test(
  'a log without its mark, a mark without its log, and data without either is refused',
  async () => {
    const marks = [`${directory}/mark.1`, `${directory}/mark.2`];
    const lost: readonly (readonly [string, readonly string[], RegExp])[] = [
      ['the mark', marks, /mark\.1/],
      ['the log', segments, /\.wal: the segment is missing/],
      ['both', [...marks, ...segments], /mark\.1/],
      [
        'the identity',
        ['identity.1', 'identity.2'].map((name) => join(directory, name)),
        /identity/,
      ],
    ];
    for (const [what, paths, message] of lost) {
      const files = whole.afterPowerCut('all');
      for (const path of paths) await files.remove(path);
      const error = await refusal(files);
      equal(error.code, 'ERR_CORRUPT', what);
      match(error.message, message, what);
    }
  },
);

t.test('a mark of which one copy is damaged or older says what the other one says', async () => {
  for (const copy of [1, 2]) {
    const files = whole.afterPowerCut('all');
    files.damage(`${directory}/mark.${copy}`, (bytes) => bytes.fill(0, 20, 40));
    const { engine, found } = await openHistory(directory, { files });
    deepEqual(found, expected);
    await engine.close();
  }
});

t.test(
  'a copy of the mark or the identity of another directory is refused, and nothing is written over (fault B28)',
  async () => {
    const stranger = await written({ nonce: 8 });
    // Saved more often than ours, so that it would count.
    const engine = walStorage(directory, { ...SMALL, files: stranger });
    await engine.open(storageContext());
    const other = { nodeId: 'n1', incarnation: 'bbbbbbbbbbbbbbbb', clusterId: 'cccccccccccccccc' };
    await engine.initialise({ ...other, formerClusterId: 'fedcba9876543210' });
    await engine.initialise(other);
    await engine.close();
    for (let start = 0; start < 3; start += 1) {
      const { engine: again } = await openHistory(directory, { files: stranger });
      await performCall(again, { kind: 'save', group: 'a', term: 90 + start });
      await again.close();
    }
    for (const name of ['mark.1', 'mark.2', 'identity.1', 'identity.2']) {
      const files = whole.afterPowerCut('all');
      const foreign = await stranger.read(`${directory}/${name}`);
      files.damage(`${directory}/${name}`, () => foreign ?? new Uint8Array(0));
      const paths = ['.1', '.2'].map((copy) => `${directory}/${name.slice(0, -2)}${copy}`);
      const before = await Promise.all(paths.map((path) => files.read(path)));
      match((await refusal(files)).message, /contradict/, name);
      deepEqual(await Promise.all(paths.map((path) => files.read(path))), before);
    }
  },
);

t.test(
  'a log without a segment that a group still needs is refused, whatever the mark says',
  async () => {
    const files = whole.afterPowerCut('all');
    const marks = new TwinFile({
      files,
      logger: silentLogger,
      path: `${directory}/mark`,
      ...MARK_PAIR,
    });
    const found = await marks.load();
    const mark = decodeMark(found?.body ?? new Uint8Array(0));
    await marks.save(encodeMark({ ...mark, firstSegment: mark.firstSegment + 1 }));
    match((await refusal(files)).message, /entry \d+ of the log of group \w+ is missing/);
  },
);

t.test('a segment of a copy of the directory that went another way is refused', async () => {
  const payloadBytes = 3000;
  const append = { kind: 'append', group: 'a', term: 1, count: 1, payloadBytes } as const;
  const files = new CrashingFiles();
  const { engine } = await openHistory(directory, { files });
  for (let first = 1; first <= 2; first += 1) await performCall(engine, { ...append, first });
  await engine.close();
  const [own, copy] = [files.afterPowerCut('all'), files.afterPowerCut('all')];
  // Both go on to the third segment, the copy with more batches before it.
  for (const [disk, saves] of [
    [own, 0],
    [copy, 20],
  ] as const) {
    const { engine: next } = await openHistory(directory, { files: disk });
    for (let term = 1; term <= saves; term += 1) {
      await performCall(next, { kind: 'save', group: 'b', term });
    }
    for (let first = 3; first <= 5; first += 1) await performCall(next, { ...append, first });
    await performCall(next, { kind: 'reset', group: 'a', index: 5, term: 1 });
    await next.close();
    const names = await disk.list(`${directory}/log`);
    deepEqual(
      names.filter((name) => name.endsWith('.wal')),
      ['0000000000000003.wal'],
    );
  }
  const path = `${directory}/log/0000000000000003.wal`;
  const foreign = await copy.read(path);
  own.damage(path, () => foreign ?? new Uint8Array(0));
  match((await refusal(own)).message, /0000000000000003\.wal: the segment is another one/);
});

t.test(
  'a new log begins with its nonce, so that it has no chain in common with another',
  async () => {
    const files = new CrashingFiles();
    const { engine } = await openHistory(directory, { files, nonce: 7 });
    await engine.close();
    const path = `${directory}/log/0000000000000001.wal`;
    const bytes = await files.read(path);
    equal(decodeHead(path, bytes ?? new Uint8Array(0))?.chain, 7);
  },
);

t.test('a start that cannot read something ends, and changes nothing (fault B11)', async () => {
  const { closed } = await runHistory(steps, {});
  let failed = 0;
  for (let reads = 0, isDone = false; !isDone; reads += 1) {
    const files = new UnreadableFiles(closed, reads);
    const start = openHistory(DIRECTORY, { files });
    const error = await start.then(
      ({ engine }) => engine.close(),
      (cause: unknown) => cause,
    );
    isDone = !files.hasFailed;
    if (isDone) continue;
    failed += 1;
    ok(QuorateError.is(error), `read ${reads}: ${error}`);
    equal(error.code, 'ERR_STORAGE');
    match(error.message, /EIO/);
    deepEqual(files.image, closed);
  }
  ok(failed > 20);
});

t.test(
  'segments that are not needed and names that nobody gave are left alone or removed',
  async () => {
    const files = whole.afterPowerCut('all');
    for (const name of ['0000000000000001.wal', 'spare-1.tmp', 'notes.txt']) {
      await (await files.open(`${directory}/log/${name}`, { create: true })).close();
    }
    const { engine, found } = await openHistory(directory, { files });
    deepEqual(found, expected);
    const names = await files.list(`${directory}/log`);
    deepEqual(
      names.filter((name) => !segments.includes(`${directory}/log/${name}`)),
      ['notes.txt'],
    );
    await engine.close();
  },
);

t.test('a directory keeps its engine', async () => {
  for (const [first, second] of [
    [walStorage, levelStorage],
    [levelStorage, walStorage],
  ] as const) {
    const path = join(fresh(), 'data');
    mkdirSync(path);
    const engine = first(path);
    await engine.open(storageContext());
    await engine.close();
    await rejects(second(path).open(storageContext()), { code: 'ERR_CONFIG', message: /engine/ });
  }
});

async function written(options: { readonly nonce: number }): Promise<CrashingFiles> {
  const files = new CrashingFiles();
  const { engine } = await openHistory(directory, { ...options, files });
  equal(await perform(engine, steps), steps.length);
  await engine.close();
  for (const name of await files.list(`${directory}/log`)) {
    if (name.endsWith('.tmp')) await files.remove(`${directory}/log/${name}`);
  }
  return files;
}

async function refusal(files: CrashingFiles): Promise<QuorateError> {
  try {
    const { engine, found } = await openHistory(directory, { files });
    await engine.close();
    throw new Error(`opened with ${JSON.stringify(found)}`);
  } catch (error) {
    if (!QuorateError.is(error)) throw error;
    return error;
  }
}

/** Fails the read after `reads` others: that one, and none after it. */
class UnreadableFiles extends ImageFiles {
  #readsLeft: number;

  constructor(image: Image, reads: number) {
    super(image);
    this.#readsLeft = reads;
  }

  get hasFailed(): boolean {
    return this.#readsLeft < 0;
  }

  override async read(path: string): Promise<Uint8Array | null> {
    this.#count();
    return super.read(path);
  }

  override async open(path: string, options: { readonly create: boolean }): Promise<OpenFile> {
    const file = await super.open(path, options);
    const read = (offset: number, length: number): Promise<Uint8Array> => {
      this.#count();
      return file.read(offset, length);
    };
    return { ...file, read };
  }

  #count(): void {
    this.#readsLeft -= 1;
    if (this.#readsLeft === -1) {
      throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
    }
  }
}

function longer(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length + 4096);
  result.set(bytes);
  return result;
}
