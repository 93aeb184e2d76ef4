import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { connect } from '../../lib/client/index.js';
import { type Ended, KVCTL, KVNODE, Members, Program, run } from './programs.js';
import { until } from './waiting.js';

test('a cluster is saved, lost, and restored as another one', async (t) => {
  const members = await Members.create(3, t.testdir());
  t.teardown(() => members.killAll());
  await members.startAll();
  await fill(members, 200);
  const file = join(members.folder, 'backup.snap');
  // From a follower as well as from the leader: what was acknowledged is in it.
  const saved = await ctl(members.client('n2'), ['snapshot', 'save', file, '--json']);
  t.match(saved, { code: 0, stderr: '' });
  const { digest, index, keyCount } = JSON.parse(saved.stdout);
  t.equal(keyCount, 200);
  t.equal(digest, createHash('sha256').update(readFileSync(file)).digest('hex'));
  t.same(readdirSync(members.folder).sort(), ['backup.snap', 'n1', 'n2', 'n3']);
  const again = await members.ctl(['snapshot', 'save', file]);
  t.match(again, { code: 2, stderr: /backup\.snap exists already/ });
  const over = await members.ctl(['snapshot', 'save', file, '--overwrite']);
  t.match(over, { code: 0, stdout: /^saved .*: index \d+, term \d+, revision 200, 200 keys, / });
  await members.ctl(['put', 'after', 'v']);
  const former = await clusterOf(members.client('n1'));
  await members.killAll();

  const target = (id: string): string => join(members.folder, 'restored', id);
  const restore = (id: string, more: readonly string[] = []): Promise<Ended> => {
    const where = ['--data-dir', target(id), '--id', id, '--cluster', members.cluster];
    return run(KVCTL, ['snapshot', 'restore', file, ...where, '--json', ...more]);
  };
  const made = await Promise.all(['n1', 'n2'].map((id) => restore(id)));
  for (const one of made) t.match(one, { code: 0, stderr: '' });
  const { clusterId } = JSON.parse(made[0]!.stdout);
  t.not(clusterId, former);
  t.match(JSON.parse(made[1]!.stdout), { clusterId, id: 'n2' });
  t.ok(index <= JSON.parse(made[1]!.stdout).index);
  const twice = await restore('n1');
  t.match(twice, { code: 2, stderr: /"code":"ERR_CONFIG".*is not empty/ });

  // n1 and n2 are of the new cluster; n3 comes back with what it had.
  const restored = ['n1', 'n2'].map((id) => startOn(members, id, target(id)));
  t.teardown(() => Promise.all(restored.map((node) => node.end('SIGKILL'))));
  await Promise.all([members.start('n3'), ...restored.map((node) => node.line(/^ready /))]);
  const kv = await connect({ endpoints: [members.client('n1')] });
  t.equal(await kv.get('k199'), 'v199');
  t.equal(await kv.get('after'), null);
  await kv.put('new', 'v');
  t.equal(kv.status().clusterId, clusterId);
  await kv.close();
  t.equal(await clusterOf(members.client('n3')), former);
  // n3 refuses them, and they refuse it.
  await told(members.running.get('n3')!, clusterId);
  await told(restored[0]!, former);
});

test('a file that is damaged restores nothing', async (t) => {
  const folder = t.testdir();
  const members = await Members.create(1, folder);
  t.teardown(() => members.killAll());
  await members.start('n1');
  await fill(members, 20);
  const file = join(folder, 'backup.snap');
  t.match(await members.ctl(['snapshot', 'save', file]), { code: 0 });
  const intact = readFileSync(file);
  const damages = [
    Buffer.from(intact.map((byte, i) => (i === intact.length >> 1 ? byte ^ 1 : byte))),
    intact.subarray(0, -1),
    Buffer.from('not a snapshot'),
  ];
  const where = ['--data-dir', join(folder, 'new'), '--id', 'n1', '--cluster', members.cluster];
  for (const damaged of damages) {
    writeFileSync(file, damaged);
    const restored = await run(KVCTL, ['snapshot', 'restore', file, ...where]);
    t.match(restored, { code: 3, stderr: /^kvctl: ERR_CORRUPT: .*backup\.snap: [^\n]*\n$/ });
    t.equal(existsSync(join(folder, 'new')), false);
  }
  const missing = await run(KVCTL, ['snapshot', 'restore', `${file}x`, ...where]);
  t.match(missing, { code: 2, stderr: /there is no file .*backup\.snapx/ });
});

test('one of three goes on alone, and the other two do no harm when they come back', async (t) => {
  const members = await Members.create(3, t.testdir());
  t.teardown(() => members.killAll());
  await members.startAll();
  await fill(members, 200);
  const former = await clusterOf(members.client('n1'));
  const recover = (more: readonly string[]): Promise<Ended> =>
    run(KVCTL, ['member', 'recover', '--data-dir', members.directory('n3'), ...more]);
  t.match(await recover(['--force']), { code: 3, stderr: /^kvctl: ERR_LOCKED: / });
  for (const id of ['n1', 'n2', 'n3']) await members.end(id, 'SIGKILL');

  const asked = await recover([]);
  t.match(asked, { code: 2, stdout: /^would make n3 in /, stderr: /add --force to do it/ });
  const done = await recover(['--force', '--json']);
  t.match(done, { code: 0, stderr: '' });
  const { clusterId, isDone, groups } = JSON.parse(done.stdout);
  t.match({ isDone, groups }, { isDone: true, groups: [{ removed: ['n1', 'n2'] }] });
  t.not(clusterId, former);
  t.match(await recover(['--force']), { code: 2, stderr: /needs no recovery/ });

  const other = join(members.folder, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'mine.txt'), 'no data of a node');
  const stray = await run(KVCTL, ['member', 'recover', '--data-dir', other]);
  t.match(stray, { code: 2, stderr: /holds no data/ });
  t.same(readdirSync(other), ['mine.txt'], 'and none is made there');

  // The same command line as ever; and two with empty directories, who join.
  await members.start('n3');
  const joiners = await Members.create(2, join(members.folder, 'joiners'));
  const joined = joiners.ids.map((id, i) => {
    const where = ['--bind', joiners.peer(id), '--data-dir', joiners.directory(id)];
    return new Program(KVNODE, ['--id', `n${i + 4}`, ...where, '--join', members.peer('n3')]);
  });
  t.teardown(() => Promise.all(joined.map((node) => node.end('SIGKILL'))));
  const kv = await connect({ endpoints: [members.client('n3')] });
  t.teardown(() => kv.close());
  for (let i = 0; i < 200; i += 1) t.equal(await kv.get(`k${i}`), `v${i}`);
  await until(() => kv.status().members.filter(({ role }) => role === 'voter').length === 3);
  await kv.put('new', 'yes');

  // The old two come back: a majority of the old cluster, and nobody in the new one. One is told to
  // join that; its directory says otherwise.
  const where = ['--bind', members.peer('n2'), '--data-dir', members.directory('n2')];
  const stubborn = new Program(KVNODE, ['--id', 'n2', ...where, '--join', members.peer('n3')]);
  t.teardown(() => stubborn.end('SIGKILL'));
  await Promise.all([members.start('n1'), stubborn.line(/^ready /)]);
  const old = await connect({ endpoints: [members.client('n1')] });
  t.teardown(() => old.close());
  await old.put('k0', 'of the former cluster');
  t.equal(old.status().clusterId, former);
  t.equal(await kv.get('k0'), 'v0');
  t.equal(await kv.get('new'), 'yes');
  t.match(kv.status(), { clusterId, members: [{ id: 'n3' }, { id: 'n4' }, { id: 'n5' }] });
  for (const node of [members.running.get('n1')!, stubborn]) await told(node, clusterId);
});

/** Acknowledged ones: k0, k1 … */
async function fill(members: Members, count: number): Promise<void> {
  const endpoints = members.ids.map((id) => members.client(id));
  const kv = await connect({ endpoints });
  const puts = Array.from({ length: count }, (_, i) => kv.put(`k${i}`, `v${i}`));
  await Promise.all(puts);
  await kv.close();
}

function ctl(endpoint: string, args: readonly string[]): Promise<Ended> {
  return run(KVCTL, ['--endpoints', endpoint, ...args]);
}

async function clusterOf(endpoint: string): Promise<string> {
  const kv = await connect({ endpoints: [endpoint] });
  const { clusterId } = kv.status();
  await kv.close();
  return clusterId ?? '';
}

/** The command line of a member, on another directory. */
function startOn(members: Members, id: string, directory: string): Program {
  const args = members.args(id).map((arg) => (arg === members.directory(id) ? directory : arg));
  return new Program(KVNODE, args);
}

/** Resolves when a node has told its operator that it met another cluster. */
function told(node: Program, clusterId: string): Promise<void> {
  return until(() => node.stderr.includes(`belongs to cluster ${clusterId}`));
}
