import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import t from 'tap';
import { type Entry, packEntries } from '../../lib/base/index.js';
import type { GroupStorage, StorageEngine } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { SUITE_IDENTITY, VirtualClock } from '../../lib/testing/index.js';
import { type MemoryDisk, memoryDisk, memoryStorage } from '../../storage/memory/index.js';

t.test('a write completes in a later turn, and one turn completes one write', async () => {
  const { clock, engine } = await started(memoryDisk());
  const done: string[] = [];
  const first = engine.group('a');
  const second = engine.group('b');
  void first.state.save({ term: 1, votedFor: null }).then(() => done.push('a'));
  void second.state.save({ term: 1, votedFor: null }).then(() => done.push('b'));
  await settled();
  deepEqual(done, []);
  const counts: number[] = [];
  while (clock.runNext()) {
    await settled();
    counts.push(done.length);
  }
  deepEqual(done, ['a', 'b']);
  for (const [at, count] of counts.entries()) ok(count - (counts[at - 1] ?? 0) <= 1);
});

t.test('a crash drops what was not durable and nothing else (schedules F1, A2)', async () => {
  const disk = memoryDisk();
  const { clock, engine } = await started(disk);
  const { log, state } = engine.group('g');
  await finished(clock, log.open());
  await finished(clock, state.save({ term: 1, votedFor: 'n1' }));
  await finished(clock, log.append(entries(1, 1, 2)));
  const saving = outcome(state.save({ term: 2, votedFor: 'n2' }));
  const appending = outcome(log.append(entries(2, 3, 2)));
  equal(disk.pending.length, 2);
  disk.crash();
  await clock.elapse(10);
  deepEqual(await Promise.all([saving, appending]), ['ERR_STORAGE', 'ERR_STORAGE']);
  equal(await finished(clock, outcome(state.load())), 'ERR_STORAGE');
  const next = await started(disk);
  const late = outcome(state.save({ term: 9, votedFor: 'n9' }));
  equal(disk.pending.length, 0);
  await clock.elapse(1);
  equal(await late, 'ERR_STORAGE');
  deepEqual(await found(next), { state: '1 n1', log: '11' });
  await finished(clock, engine.close());
});

t.test(
  'a crash may keep the beginning of an append, and of anything else all or nothing',
  async () => {
    for (const [kept, expected] of [
      [0, '11111'],
      [1, '112'],
      [3, '11222'],
      [99, '11222'],
    ] as const) {
      const disk = memoryDisk();
      const { clock, engine } = await started(disk);
      const { log, state } = engine.group('g');
      await finished(clock, log.open());
      await finished(clock, log.append(entries(1, 1, 5)));
      void outcome(log.append(entries(2, 3, 3)));
      void outcome(state.save({ term: 2, votedFor: null }));
      disk.crash({ keep: ({ kind }) => (kind === 'append' ? kept : 1) });
      deepEqual(await found(await started(disk)), { state: '2 null', log: expected });
    }
  },
);

t.test('a held write waits until it is released, and others do not wait for it', async () => {
  const disk = memoryDisk();
  const { clock, engine } = await started(disk);
  const a = engine.group('a');
  const b = engine.group('b');
  const hold = disk.hold({ kind: 'save', group: 'a' });
  const held = watch(a.state.save({ term: 1, votedFor: null }));
  const free = watch(b.state.save({ term: 1, votedFor: null }));
  await clock.elapse(100);
  deepEqual([held.isDone, free.isDone], [false, true]);
  deepEqual(
    hold.waiting.map(({ kind, group }) => [kind, group]),
    [['save', 'a']],
  );
  equal(hold.releaseFirst(), true);
  await clock.elapse(0);
  equal(held.isDone, true);
  equal(hold.releaseFirst(), false);
  const again = watch(a.state.save({ term: 2, votedFor: null }));
  await clock.elapse(0);
  equal(again.isDone, false);
  hold.release();
  hold.release();
  await clock.elapse(0);
  equal(again.isDone, true);
});

t.test('a hold catches what is under way already', async () => {
  const disk = memoryDisk();
  const { clock, engine } = await started(disk);
  const saving = watch(engine.group('g').state.save({ term: 1, votedFor: null }));
  const hold = disk.hold();
  await clock.elapse(0);
  equal(saving.isDone, false);
  hold.release();
  await clock.elapse(0);
  equal(saving.isDone, true);
});

t.test(
  'after a write that failed every call fails, whether it was stored or not (schedules A3, F8)',
  async () => {
    for (const stored of [false, true]) {
      const disk = memoryDisk();
      const { clock, engine } = await started(disk);
      const { log, state } = engine.group('g');
      await finished(clock, log.open());
      disk.failNext({ kind: 'save' }, { stored });
      await finished(clock, log.append(entries(1, 1, 1)));
      equal(await finished(clock, outcome(state.save({ term: 7, votedFor: 'n1' }))), 'ERR_STORAGE');
      equal(await finished(clock, outcome(state.save({ term: 8, votedFor: 'n1' }))), 'ERR_STORAGE');
      equal(await finished(clock, outcome(log.append(entries(8, 2, 1)))), 'ERR_STORAGE');
      equal(await finished(clock, outcome(state.load())), 'ERR_STORAGE');
      await finished(clock, engine.close());
      deepEqual(await found(await started(disk)), { state: stored ? '7 n1' : 'none', log: '1' });
    }
  },
);

t.test('latency passes by the clock of the engine', async () => {
  const disk = memoryDisk({ latencyMs: ({ kind }) => (kind === 'append' ? 30 : 5) });
  const clock = new VirtualClock();
  const { engine } = await started(disk, clock);
  const { log } = engine.group('g');
  await finished(clock, log.open());
  const appending = watch(log.append(entries(1, 1, 1)));
  await clock.elapse(29);
  equal(appending.isDone, false);
  await clock.elapse(1);
  equal(appending.isDone, true);
});

t.test('writes of one turn share a sync, and it is told how many entries they held', async () => {
  const disk = memoryDisk();
  const { clock, engine } = await started(disk);
  const groups = ['a', 'b', 'c'].map((id) => ({ id, group: engine.group(id) }));
  for (const { group } of groups) await finished(clock, group.log.open());
  const before = disk.syncCount;
  const appends = groups.map(({ id, group }) => group.log.append(entries(1, 1, 4, id)));
  await finished(clock, Promise.all(appends));
  equal(disk.syncCount, before + 1);
  equal(disk.syncedEntryCount, 12);
  equal(disk.largestSyncEntryCount, 12);
});

t.test('a disk serves one engine at a time, and a foreign object is no disk', async () => {
  const disk = memoryDisk();
  const { engine, clock } = await started(disk);
  await rejects(memoryStorage({ disk }).open({ clock, logger: silentLogger }), {
    code: 'ERR_LOCKED',
  });
  await finished(clock, engine.close());
  await started(disk);
  throws(() => memoryStorage({ disk: { ...disk } }), { code: 'ERR_CONFIG' });
});

interface Started {
  readonly clock: VirtualClock;
  readonly engine: StorageEngine;
}

async function started(disk: MemoryDisk, clock = new VirtualClock()): Promise<Started> {
  const engine = memoryStorage({ disk });
  const identity = await finished(clock, engine.open({ clock, logger: silentLogger }));
  if (identity === null) await finished(clock, engine.initialise(SUITE_IDENTITY));
  return { clock, engine };
}

/** Runs the clock until `call` settles. */
async function finished<T>(clock: VirtualClock, call: Promise<T>): Promise<T> {
  const watched = watch(call);
  while (!watched.isDone) await clock.elapse(1);
  return call;
}

function watch(call: Promise<unknown>): { readonly isDone: boolean } {
  const watched = { isDone: false };
  const finish = (): void => {
    watched.isDone = true;
  };
  call.then(finish, finish);
  return watched;
}

async function outcome(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'done',
    (error) => error.code,
  );
}

/** Term and vote, and the term of each entry. */
async function found({ clock, engine }: Started): Promise<{ state: string; log: string }> {
  const { log, state }: GroupStorage = engine.group('g');
  const saved = await finished(clock, state.load());
  const { entries: stored } = await finished(clock, log.open());
  return {
    state: saved === null ? 'none' : `${saved.term} ${saved.votedFor}`,
    log: stored.map(({ term }) => term).join(''),
  };
}

function entries(term: number, firstIndex: number, count: number, group = 'g'): Entry[] {
  const payload = new Uint8Array([term]);
  const drafts = Array.from({ length: count }, () => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload,
  }));
  return packEntries({ group, term, firstIndex, logTimeMs: 0 }, drafts);
}

function settled(): Promise<void> {
  return new Promise(setImmediate);
}
