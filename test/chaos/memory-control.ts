import { setTimeout as pass } from 'node:timers/promises';
import { checkKV, type KVResult, SeededRandom } from '../../lib/testing/index.js';
import { ChaosCluster } from './chaos-cluster.js';
import { Workload } from './workload.js';

export interface MemoryControlResult {
  readonly writtenOnce: number;
  readonly lost: number;
  readonly check: KVResult;
}

const LOAD_MS = 2000;
const SETTLE_MS = 10_000;

/**
 * A control: three nodes without a disk, all of which are killed. Whatever they acknowledged is lost, and the
 * checks that find nothing elsewhere must find that.
 */
export async function runMemoryControl(seed: string): Promise<MemoryControlResult> {
  const cluster = await ChaosCluster.create({ size: 3, isInMemory: true });
  try {
    await cluster.startAll();
    const workload = new Workload({
      endpoints: () => cluster.running.map(({ clientAddress }) => clientAddress),
      random: new SeededRandom(seed).fork('memory control'),
      clients: 4,
      staleReaders: 0,
      pauseMs: 20,
    });
    workload.start();
    const untilMs = performance.now() + LOAD_MS;
    while (performance.now() < untilMs || workload.writtenOnce.size === 0) await pass(20);
    await workload.stop(SETTLE_MS);
    await Promise.all(cluster.running.map((node) => node.kill()));
    await cluster.startAll();
    const kv = await cluster.connect();
    const entries = await workload.readAll('reader', kv);
    await kv.close();
    const lost = [...workload.writtenOnce].filter(([key]) => !entries.has(key)).length;
    const check = checkKV(workload.history.operations, { maxCounterexamples: 1 });
    return { writtenOnce: workload.writtenOnce.size, lost, check };
  } finally {
    await cluster.dispose();
  }
}
