import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'tap';
import { EmitterEventBus } from '../../lib/events/index.js';
import { openKVStore } from '../../lib/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { type MemoryDisk, memoryDisk, memoryStorage } from '../../storage/memory/index.js';
import { tcpTransport } from '../../transports/tcp/index.js';
import { freePorts, KVCTL, KVNODE, Program, run } from './programs.js';
import { until } from './waiting.js';

const IDS = ['n1', 'n2', 'n3'] as const;

/** Nodes on real sockets, on disks in memory that outlive them. */
class Nodes {
  readonly stores = new Map<string, KVStore>();
  /** Changes of the members that each node has heard of. */
  readonly changes = new Map<string, number>();
  readonly #disks = new Map<string, MemoryDisk>();

  /** `members` is what the node is told when it is opened; its own entry is where it listens. */
  async open(id: string, members: Readonly<Record<string, string>>): Promise<KVStore> {
    const disk = this.#disks.get(id) ?? memoryDisk();
    this.#disks.set(id, disk);
    const events = new EmitterEventBus({
      onListenerError: (error) => {
        throw error;
      },
      onUnobservedFault: ({ error }) => {
        throw error;
      },
    });
    events.on('raft.membershipChanged', () => {
      this.changes.set(id, (this.changes.get(id) ?? 0) + 1);
    });
    const kv = await openKVStore({
      id,
      members,
      clientAddress: `clients.${members[id]}`,
      transport: tcpTransport(),
      storage: memoryStorage({ disk }),
      events,
    });
    this.stores.set(id, kv);
    return kv;
  }

  get all(): readonly KVStore[] {
    return [...this.stores.values()];
  }

  async leader(): Promise<KVStore> {
    await until(() => this.all.some((kv) => kv.status().role === 'leader'));
    return this.all.find((kv) => kv.status().role === 'leader')!;
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((kv) => kv.close()));
  }

  /** Whether every node lists all three at these addresses. */
  areAt(places: Readonly<Record<string, string>>): boolean {
    const wanted = IDS.map((id) => `${id} ${places[id]} clients.${places[id]}`).join();
    return this.all.every(
      (kv) =>
        wanted ===
        kv.membership
          .list()
          .map(({ id, peerAddress, clientAddress }) => `${id} ${peerAddress} ${clientAddress}`)
          .join(),
    );
  }
}

test('members that are restarted elsewhere, one after the other, are found by all', async (t) => {
  const ports = await freePorts(6);
  const at = (place: number): string => `127.0.0.1:${ports[place]!}`;
  const first: Record<string, string> = { n1: at(0), n2: at(1), n3: at(2) };
  const nodes = new Nodes();
  t.teardown(() => nodes.close());
  await Promise.all(IDS.map((id) => nodes.open(id, first)));
  const leader = await nodes.leader();
  await leader.put('k', '0');
  // A follower, then the leader, then the third.
  const followers = IDS.filter((id) => id !== leader.id);
  const order = [followers[0]!, leader.id, followers[1]!];
  const now = { ...first };
  for (const [i, id] of order.entries()) {
    await nodes.stores.get(id)!.close();
    nodes.stores.delete(id);
    const others = nodes.all;
    await until(() => others.some((kv) => kv.status().role === 'leader'));
    now[id] = at(3 + i);
    // What it is told of the others is as old as the first start.
    const kv = await nodes.open(id, { ...first, [id]: now[id]! });
    await until(() => nodes.areAt(now));
    await kv.put('k', `${i}`);
    for (const other of nodes.all) t.equal(await other.get('k'), `${i}`);
  }
  // Each said it once: nothing changes any more.
  const before = [...nodes.changes.values()];
  const indexes = nodes.all.map((kv) => kv.status().lastIndex);
  await pause(500);
  t.same([...nodes.changes.values()], before);
  t.same(
    nodes.all.map((kv) => kv.status().lastIndex),
    indexes,
  );
  t.equal((await nodes.leader()).membership.list().length, 3);
});

test('members that moved while none of them ran find each other where they were told', async (t) => {
  const ports = await freePorts(6);
  const places = (from: number): Record<string, string> =>
    Object.fromEntries(IDS.map((id, i) => [id, `127.0.0.1:${ports[from + i]!}`]));
  const nodes = new Nodes();
  t.teardown(() => nodes.close());
  await Promise.all(IDS.map((id) => nodes.open(id, places(0))));
  await (await nodes.leader()).put('k', 'v');
  await nodes.close();
  nodes.stores.clear();
  await Promise.all(IDS.map((id) => nodes.open(id, places(3))));
  await until(() => nodes.areAt(places(3)));
  t.equal(await nodes.all[0]!.get('k'), 'v');
});

test('a member of another cluster at the address of one of ours changes nothing (schedule E16)', async (t) => {
  const ports = await freePorts(6);
  const places = (from: number): Record<string, string> =>
    Object.fromEntries(IDS.map((id, i) => [id, `127.0.0.1:${ports[from + i]!}`]));
  const [ours, theirs] = [new Nodes(), new Nodes()];
  t.teardown(() => Promise.all([ours.close(), theirs.close()]));
  await Promise.all(IDS.map((id) => ours.open(id, places(0))));
  await Promise.all(IDS.map((id) => theirs.open(id, places(3))));
  await (await ours.leader()).put('k', 'ours');
  await (await theirs.leader()).put('k', 'theirs');
  for (const nodes of [ours, theirs]) {
    await nodes.stores.get('n3')!.close();
    nodes.stores.delete('n3');
  }
  // Their n3 takes the place of ours, with our names and where we are, by a mistake in its options.
  const stray = await theirs.open('n3', places(0));
  await until(() => theirs.areAt({ ...places(3), n3: places(0)['n3']! }));
  t.equal(await stray.get('k'), 'theirs', 'it finds its own');
  const leader = await ours.leader();
  await leader.put('k', 'still ours');
  for (const kv of ours.all) t.equal(await kv.get('k'), 'still ours');
  // It is no majority with one of us.
  const alone = ours.all.find((kv) => kv !== leader)!;
  await leader.close();
  ours.stores.delete(leader.id);
  await until(() => alone.status().leader === null);
  await t.rejects(alone.put('k', 'x', { timeoutMs: 1500 }), {
    code: 'ERR_NO_LEADER',
    message: /n3 \(127\.0\.0\.1:\d+\): belongs to cluster|n3.*cluster/,
  });
  t.equal(await stray.get('k'), 'theirs');
});

test('kvnode restarted with another --bind tells the others where it is', async (t) => {
  const [one, two, moved] = (await freePorts(3)).map((port) => `127.0.0.1:${port}`) as [
    string,
    string,
    string,
  ];
  const directory = t.testdir();
  const cluster = `n1=${one},n2=${two}`;
  const node = (id: string, bind: string): Program => {
    const place = ['--data-dir', `${directory}/${id}`, '--cluster', cluster];
    return new Program(KVNODE, ['--id', id, '--bind', bind, ...place]);
  };
  const n1 = node('n1', one);
  let n2 = node('n2', two);
  t.teardown(() => Promise.all([n1, n2].map((program) => program.end('SIGKILL'))));
  await Promise.all([n1.line(/^ready /), n2.line(/^ready /)]);
  t.match(await run(KVCTL, ['--cluster', one, 'put', 'k', 'v']), { code: 0 });
  await n2.end('SIGKILL');
  // The directory decides: that --cluster still has it elsewhere is no mistake.
  n2 = node('n2', moved);
  await n2.line(/^ready /);
  t.match(await run(KVCTL, ['--cluster', moved, 'get', 'k']), { code: 0, stdout: 'v\n' });
  const line = new RegExp(`^n2 +voter +${moved} `, 'm');
  let listed = '';
  await until(async () => {
    listed = (await run(KVCTL, ['--cluster', one, 'member', 'list'])).stdout;
    return line.test(listed);
  });
  t.match(listed, line);
  t.notMatch(n2.stderr, /members that are given are ignored/);
});
