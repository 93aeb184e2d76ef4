import t from 'tap';
import { at, QuorateError } from '../../lib/base/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/index.js';
import { accepted, append, EchoMachine, MEMBERS, type Rig, rig } from './group-rig.js';
import { failureOf, World } from './world.js';

/*
 * Reads that ask nobody: under a leader's lease, and of what is applied already.
 */

t.test('a lease is judged at the moment of the read, by the clock (schedule C5)', async (t) => {
  const { leader, time } = await leaseHolder();
  t.ok(leader.group.holdsLease());
  // The event loop stood still: no tick, no message, and time passed nevertheless.
  await time.elapse(101);
  t.notOk(leader.group.holdsLease());
});

t.test('a lease is no use while what it covers is not applied (schedule C9)', async (t) => {
  const { leader } = await leaseHolder();
  const hold = leader.disk.hold();
  const write = leader.group.calls.submit(Uint8Array.of(1), 1, {});
  await leader.settle();
  await leader.deliver(accepted(MEMBERS.b, 2, 3), accepted(MEMBERS.c, 2, 3));
  t.equal(leader.group.status().commitIndex, 3, 'b and c have committed it');
  t.notOk(leader.group.holdsLease(), 'and this node has not applied it');
  hold.release();
  await leader.settle();
  await write;
  t.ok(leader.group.holdsLease());
  await leader.group.close(null);
});

t.test('a read at a leader waits until what is committed is applied (schedule C9)', async (t) => {
  const leader = await rig();
  const { group, deliver, settle, disk } = leader;
  await leader.lead(2);
  await deliver(accepted(MEMBERS.b, 2, 2));
  const hold = disk.hold();
  const write = group.calls.submit(Uint8Array.of(1), 1, {});
  await settle();
  await deliver(accepted(MEMBERS.b, 2, 3), accepted(MEMBERS.c, 2, 3));
  t.match(group.status(), { commitIndex: 3, appliedIndex: 2 });
  let readIndex: number | null = null;
  const read = group.calls.readBarrier({}).then((index) => {
    readIndex = index;
  });
  await settle();
  const confirmed = { kind: 'heartbeatReply', group: 'g', to: MEMBERS.a, term: 2 } as const;
  await deliver({ ...confirmed, from: MEMBERS.b, readRound: 1 });
  t.equal(readIndex, null, 'its leadership is confirmed, and that is not enough');
  hold.release();
  await settle();
  await write;
  await read;
  t.equal(readIndex, 3);
  await group.close(null);
});

t.test(
  'a read at a revision that the node has not applied waits for it (schedule C11)',
  async (t) => {
    const world = new World();
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    const follower = stores.find((kv) => kv !== leader)!;
    const { revision } = await world.run(leader.put('k', '1'));
    await world.run(follower.get('k', { consistency: 'stale', minRevision: revision }));
    world.network.isolate(follower.id);
    const later = await world.run(leader.put('k', '2'));
    t.equal(await world.run(follower.get('k', { consistency: 'stale' })), '1');
    const read = follower.get('k', { consistency: 'stale', minRevision: later.revision });
    const tooLate = failureOf(
      follower.get('k', { consistency: 'stale', minRevision: later.revision, timeoutMs: 500 }),
    );
    t.match(await world.run(tooLate), { retriable: true });
    world.network.heal();
    t.equal(await world.run(read), '2');
    const unwritten = failureOf(follower.get('k', { consistency: 'stale', minRevision: 999 }));
    t.match(await world.run(unwritten), { code: 'ERR_CONFIG' });
    for (const kv of stores) await world.run(kv.close());
  },
);

t.test('a read at a revision needs no leader once that is applied here', async (t) => {
  const { group, disk, deliver, settle } = await rig({ ask: () => new Promise(() => {}) });
  const hold = disk.hold();
  await deliver(append(MEMBERS.b, 2, [1, 1], ['x'], 2));
  while (group.leader !== null) group.tick();
  const read = group.calls.readBarrier({}, () => group.appliedIndex >= 2);
  await settle();
  t.equal(group.calls.parkedCount, 1, 'it waits for a leader as well');
  hold.release();
  await settle();
  t.equal(await read, 2);
  t.equal(group.leader, null);
  await group.close(null);
});

t.test('staleness counts from the question, once what answers it is applied', async (t) => {
  const answers: ((index: number) => void)[] = [];
  const { group, time, deliver, settle } = await rig({
    ask: () => {
      return new Promise((resolve) => {
        answers.push((index) => resolve({ kind: 'readIndex', index }));
      });
    },
  });
  t.equal(group.stalenessMs(), Number.POSITIVE_INFINITY, 'nobody was asked');
  await deliver(append(MEMBERS.b, 2, [1, 1], ['x'], 1));
  const read = group.calls.readBarrier({});
  await time.elapse(80);
  t.equal(answers.length, 1);
  answers[0]?.(2);
  await settle();
  t.equal(group.stalenessMs(), Number.POSITIVE_INFINITY, 'what it lacks is not applied');
  await time.elapse(20);
  await deliver(append(MEMBERS.b, 2, [2, 2], [], 2));
  t.equal(await read, 2);
  t.equal(Math.round(group.stalenessMs()), 100);
  const second = group.calls.readBarrier({});
  await time.elapse(30);
  const third = group.calls.readBarrier({});
  await time.elapse(10);
  answers[2]?.(2);
  await third;
  answers[1]?.(2);
  await second;
  t.equal(Math.round(group.stalenessMs()), 10, 'a late answer takes nothing back');
  await group.close(null);
});

t.test(
  'what a leader has confirmed for its own reads counts from their question as well',
  async (t) => {
    const { leader, time } = await leaseHolder();
    const first = leader.group.calls.readBarrier({});
    await leader.settle();
    await time.elapse(200);
    const second = leader.group.calls.readBarrier({});
    await leader.settle();
    const reply = { kind: 'heartbeatReply', group: 'g', from: MEMBERS.b, to: MEMBERS.a } as const;
    await leader.deliver({ ...reply, term: 2, readRound: 1 });
    await first;
    t.equal(Math.round(leader.group.stalenessMs()), 200);
    await leader.deliver({ ...reply, term: 2, readRound: 2 });
    await second;
    t.equal(Math.round(leader.group.stalenessMs()), 0);
    await leader.group.close(null);
  },
);

t.test(
  'a read that may be stale for so long is answered at once, or asks the leader',
  async (t) => {
    const world = new World();
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    const follower = stores.find((kv) => kv !== leader)!;
    const within = { consistency: 'stale', maxStalenessMs: 400 } as const;
    await world.run(leader.put('k', '1'));
    t.equal(await world.run(follower.get('k', within)), '1', 'it has asked');
    world.network.isolate(follower.id);
    const { revision } = await world.run(leader.put('k', '2'));
    t.equal(await follower.get('k', within), '1', 'no time passes');
    await world.elapse(401);
    t.equal(await follower.get('k', { consistency: 'stale' }), '1');
    t.match(await world.run(failureOf(follower.get('k', { ...within, timeoutMs: 300 }))), {
      code: 'ERR_NO_LEADER',
      outcome: 'rejected',
      retriable: true,
    });
    world.network.heal();
    t.equal(await world.run(follower.get('k', within)), '2');
    t.equal(await follower.get('k', { ...within, minRevision: revision }), '2', 'both hold');
    const unwritten = { ...within, minRevision: revision + 1 };
    t.match(await world.run(failureOf(follower.get('k', unwritten))), { code: 'ERR_CONFIG' });
    for (const kv of stores) await world.run(kv.close());
  },
);

t.test('a read that asks for longer than it may be stale is linearizable', async (t) => {
  const { group, time, deliver, settle } = await rig({
    ask: async () => {
      await new Promise<void>((done) => time.clock.after(200, done));
      return { kind: 'readIndex', index: 2 };
    },
  });
  await deliver(append(MEMBERS.b, 2, [1, 1], ['x'], 2));
  const read = group.calls.readBarrier({}, () => group.stalenessMs() <= 50);
  await time.elapse(200);
  await settle();
  t.equal(await read, 2, 'or nobody far from the leader could ever read so');
  t.equal(Math.round(group.stalenessMs()), 200);
  await group.close(null);
});

t.test('a leader that was deposed without knowing vouches for nothing', async (t) => {
  const world = new World({ members: ['n1', 'n2', 'n3', 'n4', 'n5'] });
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const [follower, ...others] = stores.filter((kv) => kv !== leader);
  await world.run(leader.put('k', '1'));
  t.equal(await world.run(follower!.get('k')), '1');
  world.network.split([[leader.id, follower!.id], others.map(({ id }) => id)]);
  await world.elapse(60);
  const read = failureOf(
    follower!.get('k', { consistency: 'stale', maxStalenessMs: 50, timeoutMs: 2000 }),
  );
  const successor = await world.leaderOf(others);
  await world.run(successor.put('k', '2'));
  t.match(await world.run(read), { retriable: true });
  for (const kv of stores) await world.run(kv.close());
});

t.test('a staleness that makes no sense is ERR_CONFIG', async (t) => {
  const world = new World({ members: ['n1'] });
  const [kv] = await world.openAll();
  for (const maxStalenessMs of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
    const stale = failureOf(kv!.get('k', { consistency: 'stale', maxStalenessMs }));
    t.match(await stale, { code: 'ERR_CONFIG' });
  }
  t.match(await failureOf(kv!.get('k', { maxStalenessMs: 5 })), { code: 'ERR_CONFIG' });
  await world.run(kv!.close());
});

t.test('a query of one’s own machine may be as stale as it says', async (t) => {
  const world = new World();
  const nodes = [];
  for (const id of world.members) nodes.push(await world.openMachine(id, new EchoMachine()));
  const leader = await world.leaderOf(nodes);
  const follower = nodes.find((node) => node !== leader)!;
  const query = (maxStalenessMs: number, timeoutMs = 200): Promise<Uint8Array> =>
    follower.query(Uint8Array.of(7), { consistency: 'stale', maxStalenessMs, timeoutMs });
  t.same(await world.run(query(1000, 5000)), Uint8Array.of(7));
  world.network.isolate(follower.id);
  t.same(await query(1000), Uint8Array.of(7), 'no time passes');
  await world.elapse(1001);
  t.match(await world.run(failureOf(query(1000))), { retriable: true });
  t.match(await failureOf(query(0)), { code: 'ERR_CONFIG' });
  t.match(await failureOf(follower.query(Uint8Array.of(7), { maxStalenessMs: 9 })), {
    code: 'ERR_CONFIG',
  });
  for (const node of nodes) await world.run(node.close());
});

t.test('leases are switched on and off for all members, through any of them', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const [first, second] = stores.filter((kv) => kv !== leader);
  t.same(first!.membership.leadership, { leaderLeaseMs: null, closeHint: true });
  const { version } = first!.membership;
  await world.run(first!.membership.setLeadership({ leaderLeaseMs: 100 }));
  for (const kv of stores) {
    await world.run(kv.ready());
    t.same(kv.membership.leadership, { leaderLeaseMs: 100, closeHint: true });
    t.same(kv.status().leadership, kv.membership.leadership);
  }
  await world.run(leader.put('k', '1'));
  await world.elapse(60);
  t.equal(await leader.get('k', { consistency: 'leaderLease' }), '1', 'no time passes');
  const late = second!.membership.setLeadership({ leaderLeaseMs: null }, { expect: version });
  t.match(await world.run(failureOf(late)), { code: 'ERR_CONDITION', outcome: 'rejected' });
  await world.run(second!.membership.setLeadership({ closeHint: false }));
  t.same(second!.membership.leadership, { leaderLeaseMs: 100, closeHint: false }, 'the rest stays');
  await world.run(leader.membership.setLeadership({ leaderLeaseMs: null }));
  t.same(leader.membership.leadership, { leaderLeaseMs: null, closeHint: false });
  for (const kv of stores) await world.run(kv.close());
});

t.test(
  'a lease that does not fit the timing is refused by the leader, whoever was asked',
  async (t) => {
    const world = new World();
    const stores = await world.openAll();
    for (const { membership } of stores) {
      for (const leaderLeaseMs of [50, 137]) {
        const failure = await world.run(failureOf(membership.setLeadership({ leaderLeaseMs })));
        t.match(failure, { code: 'ERR_CONFIG', message: /take 51 to 136 ms/ });
      }
      for (const change of [
        {},
        { leaderLeaseMs: 0 },
        { leaderLeaseMs: 1.5 },
        { leaderLeaseMs: 60_001 },
      ]) {
        t.match(await failureOf(membership.setLeadership(change)), { code: 'ERR_CONFIG' });
      }
    }
    await world.run(stores[0]!.membership.setLeadership({ leaderLeaseMs: 136 }));
    await world.run(stores[1]!.membership.setLeadership({ leaderLeaseMs: 51 }));
    for (const kv of stores) await world.run(kv.close());
  },
);

t.test(
  'a member whose own timing a lease does not fit says so, once, and at each start',
  async (t) => {
    const world = new World({ members: ['n1'] });
    const kv = await world.openStore('n1');
    await world.run(kv.membership.setLeadership({ leaderLeaseMs: 136 }));
    t.notOk(misfits(world));
    await world.run(kv.close());
    const timing = { heartbeatMs: 200, electionTimeoutMinMs: 1000, electionTimeoutMaxMs: 2000 };
    const again = await world.openStore('n1', { timing });
    t.equal(misfits(world), 1);
    await world.run(again.put('k', '1'));
    await world.run(again.membership.setLeadership({ closeHint: false }));
    t.equal(misfits(world), 1);
    t.equal(again.membership.leadership.leaderLeaseMs, 136, 'and keeps its promises');
    await world.run(again.close());
  },
);

t.test('reads of every level keep their promise while leaders come and go', async (t) => {
  const atOnce = new Map<string, number>();
  for (const seed of [1, 2, 3]) {
    for (const late of await readInTrouble(seed, atOnce)) t.fail(`seed ${seed}: ${late}`);
  }
  for (const level of ['leaderLease', 'stale within 20', 'stale within 300']) {
    t.ok((atOnce.get(level) ?? 0) >= 20, `${level} asked nobody`);
  }
});

t.test('where no lease is held, a read under one is linearizable', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  for (const [i, kv] of stores.entries()) {
    await world.run(stores[(i + 1) % 3]!.put('k', `${i}`));
    t.equal(await world.run(kv.get('k', { consistency: 'leaderLease' })), `${i}`);
  }
  t.match(await failureOf(stores[0]!.get('k', { consistency: 'leaderLease', minRevision: 1 })), {
    code: 'ERR_CONFIG',
  });
  for (const kv of stores) await world.run(kv.close());
});

/**
 * One client writes, others read through any node, and whoever leads is cut off for a while, again and
 * again. Gives the reads that did not see what they should have.
 */
async function readInTrouble(
  seed: number,
  atOnce: Map<string, number>,
): Promise<readonly string[]> {
  const world = new World({ seed });
  const random = new SeededRandom(seed);
  const stores = await world.openAll({ callTimeoutMs: 1000 });
  const { clock } = world.time;
  const pick = (): KVStore => at(stores, random.below(stores.length));
  const sleep = (ms: number): Promise<void> => new Promise((done) => clock.after(ms, done));
  await world.run(pick().membership.setLeadership({ leaderLeaseMs: 136 }));
  world.network.setFaults({ delayMs: [0, 4] });
  const acknowledged: { readonly revision: number; readonly atMs: number }[] = [];
  const violations: string[] = [];
  let isOver = false;
  const write = async (): Promise<void> => {
    while (!isOver) {
      try {
        const { revision } = await pick().put('k', 'v');
        acknowledged.push({ revision, atMs: clock.now() });
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
      }
      await sleep(random.next() * 10);
    }
  };
  const read = async (consistency: 'leaderLease' | 'stale', within?: number): Promise<void> => {
    const level = within === undefined ? consistency : `${consistency} within ${within}`;
    while (!isOver) {
      const beganMs = clock.now();
      try {
        const entry = await pick().getEntry('k', { consistency, maxStalenessMs: within });
        const sinceMs = within === undefined ? beganMs : clock.now() - within;
        const known = acknowledged.findLast(({ atMs }) => atMs < sinceMs)?.revision ?? 0;
        const seen = entry?.modRevision ?? 0;
        if (seen < known) violations.push(`${level} sees ${seen} and not ${known} at ${beganMs}`);
        if (clock.now() === beganMs) atOnce.set(level, (atOnce.get(level) ?? 0) + 1);
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
      }
      await sleep(random.next() * 5);
    }
  };
  const work = [write(), read('leaderLease'), read('stale', 20), read('stale', 300)];
  for (let i = 0; i < 5; i += 1) {
    await world.elapse(300 + random.next() * 400);
    const leader = stores.find((kv) => kv.status().role === 'leader');
    if (leader !== undefined) world.network.isolate(leader.id);
    await world.elapse(100 + random.next() * 600);
    world.network.heal();
  }
  isOver = true;
  await world.run(Promise.all(work));
  for (const kv of stores) await world.run(kv.close());
  return violations;
}

function misfits({ lines }: World): number {
  return lines.filter(({ fields }) => fields['event'] === 'raft.leaseMisfit').length;
}

/** `a` leads term 2 with its no-op applied, and b has just promised a lease of 100 ms. */
async function leaseHolder(): Promise<{ leader: Rig; time: Rig['time'] }> {
  const leader = await rig({ leadership: { leaderLeaseMs: 100, closeHint: true } });
  // What this member may have promised before it started runs out.
  leader.group.tick();
  await leader.time.elapse(200);
  await leader.lead(2);
  await leader.deliver(accepted(MEMBERS.b, 2, 2));
  const sentMs = Math.floor(leader.time.clock.now());
  const lease = { sentMs, leaseMs: 100 };
  const reply = { kind: 'heartbeatReply', group: 'g', from: MEMBERS.b, to: MEMBERS.a } as const;
  await leader.deliver({ ...reply, term: 2, readRound: 0, lease });
  return { leader, time: leader.time };
}
