import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import {
  freePorts,
  KVCTL,
  KVNODE,
  Members,
  Program,
  QUORATE,
  type RunOptions,
  run,
} from './programs.js';

t.test('a single node keeps across kill -9 what it acknowledged', async (t) => {
  const members = await Members.create(1, t.testdir());
  t.teardown(() => members.killAll());
  await members.start('n1');
  const lines = Array.from({ length: 100 }, (_, i) => `put key/${i} value ${i}\n`).join('');
  const console = new Program(KVCTL, ['--cluster', members.cluster]);
  console.child.stdin!.write(lines);
  await t.resolves(waitFor(() => console.stdout.split('OK').length > 50));
  await members.end('n1', 'SIGKILL');
  const acknowledged = console.stdout.split('OK').length - 1;
  await console.end('SIGKILL');
  await members.start('n1');
  const { code, stdout } = await members.ctl(['list', 'key/', '--values']);
  t.equal(code, 0);
  const found = new Set(stdout.trimEnd().split('\n'));
  for (let i = 0; i < acknowledged; i += 1) {
    if (!found.has(`key/${i}\tvalue ${i}`)) t.fail(`key/${i} was acknowledged and is lost`);
  }
});

t.test('a directory keeps the engine that it was begun with', async (t) => {
  const members = await Members.create(1, t.testdir());
  t.teardown(() => members.killAll());
  const format = (): string => readFileSync(`${members.directory('n1')}/FORMAT`, 'utf8');
  const start = async (more: readonly string[]): Promise<Program> => {
    const node = new Program(KVNODE, [...members.args('n1'), ...more]);
    t.teardown(() => node.end('SIGKILL'));
    await node.line(/^ready /);
    return node;
  };
  for (const [first, other] of [
    ['level', 'wal'],
    ['wal', 'level'],
  ] as const) {
    const node = await start(first === 'wal' ? [] : ['--storage', first]);
    t.match(format(), `quorate ${first} 1 `);
    t.equal((await members.ctl(['put', 'a', first])).stdout, 'OK\n');
    await node.end('SIGKILL');
    const refused = await run(KVNODE, [...members.args('n1'), '--storage', other]);
    const directory = members.directory('n1');
    t.match(refused, {
      code: 2,
      stderr:
        `kvnode: ${directory} was written by ${first} and keeps it, but --storage says ${other}; ` +
        'leave --storage away, or name a new directory\n',
    });
    const again = await start([]);
    t.equal((await members.ctl(['get', 'a'])).stdout, `${first}\n`);
    t.equal((await again.end('SIGTERM')).code, 0);
    rmSync(directory, { recursive: true });
  }
});

t.test('a console on the node itself serves lines, and ends it', async (t) => {
  const input = 'put a 1\nget a\nwatch a\nleader\nexit\n';
  const ended = await run(KVNODE, ['--id', 'n1', '--bind', ':0', '--console'], { input });
  t.equal(ended.code, 0);
  const [ready, ...answers] = ended.stdout.trimEnd().split('\n');
  const [, peers] = /^ready id=n1 peers=(127\.0\.0\.1:\d+) clients=127\.0\.0\.1:\d+$/.exec(ready!)!;
  t.match(answers, ['OK', '1', 'unknown command: watch (try help)', `n1 peers=${peers} clients=`]);
  t.match(ended.stderr, /NO --data-dir: EVERYTHING IS IN MEMORY/);
});

t.test('flags win over the environment, which wins over the file', async (t) => {
  const [port, clientPort] = await freePorts(2);
  const folder = t.testdir();
  const config = `${folder}/node.json`;
  writeFileSync(config, JSON.stringify({ id: 'file', bind: '127.0.0.1:1', 'data-dir': folder }));
  const env = {
    QUORATE_NODE_CONFIG: config,
    QUORATE_NODE_ID: 'around',
    QUORATE_NODE_BIND: `127.0.0.1:${port}`,
    QUORATE_NODE_LOG_FORMAT: 'json',
  };
  const args = ['--id', 'flag', '--client-port', `${clientPort}`, '--bind', `0.0.0.0:${port}`];
  const told = [
    '--advertise',
    `127.0.0.1:${port}`,
    '--advertise-client',
    `localhost:${clientPort}`,
  ];
  const node = started(t, [...args, ...told], { env });
  const ready = await node.line(/^ready/);
  t.equal(ready, `ready id=flag peers=127.0.0.1:${port} clients=localhost:${clientPort}`);
  const list = await run(KVCTL, [
    '--endpoints',
    `127.0.0.1:${clientPort}`,
    '--json',
    'member',
    'list',
  ]);
  t.match(JSON.parse(list.stdout), {
    id: 'flag',
    peerAddress: `127.0.0.1:${port}`,
    clientAddress: `localhost:${clientPort}`,
  });
  const { code, stderr } = await node.end('SIGTERM');
  t.equal(code, 0);
  const events = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).event);
  t.match(events[0], 'kvnode.open', 'the risk of other addresses than loopback');
});

t.test('a restart with other members keeps to the directory, and says so', async (t) => {
  const members = await Members.create(1, t.testdir());
  t.teardown(() => members.killAll());
  await members.start('n1');
  await members.ctl(['put', 'a', '1']);
  await members.end('n1', 'SIGTERM');
  const other = `${members.cluster},n2=127.0.0.1:9`;
  const node = started(t, [
    ...members
      .args('n1')
      .filter((word) => !word.includes('='))
      .slice(0, 4),
    '--cluster',
    other,
    '--data-dir',
    members.directory('n1'),
  ]);
  await node.line(/^ready/);
  t.match(await members.ctl(['get', 'a']), { code: 0, stdout: '1\n' });
  const { stderr } = await node.end('SIGTERM');
  t.match(stderr, /members that are given are ignored/);
});

t.test('a port that is taken is told with the port it belongs to, exit 1', async (t) => {
  const [port] = await freePorts(1);
  const taken = createServer();
  t.teardown(() => taken.close());
  await new Promise<void>((resolve) => taken.listen(port! + 1000, '127.0.0.1', resolve));
  const clients = await run(KVNODE, [
    '--id',
    'n1',
    '--bind',
    `:${port}`,
    '--data-dir',
    t.testdir(),
  ]);
  t.match(clients, { code: 1, stdout: '' });
  t.match(
    clients.stderr,
    /^kvnode: cannot listen on .* client port \d+ belongs to peer port \d+.*\n$/,
  );
  const peers = await run(KVNODE, [
    '--id',
    'n1',
    '--bind',
    `:${port! + 1000}`,
    '--client-port',
    '0',
  ]);
  t.match(peers, {
    code: 1,
    stderr: new RegExp(`peer port ${port! + 1000} .* peer port ${port}\n`),
  });
  const elsewhere = await run(KVNODE, ['--id', 'n1', '--bind', `192.0.2.1:${port}`]);
  t.equal(elsewhere.code, 1);
  t.equal(
    elsewhere.stderr.trimEnd().split('\n').at(-1),
    `kvnode: cannot listen on 192.0.2.1:${port}: no such address on this machine`,
    'no neighbour is to blame for an address that is none',
  );
});

t.test(
  'a node outlives whoever reads its lines, and a console that nobody sees ends',
  async (t) => {
    const members = await Members.create(1, t.testdir());
    const node = started(t, [...members.args('n1'), '--verbose']);
    await node.line(/^ready /);
    node.child.stdout!.destroy();
    node.child.stderr!.destroy();
    for (let i = 0; i < 3; i += 1) t.match(await members.ctl(['put', `k${i}`, 'v']), { code: 0 });
    t.match(await node.end('SIGTERM'), { code: 0 });

    const console = started(t, ['--id', 'n1', '--bind', ':0', '--client-port', '0', '--console']);
    await console.line(/^ready /);
    console.child.stdout!.destroy();
    console.child.stdin!.write('get a\n'.repeat(10));
    t.match(await console.ended, { code: 0, stderr: /^(?!.*EPIPE)/s });
  },
);

t.test('a node whose disk fails says so in one line and exits 1', async (t) => {
  // A file of more than 3000 blocks cannot be written: the second segment of the log would be one.
  const wrapper = ['sh', '-c', 'ulimit -f 3000; exec "$0" "$@"'];
  const args = ['--id', 'n1', '--bind', ':0', '--data-dir', t.testdir(), '--log-format', 'json'];
  const node = started(t, [...args, '--console'], { wrapper });
  await node.line(/^ready/);
  const value = 'x'.repeat(20_000);
  for (let i = 0; i < 200; i += 1) node.child.stdin!.write(`put key/${i} ${value}\n`);
  const { code, signal, stderr } = await node.ended;
  t.same({ code, signal }, { code: 1, signal: null });
  t.match(stderr.trimEnd().split('\n').at(-1), /^kvnode: n1 has stopped: ERR_STORAGE: /);
});

t.test('wrong flags are one line and exit 2, before anything is touched', async (t) => {
  const wrong = [
    ['--id', 'n1', '--bind', ':7001', '--redirect'],
    ['--id', 'n1', '--bind', ':0', '--heartbeat-interval', '500'],
  ];
  for (const ended of await Promise.all(wrong.map((args) => run(KVNODE, args)))) {
    t.match(ended, { code: 2, stdout: '' });
    t.match(
      ended.stderr.split('\n').filter((line) => line.startsWith('kvnode: ')),
      [/./],
    );
  }
});

t.test('an interrupted kvctl is exit 130', async (t) => {
  const [port] = await freePorts(1);
  // Accepts and never answers.
  const deaf = createServer();
  t.teardown(() => deaf.close());
  await new Promise<void>((resolve) => deaf.listen(port!, '127.0.0.1', resolve));
  const connected = new Promise((resolve) => deaf.once('connection', resolve));
  const console = new Program(KVCTL, ['--endpoints', `127.0.0.1:${port}`, 'get', 'a']);
  await connected;
  t.match(await console.end('SIGINT'), { code: 130, stdout: '' });
});

t.test('help and version are answered by all three programs', async (t) => {
  const asked = [KVNODE, KVCTL, QUORATE].flatMap((file) => [
    [file, '--help'],
    [file, '--version'],
  ]);
  const answers = await Promise.all(asked.map(([file, flag]) => run(file!, [flag!])));
  for (const { code, stdout, stderr } of answers) {
    t.match({ code, stderr }, { code: 0, stderr: '' });
    t.match(stdout, /^\d+\.\d+\.\d+\n$|^(kvnode|kvctl|quorate): /);
  }
  t.match(await run(QUORATE, ['nod']), {
    code: 2,
    stderr: 'quorate: unknown command nod; demo, node or ctl\n',
  });
  t.match(await run(QUORATE, ['demo', '--nodes']), {
    code: 2,
    stdout: '',
    stderr: 'quorate: demo takes no words and no flags, not --nodes\n',
  });
  t.match(await run(QUORATE, ['ctl', 'nod']), { code: 2, stderr: /^kvctl: unknown command nod/ });
});

function started(t: Test, args: readonly string[], options: RunOptions = {}): Program {
  const node = new Program(KVNODE, args, options);
  t.teardown(() => node.end('SIGKILL'));
  return node;
}

async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
