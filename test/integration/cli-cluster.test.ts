import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { connect } from '../../lib/client/index.js';
import type { KVStore } from '../../lib/index.js';
import { KVCTL, KVNODE, Members, Program, type RunOptions, run } from './programs.js';

const members = await Members.create(3, t.testdir());
t.teardown(() => members.killAll());
await members.startAll();

t.test('what is put through each node in turn is read on the next', async (t) => {
  t.match(await through('n1', ['put', 'turn/n1', 'by n1']), {
    code: 0,
    stdout: 'OK\n',
    stderr: '',
  });
  const second = await through('n2', [], { input: 'get turn/n1\nput turn/n2 by n2\n' });
  t.equal(second.stdout, 'by n1\nOK\n');
  const third = await through('n3', [], { input: 'get turn/n2\nput turn/n3 by n3\n' });
  t.equal(third.stdout, 'by n2\nOK\n');
  t.match(await through('n1', ['get', 'turn/n3']), { code: 0, stdout: 'by n3\n', stderr: '' });
});

t.test('kvctl says by its exit code what happened', async (t) => {
  const first = await members.ctl(['set', 'code/a', 'one', '--if-absent']);
  t.match(first, { code: 0, stdout: 'OK\n' });
  const [again, none, raw] = await Promise.all([
    members.ctl(['put', 'code/a', 'two', '--if-absent']),
    members.ctl(['get', 'code/none']),
    members.ctl(['get', 'code/a', '--raw']),
  ]);
  t.match(again, { code: 1, stdout: '', stderr: /^kvctl: ERR_CONDITION: .*\n$/ });
  t.match(none, { code: 1, stdout: '', stderr: 'not found\n' });
  t.match(raw, { code: 0, stdout: /^one$/ });
  const stale = ['get', 'code/a', '--max-staleness', '5s', '--min-revision', '1'];
  t.match(await members.ctl(stale), { code: 0, stdout: 'one\n' });
  t.match(await members.ctl(['del', 'code/a']), { code: 0, stdout: 'deleted\n' });
  t.match(await members.ctl(['delete', 'code/a']), { code: 1, stdout: 'not found\n' });
});

t.test('an unreachable cluster is exit 3 within the timeout', async (t) => {
  const dead = await Members.create(1, '');
  const ended = await dead.ctl(['put', 'k', 'v', '--timeout', '300ms']);
  t.match(ended, { code: 3, stderr: /^kvctl: ERR_UNREACHABLE: .*connection refused.*\n$/ });
});

t.test(
  'dead addresses in the list do no harm, and the environment serves for the flag',
  async (t) => {
    const dead = await Members.create(2, '');
    const list = [...dead.ids.map((id) => dead.peer(id)), members.peer('n2')].join(',');
    const env = { QUORATE_CTL_CLUSTER: list };
    const seeds = ['--seeds', `http://${dead.client('n1')},http://${members.client('n3')}/`];
    const ended = await Promise.all([
      run(KVCTL, ['put', 'dead/a', 'x'], { env }),
      run(KVCTL, [...seeds, 'put', 'dead/b', 'x']),
    ]);
    for (const one of ended) t.match(one, { code: 0, stdout: 'OK\n', stderr: '' });
  },
);

t.test('bytes go in by stdin and come out as they were', async (t) => {
  const input = new Uint8Array([0xff, 0x00, 0x0a]);
  t.match(await members.ctl(['put', 'bytes', '-'], { input }), { code: 0 });
  const { stdout } = await members.ctl(['get', 'bytes', '--json']);
  t.match(JSON.parse(stdout), { key: 'bytes', valueBase64: '/wAK', version: 1 });
});

t.test('list shows one key a line, in order, and as JSON with everything', async (t) => {
  const lines = ['put list/b 2', 'put list/a 1', 'put list/c 3', ''].join('\n');
  t.match(await members.ctl([], { input: lines }), { code: 0, stdout: 'OK\nOK\nOK\n' });
  const [plain, json] = await Promise.all([
    members.ctl(['list', 'list/', '--limit', '2', '--values']),
    members.ctl(['list', 'list/', '--json']),
  ]);
  t.equal(plain.stdout, 'list/a\t1\nlist/b\t2\n');
  const records = json.stdout.trimEnd().split('\n');
  t.match(
    records.map((record) => JSON.parse(record)),
    [{ key: 'list/a', value: '1' }, { key: 'list/b' }, { key: 'list/c', version: 1, lease: null }],
  );
});

t.test('the console goes on after a command that failed, and ends with quit', async (t) => {
  const input =
    'put c/a  two  blanks \nget c/a\nget c/b\nget\nfoo\nlist c/\nlist d/\ndel c/a\n'.concat(
      'del c/a\n\nleader\nquit\nput c/never x\n',
    );
  const { code, stdout, stderr } = await members.ctl([], { input });
  const expected = [
    'OK',
    ' two  blanks ',
    '(nil)',
    'error: usage: get K',
    'unknown command: foo (try help)',
    'c/a',
    '(empty)',
    'deleted',
    'not found',
  ];
  t.equal(code, 0);
  t.equal(stderr, '');
  t.same(stdout.split('\n').slice(0, expected.length), expected);
  t.match(stdout.split('\n').slice(expected.length), [/^n\d peers=.* clients=.*$/, '']);
});

t.test('members, leader and status name every node and its addresses', async (t) => {
  const [list, status, leader] = await Promise.all([
    members.ctl(['member', 'list', '--json']),
    members.ctl(['status']),
    members.leader(),
  ]);
  const found = list.stdout.trimEnd().split('\n');
  t.match(
    found.map((line) => JSON.parse(line)),
    members.ids.map((id) => {
      return {
        id,
        role: 'voter',
        peerAddress: members.peer(id),
        clientAddress: members.client(id),
      };
    }),
  );
  const [table = '', kept = ''] = status.stdout.trimEnd().split('\n\n');
  const rows = table.split('\n').slice(1);
  t.equal(rows.length, 3);
  for (const row of rows) t.match(row, row.startsWith(leader) ? / leader / : / follower /);
  for (const id of members.ids) {
    t.match(kept, new RegExp(`^${id} keeps +\\d+ entries in memory .*; snapshots: none$`, 'm'));
  }
  t.match(kept, /^ +all entries: no snapshot was taken yet$/m);
});

t.test('kvctl transfer prints who leads then, whichever node it asks', async (t) => {
  const old = await members.leader();
  const [to = '', third = ''] = members.ids.filter((id) => id !== old);
  const where = (id: string): string => `peers=${members.peer(id)} clients=${members.client(id)}`;
  const moved = await through(third, ['transfer', to]);
  t.match(moved, { code: 0, stdout: `${to} ${where(to)}\n`, stderr: '' });
  t.equal(await members.leader(), to);
  const again = await members.ctl(['transfer', to, '--json']);
  const address = members.peer(to);
  t.same(JSON.parse(again.stdout), { id: to, address, clientAddress: members.client(to) });
  // A busy machine may elect another leader between two programs: then they are asked once more.
  let isAnother = false;
  for (let tries = 0; tries < 5 && !isAnother; tries += 1) {
    const leader = await members.leader();
    const any = await members.ctl(['transfer']);
    t.equal(any.code, 0);
    isAnother = !any.stdout.startsWith(`${leader} `);
  }
  t.ok(isAnother, 'the leader hands it to another');
  const wrong = await members.ctl(['transfer', 'n9']);
  t.match(wrong, { code: 2, stderr: 'kvctl: ERR_CONFIG: n9 is no voter of this group\n' });
});

t.test('a second process on the same directory is refused in one line', async (t) => {
  const args = ['--id', 'n1', '--bind', ':0', '--data-dir', members.directory('n1')];
  t.match(await run(KVNODE, args), { code: 1, stdout: '', stderr: /^kvnode: ERR_LOCKED: .*\n$/ });
});

t.test('kill -9 of the leader during 200 puts loses none that printed OK', async (t) => {
  const leader = await members.leader();
  const { acknowledged, longestPauseMs } = await putMany('kill', 200, async (count) => {
    if (count === 60) await members.end(leader, 'SIGKILL');
  });
  t.ok(acknowledged.length >= 199, 'only the put under way at the kill may be in doubt');
  t.ok(longestPauseMs < 2000, `the longest pause was ${Math.round(longestPauseMs)} ms`);
  await hasAll(t, acknowledged);
  await members.start(leader);
});

t.test('kill -9 of all three under load loses nothing that was acknowledged', async (t) => {
  for (const prefix of ['all1', 'all2', 'all3']) {
    const kv = await connect({ endpoints: members.ids.map((id) => members.client(id)) });
    const load = new Load(kv, prefix);
    await load.acknowledgedCount(500);
    await members.killAll();
    await kv.close();
    const acknowledged = await load.end();
    await members.startAll();
    await hasAll(t, acknowledged);
  }
});

t.test('a wiped member, started again, neither votes nor founds (schedule E15)', async (t) => {
  // The one that a client asks first, and that would found: the worst to lose its disk.
  const wiped = 'n1';
  await leaveTo(['n2', 'n3']);
  const other = (await members.leader()) === 'n2' ? 'n3' : 'n2';
  await members.ctl(['put', 'wiped', 'kept']);
  await members.end(wiped, 'SIGKILL');
  await members.end(other, 'SIGKILL');
  rmSync(members.directory(wiped), { recursive: true });
  await members.start(wiped);
  const alone = await members.ctl(['put', 'wiped', 'lost', '--timeout', '1500ms']);
  t.not(alone.code, 0, 'the empty directory does not count towards a majority');
  // It may have heard already that it is to come back: as a learner of the members that there are.
  const asked = await through(wiped, ['member', 'list', '--json']);
  const known = asked.stdout.split('\n').filter((line) => line !== '');
  const voters = known.map((line) => JSON.parse(line)).filter(({ role }) => role === 'voter');
  t.ok(voters.length === 0 || voters.length === 3, 'it has founded nothing');
  await members.start(other);
  // Asked first, the wiped one knows of no leader; the others do.
  const after = await members.ctl(['put', 'after', 'wipe', '--timeout', '5s']);
  t.match(after, { code: 0, stdout: 'OK\n' });
  t.match(await members.ctl(['get', 'wiped']), { code: 0, stdout: /^(kept|lost)\n$/ });
});

t.test('SIGTERM and SIGINT end a node with exit 0', async (t) => {
  const [first, second, third] = members.ids;
  t.match(await members.end(first!, 'SIGTERM'), { code: 0, stdout: /^ready [^\n]*\n$/ });
  t.match(await members.end(second!, 'SIGINT'), { code: 0 });
  t.match(await members.end(third!, 'SIGTERM'), { code: 0 });
});

function through(
  id: string,
  args: readonly string[],
  options: RunOptions = {},
): ReturnType<typeof run> {
  return run(KVCTL, ['--endpoints', members.client(id), ...args], options);
}

/** Sixteen clients that put one key after the other, until their store is closed. */
class Load {
  readonly #acknowledged: string[] = [];
  readonly #ended: Promise<unknown>;
  #onAcknowledged = (): void => {};

  constructor(kv: KVStore, prefix: string) {
    const names = Array.from({ length: 16 }, (_, i) => `${prefix}/${i}`);
    this.#ended = Promise.all(names.map((name) => this.#puts(kv, name)));
  }

  async acknowledgedCount(count: number): Promise<void> {
    while (this.#acknowledged.length < count) {
      await new Promise<void>((resolve) => {
        this.#onAcknowledged = resolve;
      });
    }
  }

  /** Keys, in no order. */
  async end(): Promise<readonly string[]> {
    await this.#ended;
    return this.#acknowledged;
  }

  async #puts(kv: KVStore, name: string): Promise<void> {
    for (let i = 0; ; i += 1) {
      const key = `${name}/${i}`;
      try {
        await kv.put(key, `value of ${key}`);
      } catch {
        return; // Killed, or closed after it: nothing was promised.
      }
      this.#acknowledged.push(key);
      this.#onAcknowledged();
    }
  }
}

/** Starts others again until one of `ids` leads. */
async function leaveTo(ids: readonly string[]): Promise<void> {
  for (;;) {
    const leader = await members.leader();
    if (ids.includes(leader)) return;
    await members.end(leader, 'SIGKILL');
    await members.ctl(['put', 'moved', leader]);
    await members.start(leader);
  }
}

/** Puts one key after the other through one console, and answers which of them printed OK. */
async function putMany(
  prefix: string,
  count: number,
  onPut: (count: number) => Promise<unknown>,
): Promise<{ readonly acknowledged: readonly string[]; readonly longestPauseMs: number }> {
  const console = new Program(KVCTL, ['--cluster', members.cluster]);
  const keys = Array.from({ length: count }, (_, i) => `${prefix}/${String(i).padStart(3, '0')}`);
  const acknowledged: string[] = [];
  let longestPauseMs = 0;
  const lines = createInterface({ input: console.child.stdout! });
  const answers = lines[Symbol.asyncIterator]();
  for (const [i, key] of keys.entries()) {
    const startMs = performance.now();
    console.child.stdin!.write(`put ${key} value of ${key}\n`);
    const { value } = await answers.next();
    longestPauseMs = Math.max(longestPauseMs, performance.now() - startMs);
    if (value === 'OK') acknowledged.push(key);
    await onPut(i + 1);
  }
  console.child.stdin!.end();
  await console.ended;
  return { acknowledged, longestPauseMs };
}

async function hasAll(t: Test, keys: readonly string[]): Promise<void> {
  const prefix = keys[0]!.split('/')[0]!;
  const { code, stdout } = await members.ctl(['list', `${prefix}/`, '--values']);
  t.equal(code, 0);
  const found = new Map(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
  t.same(
    keys.filter((key) => found.get(key) !== `value of ${key}`),
    [],
    `all ${keys.length} acknowledged keys are there`,
  );
}
