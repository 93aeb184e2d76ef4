import { test } from 'tap';
import type { Order } from './fixtures/member.js';
import { statusOf, threeMembers } from './member-processes.js';

/** Five times the longest election timeout of `fast`. */
const HOLD_MS = 1500;
const HOLDS = 4;

test('a follower whose event loop is held for five election timeouts starts no election (schedule I2)', async (t) => {
  const nodes = await threeMembers(t);
  const before = await Promise.all(nodes.map(statusOf));
  const { term, leader } = before[0] ?? { term: 0, leader: null };
  const [follower] = nodes.filter((_, position) => before[position]?.role === 'follower');
  for (let hold = 1; hold <= HOLDS; hold += 1) {
    follower?.send({ kind: 'hold', ms: HOLD_MS } satisfies Order);
    // It answers once it is out of the hold, and again after a tick could have started an election.
    for (let look = 0; look < 20; look += 1) await statusOf(follower);
    const after = await Promise.all(nodes.map(statusOf));
    t.match(
      after,
      [
        { term, leader },
        { term, leader },
        { term, leader },
      ],
      `hold ${hold}`,
    );
  }
  const { delays } = await statusOf(follower);
  t.ok(delays >= HOLDS, 'each hold was noticed');
});
