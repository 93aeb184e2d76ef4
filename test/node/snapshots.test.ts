import { type Test, test } from 'tap';
import { packEntries, QuorateError } from '../../lib/base/index.js';
import { EmitterEventBus } from '../../lib/events/index.js';
import type {
  SnapshotDescription,
  SnapshotReader,
  SnapshotStorage,
  StateMachine,
} from '../../lib/interfaces/index.js';
import { KVStateMachine } from '../../lib/kv/kv-state-machine.js';
import { Applier } from '../../lib/node/applier.js';
import { loadGroup } from '../../lib/node/loaded-group.js';
import { type Pull, SnapshotFetcher, SnapshotServer } from '../../lib/node/snapshot-transfer.js';
import { restoreFrom, Snapshots } from '../../lib/node/snapshots.js';
import { MemoryMetrics, silentLogger } from '../../lib/observe/index.js';
import { encodeConfiguration, NO_CONFIGURATION } from '../../lib/raft/index.js';
import { openTestCluster, type TestCluster, type TestNode } from '../../lib/testing/index.js';
import { VirtualTime } from '../../lib/testing/test-time.js';
import { SystemClock } from '../../lib/timing/index.js';
import type { SnapshotChunk, SnapshotRequest } from '../../lib/wire/index.js';
import { memoryDisk, memoryStorage } from '../../storage/memory/index.js';
import { EchoMachine } from './group-rig.js';

const LIMITS = { snapshotEntries: 40, trailingEntries: 5 };

test('a member that was down across compaction catches up by a snapshot', async (t) => {
  const { cluster, installed } = await open(t, 1);
  const down = await follower(cluster);
  await cluster.crash(down.id);
  await puts(cluster, 0, 200);
  await cluster.restart(down.id);
  await puts(cluster, 200, 10);
  await cluster.settle();
  t.equal(installed.length, 1, 'one snapshot is enough');
  await sameState(t, cluster, 210);
  const { log, snapshots } = await stored(cluster, down);
  t.ok(snapshots.length <= 2);
  t.ok(log.compacted.index >= at(snapshots, snapshots.length - 1).index);
});

test('a snapshot that is installed is restored a chunk a turn, however fast it is read', async (t) => {
  const bytes = new Uint8Array(500_000).fill(7);
  const configuration = new Uint8Array(1);
  const sizeBytes = bytes.length;
  const reader: SnapshotReader = {
    description: { id: 's', index: 9, term: 2, logTimeMs: 70, configuration, sizeBytes },
    read: async (offset, maxBytes) => bytes.subarray(offset, offset + maxBytes),
    close: async () => {},
  };
  let turn = 0;
  const perTurn: number[] = [];
  const { apply, query, snapshot } = new EchoMachine();
  const machine: StateMachine = {
    apply,
    query,
    snapshot,
    restore: async (chunks) => {
      for await (const chunk of chunks) perTurn[turn] = (perTurn[turn] ?? 0) + chunk.length;
    },
  };
  class Turns extends SystemClock {
    override soon(fn: () => void): void {
      super.soon(() => {
        turn += 1;
        fn();
      });
    }
  }
  const storage = { open: async () => reader };
  await restoreFrom(storage, 's', machine, new Turns());
  t.equal(
    perTurn.reduce((sum, size) => sum + size, 0),
    sizeBytes,
  );
  t.ok(Math.max(...perTurn) <= 64 * 1024, `${perTurn} bytes a turn`);
});

test('two snapshots are kept, and the log reaches back to the older', async (t) => {
  const { cluster, created } = await open(t, 2);
  await puts(cluster, 0, 200);
  await cluster.settle();
  await cluster.elapse(1000);
  for (const node of cluster.nodes) {
    const { log, snapshots } = await stored(cluster, node);
    t.equal(snapshots.length, 2);
    t.equal(log.compacted.index, at(snapshots, 1).index);
    t.ok(created.filter(({ nodeId }) => nodeId === node.id).length > 3, 'older ones are removed');
  }
});

test('all members start again from their snapshots', async (t) => {
  const { cluster } = await open(t, 3);
  await puts(cluster, 0, 200);
  await cluster.settle();
  for (const node of cluster.nodes) await cluster.crash(node.id);
  for (const node of cluster.nodes) await cluster.restart(node.id);
  await cluster.leader();
  await puts(cluster, 200, 50);
  await cluster.settle();
  await sameState(t, cluster, 250);
});

for (const [name, match] of [
  ['the snapshot is written', { kind: 'snapshot' }],
  ['the log is emptied', { kind: 'reset' }],
  ['the log goes on', { kind: 'append' }],
] as const) {
  for (const isKept of [false, true]) {
    const what = isKept ? 'reached the disk' : 'is lost';
    test(`a crash while ${name} that ${what} leads to the same state (schedule D2, fault A9)`, async (t) => {
      const { cluster } = await open(t, `${name} ${isKept}`);
      const down = await follower(cluster);
      await cluster.crash(down.id);
      await puts(cluster, 0, 200);
      const hold = down.disk.hold(match);
      await cluster.restart(down.id);
      await puts(cluster, 200, 10);
      for (let i = 0; hold.waiting.length === 0 && i < 1000; i += 1) await cluster.elapse(5);
      t.equal(hold.waiting.length, 1);
      down.disk.crash({ keep: () => (isKept ? 1 : 0) });
      hold.release();
      await cluster.crash(down.id);
      await cluster.restart(down.id);
      await puts(cluster, 210, 10);
      await cluster.settle();
      await sameState(t, cluster, 220);
    });
  }
}

test('the leader is lost while a member receives its snapshot, and the next one sends its own', async (t) => {
  const { cluster } = await open(t, 5);
  const down = await follower(cluster);
  await cluster.crash(down.id);
  await puts(cluster, 0, 200);
  const leader = await cluster.leader();
  const hold = down.disk.hold({ kind: 'snapshot' });
  await cluster.restart(down.id);
  for (let i = 0; hold.waiting.length === 0 && i < 1000; i += 1) await cluster.elapse(5);
  cluster.split([[leader.id]]);
  hold.release();
  await cluster.elapse(500);
  cluster.heal();
  await puts(cluster, 200, 20);
  await cluster.settle();
  await sameState(t, cluster, 220);
});

test('a start on what is stored', async (t) => {
  t.test('takes the older snapshot when the newest is damaged (fault B15)', async (t) => {
    const { cluster } = await open(t, 6);
    await puts(cluster, 0, 100);
    await cluster.settle();
    const node = at(cluster.nodes, 0);
    const { storage, snapshots } = await stored(cluster, node);
    t.equal(snapshots.length, 2);
    const machine = new KVStateMachine();
    const damaged = { ...storage, snapshots: without(storage.snapshots, at(snapshots, 0).id) };
    const { loaded } = await cluster.run(loadGroup('default', damaged, machine));
    t.equal(loaded.snapshot?.id, at(snapshots, 1).id);
    t.equal(loaded.compacted.index, at(snapshots, 1).index, 'and the log goes on from there');
    t.ok((loaded.entries.at(-1)?.index ?? 0) > at(snapshots, 0).index);
  });

  t.test('refuses a gap between snapshot and log (schedule D14)', async (t) => {
    const { cluster } = await open(t, 7);
    await puts(cluster, 0, 100);
    await cluster.settle();
    const { storage } = await stored(cluster, at(cluster.nodes, 0));
    const none: SnapshotStorage = { ...delegate(storage.snapshots), list: async () => [] };
    const load = loadGroup('default', { ...storage, snapshots: none }, new KVStateMachine());
    await t.rejects(cluster.run(load), { code: 'ERR_CORRUPT', message: /no usable snapshot/ });
  });
});

test('a start finishes an install that a crash cut short (schedule D2, fault A9)', async (t) => {
  const { engine, run, disk } = await memoryEngine();
  const { state, log, snapshots } = engine.group('g');
  await run(state.save({ term: 2, votedFor: null }));
  await run(log.open());
  const draft = { kind: 'noop', commandVersion: 0, payload: new Uint8Array(0) } as const;
  await run(
    log.append(packEntries({ group: 'g', term: 1, firstIndex: 1, logTimeMs: 0 }, [draft, draft])),
  );
  const configuration = encodeConfiguration(NO_CONFIGURATION);
  const writer = await run(snapshots.create({ index: 9, term: 2, logTimeMs: 70, configuration }));
  const { id } = await run(writer.commit());
  disk.crash();
  const again = await memoryEngine(disk);
  const load = loadGroup('g', again.engine.group('g'), new EchoMachine());
  const { loaded } = await again.run(load);
  t.same(loaded.compacted, { index: 9, term: 2, logTimeMs: 70 });
  t.same(loaded.snapshot, { id, index: 9, term: 2 });
  t.same(loaded.entries, [], 'the log that it replaces is gone');
  disk.crash();
  const third = await memoryEngine(disk);
  const found = await third.run(third.engine.group('g').log.open());
  t.same(found.compacted, { index: 9, term: 2 }, 'on disk as well');
});

test('a start passes over a snapshot of a term that was never stored', async (t) => {
  const { engine, run, disk } = await memoryEngine();
  const { state, log, snapshots } = engine.group('g');
  await run(state.save({ term: 1, votedFor: null }));
  await run(log.open());
  const draft = { kind: 'noop', commandVersion: 0, payload: new Uint8Array(0) } as const;
  await run(log.append(packEntries({ group: 'g', term: 1, firstIndex: 1, logTimeMs: 0 }, [draft])));
  const configuration = encodeConfiguration(NO_CONFIGURATION);
  const writer = await run(snapshots.create({ index: 9, term: 2, logTimeMs: 70, configuration }));
  const { id } = await run(writer.commit());
  disk.crash();
  const again = await memoryEngine(disk);
  const found = await again.run(loadGroup('g', again.engine.group('g'), new EchoMachine()));
  t.same(found.loaded.entries.length, 1, 'the log stays as it is');
  t.equal(found.loaded.snapshot, null);
  t.same(found.unusable, [id]);
});

test('nothing is applied while a snapshot takes the place of what waits (schedule D6)', async (t) => {
  const machine = new EchoMachine();
  const applier = new Applier({ machine, clock: new VirtualTime().clock, onApplied: () => {} });
  const command = (index: number) =>
    packEntries({ group: 'g', term: 1, firstIndex: index, logTimeMs: 0 }, [
      { kind: 'command', commandVersion: 0, payload: new Uint8Array([65]) },
    ]);
  applier.add(command(1));
  applier.hold();
  applier.add(command(5));
  t.equal(applier.run(), null);
  t.same(machine.applied, []);
  applier.release();
  t.equal(applier.run(), 5);
  t.same(machine.applied, ['5 A'], 'what the snapshot covers is not applied again');
});

test('a snapshot holds what its index says, whatever is applied meanwhile (schedule D15)', async (t) => {
  const { cluster } = await open(t, 8);
  await puts(cluster, 0, 120);
  await cluster.settle();
  const { storage, snapshots } = await stored(cluster, at(cluster.nodes, 0));
  t.ok(snapshots.length > 0);
  const machine = new KVStateMachine();
  const { loaded } = await cluster.run(loadGroup('default', storage, machine));
  const revision = machine.machine.revision;
  const rest = loaded.entries.filter(
    ({ index, kind }) => index > (loaded.snapshot?.index ?? 0) && kind === 'command',
  );
  t.equal(revision + rest.length, 120, 'what follows in the log is all that is missing');
});

test('a full disk aborts the snapshot and nothing else (fault B10, schedule F5)', async (t) => {
  const ended: string[] = [];
  let isFull = true;
  const storage: SnapshotStorage = {
    ...delegate(null),
    list: async () => [],
    create: async (draft) => ({
      write: async () => {
        if (isFull) throw new QuorateError('ERR_STORAGE', { message: 'ENOSPC' });
      },
      commit: async () => ({ ...draft, id: 's', sizeBytes: 1 }),
      abort: async () => {
        ended.push(`abort ${draft.index}`);
      },
    }),
  };
  const { take, taken, time, snapshots } = taking(storage, new VirtualTime());
  await take(9);
  await take(10);
  t.same([ended, taken], [['abort 10'], []]);
  isFull = false;
  await take(11);
  t.same(taken, [], 'it is not tried again at once');
  await time.elapse(10_000);
  await take(11);
  t.same(taken, [11]);
  await snapshots.stop();
});

test('old snapshots are removed', async (t) => {
  const begun = async (unusable: readonly number[] = []) => {
    const { engine, run, time } = await memoryEngine();
    const storage = engine.group('g').snapshots;
    const left: string[] = [];
    for (const index of unusable) {
      const draft = { index, term: 9, logTimeMs: 0, configuration: new Uint8Array(0) };
      left.push((await run((await run(storage.create(draft))).commit())).id);
    }
    const stored = async (): Promise<readonly number[]> =>
      (await run(storage.list())).map(({ index }) => index);
    return { ...taking(storage, time, left), stored };
  };

  t.test('but for those that members receive, which keep none from being taken', async (t) => {
    const { take, snapshots, offered, stored } = await begun();
    await take(10);
    offered.add(at(snapshots.kept, 0).id);
    for (const index of [20, 30, 40, 50]) await take(index);
    t.same(await stored(), [50, 40, 10]);
    offered.clear();
    await take(51);
    t.same(await stored(), [50, 40]);
  });

  t.test('a damaged one not before another is durable (fault B15)', async (t) => {
    const { take, snapshots, stored, replaced } = await begun();
    await take(10);
    const damaged = at(snapshots.kept, 0);
    snapshots.lose(damaged, new QuorateError('ERR_CORRUPT', { message: 'it is damaged' }));
    snapshots.lose(damaged, new QuorateError('ERR_CORRUPT', { message: 'it is damaged' }));
    t.same(snapshots.kept, []);
    t.same(await stored(), [10]);
    await take(11);
    t.same(replaced, [damaged.id]);
    t.same(await stored(), [11]);
  });

  t.test(
    'whoever receives a damaged one is sent a later one that is there, though nobody writes',
    async (t) => {
      const { take, snapshots, replaced } = await begun();
      await take(10);
      await take(20);
      const [newest, older] = [at(snapshots.kept, 0), at(snapshots.kept, 1)];
      snapshots.lose(older, new QuorateError('ERR_CORRUPT', { message: 'it is damaged' }));
      t.same(replaced, [older.id]);
      snapshots.lose(newest, new QuorateError('ERR_CORRUPT', { message: 'it is damaged' }));
      t.same(replaced, [older.id], 'there is none yet');
    },
  );

  t.test('one that a start could not go on from not before another is durable', async (t) => {
    const { take, stored } = await begun([70]);
    await take(9);
    t.same(await stored(), [70]);
    await take(10);
    await take(11);
    t.same(await stored(), [10]);
  });
});

test('the chunks of a snapshot', async (t) => {
  const chunks = new Map<string, Uint8Array>([
    ['a', new Uint8Array(150_000).fill(1)],
    ['b', new Uint8Array(150_000).fill(2)],
  ]);
  const reference = (id: string) => ({ id, index: 10, term: 1 });

  t.test('go on where a lost connection stopped them (schedule D9)', async (t) => {
    const world = await transfer(chunks);
    world.failOnce('n1 a 65536', 'ERR_UNREACHABLE');
    world.fetcher.offer('n1', reference('a'));
    await world.time.elapse(10);
    t.equal(world.fetcher.progress?.offset, 65_536);
    world.fetcher.offer('n1', reference('a'));
    world.fetcher.offer('n1', reference('a'));
    await world.time.elapse(10);
    t.same(world.asked, [
      ...['n1 a 0', 'n1 a 65536', 'n1 a 131072'],
      ...['n1 a 65536', 'n1 a 131072'],
    ]);
    sameBytes(t, await world.contents(), chunks.get('a'));
  });

  t.test(
    'begin anew for another snapshot or leader, and are never mixed (schedule D9)',
    async (t) => {
      const world = await transfer(chunks);
      world.failOnce('n1 a 65536', 'ERR_UNREACHABLE');
      world.failOnce('n1 b 65536', 'ERR_UNREACHABLE');
      world.fetcher.offer('n1', reference('a'));
      await world.time.elapse(10);
      world.fetcher.offer('n1', reference('b'));
      await world.time.elapse(10);
      world.fetcher.offer('n2', reference('b'));
      await world.time.elapse(10);
      const offsets = [0, 65_536, 131_072];
      t.same(
        world.asked.slice(3),
        ['n1', 'n2'].flatMap((leader) => offsets.map((offset) => `${leader} b ${offset}`)),
      );
      sameBytes(t, await world.contents(), chunks.get('b'));
    },
  );

  const long = new Map([['c', new Uint8Array(40 * 65_536 + 1).map((_, i) => i >> 16)]]);

  t.test('are asked for a few at a time, and stored in their order', async (t) => {
    const world = await transfer(long);
    // The later ones of a window are the first to arrive.
    world.latencyMs = (request) => 40 - ((request * 7) % 30);
    world.fetcher.offer('n1', reference('c'));
    await world.time.elapse(100_000);
    sameBytes(t, await world.contents(), long.get('c'));
    t.equal(world.asked.length, 41, 'each of them once');
    t.equal(world.mostUnderWay, 8);
  });

  t.test('of another leader wait until those under way have come or failed', async (t) => {
    const world = await transfer(long);
    world.latencyMs = () => 40;
    world.fetcher.offer('n1', reference('c'));
    await world.time.elapse(200);
    world.fetcher.offer('n2', reference('c'));
    await world.time.elapse(100_000);
    t.equal(world.mostUnderWay, 8);
    sameBytes(t, await world.contents(), long.get('c'));
  });

  t.test('come through a line that takes seconds for each (fault D18)', async (t) => {
    const world = await transfer(long);
    world.line = 8_000;
    world.fetcher.offer('n1', reference('c'));
    // The leader offers it again with every heartbeat.
    for (let i = 0; i < 400 && world.stored === 0; i += 1) {
      await world.time.elapse(1_000);
      world.fetcher.offer('n1', reference('c'));
    }
    sameBytes(t, await world.contents(), long.get('c'));
    t.ok(world.asked.length < 41 + 10, `${world.asked.length} were asked for`);
    t.ok(world.mostUnderWay <= 2);
  });

  t.test('are asked for again from the start when one is shorter than it should be', async (t) => {
    const world = await transfer(long);
    world.shorten = true;
    world.fetcher.offer('n1', reference('c'));
    await world.time.elapse(500);
    t.equal(world.fetcher.progress, null);
    world.shorten = false;
    await world.time.elapse(1_000);
    world.fetcher.offer('n1', reference('c'));
    await world.time.elapse(1_000);
    sameBytes(t, await world.contents(), long.get('c'));
  });

  t.test('that contradict the offer are not stored', async (t) => {
    const world = await transfer(chunks);
    world.fetcher.offer('n1', { id: 'a', index: 11, term: 1 });
    await world.time.elapse(10);
    t.equal(world.fetcher.progress, null);
    t.same(await world.contents(), []);
  });

  t.test('are not sent when they are damaged (fault B15)', async (t) => {
    const lost: string[] = [];
    const metrics = new MemoryMetrics();
    const description = { ...reference('a'), logTimeMs: 0, configuration: new Uint8Array(0) };
    const snapshot: SnapshotDescription = { ...description, sizeBytes: 10 };
    const server = new SnapshotServer({
      storage: {
        ...delegate(null),
        open: async () => {
          throw new QuorateError('ERR_CORRUPT', { message: 'chunk 0 is damaged' });
        },
      },
      metrics,
      find: (id) => (id === 'a' ? snapshot : null),
      onLost: ({ id }) => lost.push(id),
    });
    const request = { group: 'g', snapshotId: 'a', offset: 0 };
    await t.rejects(server.serve(request), { code: 'ERR_COMPACTED' });
    await t.rejects(server.serve({ ...request, snapshotId: 'b' }), { code: 'ERR_COMPACTED' });
    t.same(lost, ['a']);
    t.equal(metrics.counted('quorate_snapshots_sent_total'), 0);
  });

  t.test('are counted as one snapshot that is sent', async (t) => {
    const metrics = new MemoryMetrics();
    const description = { ...reference('a'), logTimeMs: 0, configuration: new Uint8Array(0) };
    const snapshot: SnapshotDescription = { ...description, sizeBytes: 10 };
    const read = async (): Promise<Uint8Array> => new Uint8Array(5);
    const server = new SnapshotServer({
      storage: {
        ...delegate(null),
        open: async () => ({ description: snapshot, read, close: async () => {} }),
      },
      metrics,
      find: () => snapshot,
      onLost: async () => {},
    });
    for (const offset of [0, 5]) await server.serve({ group: 'g', snapshotId: 'a', offset });
    t.equal(metrics.counted('quorate_snapshots_sent_total'), 1);
  });
});

interface Events {
  readonly cluster: TestCluster;
  readonly installed: { readonly nodeId: string; readonly index: number }[];
  readonly created: { readonly nodeId: string; readonly index: number }[];
}

async function open(t: Test, seed: number | string): Promise<Events> {
  const disks = { latencyMs: 2 };
  const cluster = await openTestCluster({ time: 'virtual', seed, limits: LIMITS, disks });
  t.teardown(() => cluster.close());
  const installed: Events['installed'] = [];
  const created: Events['created'] = [];
  cluster.events.on('raft.snapshotInstalled', (event) => installed.push(event));
  cluster.events.on('raft.snapshotCreated', (event) => created.push(event));
  return { cluster, installed, created };
}

async function follower(cluster: TestCluster): Promise<TestNode> {
  const leader = await cluster.leader();
  return cluster.nodes.find((node) => node !== leader)!;
}

async function puts(cluster: TestCluster, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 10) {
    const { kv } = await cluster.leader();
    const ten = Array.from({ length: 10 }, (_, j) => kv.put(`key/${i + j}`, `value ${i + j}`));
    await cluster.run(Promise.all(ten));
  }
}

async function sameState(t: Test, cluster: TestCluster, count: number): Promise<void> {
  for (const { id, kv } of cluster.nodes) {
    const read = async (): Promise<readonly string[]> => {
      const found: string[] = [];
      for await (const { key, value } of kv.list({ consistency: 'stale' })) {
        if (value === `value ${key.slice(4)}`) found.push(key);
      }
      return found;
    };
    t.equal((await cluster.run(read())).length, count, `${id} holds everything`);
  }
}

/** What a node keeps, once it has crashed. */
async function stored(cluster: TestCluster, node: TestNode) {
  await cluster.crash(node.id);
  const engine = memoryStorage({ disk: node.disk });
  await cluster.run(engine.open({ clock: cluster.clock, logger: silentLogger }));
  const storage = engine.group('default');
  const snapshots = await cluster.run(storage.snapshots.list());
  const log = await cluster.run(storage.log.open());
  const state = await cluster.run(storage.state.load());
  // The log is opened once: whoever loads the group after this is given what was found.
  const opened = { ...delegateLog(storage.log), open: async () => log };
  return {
    snapshots,
    log,
    storage: {
      log: opened,
      snapshots: storage.snapshots,
      state: { load: async () => state, save: async () => {} },
    },
  };
}

type LogStorage = ReturnType<ReturnType<typeof memoryStorage>['group']>['log'];

function delegateLog(log: LogStorage): LogStorage {
  return {
    open: () => log.open(),
    append: (entries) => log.append(entries),
    compact: (index, term) => log.compact(index, term),
    reset: (index, term) => log.reset(index, term),
  };
}

function delegate(storage: SnapshotStorage | null): SnapshotStorage {
  return {
    create: (draft) => storage!.create(draft),
    list: () => storage!.list(),
    open: (id) => storage!.open(id),
    remove: (id) => storage!.remove(id),
  };
}

/** The same storage, in which the bytes of one snapshot are damaged. */
function without(storage: SnapshotStorage, id: string): SnapshotStorage {
  return {
    ...delegate(storage),
    open: async (asked) => {
      if (asked !== id) return storage.open(asked);
      throw new QuorateError('ERR_CORRUPT', { message: 'chunk 0 of the snapshot is damaged' });
    },
  };
}

/** An engine of node n3 in memory. `disk` is one that was written before. */
async function memoryEngine(disk = memoryDisk()) {
  const time = new VirtualTime();
  const { clock } = time;
  const engine = memoryStorage({ disk });
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    work.then(() => {
      isOver = true;
    });
    await time.until(() => isOver, 1000);
    return await work;
  };
  const identity = await run(engine.open({ clock, logger: silentLogger }));
  const own = { nodeId: 'n3', incarnation: 'c'.repeat(16), clusterId: null };
  if (identity === null) await run(engine.initialise(own));
  return { time, engine, run, disk };
}

/** Takes snapshots of an empty store, every ten entries. */
function taking(storage: SnapshotStorage, time: VirtualTime, unusable: readonly string[] = []) {
  const taken: number[] = [];
  const replaced: string[] = [];
  const offered = new Set<string>();
  const snapshots = new Snapshots({
    storage,
    machine: new KVStateMachine(),
    clock: time.clock,
    logger: silentLogger,
    events: new EmitterEventBus({ onListenerError: () => {}, onUnobservedFault: () => {} }),
    origin: { nodeId: 'n1', group: 'g' },
    found: [],
    unusable,
    limits: { snapshotEntries: 10, snapshotBytes: 1000, maxLogBytes: 1000 },
    offered: () => offered,
    onTaken: ({ index }) => taken.push(index),
    onReplaced: (ids) => replaced.push(...ids),
    onRemove: async () => {},
    compact: () => {},
  });
  const take = async (index: number): Promise<void> => {
    const place = { index, term: 1, logTimeMs: 0, configuration: NO_CONFIGURATION };
    snapshots.takeIfDue(0, index, () => place);
    await time.elapse(10);
  };
  return { snapshots, take, taken, replaced, offered, time };
}

/** A fetcher into a storage in memory, from peers that hold `snapshots`. */
async function transfer(snapshots: ReadonlyMap<string, Uint8Array>) {
  const { time, engine, run } = await memoryEngine();
  const { clock } = time;
  const storage = engine.group('g').snapshots;
  const failures = new Map<string, 'ERR_UNREACHABLE'>();
  let underWay = 0;
  let lineFreeMs = 0;
  const after = (ms: number): Promise<void> =>
    new Promise((resolve) => clock.after(ms, () => resolve()));
  const world = {
    time,
    asked: [] as string[],
    /** Requests that were not answered, at most. */
    mostUnderWay: 0,
    stored: 0,
    latencyMs: (_request: number): number => 0,
    /** How long the line to this node is busy with one chunk. */
    line: 0,
    shorten: false,
    failOnce: (request: string, code: 'ERR_UNREACHABLE') => failures.set(request, code),
  };
  const answer = async (request: SnapshotRequest): Promise<SnapshotChunk> => {
    const { snapshotId, offset } = request;
    lineFreeMs = Math.max(lineFreeMs, clock.now()) + world.line;
    await after(world.latencyMs(world.asked.length) + lineFreeMs - clock.now());
    const bytes = snapshots.get(snapshotId)!;
    const content = bytes.slice(offset, offset + (world.shorten ? 1000 : 65_536));
    const configuration = encodeConfiguration(NO_CONFIGURATION);
    return { index: 10, term: 1, logTimeMs: 0, configuration, sizeBytes: bytes.length, content };
  };
  const pull: Pull = async (from, request, timeoutMs) => {
    const name = `${from} ${request.snapshotId} ${request.offset}`;
    const code = failures.get(name);
    failures.delete(name);
    world.asked.push(name);
    if (code !== undefined) throw new QuorateError(code, { message: 'the connection was lost' });
    underWay += 1;
    world.mostUnderWay = Math.max(world.mostUnderWay, underWay);
    const late = after(timeoutMs).then((): never => {
      throw new QuorateError('ERR_TIMEOUT', { message: 'no answer in time' });
    });
    late.catch(() => {});
    try {
      return await Promise.race([answer(request), late]);
    } finally {
      underWay -= 1;
    }
  };
  const fetcher = new SnapshotFetcher({
    group: 'g',
    storage,
    logger: silentLogger,
    clock,
    pull,
    onFetched: () => {
      world.stored += 1;
    },
  });
  const contents = async (): Promise<readonly Uint8Array[]> => {
    const found = await run(storage.list());
    const readers = await run(Promise.all(found.map(({ id }) => storage.open(id))));
    return run(Promise.all(readers.map((reader) => reader.read(0, 10_000_000))));
  };
  return Object.assign(world, { fetcher, contents });
}

/** Byte by byte, which a comparison of values does far more slowly. */
function sameBytes(t: Test, found: readonly Uint8Array[], expected: Uint8Array | undefined): void {
  t.equal(found.length, 1);
  t.ok(Buffer.compare(at(found, 0), expected!) === 0, 'what is stored is what was sent');
}

function at<T>(list: readonly T[], position: number): T {
  return list[position]!;
}
