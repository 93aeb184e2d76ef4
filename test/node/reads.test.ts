import t from 'tap';
import { accepted, MEMBERS, type Rig, rig } from './group-rig.js';
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
