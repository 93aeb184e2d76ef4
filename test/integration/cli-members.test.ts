import { test } from 'tap';
import { openKVStore } from '../../lib/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import { tcpTransport } from '../../transports/tcp/index.js';
import { freePorts, KVCTL, KVNODE, Program, run } from './programs.js';

test('a node on TCP joins by an address alone, and becomes a voter', async (t) => {
  const ports = await freePorts(4);
  const addresses = ports.map((port) => `127.0.0.1:${port}`);
  const ids = ['n1', 'n2', 'n3'];
  const members = Object.fromEntries(ids.map((id, i) => [id, addresses[i]!]));
  const stores: KVStore[] = await Promise.all(
    ids.map((id) => openKVStore({ id, members, transport: tcpTransport() })),
  );
  await stores[0]!.put('k', 'v');
  const n4 = await openKVStore({
    id: 'n4',
    join: [addresses[1]!],
    peerAddress: addresses[3]!,
    transport: tcpTransport(),
  });
  stores.push(n4);
  t.teardown(() => Promise.all(stores.map((kv) => kv.close())));
  await until(() => n4.membership.list().filter(({ role }) => role === 'voter').length === 4);
  t.equal(await n4.get('k'), 'v');
  t.equal(
    n4.membership.list().find(({ id }) => id === 'n4')?.peerAddress,
    addresses[3],
    'as others are told',
  );
});

test('kvnode --join takes a node into a cluster that runs', async (t) => {
  const [first, second] = await freePorts(2);
  const one = `127.0.0.1:${first!}`;
  const nodes = [new Program(KVNODE, ['--id', 'n1', '--bind', one])];
  t.teardown(() => Promise.all(nodes.map((node) => node.end('SIGKILL'))));
  await nodes[0]!.line(/^ready /);
  await run(KVCTL, ['--cluster', one, 'put', 'k', 'v']);
  const joins = ['--id', 'n2', '--bind', `127.0.0.1:${second!}`, '--join', one];
  nodes.push(new Program(KVNODE, joins));
  await nodes[1]!.line(/^ready /);
  const got = await run(KVCTL, ['--endpoints', `127.0.0.1:${second! + 1000}`, 'get', 'k']);
  t.match(got, { code: 0, stdout: 'v\n' });
  await run(KVCTL, ['--cluster', one, 'member', 'promote', 'n2']);
  const removed = await run(KVCTL, ['--cluster', one, 'member', 'remove', 'n2']);
  t.match(removed, { code: 0, stdout: 'OK\n' });
  const listed = await run(KVCTL, ['--cluster', one, 'member', 'list', '--json']);
  t.match(listed.stdout, /^{"id":"n1"[^\n]*"role":"voter"[^\n]*\n$/);
  const wrong = await run(KVCTL, ['--cluster', one, 'member', 'replace', 'n9', 'n2']);
  t.match(wrong, { code: 3, stderr: /^kvctl: ERR_MEMBERSHIP: n9 is not a member/ });
});

async function until(isTrue: () => boolean): Promise<void> {
  const clock = new SystemClock();
  while (!isTrue()) {
    await new Promise<void>((resolve) => {
      clock.after(10, resolve);
    });
  }
}
