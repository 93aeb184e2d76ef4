import t from 'tap';
import { concatBytes } from '../../lib/base/index.js';
import type {
  SavedSnapshot,
  SnapshotDraft,
  SnapshotSink,
  SnapshotWriter,
} from '../../lib/interfaces/index.js';
import {
  type MemberRecovery,
  type RestoredMember,
  recoverMember,
  restoreSnapshot,
} from '../../lib/node/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { type KVStore, saveSnapshot } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/index.js';
import { memoryStorage } from '../../storage/memory/index.js';
import { failureOf, World } from './world.js';

t.test('a member that lost its majority goes on alone, with all that its log holds', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  for (let i = 0; i < 20; i += 1) await world.run(leader.put(`k${i}`, `v${i}`));
  const survivor = stores.find((kv) => kv !== leader)!;
  for (const { id } of stores) await world.run(leader.membership.update(id, { priority: 40 }));
  await world.until(() => survivor.status().durableIndex === leader.status().lastIndex);
  const { lastIndex, clusterId, incarnation } = survivor.status();
  for (const kv of stores) await world.crash(kv);

  const told = await world.run(recover(world, survivor.id, { force: false }));
  t.match(told, { isDone: false, clusterId: null, formerClusterId: clusterId });
  const done = await world.run(recover(world, survivor.id));
  t.match(done, {
    nodeId: survivor.id,
    isDone: true,
    isResumed: false,
    groups: [{ group: 'default', lastIndex, removed: others(survivor.id) }],
  });
  t.not(done.clusterId, clusterId);
  t.not(done.incarnation, incarnation);

  const alone = await world.openStore(survivor.id);
  await world.run(alone.ready());
  t.match(alone.status(), {
    role: 'leader',
    clusterId: done.clusterId,
    members: [{ id: survivor.id, incarnation: done.incarnation, role: 'voter', priority: 40 }],
  });
  for (let i = 0; i < 20; i += 1) t.equal(await world.run(alone.get(`k${i}`)), `v${i}`);

  // The old two come back, and are a majority of what was: two clusters, and nothing between them.
  const term = alone.status().term;
  const back: KVStore[] = [];
  for (const id of others(survivor.id)) back.push(await world.openStore(id));
  const old = await world.leaderOf(back);
  await world.run(old.put('k0', 'of the former cluster'));
  await world.run(alone.put('k1', 'of the new one'));
  await world.elapse(5000);
  t.equal(await world.run(alone.get('k0')), 'v0');
  t.equal(await world.run(old.get('k1')), 'v1');
  t.match(alone.status(), { role: 'leader', term });
  t.match(old.status(), { clusterId, members: { length: 3 } });
  for (const kv of back) await world.crash(kv);

  // With empty disks they are let in.
  const joined: KVStore[] = [];
  for (const id of others(survivor.id)) {
    world.wipe(id);
    joined.push(await world.openStore(id, { members: undefined, join: [survivor.id] }));
  }
  const isVoter = (kv: KVStore): boolean =>
    alone.status().members.some(({ id, role }) => id === kv.id && role === 'voter');
  await world.until(() => joined.every(isVoter));
  for (const kv of joined) t.equal(await world.run(kv.get('k1')), 'of the new one');
  t.same(world.unexpected, []);
  for (const kv of [alone, ...joined]) await world.run(kv.close());
});

t.test(
  'what was durable here and never committed is kept, and decided by the recovery',
  async (t) => {
    const world = new World();
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    world.network.split([[leader.id], others(leader.id)]);
    const writing = failureOf(leader.put('k', 'only here', { timeoutMs: 400 }));
    t.match(await world.run(writing), { outcome: 'unknown' });
    for (const kv of stores) await world.crash(kv);
    world.network.heal();
    await world.run(recover(world, leader.id));
    const alone = await world.openStore(leader.id);
    t.equal(await world.run(alone.get('k')), 'only here');
    await world.run(alone.close());
  },
);

t.test('a recovery cut short at any write leaves the old member or the new one', async (t) => {
  const outcomes: string[] = [];
  for (const keep of [0, 1]) {
    for (let writes = 0, isDone = false; !isDone; writes += 1) {
      const world = new World();
      const stores = await world.openAll();
      const leader = await world.leaderOf(stores);
      await world.run(leader.put('k', 'v'));
      await world.elapse(500);
      for (const kv of stores) await world.crash(kv);
      const { id } = leader;
      const hold = world.disk(id).hold();
      let isOver = false;
      const recovering = recover(world, id).then(
        () => 'done',
        (error: unknown) => String(error),
      );
      void recovering.then(() => {
        isOver = true;
      });
      for (let released = 0; released < writes; released += 1) {
        await world.until(() => isOver || hold.waiting.length > 0);
        hold.releaseFirst();
      }
      await world.until(() => isOver || hold.waiting.length > 0);
      isDone = isOver;
      world.disk(id).crash({ keep: () => keep });
      hold.release();
      await world.run(recovering);

      const alone = await world.openStore(id);
      const isNew = alone.status().clusterId !== leader.status().clusterId;
      outcomes.push(isNew ? 'new' : 'old');
      const back: KVStore[] = [];
      for (const other of others(id)) back.push(await world.openStore(other));
      await world.until(() => alone.status().leader !== null);
      t.equal(await world.run(alone.get('k')), 'v');
      t.equal(alone.status().members.length, isNew ? 1 : 3);
      await world.elapse(2000);
      t.equal(alone.status().members.length, isNew ? 1 : 3);
      // What was begun is over: another recovery finds a member that has lost nobody.
      for (const kv of [alone, ...back]) await world.run(kv.close());
      if (isNew) t.match(await world.run(failureOf(recover(world, id))), { code: 'ERR_CONFIG' });
      t.same(world.unexpected, []);
    }
  }
  // One write decides: with it lost and the rest of them, the old member; from it on, the new one.
  t.equal(outcomes.join(' '), 'old new new new new new new new new new');
});

t.test(
  'a recovery that was cut short is finished by the next one, with the same ids',
  async (t) => {
    const world = new World();
    const stores = await world.openAll();
    const { id } = await world.leaderOf(stores);
    for (const kv of stores) await world.crash(kv);
    world.disk(id).failNext({ kind: 'append' });
    t.match(await world.run(failureOf(recover(world, id))), { code: 'ERR_STORAGE' });
    const storage = memoryStorage({ disk: world.disk(id) });
    const begun = await world.run(storage.open({ clock: world.time.clock, logger: silentLogger }));
    await world.run(storage.close());
    const { clusterId, incarnation } = begun!;
    const done = await world.run(recover(world, id));
    t.match(done, { isDone: true, isResumed: true, clusterId, incarnation });
    t.equal(done.formerClusterId, begun!.formerClusterId);
    const alone = await world.openStore(id);
    await world.run(alone.ready());
    t.match(alone.status(), { clusterId, incarnation, members: { length: 1 } });
    await world.run(alone.close());
  },
);

t.test('storage that a node of this process uses is refused, and left to it', async (t) => {
  const { world, saved } = await savedWorld();
  const storage = memoryStorage({ disk: world.disk('n1') });
  const kv = await world.openStore('n1', { members: ['n1'], storage });
  await world.run(kv.put('k', '1'));
  const offline = [
    () => recoverMember({ storage, force: true }, context(world)),
    () =>
      restoreSnapshot({ snapshot: saved, storage, id: 'n1', members: { n1: '' } }, context(world)),
  ];
  for (const begin of offline) {
    t.match(await world.run(failureOf(begin())), { code: 'ERR_CONFIG', reason: /another node/ });
    await world.run(kv.put('k', '2'));
  }
  await world.run(kv.close());
});

t.test('every group of a node goes on alone', async (t) => {
  const world = new World();
  const hosts = [];
  for (const id of world.members) hosts.push(await world.openHost(id));
  for (const group of ['a', 'B.c']) {
    const stores = await Promise.all(hosts.map((host) => world.run(host.openKVStore({ group }))));
    await world.run(stores[0]!.put('k', group));
    await world.elapse(500);
  }
  for (const host of hosts) await world.run(host.close());
  const { groups } = await world.run(recover(world, 'n2'));
  t.same(
    groups.map(({ group }) => group),
    ['B.c', 'a'],
  );
  const host = await world.openHost('n2');
  for (const group of ['a', 'B.c']) {
    const alone = await world.run(host.openKVStore({ group }));
    t.equal(await world.run(alone.get('k')), group);
    t.equal(alone.status().members.length, 1);
  }
  await world.run(host.close());
});

t.test('there is nothing to recover where nothing was lost, or nothing is there', async (t) => {
  const world = new World();
  const first = memoryStorage({ disk: world.disk('n9') });
  await world.run(first.open({ clock: world.time.clock, logger: silentLogger }));
  await world.run(first.close());
  t.match(await world.run(failureOf(recover(world, 'n9'))), { code: 'ERR_CONFIG' });

  const waiting = await world.openStore('n1');
  await world.run(waiting.close());
  const early = await world.run(failureOf(recover(world, 'n1')));
  t.match(early, { code: 'ERR_CONFIG', reason: /belongs to no cluster yet/ });

  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const removed = stores.find((kv) => kv !== leader)!;
  const running = await world.run(failureOf(recover(world, removed.id)));
  t.match(running, { code: 'ERR_LOCKED' });
  await world.run(leader.membership.remove(removed.id));
  await world.until(() => removed.status().members.length === 2);
  for (const kv of stores) await world.run(kv.close());
  const late = await world.run(failureOf(recover(world, removed.id)));
  t.match(late, { code: 'ERR_CONFIG', reason: /is no member of group default/ });
});

t.test(
  'members restored one by one from one snapshot are one new cluster (fault H11)',
  async (t) => {
    const { world, saved, old } = await savedWorld();
    const restored: RestoredMember[] = [];
    for (const id of world.members) restored.push(await world.run(restore(world, saved, id)));
    const [{ clusterId }] = restored as [RestoredMember];
    t.same(new Set(restored.map((member) => member.clusterId)), new Set([clusterId]));
    t.equal(new Set(restored.map(({ incarnation }) => incarnation)).size, 3);
    t.not(clusterId, old.clusterId);
    const stores: KVStore[] = [];
    for (const id of world.members) stores.push(await world.openStore(id));
    const leader = await world.leaderOf(stores);
    await world.run(leader.put('new', 'yes'));
    for (const kv of stores) {
      t.equal(await world.run(kv.get('k7')), 'v7');
      t.equal(
        await world.run(kv.get('after')),
        null,
        'what was written after the snapshot is gone',
      );
      t.equal(await world.run(kv.get('new')), 'yes');
      t.match(kv.status(), { clusterId, members: { length: 3 } });
      t.same(
        kv.status().members.map(({ id, incarnation }) => [id, incarnation]),
        world.members.map((id, i) => [id, restored[i]!.incarnation]),
      );
    }
    const preferred = leader.membership.list().filter(({ priority }) => priority === 60);
    t.equal(preferred.length, 1, 'what was said of a node stays');
    const entry = await world.run(leader.getEntry('k7'));
    t.match(entry, { createRevision: 8, modRevision: 8, version: 1 });
    t.equal((await world.run(leader.getEntry('new')))?.modRevision, 21);
    for (const kv of stores) await world.run(kv.close());
  },
);

t.test('restored members and those of the old cluster do not hear each other', async (t) => {
  const { world, saved, old } = await savedWorld();
  // Two of three are restored; the third comes back with the disk that it had.
  for (const id of ['n1', 'n2']) await world.run(restore(world, saved, id));
  const stores = [await world.openStore('n1'), await world.openStore('n2')];
  const leader = await world.leaderOf(stores);
  world.putBack('n3');
  const stranger = await world.openStore('n3');
  const { term } = leader.status();
  await world.elapse(10_000);
  t.match(leader.status(), { role: 'leader', term });
  t.match(stranger.status(), { clusterId: old.clusterId, leader: null, term: old.term });
  t.equal(leader.status().progress.find(({ id }) => id === 'n3')?.matchIndex, 0);
  await world.run(leader.put('k', 'v'));
  t.match(await world.run(failureOf(stranger.get('k', { timeoutMs: 300 }))), {
    code: 'ERR_NO_LEADER',
    message: /belongs to (another )?cluster/,
  });
  for (const kv of [...stores, stranger]) await world.run(kv.close());
});

t.test(
  'the ids of a restore depend on the snapshot, the members and the token alone',
  async (t) => {
    const { world, saved } = await savedWorld();
    const base = { id: 'n1', members: { n1: 'a:1', n2: 'a:2' } };
    const made = async (given: object): Promise<string> => {
      const storage = memoryStorage();
      const options = { snapshot: saved, ...base, ...given, storage };
      const { clusterId, incarnation } = await restoreSnapshot(options, context(world));
      return `${clusterId} ${incarnation}`;
    };
    const first = await world.run(made({}));
    t.equal(await world.run(made({ members: { n2: 'a:2', n1: 'a:1' } })), first, 'in any order');
    const different = [
      first,
      await world.run(made({ token: 'again' })),
      await world.run(made({ members: { n1: 'a:1', n2: 'a:3' } })),
      await world.run(made({ members: { n1: 'a:1' } })),
      await world.run(made({ snapshot: { ...saved, digest: '1'.repeat(64) } })),
    ];
    t.equal(new Set(different.map((ids) => ids.split(' ')[0])).size, different.length);
    t.equal(new Set(different.map((ids) => ids.split(' ')[1])).size, different.length);
    for (const id of ['n7', 'constructor']) {
      const wrong = await world.run(failureOf(made({ id })));
      t.match(wrong, { code: 'ERR_CONFIG', reason: `${id} is not among the members n1, n2` });
    }
  },
);

t.test('a restore takes only storage that is new', async (t) => {
  const { world, saved } = await savedWorld();
  await world.run(restore(world, saved, 'n1'));
  t.match(await world.run(failureOf(restore(world, saved, 'n1'))), { code: 'ERR_CONFIG' });
  const kv = await world.openStore('n1');
  t.equal(kv.status().appliedIndex, saved.description.index);
  await world.run(kv.close());
});

t.test('a snapshot that holds less than it says is not restored', async (t) => {
  const { world, saved } = await savedWorld();
  const read = async (offset: number, maxBytes: number): Promise<Uint8Array> =>
    (await saved.read(0, 100)).subarray(offset, offset + maxBytes);
  const short = await world.run(failureOf(restore(world, { ...saved, read }, 'n1')));
  t.match(short, { code: 'ERR_CORRUPT', message: /ends after 100 bytes/ });
  t.match(await failureOf(world.openStore('n1')), { code: 'ERR_CORRUPT' });
});

t.test('a restore that was cut short at any write is never started from', async (t) => {
  const { world, saved } = await savedWorld();
  let refusals = 0;
  for (const keep of [0, 1]) {
    for (let writes = 0, isDone = false; !isDone; writes += 1) {
      world.wipe('n1');
      const hold = world.disk('n1').hold();
      let isOver = false;
      const restoring = restore(world, saved, 'n1').then(
        () => {},
        () => {},
      );
      void restoring.then(() => {
        isOver = true;
      });
      for (let released = 0; released <= writes; released += 1) {
        await world.until(() => isOver || hold.waiting.length > 0);
        if (released < writes) hold.releaseFirst();
      }
      isDone = isOver;
      world.disk('n1').crash({ keep: () => keep });
      hold.release();
      await world.run(restoring);
      const opening = world.openStore('n1').then(
        async (kv) => {
          const { clusterId, lastIndex } = kv.status();
          await world.run(kv.close());
          return clusterId === null ? `new ${lastIndex}` : `restored ${lastIndex}`;
        },
        (error: { code: string }) => error.code,
      );
      const found = await opening;
      if (found === 'ERR_CORRUPT') refusals += 1;
      else if (found === 'new 0') t.ok(writes < 2, 'nothing but a name was stored');
      else t.equal(found, `restored ${saved.description.index}`);
    }
  }
  t.ok(refusals >= 4, `${refusals} parts of a restore were refused`);
});

t.test('a state is saved as of one moment, while writes go on (schedule D15)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const value = 'x'.repeat(10_000);
  for (let i = 0; i < 100; i += 1) await world.run(leader.put(`k${i}`, `${value} 0`));
  const follower = stores.find((kv) => kv !== leader)!;
  let round = 0;
  const sink = new MemorySink(async () => {
    round += 1;
    for (let i = 0; i < 100; i += 9) await leader.put(`k${i}`, `${value} ${round}`);
  });
  const result = await world.run(saveSnapshot(follower, sink));
  t.match(result, { keyCount: 100, revision: 100, group: 'default' });
  t.ok(round >= 4, 'it travelled in parts');
  world.wipe('n1');
  for (const kv of stores) await world.run(kv.close());
  await world.run(restore(world, sink.saved(), 'n1', ['n1']));
  const kv = await world.openStore('n1', { members: ['n1'] });
  await world.run(kv.ready());
  for (let i = 0; i < 100; i += 1) t.equal(await world.run(kv.get(`k${i}`)), `${value} 0`);
  await world.run(kv.close());
});

/** A world whose cluster was saved at twenty keys, wrote one more, and is gone. */
async function savedWorld(): Promise<{
  readonly world: DisasterWorld;
  readonly saved: SavedSnapshot;
  readonly old: { readonly clusterId: string | null; readonly term: number };
}> {
  const world = new DisasterWorld();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  for (let i = 0; i < 20; i += 1) await world.run(leader.put(`k${i}`, `v${i}`));
  await world.run(leader.membership.update('n3', { priority: 60 }));
  const sink = new MemorySink();
  await world.run(saveSnapshot(leader, sink));
  await world.run(leader.put('after', 'v'));
  await world.elapse(500);
  const old = leader.status();
  for (const kv of stores) await world.crash(kv);
  for (const id of world.members) world.setAside(id);
  return { world, saved: sink.saved(), old };
}

class DisasterWorld extends World {
  readonly #aside = new Map<string, ReturnType<World['disk']>>();
  readonly #back = new Map<string, ReturnType<World['disk']>>();

  setAside(id: string): void {
    this.#aside.set(id, this.disk(id));
    this.wipe(id);
  }

  putBack(id: string): void {
    this.#back.set(id, this.#aside.get(id)!);
  }

  override disk(id: string): ReturnType<World['disk']> {
    return this.#back?.get(id) ?? super.disk(id);
  }
}

function context(world: World): Parameters<typeof recoverMember>[1] {
  return { clock: world.time.clock, logger: silentLogger, random: RANDOM };
}

const RANDOM = new SeededRandom(7);

function recover(world: World, id: string, { force = true } = {}): Promise<MemberRecovery> {
  const storage = memoryStorage({ disk: world.disk(id) });
  return recoverMember({ storage, force }, context(world));
}

function restore(
  world: World,
  snapshot: SavedSnapshot,
  id: string,
  ids: readonly string[] = world.members,
): Promise<RestoredMember> {
  const storage = memoryStorage({ disk: world.disk(id) });
  const members = Object.fromEntries(ids.map((member) => [member, '']));
  return restoreSnapshot({ snapshot, storage, id, members }, context(world));
}

function others(id: string): readonly string[] {
  return ['n1', 'n2', 'n3'].filter((other) => other !== id);
}

/** Keeps what is saved, and calls `between` after each part. */
class MemorySink implements SnapshotSink {
  readonly #between: () => Promise<void>;
  #group = '';
  #draft: SnapshotDraft | null = null;
  #content: Uint8Array = new Uint8Array(0);

  constructor(between: () => Promise<void> = async () => {}) {
    this.#between = between;
  }

  async create(group: string, draft: SnapshotDraft): Promise<SnapshotWriter> {
    this.#group = group;
    this.#draft = draft;
    return {
      write: async (chunk) => {
        this.#content = concatBytes([this.#content, chunk]);
        await this.#between();
      },
      commit: async () => this.saved().description,
      abort: async () => {},
    };
  }

  saved(): SavedSnapshot {
    const content = this.#content;
    return {
      group: this.#group,
      digest: '0'.repeat(64),
      description: { ...this.#draft!, id: 'saved', sizeBytes: content.length },
      read: async (offset, maxBytes) => content.slice(offset, offset + maxBytes),
      close: async () => {},
    };
  }
}
