import { test } from 'tap';
import { DEFAULT_LIMITS, encodeUtf8 } from '../../lib/base/index.js';
import { COMMAND_VERSION, encodeCommand } from '../../lib/kv/machine/index.js';
import { Link } from '../../lib/link/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import type { Message } from '../../lib/raft/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/index.js';
import {
  decodeSnapshotChunk,
  encodePeerCall,
  encodeRaftMessage,
  encodeSnapshotRequest,
} from '../../lib/wire/index.js';
import { memoryStorage } from '../../storage/memory/index.js';
import { failureOf, World } from './world.js';

/*
 * Two clusters that meet by mistake do not mix. The greeting of a connection keeps them apart already; here
 * the frames themselves come from elsewhere, on a connection that was let in while its node was new.
 */

const ELSEWHERE = 'b'.repeat(16);
const INCARNATION = 'f'.repeat(16);
const CREATED = 'raft.snapshotCreated';
const STRANGER = `n4#${INCARNATION}`;

test('frames, calls and snapshot pulls of another cluster are dropped (schedule E16, fault F12)', async (t) => {
  const world = new World();
  const engines = new Map(world.members.map((id) => [id, memoryStorage({ disk: world.disk(id) })]));
  const stores: KVStore[] = [];
  for (const [id, storage] of engines) {
    const limits = { snapshotEntries: 8, trailingEntries: 2 };
    stores.push(await world.openStore(id, { storage, limits }));
  }
  const leader = await world.leaderOf(stores);
  for (let i = 0; i < 20; i += 1) await world.run(leader.put(`k${i}`, 'v'));
  const { snapshots } = engines.get(leader.id)!.group('default');
  await world.until(() => world.lines.some(({ fields }) => fields['event'] === CREATED));
  const [snapshot] = await world.run(snapshots.list());
  const snapshotId = snapshot!.id;
  const own = leader.status().clusterId!;

  for (const clusterId of [null, ELSEWHERE, own]) {
    const isOurs = clusterId === own;
    const n4 = await openLink(world, leader.id, clusterId);
    const before = { term: leader.status().term, role: leader.status().role };
    for (const message of messagesTo(leader)) {
      t.ok(n4.send(leader.id, 'raft', encodeRaftMessage(message), 'control'), 'it is sent');
    }
    await world.elapse(50);
    t.match(leader.status(), before, 'no term, vote or entry of elsewhere');
    const written = n4
      .request(leader.id, 'kv', encodePeerCall(put(`stray-${clusterId}`)), { timeoutMs: 500 })
      .then(
        () => true,
        () => false,
      );
    t.equal(await world.run(written), isOurs, `a call of ${clusterId}`);
    const pulled = n4
      .request(leader.id, 'snapshot', encodeSnapshotRequest(pull(snapshotId)), { timeoutMs: 500 })
      .then(
        (chunk) => decodeSnapshotChunk(chunk).sizeBytes > 0,
        () => false,
      );
    t.equal(await world.run(pulled), isOurs, `a pull of ${clusterId}`);
    await world.run(n4.close());
    await world.elapse(100);
  }
  const keys = await world.run(
    Promise.all([null, ELSEWHERE].map((id) => leader.get(`stray-${id}`))),
  );
  t.same(keys, [null, null]);
  t.equal(await world.run(leader.get(`stray-${own}`)), 'v', 'ours is the measure of the others');
  t.ok(
    world.lines.some(
      ({ fields }) =>
        fields['event'] === 'link.frameDropped' && fields['reason'] === 'wrongCluster',
    ),
  );
  for (const kv of stores) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a change that was forwarded to one that does not lead is not forwarded again', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const follower = stores.find((kv) => kv !== leader)!;
  const n4 = await openLink(world, follower.id, leader.status().clusterId);
  const change = {
    kind: 'changeMembership',
    group: 'default',
    timeoutMs: 5000,
    change: { kind: 'remove', member: `${leader.id}#${leader.status().incarnation}` },
    expect: null,
  } as const;
  const asked = n4.request(follower.id, 'kv', encodePeerCall(change), { timeoutMs: 1000 });
  const failure = await failureOf(world.run(asked));
  t.match(failure, { code: 'ERR_NOT_LEADER', outcome: 'rejected', leader: { id: leader.id } });
  await world.run(n4.close());
  for (const kv of stores) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('answers of another cluster are not taken for those of a member (schedule E16)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const [gone, other] = stores.filter((kv) => kv !== leader) as [KVStore, KVStore];
  // Who answers in the place of a member was new when it connected, and belongs elsewhere now. It grants all.
  await world.crash(gone);
  const { incarnation } = gone.status();
  const from = `${gone.id}#${incarnation}`;
  const namesake = await openLink(world, leader.id, ELSEWHERE, { id: gone.id, incarnation });
  await world.crash(other);
  await world.until(() => leader.status().role !== 'leader');
  const self = `${leader.id}#${leader.status().incarnation}`;
  let stood = 0;
  for (let i = 0; i < 200; i += 1) {
    const { term, role } = leader.status();
    const head = { group: 'default', from, to: self, granted: true } as const;
    const grant: Message =
      role === 'candidate'
        ? { ...head, kind: 'voteReply', term }
        : { ...head, kind: 'preVoteReply', term: term + 1 };
    if (role !== 'follower') stood += 1;
    namesake.send(leader.id, 'raft', encodeRaftMessage(grant), 'control');
    await world.elapse(10);
    if (leader.status().role === 'leader') t.fail('it was elected by another cluster');
  }
  t.ok(stood > 0, 'it asked for votes');
  t.match(await failureOf(world.run(leader.put('k', 'v', { timeoutMs: 500 }))), {
    code: 'ERR_NO_LEADER',
  });
  await world.run(namesake.close());
  await world.run(leader.close());
  t.same(world.unexpected, []);
});

/** A link that was let in as that of a new node, and speaks for a cluster afterwards. */
async function openLink(
  world: World,
  peer: string,
  clusterId: string | null,
  { id = 'n4', incarnation = INCARNATION } = {},
): Promise<Link> {
  const link = new Link({
    transport: world.network.transport(id),
    nodeId: id,
    incarnation,
    instance: 'e'.repeat(16),
    clusterId: null,
    listen: null,
    limits: DEFAULT_LIMITS,
    clock: world.time.clock,
    random: new SeededRandom(7),
    logger: silentLogger,
  });
  await world.run(link.start());
  link.setPeers(new Map([[peer, '']]));
  await world.until(() => link.peers().some(({ connected }) => connected));
  if (clusterId !== null) link.setClusterId(clusterId);
  return link;
}

/** What would unseat a leader or write to its log, were it heard. */
function messagesTo(kv: KVStore): readonly Message[] {
  const { id, incarnation, lastIndex, term } = kv.status();
  const head = { group: 'default', from: STRANGER, to: `${id}#${incarnation}`, term: term + 5 };
  const last = { lastIndex: lastIndex + 100, lastTerm: term + 4 };
  return [
    { ...head, kind: 'vote', ...last },
    { ...head, kind: 'preVote', ...last },
    { ...head, kind: 'heartbeatReply', readRound: 1, term },
  ];
}

function put(key: string) {
  const command = encodeCommand({
    kind: 'put',
    key: encodeUtf8(key),
    value: encodeUtf8('v'),
    condition: null,
  });
  const commandVersion = COMMAND_VERSION;
  return { kind: 'propose', group: 'default', command, commandVersion, timeoutMs: 400 } as const;
}

function pull(snapshotId: string) {
  return { group: 'default', snapshotId, offset: 0 };
}
