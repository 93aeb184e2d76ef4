import assert from 'node:assert/strict';
import test from 'node:test';
import { openTestCluster } from 'quorate/testing';

test('an order survives the loss of the leader', async (t) => {
  const cluster = await openTestCluster({ size: 3 }); // in memory, elections in about 20 ms
  t.after(() => cluster.close());
  const leader = await cluster.leader();
  await leader.kv.put('order/1', 'paid');
  await cluster.crash(leader.id);
  assert.equal(await (await cluster.leader()).kv.get('order/1'), 'paid');
});
