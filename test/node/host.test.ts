import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test } from 'tap';
import { openKVStore, openNodeHost } from '../../lib/index.js';
import type { CommittedCommand, StorageEngine } from '../../lib/interfaces/index.js';
import type { NodeHost } from '../../lib/kv/index.js';
import type { NodeOptions, RaftNode } from '../../lib/node/index.js';
import { bytes } from '../../lib/store/index.js';
import { levelStorage } from '../../storage/level/index.js';
import { memoryStorage } from '../../storage/memory/index.js';
import { memoryNetwork } from '../../transports/memory/index.js';
import { tcpTransport } from '../../transports/tcp/index.js';
import { accepted, EchoMachine, MEMBERS, rig, text8 } from './group-rig.js';
import { failureOf, World } from './world.js';

const INDEX = new URL('../../lib/index.js', import.meta.url).href;
const MEMORY = new URL('../../transports/memory/index.js', import.meta.url).href;

test('options that are wrong are ERR_CONFIG, and the message says what is', async (t) => {
  const network = memoryNetwork();
  const transport = network.transport('n1');
  const cases: readonly (readonly [NodeOptions, RegExp])[] = [
    [{ ['nodeId' as 'id']: 'n1' }, /"nodeId" is not an option of a node/],
    [
      { id: 'n1', members: ['n1', 'n2', 'n3'] },
      /3 members but no transport; pass transport: tcpTransport\(\)/,
    ],
    [{ members: ['n1'] }, /members are given, so id must say which of them this node is/],
    [{ id: 'n4', members: ['n1', 'n2'], transport }, /id "n4" is not among the members n1, n2/],
    [{ id: 'n1', members: ['n1', 'n1'], transport }, /the member n1 is listed twice/],
    [{ id: 'a b' }, /id/],
    [{ clusterName: '' }, /clusterName/],
    [{ callTimeoutMs: 0 }, /callTimeoutMs must be a number of milliseconds above 0, not 0/],
    [{ callTimeoutMs: Number.POSITIVE_INFINITY }, /callTimeoutMs/],
    [{ limits: { maxKeyBytes: -1 } }, /limits.maxKeyBytes must be an integer from 1/],
    [{ timing: { heartbeatMs: 500 } }, /timing.heartbeatMs \(500\) must be less than/],
  ];
  for (const [options, message] of cases) {
    t.match(
      await failureOf(openKVStore(options)),
      { code: 'ERR_CONFIG', message },
      String(message),
    );
  }
});

test('one transport or engine for two nodes is ERR_CONFIG, and the first goes on', async (t) => {
  const network = memoryNetwork();
  const members = ['n1'];
  const engines: readonly (readonly [string, StorageEngine])[] = [
    ['memory', memoryStorage()],
    ['level', levelStorage(t.testdir())],
  ];
  for (const [name, storage] of engines) {
    const first = await openKVStore({ storage });
    t.match(await failureOf(openKVStore({ storage })), { code: 'ERR_CONFIG' }, name);
    t.equal((await first.put('k', 'v')).created, true, `the first node keeps its ${name} engine`);
    await first.close();
  }
  const transports = [
    { transport: network.transport('n1'), members },
    { transport: tcpTransport(), members: { n1: '127.0.0.1:0' } },
  ];
  for (const shared of transports) {
    const first = await openKVStore({ id: 'n1', ...shared });
    t.match(await failureOf(openKVStore({ id: 'n1', ...shared })), { code: 'ERR_CONFIG' });
    t.equal((await first.put('k', 'v')).created, true, 'the first node keeps its transport');
    await first.close();
  }
});

test('a node whose transport does not start gives its storage back', async (t) => {
  const storage = memoryStorage();
  const wrong = { id: 'n1', members: ['n1'], transport: tcpTransport(), storage };
  t.match(await failureOf(openKVStore(wrong)), { code: 'ERR_CONFIG' });
  const kv = await openKVStore({ storage });
  await kv.put('k', 'v');
  await kv.close();
});

test('groups of one host are apart: closing one leaves the others', async (t) => {
  const world = new World();
  const hosts: NodeHost[] = [];
  for (const id of world.members) hosts.push(await world.openHost(id));
  const open = (group: string) =>
    world.run(Promise.all(hosts.map((host) => host.openKVStore({ group, values: bytes }))));
  const [a, b] = [await open('a'), await open('b')];
  await world.run(Promise.all([a[0]!.put('k', text8('a')), b[1]!.put('k', text8('b'))]));
  await world.run(Promise.all(a.map((kv) => kv.close())));
  t.match(await failureOf(a[0]!.get('k')), { code: 'ERR_CLOSED' });
  t.match(await failureOf(a[0]!.get('k', { consistency: 'stale' })), { code: 'ERR_CLOSED' });
  t.same(await world.run(b[2]!.get('k')), text8('b'));
  for (const group of ['a', 'b']) {
    const again = hosts[0]!.openKVStore({ group, values: bytes });
    t.match(await world.run(failureOf(again)), { code: 'ERR_CONFIG' }, `${group} is opened once`);
  }
  await world.run(Promise.all(hosts.map((host) => host.close())));
  t.equal((await b[0]!.closed).cause, null);
});

test('close is the same twice, settles what waits, and does not wait for a hung disk for ever (schedule G5)', async (t) => {
  const world = new World({ members: ['n1'] });
  const kv = await world.openStore('n1');
  await world.run(kv.ready());
  const hold = world.disk('n1').hold({ kind: 'append' });
  const put = failureOf(kv.put('k', 'v'));
  await world.elapse(50);
  const closings = [kv.close(), kv.close()];
  t.match(await world.run(put), { code: 'ERR_CLOSED', outcome: 'unknown' });
  t.match(await failureOf(kv.put('k', 'v')), { code: 'ERR_CLOSED', outcome: 'rejected' });
  await world.run(Promise.all(closings));
  t.same(await kv.closed, { cause: null });
  hold.release();
});

test('closing a group of a host does not wait for a hung disk for ever', async (t) => {
  const world = new World({ members: ['n1'] });
  const host = await world.openHost('n1');
  const kv = await world.run(host.openKVStore({ values: bytes }));
  await world.run(kv.ready());
  world.disk('n1').hold({ kind: 'append' });
  const put = failureOf(kv.put('k', text8('v')));
  await world.elapse(50);
  await world.run(kv.close());
  t.match(await put, { code: 'ERR_CLOSED', outcome: 'unknown' });
  await world.run(host.close());
});

test('a machine that throws on a command stops its node, with the cause (fault A16, schedule I7)', async (t) => {
  const world = new World({ members: ['n1'] });
  const machine = new EchoMachine();
  const node = await world.openMachine('n1', machine);
  await world.run(node.ready());
  await world.run(node.propose(text8('good')));
  machine.apply = () => {
    throw new Error('no such command');
  };
  t.match(await world.run(failureOf(node.propose(text8('bad')))), {
    code: 'ERR_MACHINE',
    outcome: 'unknown',
    message: /no such command/,
  });
  const { cause } = await world.run(node.closed);
  t.match(cause, { code: 'ERR_MACHINE', cause: { message: 'no such command' } });
  t.same(world.faults, ['n1 ERR_MACHINE']);
  t.match(await failureOf(node.query(text8('q'), { consistency: 'stale' })), {
    code: 'ERR_MACHINE',
    outcome: 'rejected',
  });
});

test('a machine that stops in the middle of a change answers no read of the same turn', async (t) => {
  const world = new World();
  const machines = world.members.map(() => new HalfMachine());
  const nodes: RaftNode[] = [];
  for (const [i, id] of world.members.entries()) {
    nodes.push(await world.openMachine(id, machines[i]!));
  }
  const leader = await world.leaderOf(nodes);
  await world.run(leader.ready());
  const bad = failureOf(leader.propose(text8('bad')));
  await world.time.next();
  const read = failureOf(leader.query(text8('q')));
  for (let i = 0; i < 3; i += 1) await world.time.next();
  // The answers to both come while the loop is held, and are stepped together.
  world.time.clock.hold(30);
  t.match(await world.run(bad), { code: 'ERR_MACHINE', outcome: 'unknown' });
  t.match(await world.run(read), { code: 'ERR_MACHINE', outcome: 'rejected' });
  t.same(
    machines.map(({ readHalf }) => readHalf),
    [false, false, false],
  );
  for (const node of nodes) await world.run(node.close());
});

test('what is proposed is what the bytes held at the call', async (t) => {
  const world = new World({ members: ['n1'] });
  const node = await world.openMachine('n1', new EchoMachine());
  await world.run(node.ready());
  const command = text8('before');
  const proposed = node.propose(command);
  command.set(text8('behind'));
  t.same(await world.run(proposed), text8('before'));
  await world.run(node.close());
});

test('a machine that answers too few commands stops its node', async (t) => {
  const world = new World({ members: ['n1'] });
  const machine = new EchoMachine();
  machine.apply = () => [];
  const node = await world.openMachine('n1', machine);
  await world.run(node.ready());
  t.match(await world.run(failureOf(node.propose(text8('c')))), { code: 'ERR_MACHINE' });
  t.match(await world.run(node.closed), { cause: { message: /gave 0 answers to 1 commands/ } });
});

test('a machine that throws on a query rejects the query and nothing else', async (t) => {
  const world = new World({ members: ['n1'] });
  const machine = new EchoMachine();
  machine.query = () => {
    throw new Error('no such query');
  };
  const node = await world.openMachine('n1', machine);
  t.match(await world.run(failureOf(node.query(text8('q')))), { code: 'ERR_MACHINE' });
  t.same(await world.run(node.propose(text8('c'))), text8('c'));
  t.same(world.faults, []);
  await world.run(node.close());
});

test('a command of a later version stops the node instead of being skipped (fault H10)', async (t) => {
  const { group, lead, deliver, settle, faults, machine } = await rig({
    machine: new StrictMachine(),
  });
  await lead(2);
  await deliver(accepted(MEMBERS.b, 2, 2));
  const goodFailure = failureOf(group.calls.propose(text8('1'), 1, {}));
  const late = failureOf(group.calls.propose(text8('2'), 2, {}));
  await settle();
  await deliver(accepted(MEMBERS.b, 2, 4));
  t.match(await late, { code: 'ERR_MACHINE', outcome: 'unknown' });
  t.match(await goodFailure, { code: 'ERR_MACHINE' }, 'they were of one batch');
  t.match(faults, [{ code: 'ERR_MACHINE', message: /version 2 is not known/ }]);
  t.same(machine.applied, [], 'and nothing after it is applied');
  t.match(await group.closed, { cause: { code: 'ERR_MACHINE' } });
});

test('a node that stops by itself tells events, log and closed, and closes what it had', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  world.disk(leader.id).failNext({ kind: 'append' });
  const failure = await world.run(failureOf(leader.put('k', 'v')));
  t.match(failure, { code: 'ERR_STORAGE', outcome: 'unknown' });
  t.match(await world.run(leader.closed), { cause: { code: 'ERR_STORAGE' } });
  t.same(world.faults, [`${leader.id} ERR_STORAGE`]);
  t.ok(
    world.lines.some(
      ({ level, fields }) => level === 'fatal' && fields['event'] === 'raft.faulted',
    ),
  );
  t.match(await failureOf(leader.put('k', 'v')), { code: 'ERR_STORAGE', outcome: 'rejected' });
  const again = await world.openStore(leader.id);
  await world.run(again.put('k', 'v'));
  t.same(world.unexpected, []);
  for (const kv of [again, ...stores]) await world.run(kv.close());
});

test('a part that does not close is told, and the node is closed all the same (schedule I7)', async (t) => {
  const world = new World({ members: ['n1'] });
  const transport = world.network.transport('n1');
  transport.close = () => Promise.reject(new Error('stuck'));
  const storage = memoryStorage();
  const close = storage.close.bind(storage);
  storage.close = () => close().then(() => Promise.reject(new Error('stuck as well')));
  const kv = await world.openStore('n1', { transport, storage });
  await world.run(kv.ready());
  await world.run(kv.close());
  t.equal(world.lines.filter(({ fields }) => fields['event'] === 'node.closeFailed').length, 2);
  const hanging = world.network.transport('n2');
  hanging.close = () => new Promise(() => {});
  const other = await world.openStore('n2', { members: ['n2'], transport: hanging });
  await world.run(other.close());
});

test('an idle store in memory does not keep its process alive; a call that waits does', async (t) => {
  const run = promisify(execFile);
  const script = (body: string): string[] => ['--input-type=module', '-e', body];
  const idle = await run(
    process.execPath,
    script(`import { openKVStore } from '${INDEX}';
      const kv = await openKVStore();
      await kv.put('k', 'v');
      console.log(await kv.get('k'));`),
    { timeout: 10_000 },
  );
  t.equal(idle.stdout, 'v\n', 'it ends by itself');
  const waiting = await run(
    process.execPath,
    script(`import { openKVStore } from '${INDEX}';
      import { memoryNetwork } from '${MEMORY}';
      const transport = memoryNetwork().transport('a');
      const kv = await openKVStore({ id: 'a', members: ['a', 'b'], transport, callTimeoutMs: 300 });
      kv.put('k', 'v').catch((error) => console.log(error.code));`),
    { timeout: 10_000 },
  );
  t.equal(waiting.stdout, 'ERR_NO_LEADER\n', 'it waits for the answer, and ends');
});

test('what is closed has given its storage and transport back', async (t) => {
  const world = new World({ members: ['n1'] });
  const kv = await world.openStore('n1');
  const closing = kv.close();
  await world.run(kv.closed);
  const again = await world.openStore('n1');
  await world.run(again.ready());
  const failed = world.disk('n1');
  failed.failNext();
  await world.run(failureOf(again.put('k', 'v')));
  await world.run(again.closed);
  world.wipe('n1');
  const machine = await world.openMachine('n1', new EchoMachine());
  void machine.close();
  await world.run(machine.closed);
  await world.run((await world.openStore('n1')).close());
  await closing;
  t.same(world.faults, ['n1 ERR_STORAGE']);
});

test('a store of a host holds text unless told, in the group default', async (t) => {
  const host = await openNodeHost();
  const kv = await host.openKVStore();
  await kv.put('k', 'text');
  t.equal(await kv.get('k'), 'text');
  t.equal(kv.status().group, 'default');
  await host.close();
});

test('a host that is closed opens nothing any more', async (t) => {
  const host = await openNodeHost();
  await host.close();
  await host.close();
  t.match(await failureOf(host.openKVStore({ values: bytes })), { code: 'ERR_CLOSED' });
  await using second = await openNodeHost();
  const kv = await second.openKVStore({ values: bytes });
  await kv.put('k', text8('v'));
});

test('data of another node is refused, and what contradicts itself is not served from (schedule F7)', async (t) => {
  const world = new World({ members: ['n1', 'n2'] });
  const n1 = await world.openStore('n1');
  await world.run(n1.close());
  const storage = memoryStorage({ disk: world.disk('n1') });
  t.match(await failureOf(world.openStore('n2', { storage })), { code: 'ERR_WRONG_CLUSTER' });
  const single = new World({ members: ['n1'] });
  const kv = await single.openStore('n1');
  await single.run(kv.put('k', 'v'));
  await single.run(kv.close());
  const engine = memoryStorage({ disk: single.disk('n1') });
  const group = engine.group.bind(engine);
  engine.group = (id) => ({ ...group(id), state: withoutState(group(id).state) });
  t.match(await failureOf(single.openStore('n1', { storage: engine })), {
    code: 'ERR_CORRUPT',
    message: /the stored term is 0, and its log has an entry of term 2/,
  });
});

test('a start with other members than the log has says so, and the log wins (fault F13)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const third = stores.find(({ id }) => id === 'n3')!;
  await world.run(third.put('k', 'v'));
  const ignored = (): number =>
    world.lines.filter(({ fields }) => fields['event'] === 'node.membersIgnored').length;
  await world.run(third.close());
  const again = await world.openStore('n3');
  t.equal(ignored(), 0, 'the same list');
  await world.run(again.close());
  const told = { n3: '', n4: 'n4', n1: 'elsewhere' };
  const other = await world.openStore('n3', { members: told });
  t.equal(ignored(), 1);
  await world.run(other.ready());
  t.same(
    other.membership.list().map(({ id, peerAddress }) => [id, peerAddress]),
    stores[0]?.membership.list().map(({ id, peerAddress }) => [id, peerAddress]),
  );
  t.equal(await world.run(other.get('k')), 'v');
  await world.run(other.put('k', 'w'));
  for (const kv of [...stores, other]) await world.run(kv.close());
});

function withoutState(state: ReturnType<StorageEngine['group']>['state']): typeof state {
  return { load: async () => null, save: (given) => state.save(given) };
}

/** Knows version 1 of its commands, as the store's machine does. */
class StrictMachine extends EchoMachine {
  override apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    for (const { commandVersion } of commands) {
      if (commandVersion !== 1) throw new Error(`version ${commandVersion} is not known`);
    }
    return super.apply(commands);
  }
}

/** Stops in the middle of every command. */
class HalfMachine extends EchoMachine {
  readHalf = false;
  #isHalf = false;

  override apply(): readonly Uint8Array[] {
    this.#isHalf = true;
    throw new Error('half of it is done');
  }

  override query(query: Uint8Array): Uint8Array {
    this.readHalf ||= this.#isHalf;
    return query;
  }
}
