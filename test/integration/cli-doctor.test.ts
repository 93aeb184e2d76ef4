import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { test } from 'tap';
import { connect } from '../../lib/client/index.js';
import { openKVStore } from '../../lib/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { walStorage } from '../../storage/wal/index.js';
import { type Ended, KVCTL, KVNODE, Members, Program, run } from './programs.js';
import { until } from './waiting.js';

test('a directory in order is told to be so, and one in use is not looked into', async (t) => {
  const members = await Members.create(1, t.testdir());
  t.teardown(() => members.killAll());
  const directory = members.directory('n1');
  t.match(await run(KVCTL, ['doctor']), { code: 2, stderr: /--data-dir is missing/ });
  await members.start('n1');
  t.match(await members.ctl(['put', 'a', '1']), { code: 0 });
  t.match(await doctor(directory), { code: 3, stderr: /^kvctl: ERR_LOCKED: .*process \d+/ });
  await members.end('n1', 'SIGKILL');
  const before = image(directory);
  const { code, stdout, stderr } = await doctor(directory);
  t.same({ code, stderr }, { code: 0, stderr: '' });
  for (const part of [
    `${directory}: storage engine wal, version 1\n  node n1#`,
    /\n {2}group default: term \d+, vote n1#\w+; entries 1 to \d+, the last of term \d+; voters n1\n/,
    /\n {2}log: 1 segment, marked up to \d+ of log\/0000000000000001\.wal\n/,
    /\nin order\n- start the node: nothing is wrong\n$/,
  ]) {
    t.match(stdout, part);
  }
  const record = JSON.parse((await doctor(directory, ['--json'])).stdout);
  t.match(record, {
    engine: 'wal',
    isHealthy: true,
    identity: { nodeId: 'n1' },
    groups: [{ group: 'default', base: { index: 0 }, members: [{ id: 'n1', role: 'voter' }] }],
    damage: [],
  });
  t.same(image(directory), before);
});

test('what is no data directory of this version is refused in a line', async (t) => {
  const folder = t.testdir({ file: 'x', strange: { 'notes.txt': 'mine' } });
  const of = (format: string): string => {
    const directory = join(folder, format.replaceAll(' ', '-'));
    mkdirSync(directory);
    const crc = crc32(`quorate ${format}`).toString(16).padStart(8, '0');
    writeFileSync(join(directory, 'FORMAT'), `quorate ${format} ${crc}\n`);
    return directory;
  };
  const refusals: readonly (readonly [string, RegExp])[] = [
    [join(folder, 'nothing'), /^kvctl: ERR_CONFIG: \S+nothing is no data directory\n$/],
    [join(folder, 'strange'), /^kvctl: ERR_CONFIG: \S+strange is no data directory\n$/],
    [join(folder, 'file'), /^kvctl: ERR_CONFIG: \S+file is no folder\n$/],
    [of('wal 2'), /^kvctl: ERR_CONFIG: .* engine wal, version 2, .*; use a newer version\n$/],
    [of('level 7'), /^kvctl: ERR_CONFIG: .* engine level, version 7, .*; use a newer version\n$/],
    [of('tape 1'), /^kvctl: .* written by tape, which this version does not know; .*\n$/],
  ];
  const before = image(folder);
  for (const [directory, stderr] of refusals) {
    t.match(await doctor(directory), { code: 2, stdout: '', stderr });
    const out = join(folder, 'out');
    t.match(await doctor(directory, ['--salvage', out]), { code: 2, stdout: '', stderr });
  }
  t.same(image(folder), before);
});

test('the only voter, damaged: what is good is saved, and restored from', async (t) => {
  const folder = t.testdir();
  const members = await Members.create(1, folder);
  const directory = members.directory('n1');
  await fill(directory, 100);
  const log = join(directory, 'log', '0000000000000001.wal');
  const bytes = readFileSync(log);
  const end = bytes.findLastIndex((byte) => byte !== 0);
  bytes[end - 1000] = (bytes[end - 1000] ?? 0) ^ 1;
  writeFileSync(log, bytes);

  const refused = await run(KVNODE, members.args('n1'));
  t.match(refused, { code: 1, stderr: /ERR_CORRUPT: .*0000000000000001\.wal at \d+: / });
  t.equal(
    refused.stderr
      .trimEnd()
      .split('\n')
      .filter((line) => /ERR_CORRUPT/.test(line)).length,
    1,
  );
  const found = await doctor(directory);
  t.match(found, { code: 1, stderr: '' });
  t.match(found.stdout, /\n {2}DAMAGE log\/0000000000000001\.wal at \d+: /);
  t.match(found.stdout, /NOT IN ORDER\n- nobody else has what it stored: keep /);
  t.match(
    found.stdout,
    /\n- kvctl doctor \S+ \S+ --salvage OUT saves what is good, to be restored from\n/,
  );

  const out = join(folder, 'out');
  const written = join(folder, 'saved');
  const words = await doctor(directory, ['--salvage', written]);
  const page = readFileSync('docs/operations.md', 'utf8').split(
    '## A directory that is damaged',
  )[1];
  const [, shown = ''] = /```text\n(.*?)```/s.exec(page ?? '') ?? [];
  const actual = words.stdout.replaceAll(written, '/srv/saved');
  t.equal(shape(actual.replaceAll(directory, '/srv/data/n1')), shape(shown));
  const salvaged = await doctor(directory, ['--salvage', out, '--json']);
  t.match(salvaged, { code: 1, stderr: '' });
  const { salvage, advice } = JSON.parse(salvaged.stdout);
  // The log leads further than the newest snapshot does.
  const [{ path, index, snapshotIndex, reachesEnd }] = salvage.states;
  t.match({ snapshotIndex, reachesEnd }, { snapshotIndex: 80, reachesEnd: false });
  const newest = join(out, path);
  t.ok(advice.some((sentence: string) => sentence.includes(`kvctl snapshot restore ${newest}`)));
  t.match(await doctor(directory, ['--salvage', out]), { code: 2, stderr: /is not empty/ });

  const restored = join(folder, 'restored');
  const where = ['--data-dir', restored, '--id', 'n1', '--cluster', members.cluster];
  t.match(await run(KVCTL, ['snapshot', 'restore', newest, ...where]), { code: 0, stderr: '' });
  const args = members.args('n1').map((arg) => (arg === directory ? restored : arg));
  const node = new Program(KVNODE, args);
  t.teardown(() => node.end('SIGKILL'));
  await node.line(/^ready /);
  const kv = await connect({ endpoints: [members.client('n1')] });
  t.equal(await kv.get('k0'), 'v0');
  // Two entries were no writes of keys.
  t.equal((await kv.page({ limit: 100 })).items.length, index - 2);
  await kv.close();
});

test('one of three, damaged: removed and started again, it is whole', async (t) => {
  const members = await Members.create(3, t.testdir());
  t.teardown(() => members.killAll());
  await members.startAll();
  t.match(await members.ctl(['put', 'a', '1']), { code: 0 });
  await members.end('n3', 'SIGTERM');
  const directory = members.directory('n3');
  for (const copy of [1, 2]) rmSync(join(directory, `mark.${copy}`));
  const { code, stdout } = await doctor(directory);
  t.equal(code, 1);
  t.match(stdout, /\n {2}DAMAGE mark\.1: missing beside data\n/);
  t.match(stdout, /move \S+ away and start the node again, .* gets everything from n1, n2\n/);

  renameSync(directory, `${directory}.damaged`);
  await members.start('n3');
  const kv = await connect({ endpoints: [members.client('n3')] });
  t.teardown(() => kv.close());
  t.equal(await kv.get('a'), '1');
  t.match(await members.ctl(['member', 'list']), { code: 0 });
});

test('a level directory is looked into as well', async (t) => {
  const members = await Members.create(1, t.testdir());
  const directory = members.directory('n1');
  const node = new Program(KVNODE, [...members.args('n1'), '--storage', 'level']);
  t.teardown(() => node.end('SIGKILL'));
  await node.line(/^ready /);
  t.match(await members.ctl(['put', 'a', '1']), { code: 0 });
  await node.end('SIGKILL');
  const before = image(directory);
  const found = await doctor(directory);
  t.match(found, { code: 0, stdout: /storage engine level, version 1\n/, stderr: '' });
  t.match(found.stdout, /entries 1 to \d+, .*; voters n1\n/);
  t.same(image(directory), before);
  rmSync(join(directory, 'log', 'CURRENT'));
  t.match(await doctor(directory), { code: 1, stdout: /\n {2}DAMAGE log: .*\n.*NOT IN ORDER/s });
});

/** What the same directory would show on another day, in another place. */
function shape(text: string): string {
  return text
    .replaceAll(/keep \S+ as/g, 'keep DIR as')
    .replaceAll(/\b[0-9a-f]{16}\b/g, 'ID')
    .replaceAll(/\d+ bytes|up to \d+|at \d+/g, 'N');
}

function doctor(directory: string, more: readonly string[] = []): Promise<Ended> {
  return run(KVCTL, ['doctor', '--data-dir', directory, ...more]);
}

/** A stopped node of one, with snapshots on its disk. */
async function fill(directory: string, count: number): Promise<void> {
  const kv = await openKVStore({
    id: 'n1',
    storage: walStorage(directory),
    logger: silentLogger,
    limits: { snapshotEntries: 40 },
  });
  for (let i = 0; i < count; i += 1) {
    const { appliedIndex } = kv.status();
    const dueIndex = Math.floor(appliedIndex / 40) * 40;
    await until(() => dueIndex === 0 || kv.status().kept.snapshots[0]?.index === dueIndex);
    await kv.put(`k${i}`, `v${i}`);
  }
  await kv.close();
}

function image(directory: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    found.set(path, entry.isFile() ? readFileSync(path, 'latin1') : '');
  }
  return found;
}
