import { test } from 'tap';
import { connect } from '../../lib/client/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { Members } from './programs.js';

test('a leader that was stopped reads nothing old when it goes on, lease or not (fault C4)', async (t) => {
  const members = await Members.create(3, t.testdir());
  t.teardown(() => members.killAll());
  await members.startAll();
  const clients = members.ids.map((id) => members.client(id));
  const all = await connect({ endpoints: clients });
  await all.membership.setLeadership({ leaderLeaseMs: 136 });
  for (const consistency of ['leaderLease', 'linearizable'] as const) {
    await all.put('k', 'before');
    const leader = all.status().leader?.id ?? '';
    const one = await connect({ endpoints: [members.client(leader)] });
    const others = clients.filter((client) => client !== members.client(leader));
    const rest = await connect({ endpoints: others });
    t.equal(await one.get('k', { consistency }), 'before');
    const { child } = members.running.get(leader)!;
    child.kill('SIGSTOP');
    await putAtLast(rest, 'k', 'after');
    // It waits in the socket of the leader, which has yet to learn that it leads no more.
    const read = one.get('k', { consistency });
    child.kill('SIGCONT');
    t.equal(await read, 'after', consistency);
    await all.ready();
    await Promise.all([one.close(), rest.close()]);
  }
  await all.close();
});

/** What was forwarded to the leader that stands still is not known to have happened: it is put again. */
async function putAtLast(kv: KVStore, key: string, value: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await kv.put(key, value, { timeoutMs: 1000 });
      return;
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}
