import { test } from 'tap';
import { openTestCluster } from '../../lib/testing/index.js';

for (const time of ['real', 'virtual'] as const) {
  test(`in ${time} time an acknowledged put survives the crash and restart of the leader`, async (t) => {
    const cluster = await openTestCluster({ time });
    t.teardown(() => cluster.close());
    const leader = await cluster.leader();
    await cluster.run(leader.kv.put('order/1', 'paid'));
    await cluster.crash(leader.id);
    t.equal(leader.isRunning, false);
    await t.rejects(cluster.run(leader.kv.get('order/1')), { code: 'ERR_CLOSED' });
    const second = await cluster.leader();
    t.not(second.id, leader.id);
    t.equal(await cluster.run(second.kv.get('order/1')), 'paid');
    await cluster.restart(leader.id);
    await cluster.settle();
    t.equal(await cluster.run(leader.kv.get('order/1', { consistency: 'stale' })), 'paid');
  });
}

test('a split leader is not the leader of the cluster, and heals into a follower', async (t) => {
  const cluster = await openTestCluster({ time: 'virtual', seed: 1 });
  t.teardown(() => cluster.close());
  const first = await cluster.leader();
  const others = cluster.nodes.filter((node) => node !== first).map((node) => node.id);
  cluster.split([[first.id], others]);
  const second = await cluster.leader();
  t.not(second.id, first.id);
  t.equal(await cluster.run(second.kv.put('k', 'v')).then(({ created }) => created), true);
  cluster.heal();
  await cluster.settle();
  t.equal(first.status().leader?.id, second.id);
  t.equal(first.status().role, 'follower');
});

test('a node that stops by itself fails the next call of the cluster', async (t) => {
  const cluster = await openTestCluster({ time: 'virtual', seed: 2 });
  const leader = await cluster.leader();
  leader.disk.failNext({ kind: 'append' });
  await t.rejects(cluster.run(leader.kv.put('k', 'v')), { code: 'ERR_STORAGE' });
  await t.rejects(cluster.leader(), { code: 'ERR_STORAGE' });
  await cluster.run(leader.kv.closed);
  t.equal(leader.isRunning, false);
  t.not((await cluster.leader()).id, leader.id, 'told once');
  await cluster.close();
});

test('a cluster of one, a wrong name and a wrong size', async (t) => {
  const cluster = await openTestCluster({ size: 1 });
  t.teardown(() => cluster.close());
  t.equal((await cluster.leader()).id, 'n1');
  t.throws(() => cluster.node('n2'), { code: 'ERR_CONFIG' });
  await t.rejects(cluster.restart('n1'), { code: 'ERR_CONFIG' });
  await t.rejects(openTestCluster({ size: 0 }), { code: 'ERR_CONFIG' });
});

test('a closed cluster finds no leader, and starts no node again', async (t) => {
  const cluster = await openTestCluster({ time: 'virtual', seed: 3 });
  await cluster.crash('n1');
  cluster.split([['n2'], ['n3']]);
  await cluster.elapse(1000);
  const searching = t.rejects(cluster.leader(), { code: 'ERR_CLOSED' });
  await cluster.close();
  await searching;
  t.ok(cluster.clock.now() < 10_000, 'it does not search until its time is up');
  await t.rejects(cluster.restart('n1'), { code: 'ERR_CLOSED' });
  t.equal(cluster.node('n1').isRunning, false);
  await cluster.close();
});
