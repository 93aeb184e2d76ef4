import { deepEqual, equal, notEqual, rejects } from 'node:assert/strict';
import { packEntries } from '../base/index.js';
import type { StorageEngine } from '../interfaces/index.js';
import { type EngineFixture, SUITE_IDENTITY, storageContext } from './storage-ports.js';
import type { SuiteTest } from './suite.js';

export interface StorageEngineSuite extends EngineFixture {
  readonly name: string;
  readonly test: SuiteTest;
}

/** Checks the contract of `StorageEngine`. The ports of a group have suites of their own. */
export function storageEngineSuite({ name, test, create, reopen }: StorageEngineSuite): void {
  const it = (behaviour: string, body: () => Promise<void>): unknown =>
    test(`${name}: ${behaviour}`, body);

  it('storage that was never written has no identity', async () => {
    const engine = await create();
    equal(await engine.open(storageContext()), null);
    await engine.close();
    const next = await reopen(engine);
    equal(await next.open(storageContext()), null);
    await next.close();
  });

  it('keeps the identity, and takes a cluster id once', async () => {
    const engine = await opened(await create());
    await engine.initialise({ ...SUITE_IDENTITY, clusterId: '00000000000000aa' });
    await rejects(engine.initialise({ ...SUITE_IDENTITY, clusterId: '00000000000000bb' }), {
      code: 'ERR_WRONG_CLUSTER',
    });
    await engine.close();
    const next = await reopen(engine);
    deepEqual(await next.open(storageContext()), {
      ...SUITE_IDENTITY,
      clusterId: '00000000000000aa',
    });
    await next.initialise({ ...SUITE_IDENTITY, clusterId: '00000000000000aa' });
    await next.close();
  });

  it('another node or incarnation is ERR_WRONG_CLUSTER and changes nothing', async () => {
    const engine = await opened(await create());
    const others = [{ nodeId: 'n2' }, { incarnation: 'ffffffffffffffff' }];
    for (const other of others) {
      await rejects(engine.initialise({ ...SUITE_IDENTITY, ...other }), {
        code: 'ERR_WRONG_CLUSTER',
      });
    }
    await engine.close();
    const next = await reopen(engine);
    deepEqual(await next.open(storageContext()), SUITE_IDENTITY);
    await next.close();
  });

  it('takes another identity only from one that names the cluster that is stored', async () => {
    const engine = await opened(await create());
    const old = { ...SUITE_IDENTITY, clusterId: '00000000000000aa' };
    const next = { nodeId: 'n1', incarnation: 'f'.repeat(16), clusterId: '00000000000000bb' };
    const recovering = { ...next, formerClusterId: old.clusterId };
    await engine.initialise(old);
    const wrong = [
      next,
      { ...recovering, formerClusterId: '00000000000000cc' },
      { ...recovering, nodeId: 'n2' },
      { ...recovering, clusterId: old.clusterId },
      { ...recovering, clusterId: null },
    ];
    for (const identity of wrong) {
      await rejects(engine.initialise(identity), { code: 'ERR_WRONG_CLUSTER' });
    }
    await engine.initialise(recovering);
    await rejects(engine.initialise(old), { code: 'ERR_WRONG_CLUSTER' });
    await engine.close();
    const reopened = await reopen(engine);
    deepEqual(await reopened.open(storageContext()), recovering);
    await reopened.initialise(next);
    await rejects(reopened.initialise(recovering), { code: 'ERR_WRONG_CLUSTER' });
    await reopened.close();
    const last = await reopen(reopened);
    deepEqual(await last.open(storageContext()), next);
    await last.close();
  });

  it('a second engine on the same data is ERR_LOCKED until the first is closed', async () => {
    const engine = await opened(await create());
    const second = await reopen(engine);
    await rejects(second.open(storageContext()), { code: 'ERR_LOCKED' });
    await second.close();
    await engine.group('default').state.load();
    await engine.close();
    const third = await reopen(engine);
    deepEqual(await third.open(storageContext()), SUITE_IDENTITY);
    await third.close();
  });

  it('gives the same object for the same group, and groups do not see each other', async () => {
    const engine = await opened(await create());
    const names = ['a', 'A', 'a.b', '..', '-', 'z'.repeat(64)];
    for (const [at, name] of names.entries()) {
      const group = engine.group(name);
      equal(engine.group(name), group);
      deepEqual((await group.log.open()).entries, []);
      equal(await group.state.load(), null);
      await group.state.save({ term: at + 1, votedFor: name });
      await group.log.append(oneEntry(name, at + 1));
      await (await group.snapshots.create({ ...SNAPSHOT, index: at + 1 })).commit();
    }
    notEqual(engine.group('a'), engine.group('A'));
    await engine.close();
    const next = await reopen(engine);
    await next.open(storageContext());
    deepEqual(await next.groups(), [...names].sort());
    for (const [at, name] of names.entries()) {
      const group = next.group(name);
      const { entries } = await group.log.open();
      deepEqual(
        entries.map((entry) => [entry.group, entry.term]),
        [[name, at + 1]],
      );
      deepEqual(await group.state.load(), { term: at + 1, votedFor: name });
      deepEqual(
        (await group.snapshots.list()).map(({ index }) => index),
        [at + 1],
      );
    }
    await next.close();
  });

  it('groups write at the same time', async () => {
    const engine = await opened(await create());
    const names = Array.from({ length: 20 }, (_, at) => `g${at}`);
    await Promise.all(names.map((name) => engine.group(name).log.open()));
    await Promise.all(
      names.map((name) => engine.group(name).state.save({ term: 1, votedFor: null })),
    );
    await Promise.all(names.map((name) => engine.group(name).log.append(oneEntry(name, 1))));
    await engine.close();
    const next = await reopen(engine);
    await next.open(storageContext());
    for (const name of names) equal((await next.group(name).log.open()).entries.length, 1);
    await next.close();
  });

  it('close waits for calls under way, and may be called twice', async () => {
    const engine = await opened(await create());
    const { log, state } = engine.group('default');
    await log.open();
    await state.load();
    const calls = Promise.all([
      log.append(oneEntry('default', 1)),
      state.save({ term: 1, votedFor: null }),
    ]);
    await Promise.all([engine.close(), engine.close()]);
    await calls;
    await engine.close();
    await rejects(state.save({ term: 2, votedFor: null }), { code: 'ERR_CLOSED' });
    await rejects(log.append(oneEntry('default', 2)), { code: 'ERR_CLOSED' });
  });

  it('close waits for a snapshot that is being committed, and ends one that is being written', async () => {
    const engine = await opened(await create());
    const { snapshots } = engine.group('default');
    const first = await snapshots.create({ ...SNAPSHOT, index: 1 });
    await first.write(new Uint8Array(100_000));
    const second = await snapshots.create({ ...SNAPSHOT, index: 2 });
    let isCommitted = false;
    const commit = first.commit().then(() => {
      isCommitted = true;
    });
    await engine.close();
    equal(isCommitted, true);
    await commit;
    await rejects(second.write(new Uint8Array(1)), { code: 'ERR_CLOSED' });
    await rejects(second.commit(), { code: 'ERR_CLOSED' });
    await second.abort();
    const next = await reopen(engine);
    await next.open(storageContext());
    const found = await next.group('default').snapshots.list();
    deepEqual(
      found.map(({ index }) => index),
      [1],
    );
    await next.close();
  });

  it('a closed engine may be opened again', async () => {
    const engine = await opened(await create());
    const { state } = engine.group('default');
    await state.load();
    await state.save({ term: 9, votedFor: 'n1' });
    await engine.close();
    deepEqual(await engine.open(storageContext()), SUITE_IDENTITY);
    deepEqual(await engine.group('default').state.load(), { term: 9, votedFor: 'n1' });
    await engine.close();
  });

  it('an engine that is closed while it opens has let go of the data', async () => {
    const engine = await create();
    const opening = engine.open(storageContext()).catch(() => null);
    await engine.close();
    const next = await reopen(engine);
    equal(await next.open(storageContext()), null);
    await next.close();
    await opening;
  });

  it('an engine that was never opened may be closed', async () => {
    await (await create()).close();
  });
}

const SNAPSHOT = { index: 1, term: 1, configuration: new Uint8Array(0), logTimeMs: 0 };

async function opened(engine: StorageEngine): Promise<StorageEngine> {
  await engine.open(storageContext());
  await engine.initialise(SUITE_IDENTITY);
  return engine;
}

function oneEntry(group: string, term: number): ReturnType<typeof packEntries> {
  const payload = new Uint8Array([1, 2, 3]);
  const drafts = [{ kind: 'command' as const, commandVersion: 1, payload }];
  return packEntries({ group, term, firstIndex: 1, logTimeMs: 0 }, drafts);
}
