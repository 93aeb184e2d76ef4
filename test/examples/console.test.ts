import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { bytes, openKVStore } from 'quorate';
import t, { type Test } from 'tap';
import { completeLine } from '../../examples/console/commands.js';
import { runConsole } from '../../examples/console/console.js';

t.test('lines are carried out one after the other, however fast they come', async (t) => {
  const kv = await openStore(t);
  const printed = await converse(kv, 'put n 1\nput n 2\nget n\nset n  spaced out \nget n\ndel n\n');
  t.equal(printed, 'OK\nOK\n2\nOK\n spaced out \ndeleted\n');
});

t.test('empty values, empty lines and missing words are told apart', async (t) => {
  const kv = await openStore(t);
  const printed = await converse(kv, 'put e \nget e\n\n   \nput e\nget\nlist e f\n');
  const usages = ['put K V', 'get K', 'list [PREFIX]'].map((usage) => `error: usage: ${usage}\n`);
  t.equal(printed, `OK\n\n${usages.join('')}`);
});

t.test('a command that fails is told, and the console goes on', async (t) => {
  const kv = await openStore(t);
  await kv.close();
  const printed = await converse(kv, 'get a\nnope\nquit\nget b\n');
  t.match(printed, /^error: ERR_CLOSED: .*\nunknown command: nope \(try help\)\n$/);
});

t.test('help names every command', async (t) => {
  const kv = await openStore(t);
  const names = (await converse(kv, 'help\n')).match(/^\w+/gm);
  t.same(names, ['get', 'put', 'delete', 'list', 'members', 'leader', 'status', 'help', 'quit']);
});

t.test('a prompt is for terminals', async (t) => {
  const kv = await openStore(t);
  t.match(await converse(kv, 'get a\nquit\n', true), /kv> .*\(nil\)\n.*kv> /s);
});

t.test('the console ends when it is told to, though its input is open', async (t) => {
  const kv = await openStore(t);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const ending = new AbortController();
  const done = runConsole({ kv, input, output, signal: ending.signal });
  ending.abort();
  await t.resolves(done);
  t.ok(input.destroyed);
});

t.test('tab completes names of commands, then keys', async (t) => {
  const kv = await openStore(t);
  await kv.put('fruit/apple', new Uint8Array([1]));
  await kv.put('fruit/pear', new Uint8Array([1]));
  t.same(await completeLine(kv, 'le'), [['leader '], 'le']);
  t.same(await completeLine(kv, 'get fruit/'), [['fruit/apple', 'fruit/pear'], 'fruit/']);
  t.same(await completeLine(kv, 'put fruit/apple re'), [[], 'put fruit/apple re']);
  t.same(await completeLine(kv, 'status f'), [[], 'status f']);
  await kv.close();
  t.same(await completeLine(kv, 'get f'), [[], 'f'], 'a store that fails completes nothing');
});

type Store = Awaited<ReturnType<typeof openStore>>;

async function openStore(t: Test) {
  const kv = await openKVStore({ values: bytes });
  t.teardown(() => kv.close());
  return kv;
}

/** What a console prints when it is told these lines. */
async function converse(kv: Store, lines: string, isTTY = false): Promise<string> {
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = Object.assign(new PassThrough(), { isTTY });
  const printed = text(output);
  input.end(lines);
  await runConsole({ kv, input, output, signal: new AbortController().signal });
  output.end();
  return await printed;
}
