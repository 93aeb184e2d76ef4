import { test } from 'tap';
import type { KVStore } from '../../lib/store/index.js';
import { failureOf, World } from './world.js';

/*
 * One call puts a node in the place of another: learner, caught up, joint, removed. Every way in which it can
 * end early leaves a learner, or nothing, and can be gone on from.
 */

const EVERYBODY = ['n1', 'n2', 'n3', 'n4', 'n5'];

test('the leader itself is replaced, and the others go on without a failed call', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const others = stores.filter((kv) => kv !== leader);
  const n4 = await newcomer(world, 'n4');
  const writes: Promise<unknown>[] = [];
  const replaced = leader.membership.replace(leader.id, 'n4');
  for (let i = 0; i < 20; i += 1) {
    writes.push(others[i % 2]!.put(`k${i}`, `${i}`));
    await world.elapse(20);
  }
  await world.run(replaced);
  await world.run(Promise.all(writes));
  const ids = [...others.map(({ id }) => id), 'n4'].sort();
  await world.until(() => roles(n4) === ids.map((id) => `${id}:voter`).join(' '));
  t.not((await world.leaderOf([...others, n4])).id, leader.id);
  t.equal(await world.run(n4.get('k19')), '19');
  for (const kv of [...stores, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a replacement that does not run changes nothing, and is told why', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1] = stores as [KVStore];
  const before = n1.membership.version;
  const failure = await failureOf(
    world.run(n1.membership.replace('n3', 'n4', { timeoutMs: 2000 })),
  );
  t.match(failure, { outcome: 'rejected', message: /n4/ });
  const voter = await failureOf(world.run(n1.membership.replace('n3', 'n2')));
  t.match(voter, { code: 'ERR_MEMBERSHIP', outcome: 'rejected', reason: 'n2 is a voter already' });
  t.equal(n1.membership.version, before);
  for (const kv of stores) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a replacement that stops half-way stays a learner, and the same call goes on from there', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  await newcomer(world, 'n4');
  const half = 'n1:voter n2:voter n3:voter n4:learner';
  // It is let in, and is not heard from after that.
  const seen = n1.membership.version;
  const options = { timeoutMs: 3000, expect: seen };
  const late = failureOf(n1.membership.replace('n3', 'n4', options));
  await world.until(() => roles(n1) === half);
  world.network.isolate('n4');
  const failure = await world.run(late);
  t.match(failure, {
    code: 'ERR_TIMEOUT',
    outcome: 'rejected',
    message: /the learner has not caught up/,
  });
  t.equal(roles(n1), half);
  // Whoever has looked since then may go on; whoever has not may not.
  const crossed = await failureOf(
    world.run(n2.membership.replace('n3', 'n4', { timeoutMs: 3000, expect: seen })),
  );
  t.equal(crossed.code, 'ERR_CONDITION');
  await world.run(n3.close());
  const again = n2.membership.replace('n3', 'n4', { expect: n2.membership.version });
  world.network.heal();
  await world.run(again);
  t.equal(roles(n2), 'n1:voter n2:voter n4:voter');
  for (const kv of [n1, n2]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a call that is given up half-way leaves a learner, and says that it is safe to call again', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, , n3] = stores as [KVStore, KVStore, KVStore];
  const early = new AbortController();
  const waiting = failureOf(n1.membership.replace('n3', 'n4', { signal: early.signal }));
  await world.elapse(200);
  early.abort(new Error('never mind'));
  t.match(await world.run(waiting), { code: 'ERR_ABORTED', outcome: 'rejected' });
  const n4 = await newcomer(world, 'n4');
  const half = new AbortController();
  const stopped = failureOf(n1.membership.replace('n3', 'n4', { signal: half.signal }));
  await world.until(() => roles(n1).includes('n4:learner'));
  world.network.isolate('n4');
  await world.elapse(1000);
  half.abort(new Error('never mind'));
  t.match(await world.run(stopped), { code: 'ERR_ABORTED', outcome: 'rejected' });
  await world.elapse(1000);
  t.equal(roles(n1), 'n1:voter n2:voter n3:voter n4:learner', 'nothing goes on by itself');
  world.network.heal();
  await world.run(n1.membership.replace('n3', 'n4'));
  t.equal(roles(n1), 'n1:voter n2:voter n4:voter');
  for (const kv of [n1, n3, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('what is decided is no failure, however the caller leaves', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  const follower = (await world.leaderOf(stores)) === n1 ? n2 : n1;
  const n4 = await newcomer(world, 'n4');
  await world.run(follower.membership.add('n4'));
  const gone = new AbortController();
  const promoted = follower.membership.promote('n4', { signal: gone.signal });
  // Decided, and the joint configuration is still to be left as far as this node knows.
  await world.until(() => follower.status().members.filter(isVoter).length === 4);
  gone.abort(new Error('never mind'));
  await world.run(promoted).catch((error: unknown) => {
    t.match(error, { outcome: 'unknown' }, 'at worst nobody knows');
  });
  await world.until(() => roles(n1) === 'n1:voter n2:voter n3:voter n4:voter');
  for (const kv of [n1, n2, n3, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('two replacements at once: of two members both happen, of one member one', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  const newcomers = [await newcomer(world, 'n4'), await newcomer(world, 'n5')];
  await world.run(
    Promise.all([n1.membership.replace('n3', 'n4'), n1.membership.replace('n2', 'n5')]),
  );
  t.equal(roles(n1), 'n1:voter n4:voter n5:voter');
  for (const [i, kv] of [n2, n3].entries()) {
    await world.run(kv.close());
    world.wipe(kv.id);
    newcomers.push(await newcomer(world, ['n2', 'n3'][i]!));
  }
  const [, n5] = newcomers;
  const outcomes = await world.run(
    Promise.allSettled([n1.membership.replace('n4', 'n2'), n5!.membership.replace('n4', 'n3')]),
  );
  t.same(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  const [lost] = outcomes.filter((outcome) => outcome.status === 'rejected');
  t.match(lost, { reason: { code: 'ERR_MEMBERSHIP', message: /n4.* is not a member/ } });
  t.match(roles(n1), /^n1:voter n2:(voter|learner) n3:(voter|learner) n5:voter$/);
  t.equal(roles(n1).match(/voter/g)?.length, 3, 'the other one is left a learner');
  for (const kv of [n1, ...newcomers]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('of two incarnations that learn the one that runs takes the place of the other', async (t) => {
  for (const seed of [1, 2, 3, 4]) {
    const world = new World({ seed });
    const stores = await world.openAll({ readmit: 'manual' });
    const [n1] = stores as [KVStore];
    const n4 = await newcomer(world, 'n4', { readmit: 'manual' });
    await world.run(n1.membership.add('n4'));
    await world.crash(n4);
    world.wipe('n4');
    const again = await newcomer(world, 'n4', { readmit: 'manual' });
    // Whether or not it was let in before.
    if (seed > 1) {
      await world.run(n1.membership.add('n4'));
      t.equal(n1.membership.list().filter(({ id }) => id === 'n4').length, 2);
    }
    await world.run(n1.membership.replace('n4', 'n4'));
    t.match(n1.membership.list()[3], { id: 'n4', incarnation: again.status().incarnation });
    t.equal(n1.membership.list().length, 4);
    for (const kv of [...stores, again]) await world.run(kv.close());
    t.same(world.unexpected, []);
  }
});

test('a node that is promoted takes the place of what it was before its disk was wiped', async (t) => {
  const world = new World();
  const stores = await world.openAll({ readmit: 'manual' });
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  await world.crash(n3);
  world.wipe('n3');
  const again = await world.openStore('n3', { readmit: 'manual' });
  await world.run(n1.membership.add('n3'));
  await world.run(n1.membership.promote('n3'));
  t.equal(roles(n1), 'n1:voter n2:voter n3:voter', 'a node does not count twice');
  t.equal(n1.membership.list()[2]?.incarnation, again.status().incarnation);
  for (const kv of [n1, n2, again]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a call that waits for a newcomer ends with its node', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  const waiting = failureOf(n1.membership.add('n4', { timeoutMs: 60_000 }));
  await world.elapse(500);
  await world.run(n1.close());
  const closedMs = world.time.clock.now();
  t.match(await world.run(waiting), { code: 'ERR_CLOSED', outcome: 'rejected' });
  t.ok(world.time.clock.now() - closedMs < 1000);
  for (const kv of [n2, n3]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node without a transport has nobody to add', async (t) => {
  const world = new World();
  const alone = await world.openStore('n1', { members: ['n1'], transport: undefined });
  await world.run(alone.put('k', 'v'));
  t.match(await failureOf(world.run(alone.membership.add('n2'))), { code: 'ERR_CONFIG' });
  await world.run(alone.close());
  t.same(world.unexpected, []);
});

/** A node that waits to be added: it belongs to no list of the others. */
function newcomer(world: World, id: string, options = {}): Promise<KVStore> {
  return world.openStore(id, { members: EVERYBODY, ...options });
}

function roles(kv: KVStore): string {
  return kv.membership
    .list()
    .map(({ id, role }) => `${id}:${role}`)
    .join(' ');
}

function isVoter({ role }: { readonly role: string }): boolean {
  return role === 'voter';
}
