import { setTimeout as pass } from 'node:timers/promises';
import { type KVStore, QuorateError } from 'quorate';
import { connect } from 'quorate/client';
import { Cluster } from './cluster.js';
import { Ledger } from './ledger.js';
import { Probes } from './probes.js';
import { claim, distribution, print, printHistogram } from './report.js';
import { type MeteredTime, printMetered, sorted, WaitMeter } from './wait-meter.js';

export interface FailoverDrillOptions {
  readonly kills: number;
  /** Whether the leader falls silent, its connections standing, instead of dying at once. */
  readonly silent: boolean;
}

export interface FailoverDrillResult {
  /** From the death of a leader to the next write that succeeds. */
  readonly times: readonly MeteredTime[];
  /** The same for one client that knows all members and writes one put after the other, sorted. */
  readonly plainTimes: readonly number[];
  readonly acknowledged: number;
  readonly lost: readonly string[];
}

/** Leaders of three processes die again and again, and come back before the next one does. */
export async function failoverDrill(options: FailoverDrillOptions): Promise<FailoverDrillResult> {
  const cluster = await Cluster.start({ size: 3, limits: { snapshotEntries: 20_000 } });
  try {
    const plain = new PlainClient(await connect({ endpoints: cluster.endpoints }));
    try {
      return await killLeaders(cluster, plain, options);
    } finally {
      await plain.close();
    }
  } finally {
    await cluster.dispose();
  }
}

async function killLeaders(
  cluster: Cluster,
  plain: PlainClient,
  { kills, silent }: FailoverDrillOptions,
): Promise<FailoverDrillResult> {
  const ledger = new Ledger();
  const times: MeteredTime[] = [];
  const plainTimes: number[] = [];
  let name = 0;
  const nextName = (): number => {
    name += 1;
    return name;
  };
  for (let kill = 0; kill < kills; kill += 1) {
    const leader = await cluster.leader();
    const through = cluster.running.filter((id) => id !== leader);
    const probes = await Probes.connect({ cluster, through, ledger, nextName });
    // At any moment between two heartbeats.
    await pass(100 + Math.random() * 100);
    const meter = new WaitMeter(cluster.processIds(through));
    cluster.strike(leader, silent ? 'SIGSTOP' : 'SIGKILL');
    const [tookMs, plainMs] = await Promise.all([
      probes.untilWritten(() => meter.stop()),
      plain.untilWritten(),
    ]);
    times.push({ tookMs, waitedMs: meter.waitedMs });
    plainTimes.push(plainMs);
    await cluster.kill(leader);
    await cluster.launch(leader);
    await cluster.caughtUp(leader, await cluster.leader());
  }
  const acknowledged = ledger.acknowledgedCount;
  const kv = await connect({ endpoints: cluster.endpoints });
  const lost = await ledger.lost(kv);
  await kv.close();
  plainTimes.sort((a, b) => a - b);
  return { times, plainTimes, acknowledged, lost };
}

/** Writes one put after the other, and goes on whatever becomes of them. */
class PlainClient {
  readonly #kv: KVStore;
  readonly #running: Promise<void>;
  #isOver = false;
  #onWritten: (beganMs: number) => void = () => {};

  constructor(kv: KVStore) {
    this.#kv = kv;
    this.#running = this.#run();
  }

  /** Milliseconds from now until a put that began after now has succeeded. */
  untilWritten(): Promise<number> {
    const nowMs = performance.now();
    return new Promise((resolve) => {
      this.#onWritten = (beganMs) => {
        if (beganMs >= nowMs) resolve(performance.now() - nowMs);
      };
    });
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#kv.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const beganMs = performance.now();
      try {
        await this.#kv.put('plain', 'v', { timeoutMs: 1000 });
        this.#onWritten(beganMs);
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
      }
      await pass(2);
    }
  }
}

const BOUNDS_MS = [10, 20, 50, 100, 150, 200, 250, 300, 400, 600, 1000];

/** `npm run bench -- failover` */
export async function failover(kills: number): Promise<void> {
  for (const silent of [false, true]) {
    const what = silent ? 'falls silent, its connections standing' : 'dies, its connections reset';
    print(`failover: ${kills} times the leader of three processes ${what}; timing fast`);
    const { times, plainTimes, acknowledged, lost } = await failoverDrill({ kills, silent });
    print(`  by one plain client    ${distribution(plainTimes)}`);
    printTimes(times, silent ? 250 : 100);
    claim(`every one of ${acknowledged} acknowledged writes is there`, lost.length === 0);
  }
}

function printTimes(times: readonly MeteredTime[], p50TargetMs: number): void {
  printHistogram(sorted(times), BOUNDS_MS);
  printMetered('until the next write', times, [
    { share: 0.5, targetMs: p50TargetMs },
    { share: 0.99, targetMs: 600 },
  ]);
}
