import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import { CapturingLogger } from '../../lib/observe/index.js';
import { storageContext } from '../../lib/testing/index.js';
import { levelStorage } from '../../storage/level/index.js';
import { scratch } from './scratch.js';
import { ENTRIES, GROUP, IDENTITY, STATE, writeSmallDirectory } from './small-directory.js';

/** A directory as names and bytes. */
type Image = ReadonlyMap<string, Uint8Array>;

const { fresh, remove } = scratch();
t.teardown(remove);

const CONCURRENCY = 8;

// Thousands of starts; about 20 s on two idle cores.
t.setTimeout(180_000);

const clean = await cleanImage(fresh());
const killed = await killedImage(fresh());

t.test('a killed process leaves no lock behind, a living one is named in one line', async () => {
  const directory = fresh();
  const living = await idleProcess(directory);
  const refused = await failure(levelStorage(directory).open(storageContext()));
  equal(refused.code, 'ERR_LOCKED');
  match(refused.message, new RegExp(`process ${living.pid}`));
  ok(!refused.message.includes('\n'));
  // Stopped, it cannot say a word, and still holds its directory.
  living.kill('SIGSTOP');
  equal((await failure(levelStorage(directory).open(storageContext()))).code, 'ERR_LOCKED');
  await kill(living);
  equal(await verdict(directory), 'whole');
  deepEqual(
    readdirSync(directory).filter((name) => name.startsWith('lock.')),
    [],
  );
});

// The two differ little; each place is tried in one of them, and one in `step` in the other.
for (const [name, image, step, each] of [
  ['a clean stop', clean, 1, 'each'],
  ['a kill after 200 ms idle', killed, 5, 'each fifth'],
] as const) {
  t.test(`${each} byte of every file flipped, after ${name}`, async (t) => {
    const cases: Damage[] = [];
    for (const [file, bytes] of image) {
      for (let offset = 0; offset < bytes.length; offset += step) {
        cases.push({
          what: `${file} at ${offset}`,
          file,
          image: replaced(image, file, flipped(bytes, offset)),
        });
      }
    }
    t.comment(await tally(cases));
  });

  t.test(`each file cut at ${each} length, after ${name}`, async (t) => {
    const cases: Damage[] = [];
    for (const [file, bytes] of image) {
      // The copies of a pair are of one size: any other is refused before anything is read of it.
      const stride = /\.[12]$/.test(file) ? 51 : step;
      for (let length = 0; length < bytes.length; length += stride) {
        cases.push({
          what: `${file} cut at ${length}`,
          file,
          image: replaced(image, file, bytes.slice(0, length)),
        });
      }
    }
    t.comment(await tally(cases));
  });

  t.test(`each file missing, zeroed, or in place of another, after ${name}`, async (t) => {
    const cases: Damage[] = [];
    for (const [file, bytes] of image) {
      cases.push({
        what: `${file} missing`,
        file,
        image: without(image, (other) => other === file),
      });
      cases.push({
        what: `${file} zeroed`,
        file,
        image: replaced(image, file, new Uint8Array(bytes.length)),
      });
      // LevelDB ends the whole process when one of its files is in place of another: loud enough.
      if (file.startsWith('log/')) continue;
      for (const [other, otherBytes] of image) {
        cases.push({
          what: `${other} over ${file}`,
          file,
          image: replaced(image, file, otherBytes),
        });
      }
    }
    t.comment(await tally(cases));
  });

  const losses: readonly (readonly [string, (file: string) => boolean, RegExp])[] = [
    ['the state, beside a log (schedule F7)', (file) => file.includes('/state.'), /state\.1/],
    ['the mark', (file) => file.includes('/mark.'), /mark\.1/],
    ['the identity', (file) => file.startsWith('identity.'), /identity\.1/],
    ['the database', (file) => file.startsWith('log/'), /\/log/],
    ['the folder of the group', (file) => file.startsWith('groups/'), /state\.1/],
    ['everything but the database', (file) => !file.startsWith('log/'), /FORMAT/],
  ];
  for (const [what, isLost, named] of losses) {
    t.test(`a directory without ${what} is refused at every start, after ${name}`, async () => {
      const directory = restored(without(image, isLost));
      for (let start = 0; start < 3; start += 1) {
        const refused = await failure(opened(directory));
        equal(refused.code, 'ERR_CORRUPT');
        match(refused.message, named);
      }
      // LevelDB would have made an empty database in its place.
      if (what === 'the database') ok(!existsSync(join(directory, 'log', 'CURRENT')));
    });
  }
}

interface Damage {
  readonly what: string;
  readonly file: string;
  readonly image: Image;
}

/** Judges each case at two starts; a silent loss fails. Says how many were opened and refused. */
async function tally(cases: readonly Damage[]): Promise<string> {
  const counts = { whole: 0, refused: 0 };
  const rest = [...cases];
  const losses: string[] = [];
  async function work(): Promise<void> {
    for (let damage = rest.pop(); damage !== undefined; damage = rest.pop()) {
      const directory = restored(damage.image);
      try {
        const first = await verdict(directory);
        counts[first] += 1;
        // LevelDB repairs its own files as it opens them: what it dropped must be missed again.
        if (first === 'refused' || damage.file.startsWith('log/')) {
          equal(await verdict(directory), first, 'the second start says the same');
        }
      } catch (error) {
        losses.push(`${damage.what}: ${String(error)}`);
      }
      rmSync(directory, { recursive: true, force: true });
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
  deepEqual(losses, []);
  return `${cases.length} cases: ${counts.whole} opened with all data, ${counts.refused} refused`;
}

/** Whole with everything that was acknowledged, or refused with an error that names a file. */
async function verdict(directory: string): Promise<'whole' | 'refused'> {
  try {
    await opened(directory);
    return 'whole';
  } catch (error) {
    if (!QuorateError.is(error)) throw error;
    equal(error.code, 'ERR_CORRUPT');
    ok(error.message.includes(`${directory}/`), 'the error names a file');
    ok(!error.message.includes('\n'), 'the error is one line');
    return 'refused';
  }
}

/** Opens a directory and expects in it what `writeSmallDirectory` wrote. */
async function opened(directory: string): Promise<void> {
  const logger = new CapturingLogger();
  const engine = levelStorage(directory);
  try {
    const identity = await engine.open({ ...storageContext(), logger });
    deepEqual(identity, IDENTITY);
    const { log, state, snapshots } = engine.group(GROUP);
    deepEqual(await state.load(), STATE);
    const { compacted, entries } = await log.open();
    deepEqual(compacted, { index: 0, term: 0 });
    deepEqual(
      entries.map(({ packed }) => [...packed]),
      ENTRIES.map(({ packed }) => [...packed]),
    );
    const listed = await snapshots.list();
    const isReported = logger.lines.some(
      ({ fields }) => fields['event'] === 'storage.snapshotDamaged',
    );
    if (listed.length === 0)
      ok(isReported || !hasSnapshot(directory), 'a damaged snapshot is reported');
  } finally {
    await engine.close();
  }
}

function hasSnapshot(directory: string): boolean {
  const folder = join(directory, 'groups', GROUP, 'snapshots');
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.snap'));
}

async function failure(call: Promise<unknown>): Promise<QuorateError> {
  try {
    await call;
  } catch (error) {
    if (QuorateError.is(error)) return error;
    throw error;
  }
  throw new Error('the call did not fail');
}

async function cleanImage(directory: string): Promise<Image> {
  await (await writeSmallDirectory(directory)).close();
  return imageOf(directory);
}

async function killedImage(directory: string): Promise<Image> {
  await kill(await idleProcess(directory));
  return imageOf(directory);
}

async function idleProcess(directory: string): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'small-directory.js');
  const child = spawn(process.execPath, [program, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  ok(child.stdout);
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  const [, signal] = await once(child, 'exit');
  equal(signal, 'SIGKILL');
}

function imageOf(directory: string): Image {
  const image = new Map<string, Uint8Array>();
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (statSync(path).isFile()) image.set(name, readFileSync(path));
  }
  return image;
}

function restored(image: Image): string {
  const directory = fresh();
  for (const [name, bytes] of image) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), bytes);
  }
  return directory;
}

function flipped(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ 0xff;
  return copy;
}

function replaced(image: Image, file: string, bytes: Uint8Array): Image {
  return new Map([...image, [file, bytes]]);
}

function without(image: Image, isLost: (file: string) => boolean): Image {
  return new Map([...image].filter(([file]) => !isLost(file)));
}
