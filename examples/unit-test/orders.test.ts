// node --test orders.test.js
import assert from 'node:assert/strict';
import test from 'node:test';
import { openTestCluster } from 'quorate/testing';
import { pay } from './orders.js';

test('an order is paid once, though every node is asked at the same time', async (t) => {
  const cluster = await openTestCluster({ size: 3 });
  t.after(() => cluster.close());
  const answers = await Promise.all(cluster.nodes.map(({ kv }) => pay(kv, '17')));
  assert.equal(answers.filter((answer) => answer === 'paid').length, 1);
});

test('an order that was paid stays paid when the leader is lost', async (t) => {
  const cluster = await openTestCluster({ size: 3 });
  t.after(() => cluster.close());
  const leader = await cluster.leader();
  assert.equal(await pay(leader.kv, '17'), 'paid');
  await cluster.crash(leader.id);
  const next = await cluster.leader();
  assert.equal(await pay(next.kv, '17'), 'was paid before');
});
