import { deepEqual, equal, ok } from 'node:assert/strict';
import t from 'tap';
import { BLOCK_BYTES } from '../../storage/wal/portions.js';
import { CrashingFiles, type CutWrite, type Remains } from './crashing-files.js';
import { scratch } from './scratch.js';
import { expectations, HISTORY, openHistory, perform, performCall } from './wal-history.js';

const { fresh, remove } = scratch();
t.teardown(remove);
t.setTimeout(180_000);

// The lock is of the real file system; all else is in memory.
const directory = fresh();
const expected = expectations(HISTORY);

t.test('the history uses what a log can do', async () => {
  const files = new CrashingFiles();
  const { engine } = await openHistory(directory, { files });
  const before = HISTORY.findIndex((step) => step.some(({ kind }) => kind === 'reset'));
  equal(await perform(engine, HISTORY.slice(0, before)), before);
  const first = async (): Promise<number> => {
    await settled();
    const names = await files.list(`${directory}/log`);
    return Number(names.find((name) => name.endsWith('.wal'))?.slice(0, 16));
  };
  // The group that lags had entries in the first segment, and has them still.
  const moved = await first();
  ok(moved > 1, 'what keeps the first segment is moved forward');
  equal(await perform(engine, HISTORY.slice(before)), HISTORY.length - before);
  ok((await first()) > moved, 'segments that nobody needs are gone');
  await engine.close();
  const disk = files.afterPowerCut('all');
  const { engine: next, found } = await openHistory(directory, { files: disk });
  deepEqual(found, expected.at(-1));
  await next.close();
});

t.test(
  'after a crash at any call, a start finds what was acknowledged, or that and the write under way (schedules A2, A3, F8)',
  async (t) => {
    let calls = 0;
    for (let isDone = false; !isDone; calls += 1) {
      const run = await crashed(calls, null);
      isDone = run.done === HISTORY.length;
      for (const remains of ['nothing', 'half', 'all'] as const) await expectFound(run, remains);
    }
    t.comment(`${calls} calls`);
  },
);

// Every byte of every write is torn in `npm run wal-table`.
t.test('a write torn at a few bytes is found whole or not at all (fault B1)', async (t) => {
  let torn = 0;
  for (const { calls, cutWrite } of await logWrites()) {
    for (const keptBytes of [1, 63, 64, cutWrite.sizeBytes - 1]) {
      await expectFound(await crashed(calls, keptBytes), 'all');
      torn += 1;
    }
  }
  t.comment(`${torn} torn writes`);
});

t.test(
  'a start that is cut short while it removes what is left of a write can be made again (fault B1)',
  async (t) => {
    const writes = (await logWrites()).map((one) => ({ ...one, bytes: one.cutWrite.sizeBytes }));
    const long = writes.find(({ bytes }) => bytes > 2 * BLOCK_BYTES)!;
    const short = writes.find(({ bytes }) => 700 < bytes && bytes < 4000)!;
    const cases = [
      // Its first block is there, and part of the second.
      { ...long, there: 5000, kept: [0, 500, 3000, 4050, 4090, 4100] },
      // All but its stamp is there.
      { ...short, there: short.bytes - 1, kept: [0, 1, 2, 500] },
    ];
    let starts = 0;
    for (const { calls, there, kept } of cases) {
      const { files, done } = await crashed(calls, there);
      const possible = expected.slice(done, done + 2).map((one) => JSON.stringify(one));
      for (const keptBytes of kept) {
        for (let call = 0, hasCrashed = true; hasCrashed; call += 1) {
          const disk = files.afterPowerCut('all');
          disk.crashAfter(call, keptBytes);
          const first = openHistory(directory, { files: disk });
          await first.then(({ engine }) => engine.close()).catch(() => {});
          hasCrashed = disk.hasCrashed;
          const next = disk.afterPowerCut('all');
          const { engine, found } = await openHistory(directory, { files: next });
          ok(possible.includes(JSON.stringify(found)), `call ${call}, ${keptBytes} bytes`);
          await engine.close();
          starts += 1;
        }
      }
    }
    t.comment(`${starts} starts`);
  },
);

t.test(
  'what a failed write left to be read is stored before a start counts it (faults B5, B32)',
  async () => {
    let counted = 0;
    for (let writes = 0, isDone = false; !isDone; writes += 1) {
      const files = new CrashingFiles();
      files.failAfter(writes);
      const done = await performed(files);
      isDone = !files.hasFailed;
      // The same files: the process is another one, the system is not.
      const first = await openHistory(directory, { files });
      const possible = expected.slice(done, done + 2).map((one) => JSON.stringify(one));
      ok(possible.includes(JSON.stringify(first.found)), `write ${writes}`);
      if (JSON.stringify(first.found) !== possible[0]) counted += 1;
      const disk = files.afterPowerCut('nothing');
      await first.engine.close();
      const second = await openHistory(directory, { files: disk });
      deepEqual(second.found, first.found, `write ${writes}, after ${done} steps`);
      await second.engine.close();
    }
    ok(counted > 10, `${counted} failed writes were found`);
  },
);

interface Crashed {
  readonly files: CrashingFiles;
  readonly done: number;
  readonly cutWrite: CutWrite | null;
  readonly what: string;
}

/** The history until the power is cut, at the call after `calls` others, with `keptBytes` of a write. */
async function crashed(calls: number, keptBytes: number | null): Promise<Crashed> {
  const files = new CrashingFiles();
  files.crashAfter(calls, keptBytes);
  const done = await performed(files);
  const what = `call ${calls}, ${keptBytes} bytes, after ${done} steps`;
  return { files, done, cutWrite: files.cutWrite, what };
}

/** How many steps of the history went well before one failed. */
function performed(files: CrashingFiles): Promise<number> {
  return openHistory(directory, { files }).then(
    async ({ engine }) => {
      const count = await perform(engine, HISTORY);
      await engine.close();
      return count;
    },
    () => 0,
  );
}

/** What was acknowledged is there, perhaps with the step that was under way, and the log goes on. */
async function expectFound({ files, done, what }: Crashed, remains: Remains): Promise<void> {
  const disk = files.afterPowerCut(remains);
  const { engine, found } = await openHistory(directory, { files: disk });
  const possible = expected.slice(done, done + 2).map((one) => JSON.stringify(one));
  ok(
    possible.includes(JSON.stringify(found)),
    `${what}, ${remains} left: ${JSON.stringify(found)}`,
  );
  const term = 9;
  await performCall(engine, { kind: 'save', group: 'b', term });
  await engine.close();
  const { engine: next, found: later } = await openHistory(directory, { files: disk });
  equal(later['a'], found['a'], what);
  equal(later['b'], found['b']?.replace(/^[^;]*/, '9 n9'), what);
  await next.close();
}

/** What was begun in the background is done: it never waits for more than the files in memory. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** The writes to segments, each by the calls before it. */
async function logWrites(): Promise<readonly { calls: number; cutWrite: CutWrite }[]> {
  const writes: { calls: number; cutWrite: CutWrite }[] = [];
  for (let calls = 0; ; calls += 1) {
    const { cutWrite, done } = await crashed(calls, 0);
    if (cutWrite?.path.endsWith('.wal') === true) writes.push({ calls, cutWrite });
    if (done === HISTORY.length) return writes;
  }
}
