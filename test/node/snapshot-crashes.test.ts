import { type Test, test } from 'tap';
import { openTestCluster, type TestCluster, type TestNode } from '../../lib/testing/index.js';

/*
 * The process of one member dies at each write that its disk is asked for, one after the other, while it
 * takes snapshots and while it installs one. Whatever reached the disk, it starts again, and ends with
 * the state of the others.
 */

const LIMITS = { snapshotEntries: 15, trailingEntries: 3 };

/** The writes at each of which it has to die. */
const INSTALLING = ['snapshot', 'reset', 'append'];
const TAKING = ['snapshot', 'compact', 'remove'];

for (const isKept of [false, true]) {
  const what = isKept ? 'reaches the disk' : 'is lost';

  test(`a crash at any write of an install, which ${what}, leaves the old or the new (schedule D2, fault A9)`, async (t) => {
    const { cluster, victim, kinds } = await begin(t, `install ${isKept}`);
    let total = 0;
    for (let allowed = 0, survived = 0; isToGoOn(survived, kinds, INSTALLING); allowed += 1) {
      await cluster.crash(victim.id);
      total = await puts(cluster, total, 40);
      const dying = dieAfter(cluster, victim, { allowed, isKept, kinds });
      // It may die before it is open.
      const started = cluster.restart(victim.id).catch(() => {});
      total = await puts(cluster, total, 40);
      const isOver = await cluster.run(dying);
      await started;
      await recovers(t, cluster, victim, total);
      if (!isOver) continue;
      // Once more from the first: what it begins with is not the same.
      survived += 1;
      allowed = -1;
    }
    for (const kind of INSTALLING) t.ok(kinds.has(kind), `at a ${kind}`);
    t.comment(`${[...kinds].join(', ')}; ${total} entries`);
  });

  test(`a crash at any write while snapshots are taken, which ${what}, leaves the old or the new (fault A8)`, async (t) => {
    const { cluster, victim, kinds } = await begin(t, `take ${isKept}`);
    let total = 0;
    for (let allowed = 0, survived = 0; isToGoOn(survived, kinds, TAKING); allowed += 1) {
      const dying = dieAfter(cluster, victim, { allowed, isKept, kinds });
      total = await puts(cluster, total, 80);
      const isOver = await cluster.run(dying);
      await recovers(t, cluster, victim, total);
      if (!isOver) continue;
      survived += 1;
      allowed = -1;
    }
    for (const kind of TAKING) t.ok(kinds.has(kind), `at a ${kind}`);
  });
}

/** Some rounds from the first write to the last; more where which comes when has passed one over. */
function isToGoOn(
  survived: number,
  kinds: ReadonlySet<string>,
  wanted: readonly string[],
): boolean {
  return survived < 3 || (survived < 20 && wanted.some((kind) => !kinds.has(kind)));
}

async function begin(t: Test, seed: string) {
  const cluster = await openTestCluster({ time: 'virtual', seed, limits: LIMITS });
  t.teardown(() => cluster.close());
  const leader = await cluster.leader();
  const victim = cluster.nodes.find((node) => node !== leader)!;
  return { cluster, victim, kinds: new Set<string>() };
}

interface Death {
  /** So many writes complete before the one at which the process ends. */
  readonly allowed: number;
  /** Whether that one reaches the disk, though nobody is told. */
  readonly isKept: boolean;
  /** What it died at. */
  readonly kinds: Set<string>;
}

/** True when no further write came for a while: the member has survived. */
async function dieAfter(
  cluster: TestCluster,
  { id, disk }: TestNode,
  { allowed, isKept, kinds }: Death,
): Promise<boolean> {
  const hold = disk.hold();
  for (let count = 0; ; ) {
    for (let i = 0; hold.waiting.length === 0 && i < 100; i += 1) await turn(cluster);
    const [write] = hold.waiting;
    if (write !== undefined && count < allowed) {
      count += 1;
      hold.releaseFirst();
      continue;
    }
    if (write !== undefined) {
      kinds.add(write.kind);
      disk.crash({ keep: ({ entryCount }) => (isKept ? Math.max(1, entryCount) : 0) });
    }
    hold.release();
    if (write !== undefined) await cluster.crash(id);
    return write === undefined;
  }
}

async function recovers(
  t: Test,
  cluster: TestCluster,
  victim: TestNode,
  total: number,
): Promise<void> {
  if (!victim.isRunning) await cluster.restart(victim.id);
  await cluster.settle();
  const counting = async (): Promise<number> => {
    let found = 0;
    for await (const { key, value } of victim.kv.list({ consistency: 'stale' })) {
      if (value === `value ${key.slice(4)}`) found += 1;
    }
    return found;
  };
  const found = await cluster.run(counting());
  if (found !== total) t.equal(found, total, 'it holds what the others hold');
}

async function puts(cluster: TestCluster, from: number, count: number): Promise<number> {
  for (let i = from; i < from + count; i += 10) {
    const { kv } = await cluster.leader();
    const ten = Array.from({ length: 10 }, (_, j) => kv.put(`key/${i + j}`, `value ${i + j}`));
    await cluster.run(Promise.all(ten));
  }
  return from + count;
}

function turn(cluster: TestCluster): Promise<void> {
  return new Promise((resolve) => {
    cluster.clock.after(1, resolve);
  });
}
