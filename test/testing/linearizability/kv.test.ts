import t from 'tap';
import { QuorateError } from '../../../lib/base/index.js';
import { openKVStore } from '../../../lib/index.js';
import {
  checkKV,
  formatHistory,
  History,
  KVHistory,
  type KVInput,
  type KVOutput,
  parseHistory,
  type SeenEntry,
} from '../../../lib/testing/index.js';
import { generatedHistory } from './generated.js';

t.test('a recorded store does what the store does, and writes down what it answered', async (t) => {
  const kv = await openKVStore();
  t.teardown(() => kv.close());
  const history = new KVHistory();
  const store = history.recorded('a', kv);
  t.equal(await store.get('x'), null);
  t.same(await store.put('x', '1'), { revision: 1, created: true });
  await t.rejects(store.put('x', '2', { ifAbsent: true }), { code: 'ERR_CONDITION' });
  await t.rejects(store.delete('x', { ifRevision: 7 }), { code: 'ERR_CONDITION' });
  t.match(await store.getEntry('x', { consistency: 'stale', minRevision: 1 }), { value: '1' });
  t.same(await store.delete('x', { ifRevision: 1 }), { deleted: true, revision: 2 });
  t.same(await store.delete('x'), { deleted: false, revision: 2 });
  await t.rejects(store.get(''), { code: 'ERR_CONFIG' });
  const one = { value: '1', createRevision: 1, modRevision: 1, version: 1 };
  t.match(
    history.operations.map(({ input, ...rest }) => ({ ...input, ...rest })),
    [
      { kind: 'get', consistency: 'linearizable', output: { kind: 'entry', entry: null } },
      { kind: 'put', value: '1', ifRevision: null, output: { revision: 1, created: true } },
      { kind: 'put', ifRevision: 0, output: { kind: 'conditionFailed', entry: one } },
      { kind: 'delete', ifRevision: 7, output: { kind: 'conditionFailed', entry: one } },
      { kind: 'get', consistency: 'stale', minRevision: 1, output: { entry: one } },
      { kind: 'delete', ifRevision: 1, output: { deleted: true } },
      { kind: 'delete', output: { deleted: false } },
      { kind: 'get', outcome: 'rejected' },
    ],
  );
  t.equal(checkKV(history.operations).verdict, 'linearizable');
});

t.test('what a call throws says what the history may conclude', async (t) => {
  const history = new History<string, number>();
  const failing = (error: Error) => history.record('a', 'x', () => Promise.reject(error));
  const rejected = new QuorateError('ERR_BUSY', { message: 'no' });
  const unknown = new QuorateError('ERR_TIMEOUT', { message: 'late', outcome: 'unknown' });
  for (const error of [rejected, unknown, new Error('who knows')]) {
    await t.rejects(failing(error), error);
  }
  t.equal(await history.record('a', 'x', async () => 5), 5);
  const call = history.begin('b', 'y');
  t.same(
    history.operations.map(({ outcome }) => outcome),
    ['rejected', 'unknown', 'unknown', 'acknowledged', 'unknown'],
  );
  call.acknowledge(1);
  call.lose();
  t.match(history.operations.at(-1), { outcome: 'acknowledged', invokedAt: 9, returnedAt: 10 });
});

t.test('a history is the same behind JSON lines, and a bad line is named', async (t) => {
  const operations = generatedHistory({ seed: 3, operations: 200, clients: 4, lost: 0.05 });
  const text = formatHistory(operations);
  t.equal(text.split('\n').length, 201);
  t.same(parseHistory(text), operations);
  t.same(parseHistory(''), []);
  for (const line of ['{', '5', 'null', '{"client":"a"}', '{"client":"a","invokedAt":1}']) {
    t.throws(() => parseHistory(`${text}${line}\n`), {
      code: 'ERR_ENCODING',
      message: /line 201 of the history/,
    });
  }
});

t.test('what revisions and stale reads promise beyond single keys', async (t) => {
  const cases: readonly (readonly [name: string, told: Told, broken: RegExp | null])[] = [
    ['changes of two keys', [put('x', '1', 1), put('y', '2', 2)], null],
    ['a shared revision', [put('x', '1', 1), put('y', '2', 1)], /two changes have revision 1/],
    ['a revision that goes back', [put('x', '1', 5), put('y', '2', 4)], /4 is not a later one/],
    [
      'after a stale read',
      [put('x', '1', 5, 'lose'), stale('x', '1', 5), put('y', '2', 4)],
      /4 is not/,
    ],
    ['a stale read of the old', [put('x', '1', 1), put('x', '2', 2), stale('x', '1', 1)], null],
    ['a stale read of nothing', [put('x', '1', 1), staleNothing('x')], null],
    [
      'a stale read of what nobody put',
      [put('x', '1', 1), stale('x', '2', 2)],
      /nobody had put "2"/,
    ],
    ['of another key', [put('x', '1', 1), stale('y', '1', 1)], /nobody had put "1"/],
    ['of another revision', [put('x', '1', 1), stale('x', '1', 2)], /nobody had put "1" at 2/],
    ['before it was put', [stale('x', '1', 1), put('x', '1', 1)], /nobody had put "1"/],
    ['of an unknown put', [put('x', '1', 1, 'lose'), stale('x', '1', 1)], null],
    [
      'of two values at once',
      [put('x', '1', 0, 'lose'), put('x', '2', 0, 'lose'), stale('x', '1', 1), stale('x', '2', 1)],
      /revision 1 is one entry/,
    ],
    [
      'that misses its revision',
      [put('x', '1', 1), put('x', '2', 2), stale('x', '1', 1, { minRevision: 2 })],
      /get → "1" @1 misses a on "x": put "2" → @2/,
    ],
    ['that sees nothing at its revision', [put('x', '1', 1), staleNothing('x', 1)], /misses/],
    [
      'that sees nothing of what may be deleted',
      [put('x', '1', 1), remove('x', 2, 'lose'), staleNothing('x', 1)],
      null,
    ],
    [
      'that sees nothing of what is deleted',
      [put('x', '1', 1), remove('x', 2), staleNothing('x', 1)],
      null,
    ],
    [
      'that has a revision to see of another key',
      [put('x', '1', 1), put('y', '2', 2), stale('x', '1', 1, { minRevision: 2 })],
      null,
    ],
    [
      'within its staleness',
      [put('x', '1', 1), put('x', '2', 2), stale('x', '1', 1, { maxStalenessMs: 1 })],
      null,
    ],
    [
      'beyond its staleness',
      [
        put('x', '1', 1),
        put('x', '2', 2),
        put('y', '3', 3),
        stale('x', '1', 1, { maxStalenessMs: 2 }),
      ],
      /misses a on "x": put "2"/,
    ],
    [
      'a version too many',
      [put('x', '1', 1), stale('x', '1', 1, {}, [1, 2])],
      /version 2 does not fit/,
    ],
    [
      'a put applied twice',
      [put('x', '1', 1), put('x', '2', 3), stale('x', '2', 3, {}, [1, 3])],
      /version 3 after 2 puts/,
    ],
    [
      'a version that forgets a put',
      [put('x', '1', 1), put('x', '2', 2), put('x', '3', 3), stale('x', '3', 3, {}, [1, 2])],
      /version 2 after 3 puts/,
    ],
    [
      'a version over a deletion',
      [put('x', '1', 1), remove('x', 2), put('x', '3', 3), stale('x', '3', 3, {}, [1, 2])],
      /a deletion lies between/,
    ],
  ];
  for (const [name, told, expected] of cases) {
    const history = new KVHistory();
    for (const tell of told) tell(history);
    const { verdict, broken, counterexamples } = checkKV(history.operations);
    t.same(counterexamples, [], `${name}: each key by itself is in order`);
    t.equal(verdict, expected === null ? 'linearizable' : 'violated', name);
    if (expected === null) t.same(broken, [], name);
    else t.match(broken.join('\n'), expected, name);
  }
});

type Told = readonly ((history: KVHistory) => void)[];
type End = 'acknowledge' | 'lose';

function put(key: string, value: string, revision: number, end: End = 'acknowledge') {
  const input: KVInput = { kind: 'put', key, value, ifRevision: null };
  return calling(input, { kind: 'put', revision, created: null }, end);
}

function remove(key: string, revision: number, end: End = 'acknowledge') {
  return calling(
    { kind: 'delete', key, ifRevision: null },
    { kind: 'delete', revision, deleted: true },
    end,
  );
}

function stale(
  key: string,
  value: string,
  modRevision: number,
  options: { readonly minRevision?: number; readonly maxStalenessMs?: number } = {},
  [createRevision, version]: readonly [number, number] = [modRevision, 1],
) {
  const entry: SeenEntry = { value, modRevision, createRevision, version };
  const input: KVInput = { kind: 'get', key, consistency: 'stale', ...options };
  return calling(input, { kind: 'entry', entry }, 'acknowledge');
}

function staleNothing(key: string, minRevision?: number) {
  const input: KVInput = { kind: 'get', key, consistency: 'stale', minRevision };
  return calling(input, { kind: 'entry', entry: null }, 'acknowledge');
}

function calling(input: KVInput, output: KVOutput, end: End): (history: KVHistory) => void {
  return (history) => {
    const call = history.begin('a', input);
    if (end === 'lose') call.lose();
    else call.acknowledge(output);
  };
}
