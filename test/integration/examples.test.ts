import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { freePorts, Program, programPath, QUORATE, run } from './programs.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

t.test('the demo kills a leader, loses nothing and leaves nothing behind', async (t) => {
  const { code, stdout, stderr } = await run(QUORATE, ['demo']);
  t.equal(stderr, '');
  t.equal(code, 0, stdout);
  t.match(stdout, /1,000 writes acknowledged, 0 lost, 1 leader killed, \d+ ms without writes/);
  const [, folder] = /data in (\S+)/.exec(stdout)!;
  t.ok(folder!.startsWith(tmpdir()));
  t.notOk(existsSync(folder!));
});

t.test('the first snippet prints what was put', async (t) => {
  const { code, stdout, stderr } = await run(`${ROOT}examples/snippets/one-node.mjs`, []);
  t.same({ code, stdout, stderr }, { code: 0, stdout: 'hello\n', stderr: '' });
});

t.test('the snippet of three nodes shows each what the others wrote', async (t) => {
  const folder = t.testdir();
  const ports = await freePorts(3);
  let text = readFileSync(`${ROOT}examples/snippets/three-nodes.mjs`, 'utf8');
  for (const [i, port] of ports.entries()) text = text.replace(`700${i + 1}`, `${port}`);
  asUserOf(folder);
  writeFileSync(`${folder}/app.mjs`, text);
  const nodes = ['n1', 'n2', 'n3'].map((id) => started(t, `${folder}/app.mjs`, [id], folder));
  await Promise.all(nodes.map((node, i) => node.line(new RegExp(`^hello/n${i + 1} 20`))));
  t.same(readdirSync(`${folder}/data`), ['n1', 'n2', 'n3']);
});

t.test('the snippet of a state machine prints what the reducer answered', async (t) => {
  const { code, stdout, stderr } = await run(`${ROOT}examples/snippets/state-machine.mjs`, []);
  t.same({ code, stdout, stderr }, { code: 0, stdout: '5\n', stderr: '' });
});

t.test('the snippet of a client reads what the command line has put', async (t) => {
  const folder = t.testdir();
  asUserOf(folder);
  const bind = ['--bind', '127.0.0.1:0', '--client-port', '0'];
  const node = started(t, programPath('kvnode/main.js'), ['--id', 'n1', ...bind], folder);
  const [, address] = /clients=(\S+)/.exec(await node.line(/^ready /))!;
  const put = ['--endpoints', address!, 'put', 'greeting', 'hello'];
  t.equal((await run(programPath('kvctl/main.js'), put)).stdout, 'OK\n');
  const text = readFileSync(`${ROOT}examples/snippets/client.mjs`, 'utf8');
  writeFileSync(`${folder}/client.mjs`, text.replace('127.0.0.1:8001', address!));
  t.equal((await run(`${folder}/client.mjs`, [], { cwd: folder })).stdout, 'hello\n');
});

t.test('the unit tests of the snippet and of the example pass', async (t) => {
  const files = [`${ROOT}examples/snippets/unit-test.mjs`, programPath('unit-test/orders.test.js')];
  for (const file of files) {
    const { code, stdout } = await run(file, []);
    t.equal(code, 0, stdout);
  }
});

t.test('the example of a state machine sells each seat once', async (t) => {
  const { code, stdout } = await run(programPath('state-machine/main.js'), []);
  t.equal(code, 0);
  t.match(
    stdout,
    /^\{ holder: 'Ada' \}\n\{ holder: 'Ada' \}\n\{ holder: 'Bob' \}\na: 2 seats sold\n/,
  );
});

t.test('the example of embedding answers on every node', async (t) => {
  const folder = t.testdir();
  const peers = (await freePorts(3)).join(',');
  const ports = await freePorts(3);
  const nodes = ports.map((port, i) =>
    started(t, programPath('embed/main.js'), [`n${i + 1}`, `${port}`, peers], folder),
  );
  await Promise.all(nodes.map((node) => node.line(/ serves /)));
  const url = (i: number, key: string): string => `http://127.0.0.1:${ports[i]}/${key}`;
  const put = await fetch(url(0, 'greeting'), { method: 'PUT', body: 'hello' });
  t.equal(await put.text(), 'OK\n');
  const get = await fetch(url(2, 'greeting'));
  t.equal(await get.text(), 'hello\n');
  t.equal((await fetch(url(1, 'other'))).status, 404);
  t.equal((await fetch(url(1, '%'))).status, 503, 'a malformed request ends no node');
  const ended = await Promise.all(nodes.map((node) => node.end('SIGTERM')));
  t.same(
    ended.map(({ code }) => code),
    [0, 0, 0],
  );
});

function started(t: Test, file: string, args: readonly string[], cwd: string): Program {
  const program = new Program(file, args, { cwd });
  t.teardown(() => program.end('SIGKILL'));
  return program;
}

/** A folder from which `quorate` is found as if it were installed there. */
function asUserOf(folder: string): void {
  mkdirSync(`${folder}/node_modules`);
  symlinkSync(ROOT, `${folder}/node_modules/quorate`, 'junction');
}
