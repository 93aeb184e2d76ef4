import t from 'tap';
import { EchoMachine, MEMBERS, type Rig, rig } from './group-rig.js';
import { failureOf, World } from './world.js';

/*
 * Leadership that is handed on, by real nodes in virtual time.
 */

t.test('any node takes the call, and it resolves when the other leads', async (t) => {
  const { world, nodes, leader } = await threeMachines();
  const [first, second] = nodes.filter((node) => node !== leader);
  const startedMs = world.time.clock.now();
  const moved = await world.run(second!.transferLeadership(first!.id));
  t.same(moved, { leader: first!.id });
  t.equal(first!.status().role, 'leader');
  t.ok(world.time.clock.now() - startedMs < 50, 'nobody waited for an election timeout');
  const { leader: third } = await world.run(first!.transferLeadership());
  t.not(first!.status().role, 'leader');
  t.equal(nodes.find(({ id }) => id === third)?.status().role, 'leader');
  await closeAll(world, nodes);
});

t.test(
  'leadership moves in four hops, whatever is being written, and waits for no tick',
  async (t) => {
    const { world, nodes, leader } = await threeMachines();
    world.network.setFaults({ delayMs: [1, 1] });
    const [next, third] = nodes.filter((node) => node !== leader);
    const load = Array.from({ length: 20 }, (_, i) => leader.propose(Uint8Array.of(i)));
    const startedMs = world.time.clock.now();
    const transferring = leader.transferLeadership(next!.id);
    await world.until(() => next!.status().role === 'leader');
    // What was proposed before is on its way for a hop there and one back; then: stand, a vote, its grant.
    t.ok(world.time.clock.now() - startedMs <= 5.5, `${world.time.clock.now() - startedMs} ms`);
    await world.run(transferring);
    // Its first append tells everybody.
    t.ok(world.time.clock.now() - startedMs <= 6.5);
    await world.until(() => third!.status().leader?.id === next!.id);
    t.equal((await world.run(Promise.all(load))).length, 20, 'all of it is decided');
    await world.elapse(20);
    const idleMs = world.time.clock.now();
    await world.run(next!.transferLeadership());
    t.ok(world.time.clock.now() - idleMs <= 4.5, `${world.time.clock.now() - idleMs} ms when idle`);
    await closeAll(world, nodes);
  },
);

t.test('puts go on while leadership moves, and none fails', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  world.network.setFaults({ delayMs: [0.2, 3] });
  const acknowledged: string[] = [];
  let isOver = false;
  const writing = (async (): Promise<void> => {
    for (let i = 0; !isOver; i += 1) {
      await stores[i % 3]!.put(`key/${i}`, `${i}`);
      acknowledged.push(`key/${i}`);
    }
  })();
  const leader = await world.leaderOf(stores);
  await world.elapse(50);
  await world.run(leader.close());
  const rest = stores.filter((kv) => kv !== leader);
  const next = await world.leaderOf(rest);
  isOver = true;
  await world.run(
    writing.catch((error: unknown) =>
      t.match(error, { code: 'ERR_CLOSED' }, 'the one that closed'),
    ),
  );
  for (const key of acknowledged) t.not(await world.run(next.get(key)), null, key);
  t.ok(acknowledged.length > 3);
  for (const kv of rest) await world.run(kv.close());
});

t.test('a leader that closes hands over first, and settles what waits (schedule I8)', async (t) => {
  const { world, nodes, leader } = await threeMachines();
  const pending = leader.propose(Uint8Array.of(1));
  const startedMs = world.time.clock.now();
  const closing = leader.close();
  const refused = await failureOf(leader.propose(Uint8Array.of(2)));
  t.match(refused, { code: 'ERR_CLOSED', outcome: 'rejected' });
  t.same(await world.run(pending), Uint8Array.of(1), 'what was proposed before is answered');
  await world.run(closing);
  const rest = nodes.filter((node) => node !== leader);
  t.ok(rest.some((node) => node.status().role === 'leader'));
  t.ok(world.time.clock.now() - startedMs < 50);
  await closeAll(world, rest);
});

t.test('a leader that nobody can follow closes nevertheless (schedule I8)', async (t) => {
  const { world, nodes, leader } = await threeMachines();
  world.network.isolate(leader.id);
  const startedMs = world.time.clock.now();
  await world.run(leader.close());
  t.ok(world.time.clock.now() - startedMs <= 320);
  await closeAll(world, nodes);
});

t.test('leadership is handed to a voter that keeps up, or the call says why not', async (t) => {
  const { world, nodes, leader } = await threeMachines();
  const follower = nodes.find((node) => node !== leader)!;
  t.match(await world.run(failureOf(leader.transferLeadership('n9'))), { code: 'ERR_CONFIG' });
  t.match(await world.run(failureOf(follower.transferLeadership('no name'))), {
    code: 'ERR_CONFIG',
  });
  t.same(await world.run(follower.transferLeadership(leader.id)), { leader: leader.id });
  world.network.isolate(follower.id);
  await world.elapse(200);
  t.match(await world.run(failureOf(leader.transferLeadership(follower.id))), {
    code: 'ERR_BUSY',
    retriable: true,
  });
  t.match(leader.status(), { role: 'leader' });
  await closeAll(world, nodes);
});

t.test('a voter of a higher priority leads in the end, and no write fails by it', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const [preferred, third] = stores.filter((kv) => kv !== leader);
  await world.run(third!.membership.update(preferred!.id, { priority: 5 }));
  t.equal(leader.membership.list().find(({ id }) => id === preferred!.id)?.priority, 5);
  const bad = failureOf(third!.membership.update(leader.id, { priority: 101 }));
  t.match(await world.run(bad), { code: 'ERR_CONFIG', outcome: 'rejected' });
  const startedMs = world.time.clock.now();
  for (let i = 0; preferred!.status().role !== 'leader'; i += 1) {
    await world.run(third!.put(`k/${i}`, 'v'));
    await world.elapse(20);
    t.ok(world.time.clock.now() - startedMs < 4000, 'ten of the longest election timeouts');
  }
  // Where the priority is gone with its member, those that are left have a leader.
  await world.crash(preferred!);
  const rest = stores.filter((kv) => kv !== preferred);
  await world.run(rest[0]!.put('after', 'v'));
  for (const kv of rest) await world.run(kv.close());
});

t.test('a leader whose write hangs is replaced as soon as it gives up (schedule F6)', async (t) => {
  const { world, nodes, leader } = await threeMachines();
  const hold = world.disk(leader.id).hold();
  const startedMs = world.time.clock.now();
  const lost = failureOf(leader.propose(Uint8Array.of(1), { timeoutMs: 5000 }));
  const rest = nodes.filter((node) => node !== leader);
  await world.until(() => rest.some((node) => node.status().role === 'leader'));
  t.ok(world.time.clock.now() - startedMs < 350, 'one maximum election timeout, and no other');
  hold.release();
  await world.run(Promise.race([lost, world.elapse(1000)]).catch(() => {}));
  await closeAll(world, nodes);
});

t.test('a leader whose disk fails is replaced within a few hops (faults B6, B8)', async (t) => {
  const { world, nodes, leader } = await threeMachines();
  world.network.setFaults({ delayMs: [0.5, 1.5] });
  world.disk(leader.id).failNext({ kind: 'append' });
  const lost = failureOf(leader.propose(Uint8Array.of(1)));
  const startedMs = world.time.clock.now();
  const rest = nodes.filter((node) => node !== leader);
  await world.until(() => rest.some((node) => node.status().role === 'leader'));
  const pauseMs = world.time.clock.now() - startedMs;
  t.ok(pauseMs < 10, `nobody led for ${pauseMs} ms`);
  t.match(await world.run(lost), { code: 'ERR_STORAGE', outcome: 'unknown' });
  t.same(world.faults, [`${leader.id} ERR_STORAGE`]);
  await world.run(leader.closed);
  await closeAll(world, nodes);
});

t.test(
  'a leader tells a successor when its disk fails, not after a mistake of its own',
  async (t) => {
    const told = async (fail: (made: Rig) => Promise<void>): Promise<readonly string[]> => {
      const made = await rig();
      await made.lead(2);
      const both = { group: 'g', to: MEMBERS.a, term: 2 } as const;
      await made.deliver(
        { ...both, kind: 'heartbeatReply', from: MEMBERS.b, readRound: 0 },
        { ...both, kind: 'heartbeatReply', from: MEMBERS.c, readRound: 0 },
      );
      made.sent();
      await fail(made);
      await made.settle();
      t.equal(made.faults.length, 1);
      return made.sent().flatMap(({ kind, to }) => (kind === 'timeoutNow' ? [to] : []));
    };
    const diskFails = await told(async ({ group, disk, settle }) => {
      disk.failNext({ kind: 'append' });
      const lost = failureOf(group.calls.propose(Uint8Array.of(1), 1, {}));
      await settle();
      t.match(await lost, { code: 'ERR_STORAGE' });
    });
    t.same(diskFails, [MEMBERS.b]);
    // Whoever sees two leaders of one term can say nothing that is to be relied on.
    const between = { group: 'g', from: MEMBERS.c, to: MEMBERS.a, term: 2 } as const;
    const coreFails = await told(({ deliver }) =>
      deliver({ ...between, kind: 'heartbeat', commitIndex: 0, readRound: 0 }),
    );
    t.same(coreFails, []);
  },
);

t.test('a node whose write hangs does not stand when it is told to', async (t) => {
  const { group, disk, deliver, sent, time } = await rig();
  const leader = { group: 'g', from: MEMBERS.b, to: MEMBERS.a, term: 2 } as const;
  const hold = disk.hold();
  await deliver({ ...leader, kind: 'heartbeat', commitIndex: 0, readRound: 0 });
  for (let i = 0; i < 40; i += 1) {
    group.tick();
    await deliver({ ...leader, kind: 'heartbeat', commitIndex: 0, readRound: 0 });
  }
  await deliver({ ...leader, kind: 'timeoutNow' });
  t.match(group.status(), { role: 'follower', term: 2 });
  hold.release();
  await time.elapse(10);
  sent();
  await deliver({ ...leader, kind: 'timeoutNow' });
  t.match(group.status(), { role: 'candidate', term: 3 });
});

t.test(
  'a leader that is removed decides what is under way, and hands over within a hop (schedule E8)',
  async (t) => {
    for (const seed of [1, 2, 3]) {
      const world = new World({ seed });
      world.network.setFaults({ delayMs: [0.5, 1.5] });
      const stores = await world.openAll();
      const leader = await world.leaderOf(stores);
      const rest = stores.filter((kv) => kv !== leader);
      const removing = leader.membership.remove(leader.id);
      // Writes of every moment, by way of the leader itself while it leads.
      const writes: Promise<unknown>[] = [];
      const leads = (): boolean => leader.status().role === 'leader';
      while (leads()) {
        const write = leader.put(`k/${writes.length}`, 'v', { timeoutMs: 500 });
        // It may be refused before all of them are looked at.
        write.catch(() => {});
        writes.push(write);
        await world.elapse(0.5);
      }
      const settled = Promise.allSettled(writes);
      const leftMs = world.time.clock.now();
      await world.until(() => rest.some((kv) => kv.status().role === 'leader'));
      const pauseMs = world.time.clock.now() - leftMs;
      t.ok(pauseMs < 10, `nobody led for ${pauseMs} ms`);
      await world.run(removing);
      const outcomes = await world.run(settled);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') t.match(outcome.reason, { outcome: 'rejected' });
      }
      t.ok(outcomes.filter(({ status }) => status === 'fulfilled').length > 3);
      t.same(rest[0]!.membership.list().length, 2);
      for (const kv of stores) await world.run(kv.close());
    }
  },
);

async function threeMachines(): Promise<{
  readonly world: World;
  readonly nodes: Awaited<ReturnType<World['openMachine']>>[];
  readonly leader: Awaited<ReturnType<World['openMachine']>>;
}> {
  const world = new World();
  const nodes = [];
  for (const id of world.members) nodes.push(await world.openMachine(id, new EchoMachine()));
  const leader = await world.leaderOf(nodes);
  await world.run(Promise.all(nodes.map((node) => node.ready())));
  await world.elapse(100);
  return { world, nodes, leader };
}

async function closeAll(world: World, nodes: readonly { close(): Promise<void> }[]): Promise<void> {
  for (const node of nodes) await world.run(node.close());
}
