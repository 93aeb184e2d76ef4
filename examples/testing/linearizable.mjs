import assert from 'node:assert/strict';
import test from 'node:test';
import { checkKV, explain, KVHistory, openTestCluster } from 'quorate/testing';

test('clients see one store, also while its leader is cut off', async (t) => {
  const cluster = await openTestCluster({ size: 3 });
  t.after(() => cluster.close());
  const history = new KVHistory({ clock: cluster.clock });
  const clients = cluster.nodes.map(async ({ id, kv }) => {
    const store = history.recorded(id, kv); // its calls are the store's, and are written down
    for (let i = 1; i <= 50; i += 1) {
      await store.put('x', `${id}/${i}`, { timeoutMs: 300 }).catch(() => {});
      await store.get('x', { timeoutMs: 300 }).catch(() => {});
    }
  });
  const leader = await cluster.leader();
  cluster.split([[leader.id]]);
  await cluster.elapse(100);
  cluster.heal();
  await Promise.all(clients);
  const result = checkKV(history.operations);
  assert.equal(result.verdict, 'linearizable', explain(result));
});
