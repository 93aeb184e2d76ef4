import fc from 'fast-check';
import t from 'tap';
import { compareBytes, equalBytes, QuorateError } from '../../lib/base/index.js';
import {
  backendOf,
  bytes,
  createKVStore,
  json,
  type KVEntry,
  utf8,
} from '../../lib/store/index.js';
import { successorOfPrefix } from '../../lib/store/keys.js';
import { MapBackend } from './map-backend.js';

t.test('values come back as they were put, with revisions that count every change', async (t) => {
  const kv = createKVStore(new MapBackend(), utf8);
  t.equal(await kv.get('a'), null);
  t.same(await kv.put('a', 'one'), { revision: 1, created: true });
  t.same(await kv.put('b', ''), { revision: 2, created: true });
  t.same(await kv.put('a', 'two'), { revision: 3, created: false });
  t.equal(await kv.get('b'), '', 'an empty value is a value');
  t.same(await kv.getEntry('a'), {
    key: 'a',
    value: 'two',
    createRevision: 1,
    modRevision: 3,
    version: 2,
    lease: null,
  });
  t.same(await kv.delete('a'), { deleted: true, revision: 4 });
  t.same(await kv.delete('a'), { deleted: false, revision: 4 });
  t.equal(await kv.getEntry('a'), null);
});

t.test('a failed condition rejects with ERR_CONDITION and the current entry', async (t) => {
  const kv = createKVStore(new MapBackend(), json<{ n: number }>()).namespace(
    'ns/',
    json<number>(),
  );
  const { revision } = await kv.put('k', 1, { ifAbsent: true });
  for (const attempt of [
    () => kv.put('k', 2, { ifAbsent: true }),
    () => kv.put('k', 2, { ifRevision: 0 }),
    () => kv.put('k', 2, { ifRevision: revision + 1 }),
    () => kv.delete('k', { ifRevision: revision + 1 }),
  ]) {
    const error = await failure(attempt);
    t.match(error, { code: 'ERR_CONDITION', outcome: 'rejected' });
    t.match(error.entry, { key: 'k', value: 1, modRevision: revision });
  }
  t.equal(await kv.get('k'), 1, 'nothing changed');
  await kv.put('k', 3, { ifRevision: revision });
  const gone = await failure(() => kv.put('other', 1, { ifRevision: 7 }));
  t.match(gone, { code: 'ERR_CONDITION', entry: null });
});

t.test('ERR_CONDITION stands even when the current value does not decode', async (t) => {
  const backend = new MapBackend();
  await createKVStore(backend, bytes).put('k', new Uint8Array([0xff]));
  const error = await failure(() => createKVStore(backend, utf8).put('k', 'x', { ifAbsent: true }));
  t.equal(error.code, 'ERR_CONDITION');
  t.equal(error.entry, undefined);
  t.match(error.cause, { code: 'ERR_ENCODING' });
});

t.test('what makes no sense is refused before anything is sent (fault E12)', async (t) => {
  const backend = new MapBackend();
  const kv = createKVStore(backend, utf8);
  const refused: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['ERR_CONFIG', () => kv.put('', 'x')],
    ['ERR_CONFIG', () => kv.put('k', 'x', { ifRevision: 1, ifAbsent: true })],
    ['ERR_CONFIG', () => kv.put('k', 'x', { ifRevision: -1 })],
    ['ERR_CONFIG', () => kv.delete('k', { ifRevision: 0.5 })],
    ['ERR_CONFIG', () => kv.get('k', { timeoutMs: 0 })],
    ['ERR_CONFIG', () => kv.page({ limit: 1001 })],
    ['ERR_CONFIG', () => kv.page({ prefix: 'a', from: 'b' })],
    ['ERR_CONFIG', () => collect(kv.list({ limit: 0 }))],
    ['ERR_TOO_LARGE', () => kv.put('k'.repeat(65), 'x')],
    ['ERR_TOO_LARGE', () => kv.put('é'.repeat(33), 'x')],
    ['ERR_TOO_LARGE', () => kv.namespace('n'.repeat(60), utf8).get('12345')],
    ['ERR_TOO_LARGE', () => kv.put('k', 'v'.repeat(101))],
    ['ERR_ENCODING', () => kv.get('\ud800')],
    ['ERR_ENCODING', () => kv.put('k', '\udc00')],
    ['ERR_ENCODING', () => createKVStore(backend, json<unknown>()).put('k', undefined)],
    ['ERR_ENCODING', () => createKVStore(backend, json<unknown>()).put('k', 1n)],
  ];
  for (const [code, attempt] of refused) {
    t.match(await failure(attempt), { code, outcome: 'rejected' }, `${code} by ${attempt}`);
  }
  t.same(backend.requests, []);
  await kv.put('k'.repeat(64), 'v'.repeat(100));
  await kv.namespace('n'.repeat(60), utf8).put('1234', 'x');
});

t.test('bytes that do not fit the codec are ERR_ENCODING, never guessed', async (t) => {
  const backend = new MapBackend();
  const raw = createKVStore(backend, bytes);
  await raw.put('k', new Uint8Array([0xc3, 0x28]));
  t.match(await failure(() => createKVStore(backend, utf8).get('k')), { code: 'ERR_ENCODING' });
  t.match(await failure(() => createKVStore(backend, json()).get('k')), { code: 'ERR_ENCODING' });
  const broken = {
    encode: () => new Uint8Array(),
    decode: () => {
      throw new Error('mine');
    },
  };
  const error = await failure(() => createKVStore(backend, broken).get('k'));
  t.match(error, { code: 'ERR_ENCODING', cause: { message: 'mine' } });
});

t.test('the bytes codec shares no memory with the caller', async (t) => {
  const kv = createKVStore(new MapBackend(), bytes);
  const mine = new Uint8Array([1, 2, 3]);
  await kv.put('k', mine);
  mine.fill(9);
  const first = await kv.get('k');
  t.same(first, new Uint8Array([1, 2, 3]));
  first?.fill(7);
  t.same(await kv.get('k'), new Uint8Array([1, 2, 3]));
});

t.test('strange keys stay distinct and come back as they were (faults E13, E14)', async (t) => {
  const kv = createKVStore(new MapBackend(), json<number>()).namespace('__proto__', json<number>());
  const keys = [
    '\0',
    'é',
    'e\u0301',
    '😀',
    '\n',
    '/../',
    '%2e',
    '__proto__',
    'constructor',
    '\uffff',
    '\ufeffb',
  ];
  for (const [i, key] of keys.entries()) await kv.put(key, i);
  for (const [i, key] of keys.entries()) t.equal(await kv.get(key), i, JSON.stringify(key));
  const listed = await collect(kv.list());
  t.same(listed.map((entry) => entry.key).sort(), [...keys].sort());
  t.equal(Object.hasOwn(Object.prototype, '\0'), false);
});

t.test(
  'a listing is ordered by bytes, walks all pages of one view, and gives the view back',
  async (t) => {
    const backend = new MapBackend();
    const kv = createKVStore(backend, utf8);
    for (let i = 0; i < 600; i += 1) await kv.put(`k${String(i).padStart(3, '0')}`, `${i}`);
    await kv.put('\u{10000}', 'after in bytes, before in UTF-16');
    await kv.put('\uffee', '-');
    const all = await collect(kv.list());
    t.same(
      all.slice(0, 3).map((entry) => entry.value),
      ['0', '1', '2'],
    );
    t.same(
      all.slice(-2).map((entry) => entry.key),
      ['\uffee', '\u{10000}'],
    );
    t.equal(all.length, 602);
    const seen: string[] = [];
    for await (const entry of kv.list({ prefix: 'k' })) {
      if (seen.length === 0) await kv.put('k999', 'too late for this listing');
      seen.push(entry.key);
    }
    t.equal(seen.length, 600);
    t.same((await collect(kv.list({ prefix: 'k00', reverse: true, limit: 2 }))).map(keyOf), [
      'k009',
      'k008',
    ]);
    t.same((await collect(kv.list({ from: 'k598', to: 'k999' }))).map(keyOf), ['k598', 'k599']);
    t.same(await collect(kv.list({ from: 'b', to: 'a' })), []);
    t.equal(backend.openViews, 0);
  },
);

t.test(
  'a listing that is left early releases its view: by break, by throw, by limit',
  async (t) => {
    const backend = new MapBackend();
    const kv = createKVStore(backend, utf8);
    for (let i = 0; i < 300; i += 1) await kv.put(`${i}`, 'x');
    for await (const _ of kv.list()) {
      t.equal(backend.openViews, 1);
      break;
    }
    t.equal(backend.openViews, 0, 'by break');
    await t.rejects(
      async () => {
        for await (const _ of kv.list()) throw new Error('mine');
      },
      { message: 'mine' },
    );
    t.equal(backend.openViews, 0, 'by throw');
    t.equal((await collect(kv.list({ limit: 256 }))).length, 256);
    t.equal(backend.openViews, 0, 'by limit');
    backend.failReleases = true;
    for await (const _ of kv.list()) break;
    t.equal(backend.openViews, 1, 'a release that fails disturbs nobody');
  },
);

t.test('an aborted signal stops calls, and listings between entries', async (t) => {
  const backend = new MapBackend();
  const kv = createKVStore(backend, utf8);
  for (let i = 0; i < 300; i += 1) await kv.put(`${i}`, 'x');
  const controller = new AbortController();
  let count = 0;
  const error = await failure(async () => {
    for await (const _ of kv.list({ signal: controller.signal })) {
      count += 1;
      if (count === 10) controller.abort('enough');
    }
  });
  t.match(error, { code: 'ERR_ABORTED', name: 'AbortError', cause: 'enough', outcome: 'rejected' });
  t.equal(count, 10);
  t.equal(backend.openViews, 0);
  const sent = backend.requests.length;
  t.match(await failure(() => kv.put('k', 'v', { signal: controller.signal })), {
    code: 'ERR_ABORTED',
  });
  t.equal(backend.requests.length, sent);
});

t.test('pages show one revision and go on where the one before ended', async (t) => {
  const kv = createKVStore(new MapBackend(), utf8).namespace('p/', utf8);
  for (let i = 0; i < 250; i += 1) await kv.put(String(i).padStart(3, '0'), 'x');
  const first = await kv.page();
  t.equal(first.items.length, 100);
  t.equal(first.revision, 250);
  await kv.put('100', 'changed');
  const second = await kv.page({ limit: 150, cursor: first.cursor ?? undefined });
  t.equal(second.items[0]?.key, '100');
  t.equal(second.items[0]?.value, 'x');
  t.equal(second.revision, 250);
  t.equal(second.items.length, 150);
  t.equal(second.cursor, null);
  t.match(await failure(() => kv.page({ cursor: 'long gone' })), { code: 'ERR_COMPACTED' });
});

t.test('namespaces nest, hide what is outside, and close nothing', async (t) => {
  const backend = new MapBackend();
  const kv = createKVStore(backend, utf8);
  const users = kv.namespace('users/', json<{ name: string }>());
  const admins = users.namespace('admins/', utf8);
  await users.put('ann', { name: 'Ann' });
  await admins.put('root', 'x');
  await kv.put('users/', 'the prefix itself has no name inside');
  await kv.put('users0', 'next to it');
  t.equal(await kv.get('users/admins/root'), 'x');
  t.same((await collect(kv.namespace('users/', utf8).list())).map(keyOf), ['admins/root', 'ann']);
  t.same((await collect(admins.list())).map(keyOf), ['root']);
  t.same((await collect(admins.list({ reverse: true }))).map(keyOf), ['root']);
  t.same((await collect(users.list({ prefix: 'an' }))).map(keyOf), ['ann']);
  t.same((await collect(kv.list({ to: 'users/a' }))).map(keyOf), ['users/']);
  await admins.close();
  await admins[Symbol.asyncDispose]();
  t.equal(backend.isClosed, false);
  t.equal(backendOf(kv), backend);
  t.throws(() => backendOf(users), { code: 'ERR_CONFIG' });
  t.equal(kv.id, 'n1');
  await kv.close();
  await kv.close();
  t.equal(backend.isClosed, true);
  t.same(await users.closed, { cause: null });
});

t.test('a cursor of another namespace is refused', async (t) => {
  const kv = createKVStore(new MapBackend(), utf8);
  for (const key of ['a/1', 'a/2', 'b/1']) await kv.put(key, 'x');
  const { cursor } = await kv.namespace('a/', utf8).page({ limit: 1 });
  const stray = () => kv.namespace('b/', utf8).page({ cursor: cursor ?? undefined });
  t.match(await failure(stray), { code: 'ERR_CONFIG' });
});

t.test('an answer to another question is ERR_PROTOCOL', async (t) => {
  const backend = new MapBackend();
  backend.execute = async () => ({ kind: 'release' });
  const kv = createKVStore(backend, utf8);
  t.match(await failure(() => kv.get('k')), { code: 'ERR_PROTOCOL', outcome: 'rejected' });
  t.match(await failure(() => kv.put('k', 'v')), { code: 'ERR_PROTOCOL', outcome: 'unknown' });
});

t.test('the successor of a prefix follows its keys and precedes all others', async (t) => {
  t.equal(successorOfPrefix(new Uint8Array()), null);
  t.equal(successorOfPrefix(new Uint8Array([255, 255])), null);
  t.same(successorOfPrefix(new Uint8Array([1, 255])), new Uint8Array([2]));
  const few = fc.uint8Array({ maxLength: 4, min: 253 });
  fc.assert(
    fc.property(few, few, (prefix, key) => {
      const successor = successorOfPrefix(prefix);
      const inside = equalBytes(key.subarray(0, prefix.length), prefix);
      const below = successor === null || compareBytes(key, successor) < 0;
      return inside === (compareBytes(key, prefix) >= 0 && below);
    }),
  );
});

async function collect<V>(entries: AsyncIterable<KVEntry<V>>): Promise<KVEntry<V>[]> {
  const all: KVEntry<V>[] = [];
  for await (const entry of entries) all.push(entry);
  return all;
}

function keyOf(entry: KVEntry<unknown>): string {
  return entry.key;
}

async function failure(attempt: () => Promise<unknown>): Promise<QuorateError> {
  try {
    await attempt();
  } catch (error) {
    if (QuorateError.is(error)) return error;
    throw error;
  }
  throw new Error(`${attempt} did not fail`);
}
