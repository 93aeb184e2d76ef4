import t from 'tap';
import { failoverTimes, hungDiskTimes, percentile } from './failover.js';

/*
 * How long a group is without a leader, in virtual time, `fast` timing and 0.2 to 3 ms between nodes.
 * Whole distributions: `node dist/test/node/failover.js 300`.
 */

t.test('a leader that falls silent is replaced within two election timeouts', async (t) => {
  const times = await failoverTimes({ seeds: 40, reset: false });
  t.ok(percentile(times, 0.5) < 250, `p50 ${percentile(times, 0.5)}`);
  t.ok(times.at(-1)! < 600, `longest ${times.at(-1)}`);
});

t.test('a leader whose connections break is replaced within tens of milliseconds', async (t) => {
  const times = await failoverTimes({ seeds: 40, reset: true });
  t.ok(percentile(times, 0.5) < 60, `p50 ${percentile(times, 0.5)}`);
  t.ok(times.at(-1)! < 250, `longest ${times.at(-1)}`);
});

t.test(
  'a leader whose disk hangs is replaced within two election timeouts (schedule F6)',
  async (t) => {
    const times = await hungDiskTimes({ seeds: 20 });
    t.ok(percentile(times, 0.95) < 600, `p95 ${percentile(times, 0.95)}`);
  },
);
