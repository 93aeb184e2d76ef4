import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import type { KVStore } from 'quorate';
import { connect } from 'quorate/client';
import { hungDiskTimes } from '../test/node/failover.js';
import { Cluster } from './cluster.js';
import { Ledger } from './ledger.js';
import { LoopDisk } from './loop-disk.js';
import { Probes } from './probes.js';
import { claim, distribution, percentile, print, printTarget } from './report.js';
import { SteadyLoad } from './steady-load.js';
import { type MeteredTime, printMetered, WaitMeter } from './wait-meter.js';

export interface HungDiskResult {
  /** From the freeze of a leader's file system to the next write by way of another leader. */
  readonly times: readonly MeteredTime[];
  /** From the thaw until the member had applied what was committed, sorted. */
  readonly catchUpTimes: readonly number[];
  readonly acknowledged: number;
  readonly lost: readonly string[];
}

export interface HungDiskOptions {
  readonly runs: number;
  /** Beside the probes. */
  readonly perSecond: number;
}

/** The file systems of leaders freeze under load, again and again. Only where `LoopDisk.missing` is null. */
export async function hungDiskDrill(options: HungDiskOptions): Promise<HungDiskResult> {
  const parent = mkdtempSync(join(tmpdir(), 'quorate-disks-'));
  const disks = new Map<string, LoopDisk>();
  let cluster: Cluster | null = null;
  // Nobody else ever thaws a file system, and who waits for it cannot even be killed.
  const cleanUp = (): void => {
    for (const disk of disks.values()) disk.thaw();
    cluster?.killAll();
    for (const disk of disks.values()) disk.destroy();
    rmSync(parent, { recursive: true, force: true });
  };
  const onSignal = (): void => process.exit(130);
  process.on('exit', cleanUp).on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    for (const id of ['n1', 'n2', 'n3']) disks.set(id, LoopDisk.create(parent, id));
    const limits = { snapshotEntries: 5000, trailingEntries: 1000 };
    const folderOf = (id: string): string => join(parent, id, 'data');
    cluster = await Cluster.start({ size: 3, limits, folderOf });
    return await freezeLeaders(cluster, disks, options);
  } finally {
    for (const disk of disks.values()) disk.thaw();
    await cluster?.dispose();
    cleanUp();
    process.off('exit', cleanUp).off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function freezeLeaders(
  cluster: Cluster,
  disks: ReadonlyMap<string, LoopDisk>,
  { runs, perSecond }: HungDiskOptions,
): Promise<HungDiskResult> {
  const ledger = new Ledger();
  const clients: KVStore[] = await Promise.all(
    cluster.endpoints.map((one) => connect({ endpoints: [one] })),
  );
  const load = new SteadyLoad({ clients, perSecond, ledger, timeoutMs: 2000 });
  const times: MeteredTime[] = [];
  const catchUpTimes: number[] = [];
  // Names of the load count from 0.
  let name = 1_000_000;
  const nextName = (): number => {
    name += 1;
    return name;
  };
  for (let i = 0; i < runs; i += 1) {
    const leader = await cluster.leader();
    const others = cluster.running.filter((id) => id !== leader);
    const probes = await Probes.connect({ cluster, through: others, ledger, nextName });
    await pass(100 + Math.random() * 100);
    const meter = new WaitMeter(cluster.processIds(others));
    const beganMs = performance.now();
    disks.get(leader)?.freeze();
    // What begins now cannot be answered by this leader any more: it applies only what it has stored.
    const freezeMs = performance.now() - beganMs;
    const tookMs = freezeMs + (await probes.untilWritten(() => meter.stop()));
    times.push({ tookMs, waitedMs: meter.waitedMs });
    const next = await cluster.leader(others);
    disks.get(leader)?.thaw();
    const thawedMs = performance.now();
    await cluster.caughtUp(leader, next);
    catchUpTimes.push(performance.now() - thawedMs);
  }
  await load.stop();
  await Promise.all(clients.map((client) => client.close()));
  const reader = await connect({ endpoints: cluster.endpoints });
  const lost = await ledger.lost(reader);
  await reader.close();
  const { acknowledgedCount: acknowledged } = ledger;
  catchUpTimes.sort((a, b) => a - b);
  return { times, catchUpTimes, acknowledged, lost };
}

/** Twice the longest election timeout of `fast`. */
const TARGET_MS = 600;

/** `npm run bench -- hung-disk` */
export async function hungDisk(runs: number): Promise<void> {
  print(`hung-disk: ${runs} leaders whose disk hangs, in virtual time; timing fast`);
  const virtual = await hungDiskTimes({ seeds: runs });
  print(`  until the next write   ${distribution(virtual)}`);
  const p95 = percentile(virtual, 0.95);
  printTarget('p95', `${p95.toFixed(0)} ms`, `under ${TARGET_MS} ms`, p95 < TARGET_MS);
  const missing = LoopDisk.missing();
  if (missing !== null) {
    print(`hung-disk: on real processes it needs ${missing}, which is not here`);
    return;
  }
  print(
    `hung-disk: ${runs} times the file system (ext4) of the leading process is frozen, under load`,
  );
  const { times, catchUpTimes, acknowledged, lost } = await hungDiskDrill({ runs, perSecond: 200 });
  printMetered('until the next write', times, [{ share: 0.95, targetMs: TARGET_MS }]);
  print(`  thawed until caught up ${distribution(catchUpTimes)}`);
  claim(`every one of ${acknowledged} acknowledged writes is there`, lost.length === 0);
}
