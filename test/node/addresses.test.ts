import { test } from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import type { NetworkTransport } from '../../lib/interfaces/index.js';
import { AddressBook } from '../../lib/node/address-book.js';
import { isDialable, OwnAddress } from '../../lib/node/own-address.js';
import { silentLogger } from '../../lib/observe/index.js';
import { type Configuration, NO_CONFIGURATION, type RaftStatus } from '../../lib/raft/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { VirtualTime } from '../../lib/testing/test-time.js';
import { failureOf, World } from './world.js';

const PASSING_MS = 10_000;

test('a member that was removed is dialled for a while, and then no more', async (t) => {
  const world = new World();
  const books: string[][] = [];
  const watched = watch(world.network.transport('n1'), books);
  const n1 = await world.openStore('n1', { transport: watched });
  const n2 = await world.openStore('n2');
  const n3 = await world.openStore('n3');
  await world.leaderOf([n1, n2, n3]);
  const n4 = await world.openStore('n4', { members: undefined, join: ['n1'] });
  await world.until(() => isVoter(n1, 'n4'));
  t.same(books.at(-1), ['n1', 'n2', 'n3', 'n4']);
  await world.run(n1.membership.remove('n4'));
  await world.run(n1.membership.remove('n3'));
  await world.elapse(PASSING_MS / 2);
  t.same(books.at(-1), ['n1', 'n2', 'n3', 'n4'], 'their removal may be undecided');
  await world.elapse(PASSING_MS);
  t.same(books.at(-1), ['n1', 'n2'], 'also of those that it was told of when it was opened');
  // One that was only introduced, and never came, is forgotten as well.
  const options = { peerAddress: 'n5:1', timeoutMs: 1000 };
  await failureOf(world.run(n1.membership.add('n5', options)));
  t.same(books.at(-1), ['n1', 'n2', 'n5']);
  await world.elapse(PASSING_MS + 1000);
  t.same(books.at(-1), ['n1', 'n2']);
  for (const kv of [n1, n2, n3, n4]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('what an administrator says of a running member stands until it is restarted', async (t) => {
  const world = new World();
  const [n1, n2, n3] = (await world.openAll()) as [KVStore, KVStore, KVStore];
  await world.run(n3.close());
  const first = await world.openStore('n3', { clientAddress: 'n3:1' });
  await world.until(() => clientOf(n1, 'n3') === 'n3:1');
  await world.run(n1.membership.update('n3', { clientAddress: 'proxy:1' }));
  await world.elapse(5000);
  t.equal(clientOf(first, 'n3'), 'proxy:1', 'nobody takes it back');
  await world.run(first.close());
  const silent = await world.openStore('n3');
  await world.elapse(5000);
  t.equal(clientOf(silent, 'n3'), 'proxy:1', 'where nothing is said, it stays');
  await world.run(silent.close());
  const again = await world.openStore('n3', { clientAddress: 'n3:2' });
  await world.until(() => [n1, n2, again].every((kv) => clientOf(kv, 'n3') === 'n3:2'));
  const { lastIndex } = again.status();
  await world.elapse(2000);
  t.equal(again.status().lastIndex, lastIndex, 'it is said once');
  for (const kv of [n1, n2, again]) await world.run(kv.close());
  t.same(world.unexpected, []);
});

test('a node tells its address once a start, for its own incarnation, to a leader', async (t) => {
  const desk = new Desk();
  desk.tick();
  t.same(desk.asked, [], 'nobody leads');
  desk.leader = 'n1#1';
  desk.configuration = configurationAt({ 'n2#other': 'old:1' });
  desk.tick();
  t.same(desk.asked, [], 'it is not a member under this incarnation');
  desk.configuration = configurationAt({ 'n2#2': 'old:1' });
  desk.tick();
  desk.tick();
  t.same(desk.asked, ['n2#2 new:1'], 'one question at a time');
  await desk.answer(false);
  desk.tick();
  t.equal(desk.asked.length, 1, 'not again at once');
  desk.elapse(1000);
  desk.tick();
  t.equal(desk.asked.length, 2);
  // It was appended, and is cut off before it is committed.
  await desk.answer(false);
  desk.configuration = configurationAt({ 'n2#2': 'new:1' });
  desk.lastIndex = 9;
  desk.elapse(1000);
  desk.tick();
  desk.configuration = configurationAt({ 'n2#2': 'old:1' });
  desk.lastIndex = 8;
  desk.tick();
  t.equal(desk.asked.length, 3, 'it was not decided');
  await desk.answer(false);
  desk.configuration = configurationAt({ 'n2#2': 'new:1' });
  desk.tick();
  desk.commitIndex = 8;
  desk.tick();
  desk.configuration = configurationAt({ 'n2#2': 'proxy:1' });
  desk.elapse(1000);
  desk.tick();
  t.equal(desk.asked.length, 3, 'it was decided: what is said later stands');
});

test('a node that is new says nothing: others are told as it is let in', async (t) => {
  const desk = new Desk({ isRestart: false });
  desk.leader = 'n1#1';
  desk.configuration = configurationAt({ 'n2#2': 'old:1' });
  desk.tick();
  t.same(desk.asked, []);
});

test('an address that nobody could dial is told to nobody', async (t) => {
  const useless = ['', ':7001', '0.0.0.0:7001', '[::]:7001', '*:7001', '10.0.0.1:0', '[::1]:0'];
  t.same(useless.filter(isDialable), []);
  const useful = ['10.0.0.1:7001', '[::1]:7001', 'n1:70', 'worker-1', '10.0.0.0:7001'];
  t.same(useful.filter(isDialable), useful);
});

test('where nobody answers the address of the log and the one that was told are tried in turn', async (t) => {
  let now = 0;
  const told = new Map([
    ['n1', 'a:1'],
    ['n2', 'told:2'],
    ['n3', 'c:1'],
  ]);
  const book = new AddressBook({ now: () => now, told, passingMs: PASSING_MS });
  t.notOk(book.missed('n2'), 'there is no other');
  book.learn('g', configurationAt({ 'n1#1': 'a:1', 'n2#2': 'log:2' }));
  t.equal(book.entries.get('n2'), 'log:2');
  t.equal(book.entries.get('n3'), 'c:1', 'one that is no member yet');
  t.ok(book.missed('n2'));
  t.equal(book.entries.get('n2'), 'told:2');
  t.notOk(book.missed('n2'), 'not at once again');
  now += 1000;
  t.ok(book.missed('n2'));
  t.equal(book.entries.get('n2'), 'log:2');
  t.notOk(book.missed('n1'), 'both are the same');
  now += 1000;
  t.ok(book.missed('n2'));
  book.learn('g', configurationAt({ 'n1#1': 'a:1', 'n2#2': 'log:3' }));
  t.equal(book.entries.get('n2'), 'log:3', 'what is newly said is tried first');
});

test('the later of two incarnations is where the node is dialled, in every group', async (t) => {
  const book = new AddressBook({ now: () => 0, told: new Map(), passingMs: PASSING_MS });
  const old = configurationAt({ 'n1#1': 'a:1', 'n2#f': 'old:1' });
  book.learn('g', old);
  book.introduce('n2', 'new:1');
  t.equal(book.entries.get('n2'), 'new:1', 'where an administrator says that it is');
  const addresses = new Map([...old.addresses, ['n2#0', { peer: 'new:2', client: null }]]);
  book.learn('g', { ...old, learners: ['n2#0'], addresses });
  t.equal(book.entries.get('n2'), 'new:2');
  book.learn('h', configurationAt({ 'n2#0': 'new:2' }));
  book.learn('g', configurationAt({ 'n1#1': 'a:1' }));
  t.equal(book.nextMs, null, 'it is a member of another group');
  t.equal(book.entries.get('n2'), 'new:2');
});

/** An `OwnAddress` of n2#2 at new:1, and what it hears. */
class Desk {
  readonly asked: string[] = [];
  configuration = NO_CONFIGURATION;
  leader: string | null = null;
  lastIndex = 8;
  commitIndex = 0;
  readonly #time = new VirtualTime();
  readonly #own: OwnAddress;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | null = null;

  constructor({ isRestart = true } = {}) {
    this.#own = new OwnAddress({
      self: 'n2#2',
      clock: this.#time.clock,
      logger: silentLogger,
      isRestart,
      told: () => ({ peer: 'new:1', client: null }),
      status: () => this.#status(),
      submit: (change) => {
        const peer = change.kind === 'changeAddresses' ? change.addresses.peer : change.kind;
        this.asked.push(`${change.member} ${peer}`);
        return new Promise((resolve, reject) => {
          this.#settle = { resolve, reject };
        });
      },
    });
  }

  tick(): void {
    this.#own.tick();
  }

  elapse(ms: number): void {
    this.#time.clock.advance(ms);
  }

  async answer(isDone: boolean): Promise<void> {
    if (isDone) this.#settle?.resolve();
    else this.#settle?.reject(new QuorateError('ERR_NOT_LEADER', { message: 'it is another' }));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  #status(): RaftStatus {
    return {
      self: 'n2#2',
      role: 'follower',
      term: 1,
      votedFor: null,
      leader: this.leader,
      firstIndex: 1,
      lastIndex: this.lastIndex,
      lastTerm: 1,
      durableIndex: this.lastIndex,
      commitIndex: this.commitIndex,
      appliedIndex: this.commitIndex,
      lacksState: false,
      configuration: this.configuration,
      logBytes: 0,
      progress: new Map(),
    };
  }
}

function configurationAt(peers: Readonly<Record<string, string>>): Configuration {
  const addresses = Object.entries(peers).map(
    ([member, peer]) => [member, { peer, client: null }] as const,
  );
  return { ...NO_CONFIGURATION, incoming: Object.keys(peers), addresses: new Map(addresses) };
}

/** The transport, and the names in every address book that it is given. */
function watch(transport: NetworkTransport, books: string[][]): NetworkTransport {
  return {
    start: (context) => transport.start(context),
    send: (to, frame, lane) => transport.send(to, frame, lane),
    close: () => transport.close(),
    setPeers: (peers) => {
      books.push([...peers.keys()].sort());
      transport.setPeers(peers);
    },
  };
}

function isVoter(kv: KVStore, id: string): boolean {
  return kv.membership.list().some((member) => member.id === id && member.role === 'voter');
}

function clientOf(kv: KVStore, id: string): string | null | undefined {
  return kv.membership.list().find((member) => member.id === id)?.clientAddress;
}
