import t from 'tap';
import {
  checkKV,
  explain,
  KVHistory,
  openTestCluster,
  SeededRandom,
  type TestCluster,
} from '../../../lib/testing/index.js';

/** Clients of a cluster in virtual time, while its leader is cut off and comes back. */
async function recorded(
  seed: number,
  { lieAboutConsistency = false }: { readonly lieAboutConsistency?: boolean } = {},
): Promise<KVHistory> {
  const cluster = await openTestCluster({ time: 'virtual', seed, size: 3, callTimeoutMs: 100 });
  try {
    const history = new KVHistory({ clock: cluster.clock });
    const random = new SeededRandom(seed);
    cluster.network.setFaults({ drop: () => false, delayMs: [0, 3] });
    const clients = Array.from({ length: 5 }, (_, position) => {
      const name = `c${position + 1}`;
      return client(cluster, history, name, random.fork(name), lieAboutConsistency);
    });
    const work = Promise.all(clients);
    for (let split = 0; split < 4; split += 1) {
      const { id } = await cluster.leader();
      cluster.split([[id]]);
      await cluster.elapse(60);
      cluster.heal();
      await cluster.elapse(60);
    }
    await cluster.run(work);
    return history;
  } finally {
    await cluster.close();
  }
}

async function client(
  cluster: TestCluster,
  history: KVHistory,
  name: string,
  random: SeededRandom,
  lieAboutConsistency: boolean,
): Promise<void> {
  let newest = 0;
  for (let call = 0; call < 60; call += 1) {
    const node = cluster.nodes[random.below(cluster.nodes.length)]!;
    const store = history.recorded(name, node.kv);
    const key = `k${random.below(2)}`;
    const kind = random.below(8);
    try {
      if (kind < 3) {
        const { revision } = await store.put(key, `${name}/${call}`);
        newest = Math.max(newest, revision);
      } else if (kind === 3) {
        await store.put(key, `${name}/${call}`, { ifAbsent: true });
      } else if (kind === 4) {
        await store.delete(key);
      } else if (kind === 5) {
        await store.get(key, { consistency: 'stale', minRevision: newest });
      } else if (lieAboutConsistency) {
        await history.record(name, { kind: 'get', key, consistency: 'linearizable' }, async () => {
          const entry = await node.kv.getEntry(key, { consistency: 'stale' });
          return { kind: 'entry', entry };
        });
      } else {
        await store.get(key);
      }
    } catch {
      // The history says what the call came to.
    }
    await new Promise<void>((resolve) => cluster.clock.after(random.next() * 4, resolve));
  }
}

t.test('a store whose leader is cut off again and again is linearizable', async (t) => {
  const outcomes = { acknowledged: 0, rejected: 0, unknown: 0 };
  for (let seed = 1; seed <= 2; seed += 1) {
    const history = await recorded(seed);
    const result = checkKV(history.operations);
    t.equal(result.verdict, 'linearizable', explain(result));
    for (const { outcome } of history.operations) outcomes[outcome] += 1;
  }
  t.ok(outcomes.unknown > 5, JSON.stringify(outcomes));
  t.ok(outcomes.acknowledged > 400, JSON.stringify(outcomes));
});

t.test('stale reads that pass for linearizable ones are caught (a positive control)', async (t) => {
  const caught: string[] = [];
  for (let seed = 1; seed <= 2; seed += 1) {
    const history = await recorded(seed, { lieAboutConsistency: true });
    const result = checkKV(history.operations);
    if (result.counterexamples.length > 0) caught.push(explain(result));
  }
  t.equal(caught.length, 2);
  for (const text of caught) t.match(text, /✗ {2}c\d: .* has no place/);
});
