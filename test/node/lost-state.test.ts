import { type Test, test } from 'tap';
import type { Clock, KeepingReason, StoredLog } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { openTestCluster, type TestCluster, type TestNode } from '../../lib/testing/index.js';
import { type MemoryDisk, memoryStorage } from '../../storage/memory/index.js';
import { World } from './world.js';

const LIMITS = { snapshotEntries: 40, trailingEntries: 5 };

test('a member whose snapshots are gone is one again once the leader has sent it another (schedule D14)', async (t) => {
  const cluster = await open(t, 1);
  await puts(cluster, 0, 200);
  await cluster.settle();
  const lost = await follower(cluster);
  await cluster.crash(lost.id);
  const log = await loseSnapshots(cluster, lost.disk, cluster.clock);
  t.ok(log.compacted.index > 0);
  cluster.split([[lost.id]]);
  await cluster.restart(lost.id);
  await cluster.elapse(500);
  const alone = lost.status();
  t.ok(alone.lacksState);
  t.equal(alone.role, 'follower');
  t.equal(alone.appliedIndex, 0);
  t.ok(alone.lastIndex > log.compacted.index, 'what it has of the log is still there');
  t.same(alone.kept.snapshots, []);
  const stale = lost.kv.get('key/1', { consistency: 'stale', timeoutMs: 100 });
  await t.rejects(cluster.run(stale), {
    code: 'ERR_NO_LEADER',
    message: /has lost its snapshots and waits for a leader's/,
  });
  cluster.heal();
  await puts(cluster, 200, 10);
  await cluster.settle();
  t.notOk(lost.status().lacksState);
  await holds(t, cluster, lost, 210);
  // It decides again: with one of the others down, nothing is decided without it.
  const others = cluster.nodes.filter((node) => node !== lost);
  const leader = await cluster.leader();
  await cluster.crash((others.find((node) => node !== leader) ?? leader).id);
  await puts(cluster, 210, 10);
  await cluster.settle();
  await holds(t, cluster, lost, 220);
});

test('a leader that has no snapshot takes one for a member that lost its own (schedule D14)', async (t) => {
  const world = new World();
  const limitsOf = (id: string) => ({ limits: id === 'n1' ? LIMITS : {} });
  const stores = new Map<string, KVStore>();
  for (const id of world.members) stores.set(id, await world.openStore(id, limitsOf(id)));
  const leads = async (): Promise<KVStore> => world.leaderOf([...stores.values()]);
  if ((await leads()).id === 'n1') await world.run((await leads()).transferLeadership('n2'));
  for (let i = 0; i < 120; i += 1) await world.run((await leads()).put(`key/${i}`, `value ${i}`));
  const before = stores.get('n1')!;
  await world.until(() => before.status().kept.snapshots.length === 2);
  await world.crash(before);
  await loseSnapshots(world, world.disk('n1'), world.time.clock);
  t.same((await leads()).status().kept.snapshots, []);
  const lost = await world.openStore('n1', limitsOf('n1'));
  stores.set('n1', lost);
  t.ok(lost.status().lacksState);
  await world.until(() => !lost.status().lacksState);
  t.equal((await leads()).status().kept.snapshots.length, 1, 'though nobody writes');
  t.equal(await world.run(lost.get('key/119')), 'value 119');
  t.same(world.unexpected, []);
  await world.run(Promise.all([...stores.values()].map((kv) => kv.close())));
});

test('nothing is decided by a member that has lost its state, however it ends (schedule D14)', async (t) => {
  const cluster = await open(t, 3);
  await puts(cluster, 0, 120);
  await cluster.settle();
  const lost = await follower(cluster);
  await cluster.crash(lost.id);
  await loseSnapshots(cluster, lost.disk, cluster.clock);
  // Of three one is down and one waits: that is no majority, and nobody leads.
  for (const { id } of cluster.nodes) if (id !== lost.id) await cluster.crash(id);
  const other = cluster.nodes.find((node) => node !== lost)!;
  await cluster.restart(other.id);
  await cluster.restart(lost.id);
  await cluster.elapse(1000);
  t.equal(other.status().leader, null);
  t.ok(lost.status().lacksState);
  // It may be stopped and started any number of times, and waits again.
  await cluster.crash(lost.id);
  await cluster.restart(lost.id);
  t.ok(lost.status().lacksState);
  for (const { id, isRunning } of cluster.nodes) if (!isRunning) await cluster.restart(id);
  await cluster.settle();
  await holds(t, cluster, lost, 120);
});

test('a member without others to ask refuses to start without a snapshot (schedule D14)', async (t) => {
  const cluster = await open(t, 4, 1);
  await puts(cluster, 0, 120);
  await cluster.settle();
  const only = cluster.node('n1');
  await cluster.crash('n1');
  await loseSnapshots(cluster, only.disk, cluster.clock);
  await t.rejects(cluster.restart('n1'), {
    code: 'ERR_CORRUPT',
    message: /no usable snapshot .* no other member/,
  });
});

test('a status says why data is kept, for as long as that is so', async (t) => {
  const cluster = await open(t, 5);
  t.same(kindsOf(await cluster.leader()), ['notInSnapshot']);
  const down = await follower(cluster);
  await cluster.crash(down.id);
  await puts(cluster, 0, 200);
  const before = ['notInSnapshot', 'trailingEntries', 'olderSnapshot'];
  t.same(kindsOf(await cluster.leader()), before);
  const hold = down.disk.hold({ kind: 'snapshot' });
  await cluster.restart(down.id);
  for (let i = 0; hold.waiting.length === 0 && i < 1000; i += 1) await cluster.elapse(5);
  await puts(cluster, 200, 100);
  const leader = await cluster.leader();
  const { snapshots, reasons, firstIndex } = leader.status().kept;
  const receiving = reasons.find(({ kind }) => kind === 'memberReceives');
  t.equal(receiving?.member, down.id);
  t.equal(snapshots.length, 3, 'two, and the one that is being received');
  t.equal(snapshots[2]?.index, receiving?.index);
  t.ok(firstIndex <= (receiving?.index ?? 0) + 1, 'and the log after it');
  hold.release();
  await cluster.settle();
  await cluster.elapse(500);
  t.same(kindsOf(leader), before);
  const { kept, lastIndex } = leader.status();
  t.equal(kept.snapshots.length, 2);
  t.ok(lastIndex - kept.firstIndex < LIMITS.snapshotEntries + LIMITS.trailingEntries + 10);
});

async function open(t: Test, seed: number, size = 3): Promise<TestCluster> {
  const disks = { latencyMs: 2 };
  const cluster = await openTestCluster({ time: 'virtual', seed, size, limits: LIMITS, disks });
  t.teardown(() => cluster.close());
  return cluster;
}

/** What is left of the log of a node that has crashed, once its snapshots cannot be read. */
async function loseSnapshots(
  world: { run<T>(work: Promise<T>): Promise<T> },
  disk: MemoryDisk,
  clock: Clock,
): Promise<StoredLog> {
  const engine = memoryStorage({ disk });
  await world.run(engine.open({ clock, logger: silentLogger }));
  const { snapshots, log } = engine.group('default');
  for (const { id } of await world.run(snapshots.list())) await world.run(snapshots.remove(id));
  const left = await world.run(log.open());
  disk.crash();
  return left;
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

async function holds(t: Test, cluster: TestCluster, node: TestNode, count: number): Promise<void> {
  const read = async (): Promise<number> => {
    let found = 0;
    for await (const { key, value } of node.kv.list({ consistency: 'stale' })) {
      if (value === `value ${key.slice(4)}`) found += 1;
    }
    return found;
  };
  t.equal(await cluster.run(read()), count, `${node.id} holds everything`);
}

function kindsOf(node: TestNode): readonly KeepingReason['kind'][] {
  return node.status().kept.reasons.map(({ kind }) => kind);
}

test('where a majority has lost its snapshots nobody is elected', async (t) => {
  const cluster = await open(t, 6);
  await puts(cluster, 0, 120);
  await cluster.settle();
  const whole = await cluster.leader();
  for (const { id } of cluster.nodes) await cluster.crash(id);
  for (const node of cluster.nodes) {
    if (node !== whole) await loseSnapshots(cluster, node.disk, cluster.clock);
  }
  for (const { id } of cluster.nodes) await cluster.restart(id);
  await cluster.elapse(3000);
  for (const node of cluster.nodes) t.equal(node.status().leader, null);
  t.notOk(whole.status().lacksState);
  t.equal(whole.status().appliedIndex > 0, true);
});
