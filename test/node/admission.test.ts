import { test } from 'tap';
import { DEFAULT_LIMITS } from '../../lib/base/index.js';
import { Link } from '../../lib/link/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/index.js';
import { decodeProbe, encodeProbe, type Probe, unpackLinkFrame } from '../../lib/wire/index.js';
import { memoryStorage } from '../../storage/memory/index.js';
import type { FrameInFlight } from '../../transports/memory/index.js';
import { failureOf, World } from './world.js';

/*
 * Who is let into a group that exists, and who is not. A stranger speaks the protocol by hand, so that it
 * can say what no node would.
 */

const CLUSTER = 'a'.repeat(16);

test('a node is let in that is new, of this cluster and not of another, and asks for it', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1] = stores as [KVStore];
  const n4 = await Stranger.open(world, 'n4');
  const wrong: readonly Partial<Probe>[] = [
    { joins: false },
    { hasLog: true },
    { clusterName: 'another' },
    { clusterId: CLUSTER },
  ];
  for (const said of wrong) {
    const answer = await world.run(n4.ask('n1', said));
    t.match(answer, { nodeId: 'n1', hasLog: true }, 'who asks is answered');
    await world.elapse(1000);
    t.equal(roles(n1), 'n1:voter n2:voter n3:voter', JSON.stringify(said));
  }
  for (const said of [{ nodeId: 'n5' }, { incarnation: 'b'.repeat(16) }]) {
    const failure = await failureOf(world.run(n4.ask('n1', said)));
    t.match(failure, { code: 'ERR_PROTOCOL' }, 'nobody asks for another');
  }
  // It may ask as often as it likes, whomever it likes.
  await world.run(Promise.all(['n1', 'n1', 'n2', 'n3'].map((id) => n4.ask(id, {}))));
  await world.until(() => roles(n1) === 'n1:voter n2:voter n3:voter n4:learner');
  await world.run(n4.ask('n1', {}));
  await world.elapse(500);
  t.equal(roles(n1), 'n1:voter n2:voter n3:voter n4:learner');
  await n4.close();
  for (const kv of stores) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('one that asks again and again is let in by one change, and again after a failure', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const n4 = await Stranger.open(world, 'n4');
  // The leader is not reached: what was asked for waits.
  const follower = stores.find((kv) => kv !== leader)!;
  world.network.split([stores.filter((kv) => kv !== follower).map(({ id }) => id)]);
  for (let i = 0; i < 20; i += 1) {
    await world.run(n4.ask(follower.id, {}));
    await world.elapse(100);
  }
  t.equal(follower.status().pendingCalls, 1);
  await world.elapse(12_000);
  t.equal(follower.status().pendingCalls, 0, 'it was given up');
  world.network.heal();
  await world.run(n4.ask(follower.id, {}));
  await world.until(() => roles(leader).includes('n4:learner'));
  t.same(
    world.lines.filter(({ fields }) => fields['event'] === 'node.notAdmitted').length,
    1,
    'the one that was given up',
  );
  await world.run(n4.ask(leader.id, {}));
  await world.elapse(100);
  t.equal(
    world.lines.filter(({ fields }) => fields['event'] === 'node.notAdmitted').length,
    1,
    'a member that asks is not added again',
  );
  await n4.close();
  for (const kv of stores) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a member that was heard of lately is not replaced by a namesake (schedule E15)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const [gone, other] = stores.filter((kv) => kv !== leader) as [KVStore, KVStore];
  await world.crash(gone);
  const namesake = await Stranger.open(world, gone.id);
  await world.run(namesake.ask(leader.id, { joins: false }));
  await world.elapse(20);
  t.equal(roles(leader), 'n1:voter n2:voter n3:voter', 'for all that is known it lives');
  await world.until(() => roles(leader).includes(`${gone.id}:learner`));
  t.equal(leader.membership.list().length, 4, 'and the one before it still counts');
  await namesake.close();
  for (const kv of [leader, other]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('the leader asks a namesake five times a second, and no stranger', async (t) => {
  const world = new World();
  const stores = await world.openAll({ readmit: 'manual' });
  const leader = await world.leaderOf(stores);
  const [gone, other] = stores.filter((kv) => kv !== leader) as [KVStore, KVStore];
  await world.crash(gone);
  const namesake = await Stranger.open(world, gone.id, { name: 'another' });
  const n4 = await Stranger.open(world, 'n4');
  let living = 0;
  world.events.on('network.messageReceived', ({ nodeId, kind }) => {
    if (nodeId === other.id && kind === 'admin') living += 1;
  });
  await world.elapse(5000);
  t.ok(living < 5, 'one that is a member as it is heard is not asked');
  const asked = namesake.asked.filter((id) => id === leader.id).length;
  t.ok(asked >= 20 && asked <= 30, `${asked} in five seconds`);
  t.ok(namesake.asked.length - asked < 3, 'hardly anybody else does');
  t.same(n4.asked, [], 'who is no member is not looked for');
  t.equal(roles(leader), 'n1:voter n2:voter n3:voter', 'what it answers is looked at');
  await namesake.close();
  await n4.close();
  for (const kv of [leader, other]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('what is only too early waits: a leader without a decision of its own, or one that hands over', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const first = await world.leaderOf(stores);
  const others = stores.filter((kv) => kv !== first);
  // Entries do not get through, so that the next leader has decided nothing.
  const drop = ({ lane, bytes }: FrameInFlight): boolean =>
    lane === 'bulk' && unpackLinkFrame(bytes).channel === 'raft';
  world.network.setFaults({ drop });
  await world.crash(first);
  const leader = await world.leaderOf(others);
  const n4 = await Stranger.open(world, 'n4');
  await world.run(n4.ask(leader.id, {}));
  await world.elapse(60);
  t.equal(leader.status().role, 'leader');
  t.notMatch(roles(leader), 'n4');
  world.network.setFaults({});
  await world.until(() => roles(leader).includes('n4:learner'));
  await n4.close();
  // Who is told to stand hears of it late.
  const other = others.find((kv) => kv !== leader)!;
  world.network.setFaults({ drop: 1 }, { to: other.id });
  const handed = Promise.allSettled([leader.transferLeadership(other.id)]);
  const n5 = await Stranger.open(world, 'n5');
  await world.run(n5.ask(leader.id, {}));
  await world.elapse(60);
  world.network.setFaults({}, { to: other.id });
  await world.run(handed);
  await world.until(() => roles(other).includes('n5:learner'));
  t.same(
    world.lines.filter(({ fields }) => fields['event'] === 'node.notAdmitted'),
    [],
  );
  await n5.close();
  for (const kv of others) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a learner that is to vote asks for it once at a time, until it does', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const n4 = await world.openStore('n4', { members: undefined, join: ['n1'] });
  await world.until(() => roles(n4).includes('n4:learner'));
  world.network.isolate('n4');
  await world.elapse(5000);
  t.equal(n4.status().pendingCalls, 1);
  await world.elapse(20_000);
  world.network.heal();
  await world.until(() => roles(n4) === 'n1:voter n2:voter n3:voter n4:voter');
  await world.elapse(1000);
  const { lastIndex } = n4.status();
  await world.elapse(1000);
  t.equal(n4.status().lastIndex, lastIndex, 'then it asks no more');
  const refused = world.lines.filter(({ fields }) => fields['event'] === 'node.notPromoted');
  t.equal(refused.length, 2, 'while it was cut off, and not any more');
  // One that was added by hand stays what it was made.
  const n5 = await world.openStore('n5', { members: [...world.members, 'n5'] });
  await world.run(stores[0]!.membership.add('n5'));
  await world.elapse(3000);
  t.match(roles(n4), /n5:learner$/);
  for (const kv of [...stores, n4, n5]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a disk that was put back after another took its place is not let in by itself', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1, n2, n3] = stores as [KVStore, KVStore, KVStore];
  const before = world.disk('n3');
  await world.crash(n3);
  world.wipe('n3');
  const again = await world.openStore('n3');
  await world.until(() => roles(again) === 'n1:voter n2:voter n3:voter');
  const { incarnation } = again.status();
  await world.crash(again);
  const back = await world.openStore('n3', { storage: memoryStorage({ disk: before }) });
  await world.elapse(5000);
  t.equal(n1.membership.list().length, 3);
  t.equal(n1.membership.list()[2]?.incarnation, incarnation);
  t.equal(back.status().role === 'leader', false);
  await world.run(n2.put('k', 'v'));
  for (const kv of [n1, n2, back]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

/** The leader tells n4 alone of the entry that lets it in, and crashes. */
async function leaveOut(
  world: World,
  stores: readonly KVStore[],
  open: () => Promise<KVStore>,
): Promise<{ readonly gone: KVStore; readonly rest: readonly KVStore[]; readonly left: KVStore }> {
  const gone = await world.leaderOf(stores);
  const rest = stores.filter((kv) => kv !== gone);
  const drop = ({ lane, bytes }: FrameInFlight): boolean =>
    lane === 'bulk' && unpackLinkFrame(bytes).channel === 'raft';
  for (const { id } of rest) world.network.setFaults({ drop }, { from: gone.id, to: id });
  const left = await open();
  await world.until(() => roles(left).includes(`${left.id}:learner`));
  const isKnown = rest.some((kv) => roles(kv).includes(`${left.id}:learner`));
  if (isKnown) throw new Error('whoever is left is to know nothing of it');
  world.network.isolate(left.id);
  await world.crash(gone);
  for (const { id } of rest) world.network.setFaults({}, { from: gone.id, to: id });
  return { gone, rest, left };
}

test('a learner whose leader crashed before its entry was decided asks again', async (t) => {
  for (const isRestarted of [false, true]) {
    const world = new World();
    const stores = await world.openAll();
    const joining = { members: undefined, join: stores.map(({ id }) => id) };
    const { gone, rest, left } = await leaveOut(world, stores, () =>
      world.openStore('n4', joining),
    );
    const { incarnation } = left.status();
    const next = await world.leaderOf(rest);
    await world.elapse(1000);
    t.notMatch(roles(next), 'n4');
    let n4 = left;
    if (isRestarted) {
      await world.crash(n4);
      n4 = await world.openStore('n4', joining);
    }
    world.network.heal();
    await world.until(() => roles(next) === 'n1:voter n2:voter n3:voter n4:voter');
    t.equal(n4.status().incarnation, incarnation, 'it is the same member');
    const back = await world.openStore(gone.id);
    await world.run(n4.put('k', 'v'));
    await world.until(() => roles(back) === 'n1:voter n2:voter n3:voter n4:voter');
    for (const kv of [...rest, n4, back]) await world.run(kv.close());
    t.same(world.unexpected, []);
  }
});

test('a wiped member whose leader crashed before its entry was decided asks again (schedule E15)', async (t) => {
  const world = new World({ members: ['n1', 'n2', 'n3', 'n4', 'n5'] });
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const wiped = stores.find((kv) => kv !== leader)!;
  const others = stores.filter((kv) => kv !== wiped);
  await world.crash(wiped);
  world.wipe(wiped.id);
  const { rest, left } = await leaveOut(world, others, () => world.openStore(wiped.id));
  const next = await world.leaderOf(rest);
  world.network.heal();
  const { incarnation } = left.status();
  const isBack = (): boolean =>
    next.membership.list().some((member) => member.incarnation === incarnation);
  await world.until(isBack);
  await world.until(() => roles(next) === 'n1:voter n2:voter n3:voter n4:voter n5:voter');
  t.ok(isBack(), 'in the place of the one before it');
  for (const kv of [...rest, left]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node that holds the beginning of the log, and not its own entry, asks again', async (t) => {
  const world = new World();
  const stores = await world.openAll({ limits: { maxAppendBytes: 4096 } });
  const leader = await world.leaderOf(stores);
  const rest = stores.filter((kv) => kv !== leader);
  await world.run(leader.put('before', 'x'.repeat(20_000)));
  // Of what the leader sends, the new node hears little, and the others nothing any more.
  let frames = 0;
  const isBulk = ({ lane, bytes }: FrameInFlight): boolean =>
    lane === 'bulk' && unpackLinkFrame(bytes).channel === 'raft';
  const drop = (frame: FrameInFlight): boolean => {
    if (isBulk(frame)) frames += 1;
    return isBulk(frame) && frames > 2;
  };
  world.network.setFaults({ drop }, { from: leader.id, to: 'n4' });
  for (const { id } of rest) world.network.setFaults({ drop: isBulk }, { from: leader.id, to: id });
  const n4 = await world.openStore('n4', { members: undefined, join: ['n1', 'n2', 'n3'] });
  await world.until(() => roles(leader).includes('n4:learner') && n4.status().lastIndex > 0);
  world.network.isolate(leader.id);
  await world.until(() => n4.status().leader === null);
  t.notMatch([n4, ...rest].map(roles).join(), 'n4');
  const read = await world.run(n4.get('before'));
  t.equal(read?.length, 20_000, 'a call waits: it was not removed, it was no member yet');
  await world.until(() => roles(n4) === 'n1:voter n2:voter n3:voter n4:voter');
  world.network.heal();
  for (const kv of [...stores, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node that was left out is added by hand once more', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const listed = { members: [...world.members, 'n4'] };
  const { rest, left } = await leaveOut(world, stores, async () => {
    const kv = await world.openStore('n4', listed);
    const leader = await world.leaderOf(stores);
    leader.membership.add('n4').catch(() => {});
    return kv;
  });
  const next = await world.leaderOf(rest);
  world.network.heal();
  await world.elapse(5000);
  t.notMatch(roles(next), 'n4', 'by itself it asks for nothing that it was not told to');
  await world.run(next.membership.add('n4'));
  await world.until(() => roles(left) === 'n1:voter n2:voter n3:voter n4:learner');
  for (const kv of [...rest, left]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a learner that was removed while it was down is not let in again when it asks', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const [n1] = stores as [KVStore];
  const n4 = await world.openStore('n4', { members: [...world.members, 'n4'] });
  await world.run(n1.membership.add('n4'));
  await world.until(() => roles(n4).includes('n4:learner'));
  await world.crash(n4);
  await world.run(n1.membership.remove('n4'));
  const again = await world.openStore('n4', { members: undefined, join: ['n1', 'n2', 'n3'] });
  await world.elapse(10_000);
  t.equal(roles(n1), 'n1:voter n2:voter n3:voter');
  t.match(roles(again), 'n4:learner', 'nobody has told it');
  const failure = await failureOf(world.run(n1.membership.add('n4', { timeoutMs: 1000 })));
  t.match(failure, { code: 'ERR_MEMBERSHIP' }, 'nor by hand');
  for (const kv of [...stores, again]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node that is itself new lets nobody in', async (t) => {
  const world = new World();
  const n1 = await world.openStore('n1');
  const n4 = await Stranger.open(world, 'n4');
  t.match(await world.run(n4.ask('n1', {})), { hasLog: false });
  await world.elapse(1000);
  t.equal(n1.status().pendingCalls, 0);
  await n4.close();
  await world.run(n1.close());
  t.same(world.unexpected, []);
});

/** A node that speaks for itself: it asks what it is told to, and answers as one that is new. */
class Stranger {
  /** Who has asked it. */
  readonly asked: string[] = [];
  readonly #id: string;
  readonly #incarnation = 'f'.repeat(16);
  readonly #link: Link;
  readonly #name: string;

  private constructor(world: World, id: string, name: string) {
    this.#id = id;
    this.#name = name;
    this.#link = new Link({
      transport: world.network.transport(id),
      nodeId: id,
      incarnation: this.#incarnation,
      instance: 'e'.repeat(16),
      clusterId: null,
      listen: null,
      limits: DEFAULT_LIMITS,
      clock: world.time.clock,
      random: new SeededRandom(7),
      logger: silentLogger,
    });
    this.#link.handle('admin', {
      request: async (sender) => {
        this.asked.push(sender.nodeId);
        return encodeProbe(this.#probe({ joins: false }));
      },
    });
  }

  static async open(world: World, id: string, { name = 'quorate' } = {}): Promise<Stranger> {
    const stranger = new Stranger(world, id, name);
    await world.run(stranger.#link.start());
    stranger.#link.setPeers(new Map(world.members.map((member) => [member, ''])));
    await world.elapse(20);
    return stranger;
  }

  async ask(peer: string, said: Partial<Probe>): Promise<Probe> {
    const options = { timeoutMs: 1000 };
    const payload = encodeProbe(this.#probe(said));
    return decodeProbe(await this.#link.request(peer, 'admin', payload, options));
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  #probe(said: Partial<Probe>): Probe {
    return {
      group: 'default',
      nodeId: this.#id,
      incarnation: this.#incarnation,
      clusterId: null,
      clusterName: this.#name,
      hasLog: false,
      members: [{ id: this.#id, address: '' }],
      clientAddress: null,
      joins: true,
      undecided: null,
      ...said,
    };
  }
}

function roles(kv: KVStore): string {
  return kv.membership
    .list()
    .map(({ id, role }) => `${id}:${role}`)
    .join(' ');
}
