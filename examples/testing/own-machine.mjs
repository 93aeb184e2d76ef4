import assert from 'node:assert/strict';
import test from 'node:test';
import { checkLinearizability, explain, History, reducerModel } from 'quorate/testing';

const counter = {
  initial: 0,
  apply: (count, add) => ({ state: count + add, result: count + add }),
  query: (count) => count,
};

test('a cache that is not told of writes is caught', async () => {
  let count = 0;
  const cache = { count };
  const add = async (n) => (count += n); // and nobody tells the cache
  const read = async () => cache.count;
  const history = new History();
  await history.record('ann', { kind: 'apply', command: 5 }, () => add(5));
  await history.record('bob', { kind: 'query', query: null }, () => read());
  const result = checkLinearizability(reducerModel(counter), history.operations);
  assert.equal(result.verdict, 'violated');
  assert.match(explain(result), /✗ {2}bob: .* → 0 {2}has no place: while it ran, 5 was held/);
});
