import { test } from 'tap';
import type { NodeHost } from '../../lib/kv/index.js';
import { decideFirstStart } from '../../lib/node/first-start.js';
import { bytes, type KVStore } from '../../lib/store/index.js';
import type { Probe } from '../../lib/wire/index.js';
import { failureOf, World } from './world.js';

test('whether a node founds: only the smallest id, and only when all listed answer and are new', async (t) => {
  const n1 = probe('n1');
  const cases: readonly (readonly [string, Probe, readonly Probe[], object])[] = [
    ['all are new', n1, [probe('n2'), probe('n3')], { kind: 'found' }],
    ['not the smallest', probe('n2'), [n1, probe('n3')], { kind: 'waitForLeader' }],
    ['alone in the list', probe('n1', { members: listed('n1') }), [], { kind: 'found' }],
    [
      'a majority that is new is not enough',
      n1,
      [probe('n3')],
      { kind: 'waitForMembers', reasons: ['n2 does not answer'] },
    ],
    ['nobody answers', n1, [], { kind: 'waitForMembers' }],
    [
      'one holds a log',
      n1,
      [probe('n2', { hasLog: true, clusterId: 'a'.repeat(16) })],
      { kind: 'waitForLeader', reason: 'n2 holds this group already' },
    ],
    [
      'one belongs to a cluster, without a log of this group',
      n1,
      [probe('n2', { clusterId: 'a'.repeat(16) }), probe('n3')],
      { kind: 'waitForLeader', reason: 'n2 belongs to a cluster already' },
    ],
    [
      'another cluster name',
      n1,
      [probe('n2', { clusterName: 'b' }), probe('n3')],
      { kind: 'waitForMembers', reasons: ['n2 is of cluster "b"'] },
    ],
    [
      'another list of members',
      n1,
      [probe('n2', { members: listed('n1', 'n2') }), probe('n3')],
      { kind: 'waitForMembers', reasons: ['n2 lists other members: n1, n2'] },
    ],
    [
      'another cluster id',
      probe('n1', { clusterId: 'a'.repeat(16) }),
      [probe('n2', { clusterId: 'b'.repeat(16) }), probe('n3')],
      { kind: 'waitForMembers', reasons: ['n2 belongs to another cluster'] },
    ],
    [
      'a founding that was cut short after the identity was stored',
      probe('n1', { clusterId: 'a'.repeat(16) }),
      [probe('n2'), probe('n3')],
      { kind: 'found' },
    ],
    [
      'the order of a list does not matter',
      n1,
      [probe('n2', { members: listed('n3', 'n2', 'n1') }), probe('n3')],
      { kind: 'found' },
    ],
  ];
  for (const [name, self, answers, expected] of cases) {
    t.match(
      decideFirstStart(self, new Map(answers.map((one) => [one.nodeId, one]))),
      expected,
      name,
    );
  }
});

test('three new nodes found one cluster, by its smallest id, and all adopt it', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  t.same([...new Set(stores.map((kv) => kv.status().clusterId))].length, 1);
  t.match(stores[0]?.status().clusterId, /^[0-9a-f]{16}$/);
  t.same(
    stores[2]?.status().members.map(({ id, role }) => `${id} ${role}`),
    ['n1 voter', 'n2 voter', 'n3 voter'],
  );
  await closeAll(world, stores);
});

test('whom a node waits for is told after a second, and then every five', async (t) => {
  const world = new World();
  const alone = await world.openStore('n1');
  const told = (): number =>
    world.lines.filter(({ fields }) => fields['event'] === 'node.waiting').length;
  await world.elapse(900);
  t.equal(told(), 0, 'members that start at the same time are not complained about');
  await world.elapse(1200);
  t.equal(told(), 1);
  await world.elapse(10_000);
  t.equal(told(), 3);
  await world.run(alone.close());
});

test('wiped n1 and n3 do not found without n2, which holds the data (schedule E16)', async (t) => {
  const world = new World();
  const first = await world.openAll();
  await world.run(first[0]!.put('k', 'v'));
  await world.elapse(1000);
  await closeAll(world, first);
  world.wipe('n1');
  world.wipe('n3');
  const n1 = await world.openStore('n1');
  const n3 = await world.openStore('n3');
  const failure = await world.run(failureOf(n1.put('k', 'w')));
  t.match(failure, { code: 'ERR_NO_LEADER', outcome: 'rejected' });
  t.match(failure.message, /n2 does not answer/);
  await world.elapse(30_000);
  t.match(n1.status(), { term: 0, clusterId: null, lastIndex: 0, members: [] });
  t.ok(
    world.lines.some(({ fields }) => fields['event'] === 'node.waiting'),
    'and says so',
  );
  const n2 = await world.openStore('n2');
  await world.elapse(30_000);
  t.match(n2.status(), { leader: null, clusterId: /./ }, 'better unavailable than empty');
  t.equal(
    await n2.get('k', { consistency: 'stale' }),
    null,
    'n2 alone cannot say what is committed',
  );
  t.ok(n2.status().lastIndex >= 3);
  t.match(n3.status(), { term: 0, votedFor: null, lastIndex: 0 });
  await closeAll(world, [n1, n2, n3]);
});

test('a wiped member neither votes nor founds, and what is for its old incarnation is dropped (schedule E15)', async (t) => {
  const world = new World();
  const stores = await world.openAll({ readmit: 'manual' });
  const leader = await world.leaderOf(stores);
  const [one, other] = stores.filter((kv) => kv !== leader) as [KVStore, KVStore];
  await world.run(leader.put('k', 'v'));
  await world.crash(one);
  world.wipe(one.id);
  const wiped = await world.openStore(one.id, { readmit: 'manual' });
  await world.elapse(5000);
  t.match(wiped.status(), { term: 0, votedFor: null, clusterId: null, lastIndex: 0 });
  t.ok(world.metrics.counted('quorate_messages_misdirected_total') > 0, 'it was spoken to');
  t.equal(leader.status().role, 'leader', 'and the others do without it');
  await world.crash(leader);
  await world.elapse(30_000);
  t.equal(other.status().leader, null, 'its vote would be one too many');
  t.match(wiped.status(), { term: 0, votedFor: null });
  await closeAll(world, [wiped, other]);
});

test('nodes of another cluster name or member list are not waited for, and told by name', async (t) => {
  const world = new World({ members: ['n1', 'n2'] });
  const n1 = await world.openStore('n1');
  const n2 = await world.openStore('n2', { clusterName: 'b' });
  const named = await world.run(failureOf(n1.ready({ timeoutMs: 500 })));
  t.match(named, { code: 'ERR_NO_LEADER', message: /n2 is of cluster "b"/ });
  await closeAll(world, [n2]);
  const again = await world.openStore('n2', { members: ['n1', 'n2', 'n3'] });
  await world.elapse(5000);
  const listedBy = await world.run(failureOf(n1.ready({ timeoutMs: 500 })));
  t.match(listedBy, { code: 'ERR_NO_LEADER', message: /n2 lists other members: n1, n2, n3/ });
  await closeAll(world, [n1, again]);
});

for (const kind of ['initialise', 'save', 'append'] as const) {
  for (const keep of [0, 1]) {
    const lost = keep === 0 ? 'before' : 'after';
    test(`a founder that crashes ${lost} its ${kind} is durable founds again or goes on`, async (t) => {
      const world = new World();
      const n1 = await world.openStore('n1');
      const hold = world.disk('n1').hold({ kind });
      const n2 = await world.openStore('n2');
      const n3 = await world.openStore('n3');
      await world.until(() => hold.waiting.length > 0);
      await world.elapse(100);
      t.equal(n2.status().term, 0, 'nobody has heard of a cluster yet');
      world.network.crash('n1');
      world.disk('n1').crash({ keep: () => keep });
      await world.run(n1.close());
      hold.release();
      const stores = [await world.openStore('n1'), n2, n3];
      await world.run(n3.put('k', 'v'));
      t.equal(new Set(stores.map((kv) => kv.status().clusterId)).size, 1);
      t.same(world.faults, []);
      await closeAll(world, stores);
    });
  }
}

test('a member answers nothing before the cluster it belongs to is durable', async (t) => {
  const world = new World();
  const n2 = await world.openStore('n2');
  const hold = world.disk('n2').hold({ kind: 'initialise' });
  const n1 = await world.openStore('n1');
  const n3 = await world.openStore('n3');
  await world.until(() => hold.waiting.length > 0);
  await world.run(n1.put('k', 'v'));
  t.match(n2.status(), { term: 0, lastIndex: 0, clusterId: null });
  t.equal(n1.status().progress.find(({ id }) => id === 'n2')?.matchIndex, 0);
  await world.crash(n2);
  const again = await world.openStore('n2');
  await world.until(() => hold.waiting.length > 1);
  await world.elapse(1000);
  t.match(again.status(), { term: 0, lastIndex: 0, clusterId: null }, 'nor after a crash');
  hold.release();
  await world.until(() => again.status().appliedIndex === n1.status().appliedIndex);
  t.equal(again.status().clusterId, n1.status().clusterId);
  await closeAll(world, [n1, again, n3]);
});

test('groups that a host founds at the same time are of one cluster', async (t) => {
  const world = new World();
  const hosts: NodeHost[] = [];
  for (const id of world.members) hosts.push(await world.openHost(id));
  const opened = ['a', 'b'].flatMap((group) =>
    hosts.map((host) => host.openKVStore({ group, values: bytes })),
  );
  const stores = await world.run(Promise.all(opened));
  await world.run(Promise.all(stores.map((kv) => kv.ready())));
  t.equal(new Set(stores.map((kv) => kv.status().clusterId)).size, 1);
  t.same(world.faults, []);
  for (const host of hosts) await world.run(host.close());
});

test('a founding whose storage fails stops the node, and nothing is left unhandled (schedule I7)', async (t) => {
  for (const kind of ['initialise', 'save', 'append'] as const) {
    const world = new World({ members: ['n1'] });
    const host = await world.openHost('n1');
    world.disk('n1').failNext({ kind });
    const kv = await world.run(host.openKVStore({ values: bytes }));
    const { cause } = await world.run(kv.closed);
    t.equal(cause?.code, 'ERR_STORAGE', kind);
    t.match(await failureOf(kv.ready()), { code: 'ERR_STORAGE', outcome: 'rejected' });
    t.same(world.faults, ['n1 ERR_STORAGE']);
    await world.run(host.close());
  }
});

function listed(...ids: readonly string[]): Probe['members'] {
  return ids.map((id) => ({ id, address: '' }));
}

function probe(nodeId: string, parts: Partial<Probe> = {}): Probe {
  return {
    group: 'default',
    nodeId,
    incarnation: '0'.repeat(15) + nodeId.slice(1),
    clusterId: null,
    clusterName: 'quorate',
    hasLog: false,
    members: listed('n1', 'n2', 'n3'),
    clientAddress: null,
    joins: false,
    undecided: null,
    ...parts,
  };
}

async function closeAll(world: World, stores: readonly KVStore[]): Promise<void> {
  for (const kv of stores) await world.run(kv.close());
}
