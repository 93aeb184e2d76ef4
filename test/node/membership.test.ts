import { test } from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { decodeRaftMessage, unpackLinkFrame } from '../../lib/wire/index.js';
import type { FrameInFlight } from '../../transports/memory/index.js';
import { failureOf, World } from './world.js';

/** Puts, one after the other, for as long as others work. What was acknowledged is counted. */
class Load {
  readonly acknowledged: string[] = [];
  readonly failed: string[] = [];
  readonly #world: World;
  readonly #stores: readonly KVStore[];
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(world: World, stores: readonly KVStore[]) {
    this.#world = world;
    this.#stores = stores;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#world.run(this.#done);
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#isOver; i += 1) {
      const key = `k${i}`;
      try {
        await this.#stores[i % this.#stores.length]!.put(key, `${i}`);
        this.acknowledged.push(key);
      } catch (error) {
        this.failed.push(`${key}: ${String(error)}`);
      }
      // Virtual time goes on only where nothing is due.
      await new Promise<void>((resolve) => {
        this.#world.time.clock.after(7, resolve);
      });
    }
  }
}

async function missing(world: World, kv: KVStore, keys: readonly string[]): Promise<string[]> {
  const values = await world.run(Promise.all(keys.map((key) => kv.get(key))));
  return keys.filter((_, i) => values[i] === null);
}

function roles(kv: KVStore): string {
  return kv.membership
    .list()
    .map(({ id, role }) => `${id}:${role}`)
    .join(' ');
}

function isAppend({ bytes }: FrameInFlight): boolean {
  const { channel, payload } = unpackLinkFrame(bytes);
  return channel === 'raft' && decodeRaftMessage(payload).kind === 'append';
}

test('a node that joins becomes a voter by itself, and nothing acknowledged is lost', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const load = new Load(world, stores);
  const n4 = await world.openStore('n4', { members: undefined, join: ['n2'] });
  await world.until(() => roles(n4) === 'n1:voter n2:voter n3:voter n4:voter');
  await world.until(() => load.acknowledged.length > 5);
  await load.stop();
  t.same(load.failed, []);
  await world.run(n4.put('last', 'x'));
  t.same(await missing(world, n4, [...load.acknowledged, 'last']), []);
  t.equal(n4.status().clusterId, stores[0]?.status().clusterId);
  await world.until(() => n4.membership.version === stores[0]?.membership.version);
  for (const kv of [...stores, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node is added and promoted, replaced and removed, by way of any node', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const follower = stores.find((kv) => kv !== leader)!;
  const load = new Load(world, stores);
  const seen = follower.membership.version;
  // Told to wait: it belongs to no list of the others.
  const n4 = await world.openStore('n4', { members: ['n1', 'n2', 'n3', 'n4'] });
  await world.run(follower.membership.add('n4', { expect: seen }));
  t.equal(roles(follower), 'n1:voter n2:voter n3:voter n4:learner');
  const late = await failureOf(world.run(follower.membership.remove('n4', { expect: seen })));
  t.match(late, { code: 'ERR_CONDITION', outcome: 'rejected' });
  await world.run(follower.membership.promote('n4'));
  t.match(roles(follower), 'n4:voter');
  const other = stores.find((kv) => kv !== leader && kv !== follower)!;
  await world.run(follower.membership.remove(other.id));
  t.notMatch(roles(follower), `${other.id}:`);
  await world.run(leader.membership.update('n4', { clientAddress: 'n4:8000' }));
  await world.until(() => n4.membership.list().some((one) => one.clientAddress === 'n4:8000'));
  const wrong = [
    () => follower.membership.promote('n4'),
    () => follower.membership.promote('n9'),
    () => follower.membership.remove('n9'),
    () => follower.membership.update('n9', {}),
    () => follower.membership.replace('n9', 'n8'),
    // It runs, and has a log: it is to be emptied before it may come back.
    () => leader.membership.add(other.id),
  ];
  for (const call of wrong) {
    t.match(await failureOf(world.run(call())), { code: 'ERR_MEMBERSHIP', outcome: 'rejected' });
  }
  await load.stop();
  t.same(
    load.failed.filter((line) => !line.includes('rejected') && !line.includes('ERR_')),
    [],
  );
  t.same(await missing(world, n4, load.acknowledged), []);
  for (const kv of [...stores, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('whoever has changed the members sees the change, and goes on from it', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const follower = stores.find((kv) => kv !== leader)!;
  const n4 = await world.openStore('n4', { members: ['n1', 'n2', 'n3', 'n4'] });
  // The follower hears late what is appended, and at once what it is answered.
  let loses = 0;
  const drop = ({ lane, bytes }: FrameInFlight): boolean => {
    if (lane !== 'bulk' || unpackLinkFrame(bytes).channel !== 'raft') return false;
    loses += 1;
    return loses % 3 !== 0;
  };
  world.network.setFaults({ drop }, { from: leader.id, to: follower.id });
  const { membership } = follower;
  const changes = [
    () => membership.promote('n4'),
    () => membership.update('n4', { clientAddress: 'n4:8000', expect: membership.version }),
    () => membership.update('n4', { clientAddress: 'n4:8001', expect: membership.version }),
    () => membership.remove('n4', { expect: membership.version }),
  ];
  await world.run(leader.membership.add('n4'));
  for (const [i, change] of changes.entries()) {
    await world.run(change());
    t.equal(membership.version, leader.membership.version, `${i}`);
    t.ok(membership.list().every(({ role }) => role === 'voter'));
  }
  for (const kv of [...stores, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a change is over where its joint configuration is left, and not before', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const follower = stores.find((kv) => kv !== leader)!;
  const n4 = await world.openStore('n4', { members: ['n1', 'n2', 'n3', 'n4'] });
  await world.run(leader.membership.add('n4'));
  await world.until(() => roles(follower).includes('n4:learner'));
  // The follower hears of the joint configuration, and that it is decided; what leaves it comes late.
  let frames = 0;
  let endMs = Number.POSITIVE_INFINITY;
  const drop = ({ lane, bytes }: FrameInFlight): boolean => {
    if (lane !== 'bulk' || unpackLinkFrame(bytes).channel !== 'raft') return false;
    frames += 1;
    if (frames === 1) endMs = world.time.clock.now() + 400;
    return frames > 1 && world.time.clock.now() < endMs;
  };
  world.network.setFaults({ drop }, { from: leader.id, to: follower.id });
  await world.run(follower.membership.promote('n4'));
  t.ok(world.time.clock.now() >= endMs);
  t.equal(follower.membership.version, leader.membership.version);
  for (const kv of [...stores, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('one call puts a new node in the place of a dead one', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const load = new Load(world, stores.slice(0, 1));
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  const n4 = await world.openStore('n4', { members: ['n1', 'n2', 'n3', 'n4'] });
  await world.crash(n3);
  await world.run(n2.membership.replace('n3', 'n4'));
  t.equal(roles(n2), 'n1:voter n2:voter n4:voter');
  await load.stop();
  t.same(await missing(world, n4, load.acknowledged), []);
  // The new one counts: with n2 gone, n1 and n4 decide.
  await world.crash(n2);
  await world.leaderOf([n1, n4]);
  await world.run(n4.put('k', 'v'));
  await world.run(n1.close());
  await world.run(n4.close());
  t.same(world.unexpected, []);
});

test('the leader is removed under load, and the others go on (schedule E8, fault F2)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const others = stores.filter((kv) => kv !== leader);
  const load = new Load(world, others);
  await world.run(leader.membership.remove(leader.id));
  const next = await world.leaderOf(others);
  await world.run(next.put('after', 'x'));
  await load.stop();
  t.not(next.id, leader.id);
  t.same(roles(next), others.map(({ id }) => `${id}:voter`).join(' '));
  t.same(load.failed, []);
  t.same(await missing(world, next, [...load.acknowledged, 'after']), []);
  for (const kv of stores) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a leader that is removed leaves no call in doubt, and refuses the next (schedule E8)', async (t) => {
  for (const isAskedItself of [true, false]) {
    const world = new World();
    world.network.setFaults({ delayMs: [0.5, 3] });
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    const others = stores.filter((kv) => kv !== leader);
    const asked = isAskedItself ? leader : others[0]!;
    const calls: Promise<unknown>[] = [];
    const put = (): void => {
      calls.push(leader.put(`k${calls.length}`, 'v').catch((error: unknown) => error));
    };
    const { clock } = world.time;
    for (let i = 0; i < 40; i += 1) clock.after(i, put);
    await world.run(asked.membership.remove(leader.id));
    await world.elapse(1000);
    const settled = await world.run(Promise.all(calls));
    t.equal(settled.length, 40);
    t.same(
      settled.filter((one) => QuorateError.is(one) && one.outcome === 'unknown'),
      [],
    );
    const beganMs = clock.now();
    for (const late of [() => leader.put('late', 'v'), () => leader.get('late')]) {
      const refused = { code: 'ERR_NO_LEADER', outcome: 'rejected', message: /removed/ };
      t.match(await failureOf(world.run<unknown>(late())), refused);
    }
    t.ok(clock.now() - beganMs < 100, 'at once');
    const written = settled.flatMap((one, i) => (QuorateError.is(one) ? [] : `k${i}`));
    t.ok(written.length > 5);
    t.same(await missing(world, others[0]!, written), []);
    for (const kv of stores) await world.run(kv.close());
    t.same(world.unexpected, []);
  }
});

test('changes at a leader that is cut off have one outcome, the same for all (fault F1)', async (t) => {
  for (const change of ['add', 'remove'] as const) {
    const world = new World();
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    const others = stores.filter((kv) => kv !== leader);
    const n4 = await world.openStore('n4', { members: ['n1', 'n2', 'n3', 'n4'] });
    const before = { roles: roles(leader), version: leader.membership.version };
    // The change is appended at the leader, and gets no further.
    world.network.setFaults({ drop: isAppend }, { from: leader.id });
    const wait = { timeoutMs: 3000 };
    const cutOff =
      change === 'add'
        ? failureOf(leader.membership.add('n4', wait))
        : failureOf(leader.membership.remove(others[0]!.id, wait));
    await world.elapse(30);
    t.not(leader.membership.version, before.version, `${change}: it is in force here at once`);
    world.network.split([[leader.id, 'n4'], others.map(({ id }) => id)]);
    const next = await world.leaderOf(others);
    await world.run(next.membership.update(others[1]!.id, { clientAddress: 'moved:1' }));
    t.match(await world.run(cutOff), { outcome: 'unknown' });
    world.network.setFaults({}, { from: leader.id });
    world.network.heal();
    await world.until(() => stores.every((kv) => roles(kv) === before.roles));
    await world.until(() =>
      stores.every((kv) => kv.membership.version === next.membership.version),
    );
    for (const kv of stores) {
      const moved = kv.membership.list().find(({ id }) => id === others[1]!.id);
      t.equal(
        moved?.clientAddress,
        'moved:1',
        `${change}: the other change is in force everywhere`,
      );
    }
    for (const kv of [...stores, n4]) await world.run(kv.close());
    t.same(world.unexpected, []);
  }
});

test('a member whose disk was wiped comes back as a voter by itself (schedule E15)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  await world.run(n1.put('k', 'v'));
  const before = n3.status().incarnation;
  await world.crash(n3);
  world.wipe('n3');
  const again = await world.openStore('n3');
  await world.until(() => roles(again) === 'n1:voter n2:voter n3:voter');
  t.not(again.status().incarnation, before);
  t.equal(again.membership.list()[2]?.incarnation, again.status().incarnation);
  t.equal(await world.run(again.get('k')), 'v');
  // It counts again.
  await world.crash(n1);
  await world.leaderOf([n2, again]);
  await world.run(n2.put('k2', 'v'));
  await world.run(again.close());
  await world.run(n2.close());
  t.same(world.unexpected, []);
});

test('a wiped member decides nothing before it is let in again (schedule E15)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  await world.crash(n3);
  await world.leaderOf([n1, n2]);
  await world.run(n1.put('x', 'held by n1 and n2'));
  await world.crash(n2);
  world.wipe('n2');
  await world.crash(n1);
  const wiped = await world.openStore('n2');
  const behind = await world.openStore('n3');
  await world.elapse(10_000);
  t.equal(behind.status().leader, null, 'n3 does not know of x, and is not elected');
  t.match(await failureOf(world.run(behind.put('x', 'y', { timeoutMs: 1000 }))), {
    code: 'ERR_NO_LEADER',
  });
  const back = await world.openStore('n1');
  await world.until(() => roles(wiped) === 'n1:voter n2:voter n3:voter');
  t.equal(await world.run(wiped.get('x')), 'held by n1 and n2');
  for (const kv of [wiped, behind, back]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('with readmit: manual a wiped member waits to be replaced', async (t) => {
  const world = new World();
  const stores = await world.openAll({ readmit: 'manual' });
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  await world.crash(n3);
  world.wipe('n3');
  const again = await world.openStore('n3', { readmit: 'manual' });
  await world.elapse(5_000);
  t.same(again.membership.list(), []);
  const told = world.lines.filter(({ fields }) => fields['event'] === 'node.notReadmitted');
  t.equal(told.length, 1, 'once');
  // Also as a learner: nobody but an administrator says that it takes a place.
  await world.run(n1.membership.add('n3'));
  await world.elapse(3_000);
  t.equal(roles(n1).match(/n3:learner/g)?.length, 1);
  await world.run(n1.membership.replace('n3', 'n3'));
  await world.until(() => roles(again) === 'n1:voter n2:voter n3:voter');
  for (const kv of [n1, n2, again]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node of another cluster is not let into this one (schedule E16, fault F12)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const n1 = stores[0]!;
  const n4 = await world.openStore('n4', { members: ['n4'] });
  await world.run(n4.put('k', 'theirs'));
  const failure = await failureOf(world.run(n1.membership.add('n4', { timeoutMs: 2000 })));
  t.match(failure, { outcome: 'rejected' });
  await world.run(n4.close());
  const joining = { members: undefined, join: ['n1'] };
  const again = await world.openStore('n4', joining);
  await world.elapse(3000);
  t.equal(roles(n1), 'n1:voter n2:voter n3:voter');
  t.equal(roles(again), 'n4:voter', 'its own log decides');
  t.equal(await world.run(again.get('k')), 'theirs');
  for (const kv of [...stores, again]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('options of joining that make no sense are ERR_CONFIG', async (t) => {
  const world = new World();
  const cases = [
    { join: ['n1'] },
    { members: undefined, join: [] },
    { members: undefined, join: ['n1'], transport: undefined },
    { members: undefined, join: ['n1'], id: undefined },
    { readmit: 'never' as 'auto' },
  ];
  for (const options of cases) {
    const failure = await failureOf(world.openStore('n4', options));
    t.match(failure, { code: 'ERR_CONFIG' }, JSON.stringify(options));
  }
});
