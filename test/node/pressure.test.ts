import t from 'tap';
import { failureOf, World } from './world.js';

/*
 * More than can be carried: what is refused is told, and nobody stands for election because of it.
 */

t.test(
  'clients that flood a group whose entries do not get through cause no election (schedule G7)',
  async (t) => {
    const limits = { maxPendingCalls: 200 };
    const world = new World();
    const stores = await world.openAll({ limits });
    const leader = await world.leaderOf(stores);
    const { term } = leader.status();
    world.network.setFaults({ drop: ({ lane }) => lane === 'bulk' });
    const outcomes = new Map<string, number>();
    const calls: Promise<void>[] = [];
    for (let round = 0; round < 20; round += 1) {
      for (const kv of stores) {
        for (let i = 0; i < 50; i += 1) {
          const call = kv.put(`k${i}`, 'v'.repeat(1000), { timeoutMs: 3000 }).then(
            () => 'done',
            ({ code }: { code: string }) => code,
          );
          calls.push(call.then((code) => void outcomes.set(code, (outcomes.get(code) ?? 0) + 1)));
        }
      }
      await world.elapse(100);
      t.ok(leader.status().pendingCalls <= 200, 'calls that wait are bounded');
    }
    t.match(leader.status(), { role: 'leader', term });
    world.network.setFaults({});
    await world.run(Promise.all(calls));
    t.equal(calls.length, 3000, 'every call settles (schedule G5)');
    t.ok((outcomes.get('ERR_BUSY') ?? 0) > 1000, JSON.stringify([...outcomes]));
    t.match(leader.status(), { role: 'leader', term });
    t.match(await world.run(leader.put('after', '1')), { created: true });
    for (const kv of stores) await world.run(kv.close());
  },
);

t.test('a batch of many large values is split and causes no election (schedule G6)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const { term } = leader.status();
  world.network.setFaults({ delayMs: [5, 40] });
  const value = 'v'.repeat(256 * 1024);
  const puts = Array.from({ length: 40 }, (_, i) => leader.put(`large/${i}`, value));
  await world.run(Promise.all(puts));
  await world.until(() =>
    stores.every((kv) => kv.status().appliedIndex === leader.status().lastIndex),
  );
  t.match(leader.status(), { role: 'leader', term });
  t.match(await world.run(failureOf(leader.put('k', 'v'.repeat(2 ** 21)))), {
    code: 'ERR_TOO_LARGE',
  });
  for (const kv of stores) await world.run(kv.close());
});
