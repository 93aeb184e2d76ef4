import { test } from 'tap';
import { connect } from '../../lib/client/index.js';
import { openKVStore } from '../../lib/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { tcpTransport } from '../../transports/tcp/index.js';
import { freePorts, KVCTL, KVNODE, Program, run } from './programs.js';
import { until } from './waiting.js';

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
  const table = await run(KVCTL, ['--cluster', one, 'member', 'list']);
  const [, version = ''] = /^version ([0-9a-f]{16})$/m.exec(table.stdout) ?? [];
  t.match(listed.stdout, `"membershipVersion":"${version}"`);
  const client = `127.0.0.1:${first! + 2000}`;
  const update = ['--cluster', one, 'member', 'update', 'n1', '--client-address', client];
  const updated = await run(KVCTL, [...update, '--expect', version]);
  t.match(updated, { code: 0, stdout: 'OK\n' });
  const told = await run(KVCTL, ['--cluster', one, 'member', 'list']);
  t.match(told.stdout, new RegExp(`^n1 +voter +${one} +${client}`, 'm'));
  const leadership = ['--cluster', one, 'leadership'];
  t.match(await run(KVCTL, [...leadership, '--lease', '100ms']), { code: 0, stdout: 'OK\n' });
  const now = await run(KVCTL, leadership);
  t.match(now, { code: 0, stdout: /^lease 100ms\nclose-hint on\nversion [0-9a-f]{16}\n$/ });
  const leased = ['--cluster', one, 'get', 'k', '--consistency', 'leader-lease'];
  t.match(await run(KVCTL, leased), { code: 0, stdout: 'v\n' });
  const tooLong = await run(KVCTL, [...leadership, '--lease', '1s']);
  t.match(tooLong, { code: 2, stderr: /take 51 to 136 ms/ });
  await run(KVCTL, [...leadership, '--lease', 'off', '--close-hint', 'off']);
  const off = await run(KVCTL, [...leadership, '--json']);
  t.match(off.stdout, /^{"leaderLeaseMs":null,"closeHint":false,"membershipVersion":/);
  // Another administrator has not seen that.
  const crossed = await run(KVCTL, [...update, '--peer-address', one, '--expect', version]);
  t.match(crossed, { code: 1, stderr: /^kvctl: ERR_CONDITION: the members have changed; version/ });
  const preferred = await run(KVCTL, [
    ...['--cluster', one, 'member', 'update', 'n1', '--priority', '7'],
  ]);
  t.match(preferred, { code: 0, stdout: 'OK\n' });
  const shown = await run(KVCTL, ['--cluster', one, 'member', 'list', '--json']);
  t.equal(JSON.parse(shown.stdout).priority, 7);
  // What a client has changed it knows, and goes on from there.
  const kv = await connect({ endpoints: [`127.0.0.1:${first! + 1000}`] });
  for (const clientAddress of ['127.0.0.1:1', `127.0.0.1:${first! + 1000}`]) {
    await kv.membership.update('n1', { clientAddress, expect: kv.membership.version });
    t.match(kv.membership.list(), [{ id: 'n1', clientAddress }]);
  }
  await kv.close();
  const wrong = await run(KVCTL, ['--cluster', one, 'member', 'replace', 'n9', 'n2']);
  t.match(wrong, { code: 3, stderr: /^kvctl: ERR_MEMBERSHIP: n9 is not a member/ });
});
