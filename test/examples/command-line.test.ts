import { type ErrorCode, type Outcome, QuorateError } from 'quorate';
import t from 'tap';
import { closest } from '../../examples/cli/closest.js';
import { parseDuration } from '../../examples/cli/durations.js';
import { UsageError } from '../../examples/cli/usage-error.js';
import { KVCTL_FLAGS } from '../../examples/kvctl/commands.js';
import { complaint, exitCodeOf } from '../../examples/kvctl/failures.js';
import { type ClusterRequest, readRequest } from '../../examples/kvctl/request.js';
import { KVNODE_FLAGS } from '../../examples/kvnode/flags.js';
import { type KVNodeSettings, readSettings } from '../../examples/kvnode/settings.js';

const NONE = {};

t.test('kvnode reads the command line of its own help', async (t) => {
  const cluster = 'n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003';
  const read = settings(`--id n1 --bind 127.0.0.1:7001 --cluster ${cluster} --data-dir ./data/n1`);
  t.match(read, {
    id: 'n1',
    bind: { host: '127.0.0.1', port: 7001 },
    advertise: null,
    clientPort: null,
    dataDir: './data/n1',
    timing: { tickMs: 10, heartbeatMs: 50, electionTimeoutMaxMs: 300 },
    console: false,
    logFormat: null,
  });
  t.same(
    read.cluster?.map(({ id, peer }) => `${id} ${peer.port}`),
    ['n1 7001', 'n2 7002', 'n3 7003'],
  );
});

t.test('a node is told how often it takes a snapshot, and otherwise nothing is said', async (t) => {
  t.same(settings('--id n1 --bind :1').limits, {});
  const told = settings('--id n1 --bind :1 --snapshot-entries 1000 --trailing-entries 100');
  t.same(told.limits, { snapshotEntries: 1000, trailingEntries: 100 });
});

t.test('an address may leave out its host, which is loopback then', async (t) => {
  for (const bind of ['7001', ':7001', '127.0.0.1:7001']) {
    t.same(settings(`--node-id n1 --bind ${bind}`).bind, { host: '127.0.0.1', port: 7001 });
  }
  t.same(settings('--id n1 --bind [::1]:7001').bind, { host: '::1', port: 7001 });
});

t.test('members without ids are numbered', async (t) => {
  const { cluster } = settings('--id 2 --bind :7002 --cluster localhost:7001,localhost:7002');
  t.same(
    cluster?.map(({ id }) => id),
    ['1', '2'],
  );
});

t.test('a preset can be named in two ways, and its numbers replaced', async (t) => {
  t.match(settings('--id n1 --bind 1 --demo-mode').timing, { tickMs: 1000, networkDelayMs: 500 });
  t.match(settings('--id n1 --bind 1 --timing debug --network-delay 0').timing, {
    tickMs: 100,
    networkDelayMs: 0,
  });
  t.match(settings('--id n1 --bind 1 --heartbeat-interval 70').timing, {
    tickMs: undefined,
    heartbeatMs: 70,
  });
});

t.test('a file may hold lists, tables, numbers and switches', async (t) => {
  const file = {
    id: 'n1',
    bind: 7001,
    cluster: { n1: '127.0.0.1:7001', n2: '127.0.0.1:7002' },
    'fast-mode': true,
    console: false,
  };
  const read = settings('--config node.json', NONE, JSON.stringify(file));
  t.match(read, { id: 'n1', console: false, cluster: [{ id: 'n1' }, { id: 'n2' }] });
  const listed = { ...file, cluster: ['n1=:7001', 'n2=:7002'] };
  t.match(settings('--config node.json', NONE, JSON.stringify(listed)).cluster, [{ id: 'n1' }, {}]);
});

t.test('what is wrong with a node is said in one line with what would be right', async (t) => {
  const wrong: readonly (readonly [string, string])[] = [
    ['', '--id is missing; for example --id n1'],
    ['--id n1', '--bind is missing; for example --bind 127.0.0.1:7001'],
    ['--id', '--id needs a value: --id NAME'],
    ['--id --bind :1', '--id needs a value: --id NAME'],
    ['--console=yes', '--console takes no value; leave out =yes'],
    ['--bnd :1', 'unknown flag --bnd; did you mean --bind?'],
    ['--frobnicate', 'unknown flag --frobnicate; kvnode --help lists them'],
    ['--redirect', '--redirect is not a flag of this version; kvnode --help lists those that are'],
    ['--id n1 --bind :1 up', 'unexpected word "up"; everything is said by flags'],
    ['--id n1 --id n2', '--id and --id contradict each other; keep one'],
    ['--timing demo --fast-mode', '--timing and --fast-mode contradict each other; keep one'],
    ['--id n:1 --bind :1', '--id "n:1" must be 1 to 64 of A-Z a-z 0-9 _ . -'],
    [
      '--id n1 --bind nowhere',
      '--bind must be host:port, for example 127.0.0.1:7001, not "nowhere"',
    ],
    ['--id n1 --bind :70000', '--bind: port 70000 must be a number from 0 to 65535'],
    [
      '--id n1 --bind :65000',
      '--bind: peer port 65000 puts the client port at 66000, above 65535; ' +
        'take a peer port up to 64535',
    ],
    ['--id n1 --bind :1 --storage rocks', '--storage must be wal or level, not "rocks"'],
    ['--id n1 --bind :1 --transport http', '--transport http is not in this version; there is tcp'],
    [
      '--id n1 --bind :1 --snapshot-entries 0',
      '--snapshot-entries must be a whole number from 1 on, not "0"',
    ],
    ['--id n1 --bind :1 --timing slow', '--timing must be fast or debug or demo, not "slow"'],
    [
      '--id n1 --bind :1 --network-delay 1s',
      '--network-delay must be whole milliseconds, not "1s"',
    ],
    [
      '--id n1 --bind :7001 --client-port 7001',
      '--client-port 7001 is the port of --bind; peers and clients need ports of their own',
    ],
    [
      '--id n3 --bind :7003 --cluster n1=:7001,n2=:7002',
      '--id n3 is not in --cluster, which lists n1, n2',
    ],
    [
      '--id n1 --bind :7001 --cluster n1=10.0.0.1:7001',
      '--cluster says that n1 is at 10.0.0.1:7001, but --bind says 127.0.0.1:7001; ' +
        'make them equal, or add --advertise 10.0.0.1:7001',
    ],
    [
      '--id n1 --bind :1 --cluster n1=:1,n1=:2',
      '--cluster lists n1 twice; give each member a name of its own',
    ],
    [
      '--id n1 --bind :7001 --cluster n1=:7001,n2=:7001',
      '--cluster lists n1 and n2 at 127.0.0.1:7001; each has its own',
    ],
    [
      '--id n1 --bind :7001 --cluster n1=:7001,n2=:8001',
      'client port 8001 of n1 (peer port 7001) is the peer port of n2; ' +
        'choose peer ports that are not 1000 apart, or say --client-port',
    ],
    [
      '--id n2 --bind :8001 --cluster n1=:7001,n2=:8001',
      'peer port 8001 of n2 is the client port of n1 (7001 + 1000); ' +
        'choose peer ports that are not 1000 apart',
    ],
  ];
  for (const [line, message] of wrong)
    t.throws(() => settings(line), { name: 'UsageError', message });
});

t.test('wrong files and variables are named', async (t) => {
  const bind = { id: 'n1', bind: ':1' };
  const wrongFiles: readonly (readonly [string, string | RegExp])[] = [
    ['{', /^--config node.json must be a JSON file: /],
    ['[]', '--config node.json must hold one object, for example { "id": "n1" }'],
    [JSON.stringify({ ...bind, nid: 1 }), 'unknown flag "nid" in node.json; did you mean --id?'],
    [
      JSON.stringify({ ...bind, console: 'yes' }),
      '"console" in node.json must be true or false, not "yes"',
    ],
    [
      JSON.stringify({ ...bind, redirect: true }),
      /"redirect" in node.json is not a flag of this version/,
    ],
    [JSON.stringify({ ...bind, join: ':2', cluster: 'n1=:1' }), /^--join and --cluster exclude/],
  ];
  for (const [text, message] of wrongFiles) {
    t.throws(() => settings('--config node.json', NONE, text), { name: 'UsageError', message });
  }
  t.throws(() => settings('--id n1 --bind :1', { QUORATE_NODE_TIMING: 'x' }), {
    message: 'QUORATE_NODE_TIMING must be fast or debug or demo, not "x"',
  });
  t.throws(() => settings('--id n1 --bind :1', { QUORATE_NODE_REDIRECT: 'x' }), {
    message: /^QUORATE_NODE_REDIRECT is not a flag of this version/,
  });
});

t.test('--cluster is checked only while the directory is new', async (t) => {
  const line = ['--id', 'n1', '--bind', ':7009', '--cluster', 'n1=:7001', '--data-dir', 'data'];
  const read = (isUsed: boolean): unknown =>
    readSettings({
      args: line,
      environment: {},
      readFile: (path) => {
        if (isUsed && path === 'data/FORMAT') return 'level 1';
        throw new Error(`no ${path}`);
      },
    });
  t.throws(() => read(false), { name: 'UsageError' });
  t.match(read(true), { bind: { port: 7009 }, dataDir: 'data' });
});

t.test('kvctl finds the clients of a cluster 1000 above its peers', async (t) => {
  const list = '--cluster n1=127.0.0.1:7001,[::1]:7002 get a';
  t.same(request(list).endpoints, ['127.0.0.1:8001', '[::1]:8002']);
  t.same(request('--seeds http://a:8001/,b:9000 get a').endpoints, ['a:8001', 'b:9000']);
  t.same(request('get a', { QUORATE_CTL_CLUSTER: 'c:7001' }).endpoints, ['c:8001']);
  t.same(request('get a').endpoints, ['127.0.0.1:8001']);
  t.equal(request('').action, null, 'the console');
});

t.test('what is wrong with a command is said in one line with what would be right', async (t) => {
  const wrong: readonly (readonly [string, string])[] = [
    ['puut a b', 'unknown command puut; did you mean put?'],
    ['frobnicate', 'unknown command frobnicate; kvctl --help lists them'],
    ['watch a', 'watch is not a command of this version; kvctl --help lists those that are'],
    [
      'transfer n1 n2',
      'transfer takes at most 1 word: kvctl transfer [ID]; quote what holds blanks',
    ],
    ['put a', 'put takes 2 words: kvctl put K V'],
    ['put a b c', 'put takes 2 words: kvctl put K V; quote what holds blanks'],
    ['leader now', 'leader takes no words: kvctl leader; quote what holds blanks'],
    ['put a b --ttl 3s', '--ttl is not a flag of this version; kvctl --help lists those that are'],
    ['del --prefix a', '--prefix is not a flag of this version; kvctl --help lists those that are'],
    ['snapshot save', 'snapshot save takes 1 word: kvctl snapshot save FILE'],
    [
      'snapshot restore f --id n1 --cluster n1=h:1',
      '--data-dir is missing; for example --data-dir ./data/n1',
    ],
    ['snapshot restore f --data-dir d --cluster n1=h:1', '--id is missing; for example --id n1'],
    [
      'snapshot restore f --data-dir d --id n1',
      '--cluster is missing; for example --cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003',
    ],
    [
      'snapshot restore f --data-dir d --id n3 --cluster n1=h:1,n2=h:2',
      '--id n3 is not in --cluster, which lists n1, n2',
    ],
    ['snapshot restore f --data-dir d --id n1 --cluster n1=h:1,n1=h:2', '--cluster lists n1 twice'],
    [
      'snapshot restore f --data-dir d --id n1 --cluster n1=h:1 --storage rocks',
      '--storage must be wal or level, not "rocks"',
    ],
    ['member recover', '--data-dir is missing; for example --data-dir ./data/n1'],
    ['member recover --force=yes', '--force takes no value; leave out =yes'],
    ['get a --limit 3', '--limit does not belong to get; kvctl --help shows what does'],
    ['member update n1 --priority 101', '--priority must be a whole number from 0 to 100, not 101'],
    ['member update n1', 'member update takes --peer-address, --client-address or --priority'],
    [
      'member update n1 --peer-address n1:0',
      '--peer-address must name a port that others can dial, not 0',
    ],
    [
      'member remove n1 --expect latest',
      '--expect must be a version as member list shows it, not latest',
    ],
    [
      'member add n4 --peer-address n4:1',
      '--peer-address does not belong to member add; kvctl --help shows what does',
    ],
    ['list --limit 0', '--limit must be a whole number from 1 on, not "0"'],
    [
      'put a b --if-absent --if-revision 1',
      '--if-absent and --if-revision exclude each other; keep one',
    ],
    [
      'get a --consistency leaderLease',
      '--consistency must be linearizable, leader-lease or stale, not "leaderLease"',
    ],
    [
      'get a --max-staleness 5s --consistency linearizable',
      '--max-staleness and --min-revision go with --consistency stale',
    ],
    ['leadership --lease soon', '--lease must be a duration such as 10s or 500ms, not "soon"'],
    ['leadership --lease 0.5ms', '--lease must be whole milliseconds, or off, not 0.5ms'],
    ['leadership --close-hint yes', '--close-hint must be on or off, not yes'],
    ['leadership --expect 0123456789abcdef', '--expect goes with --lease or --close-hint'],
    ['get a --timeout soon', '--timeout must be a duration such as 10s or 500ms, not "soon"'],
    [
      '--cluster :65000 get a',
      '--cluster: peer port 65000 puts the client port at 66000, above 65535; ' +
        'take a peer port up to 64535',
    ],
    [
      '--cluster :1 --endpoints :2 get a',
      '--cluster and --endpoints say the same in two ways; keep one',
    ],
    [
      '--endpoints https://a:1 get a',
      '--endpoints: https://a:1: TLS is not in this version; say http://',
    ],
  ];
  for (const [line, message] of wrong)
    t.throws(() => request(line), { name: 'UsageError', message });
});

t.test('the exit code says whether a retry is safe', async (t) => {
  const made = (code: ErrorCode, outcome?: Outcome): QuorateError =>
    new QuorateError(code, { message: 'why', outcome });
  t.equal(exitCodeOf(made('ERR_CONDITION')), 1);
  t.equal(exitCodeOf(new UsageError('why')), 2);
  t.equal(exitCodeOf(made('ERR_CONFIG')), 2);
  t.equal(exitCodeOf(made('ERR_NO_LEADER')), 3);
  t.equal(exitCodeOf(made('ERR_TIMEOUT', 'unknown')), 4);
  t.equal(exitCodeOf(new TypeError('why')), 4, 'what is not understood is not promised');
  t.equal(complaint(made('ERR_BUSY'), false), 'kvctl: ERR_BUSY: why');
  t.match(complaint(made('ERR_TIMEOUT', 'unknown'), false), /\(it may have happened, .*\)$/);
  t.same(JSON.parse(complaint(made('ERR_TIMEOUT', 'unknown'), true)), {
    error: { code: 'ERR_TIMEOUT', message: 'why', outcome: 'unknown', leader: null },
  });
});

t.test('a value that begins with a dash is put behind two', async (t) => {
  t.throws(() => request('put a -5'), { message: /^unknown flag -5/ });
  t.equal(typeof request('put a -- -5').action, 'function');
  t.equal(typeof request('put a -').action, 'function', 'one dash alone is stdin');
});

t.test('durations have a unit, or count seconds', async (t) => {
  const read = ['500ms', '10s', '2m', '1h', '3', '0.5s'].map((text) => parseDuration(text, '-'));
  t.same(read, [500, 10_000, 120_000, 3_600_000, 3000, 500]);
  for (const text of ['', '0s', '-1s', '1d']) t.throws(() => parseDuration(text, '-'));
});

t.test('a misspelt word finds the one that was meant, and no other', async (t) => {
  t.equal(closest('clutser', ['cluster', 'console']), 'cluster');
  t.equal(closest('xyz', ['cluster', 'console']), null);
  t.equal(closest('x', ['id']), null);
});

t.test('no flag is known and not known at once, and none has two meanings', async (t) => {
  for (const { flags, later } of [KVNODE_FLAGS, KVCTL_FLAGS]) {
    const names = flags.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    t.equal(new Set([...names, ...later]).size, names.length + later.length);
  }
});

function settings(
  line: string,
  environment: Readonly<Record<string, string>> = NONE,
  file = '{}',
): KVNodeSettings {
  const read = readSettings({ args: words(line), environment, readFile: () => file });
  if (typeof read === 'string') throw new Error(`asked for ${read}`);
  return read;
}

function request(
  line: string,
  environment: Readonly<Record<string, string>> = NONE,
): ClusterRequest {
  const read = readRequest(words(line), environment);
  if (typeof read === 'string') throw new Error(`asked for ${read}`);
  if ('offline' in read) throw new Error('asks no cluster');
  return read;
}

function words(line: string): readonly string[] {
  return line.split(' ').filter((word) => word !== '');
}
