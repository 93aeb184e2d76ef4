import t, { test } from 'tap';
import { catchUpDrill } from '../../benchmarks/catch-up.js';
import { hungDiskDrill } from '../../benchmarks/hung-disk.js';
import { LoopDisk } from '../../benchmarks/loop-disk.js';
import { membersDrill } from '../../benchmarks/members.js';

/*
 * What must never be otherwise, on real processes: small versions of `npm run bench -- members`, `catch-up`
 * and `hung-disk`. How fast it is, the large ones tell.
 */

const MIB = 2 ** 20;

/** A few seconds each; many more on a machine that is busy with something else. */
t.setTimeout(240_000);

test('members are added, replaced and removed under load: nothing acknowledged is lost, no call is in doubt', async (t) => {
  const { all, issued, lost, samples, voters } = await membersDrill({
    perSecond: 100,
    calmMs: 100,
    aftermathMs: 100,
  });
  t.same(lost, []);
  t.equal(all.nonRetriable, 0, samples.join('; '));
  t.ok(all.acknowledged > 0.9 * issued, `${all.acknowledged} of ${issued} puts`);
  t.equal(voters.length, 4);
});

test('a follower that was away across two snapshots catches up under load by at most two', async (t) => {
  const result = await catchUpDrill({
    keys: 500,
    valueBytes: 256,
    writes: 3000,
    snapshotEntries: 1200,
    trailingEntries: 200,
    maxLogBytes: 8 * MIB,
    perSecond: 100,
  });
  t.same(result.lost, []);
  t.ok(result.taken >= 2, `${result.taken} snapshots were taken meanwhile`);
  t.ok(result.installed >= 1 && result.sent <= 2, `${result.sent} snapshots were sent`);
  t.equal(result.load.nonRetriable, 0);
});

const missing = LoopDisk.missing();
const skip = missing === null ? false : `freezing a file system needs ${missing}`;

test('a leader whose file system is frozen is replaced, and comes back (schedule F6)', {
  skip,
}, async (t) => {
  const { times, acknowledged, lost } = await hungDiskDrill({ runs: 2, perSecond: 50 });
  t.equal(times.length, 2);
  t.ok(acknowledged > 0);
  t.same(lost, []);
});
