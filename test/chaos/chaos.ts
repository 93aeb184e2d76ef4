import { setTimeout as pass } from 'node:timers/promises';
import { connect } from '../../lib/client/index.js';
import type { Member } from '../../lib/interfaces/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { checkKV, type KVOperation, type KVResult, SeededRandom } from '../../lib/testing/index.js';
import { ChaosCluster } from './chaos-cluster.js';
import { DISK_FAULTS } from './disk-faults.js';
import { MEMBER_FAULTS } from './member-faults.js';
import { NETWORK_FAULTS } from './network-faults.js';
import { PROCESS_FAULTS } from './process-faults.js';
import { candidates, type Fault, membersNow, type Scene, shuffled } from './scene.js';
import { type FaultCount, Tally } from './tally.js';
import { STALE_CLIENT, Workload } from './workload.js';

/** In the order in which they are told. */
export const FAULTS: readonly Fault[] = [
  ...PROCESS_FAULTS,
  ...DISK_FAULTS,
  ...NETWORK_FAULTS,
  ...MEMBER_FAULTS,
];

export interface ChaosOptions {
  readonly nodes: number;
  readonly seconds: number;
  /** Decides what the nemesis chooses. Processes, disks and sockets go their own way. */
  readonly seed: string;
  readonly faults: readonly Fault[];
  readonly clients: number;
  /** Between two calls of one client, at most. */
  readonly pauseMs: number;
  /** Where the logs of the processes go when something was wrong. Default: nowhere. */
  readonly logsTo?: string | undefined;
  /** Beside those that every node has. */
  readonly flags?: readonly string[] | undefined;
  readonly onProgress?: (line: string) => void;
}

export interface ChaosResult {
  /** What is wrong, a sentence each. None: it held. */
  readonly violations: readonly string[];
  readonly check: KVResult;
  /** The same history, its `stale` reads passed off as linearizable: it must be violated. */
  readonly staleControl: KVResult;
  readonly faults: ReadonlyMap<string, FaultCount>;
  readonly failures: ReadonlyMap<string, number>;
  readonly calls: number;
  readonly acknowledged: number;
  readonly staleReads: number;
  readonly listings: number;
  /** Written once, acknowledged, and looked for at the end. */
  readonly writtenOnce: number;
  readonly lost: readonly string[];
  readonly keys: number;
  /** Between two acknowledgements of whoever, while faults were on. */
  readonly longestPauseMs: number;
  /** How long after its deadline the latest call was settled; negative: before it. */
  readonly latestMs: number;
  /** From the end of the last fault to a write by a client that begins then. */
  readonly recoveryMs: number;
  /** Of the members at the end, all of whom hold the same. */
  readonly members: readonly string[];
  readonly term: number;
  /** Everything that clients asked and were told. */
  readonly operations: readonly KVOperation[];
}

/** Small, so that snapshots are taken, sent and installed all the time. */
const FLAGS = ['--snapshot-entries', '1500', '--trailing-entries', '200'];
const LEASE_MS = 100;
const SETTLE_MS = 20_000;
/** A machine that is busy, or this program while it mounts a disk, hears of it later than it was. */
const LATE_MS = 2000;
const RECOVERY_MS = 60_000;

/** One cluster, clients, faults; then quiet, and a look at everything. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { nodes, faults, flags = [], logsTo = null } = options;
  const names = new Set(faults.map(({ name }) => name));
  const cluster = await ChaosCluster.create({
    size: nodes,
    flags: [...FLAGS, ...flags],
    faults: names,
  });
  let hasHeld = false;
  try {
    await cluster.startAll();
    const result = await new ChaosRun(cluster, options).run();
    hasHeld = result.violations.length === 0;
    return result;
  } finally {
    await cluster.dispose(hasHeld ? null : logsTo);
  }
}

class ChaosRun {
  readonly #cluster: ChaosCluster;
  readonly #options: ChaosOptions;
  readonly #random: SeededRandom;
  readonly #tally = new Tally();
  readonly #workload: Workload;
  readonly #scene: Scene;
  readonly #violations: string[] = [];
  #admin: Promise<KVStore> | null = null;
  #adminUntilMs = 0;
  #changing: Promise<unknown> = Promise.resolve();

  constructor(cluster: ChaosCluster, options: ChaosOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#scene = {
      cluster,
      admin: () => this.#administrator(),
      changing: (action) => {
        const result = this.#changing.then(action);
        this.#changing = result.catch(() => {});
        return result;
      },
    };
    const { clients, pauseMs } = options;
    this.#workload = new Workload({
      endpoints: () => candidates(this.#scene).map(({ clientAddress }) => clientAddress),
      random: this.#random.fork('clients'),
      clients,
      staleReaders: 2,
      pauseMs,
    });
  }

  async run(): Promise<ChaosResult> {
    const { membership } = await this.#scene.admin();
    await membership.setLeadership({ leaderLeaseMs: LEASE_MS });
    this.#workload.start();
    const untilMs = performance.now() + this.#options.seconds * 1000;
    const lanes = ['processes', 'network', 'members'] as const;
    const over = { isOver: false };
    const progress = this.#tellProgress(over);
    await Promise.all(lanes.map((lane) => this.#lane(lane, untilMs)));
    over.isOver = true;
    const { longestPauseMs } = this.#workload;
    const recoveryMs = await this.#recover();
    if (!(await this.#workload.stop(SETTLE_MS))) {
      this.#violations.push(`${this.#workload.pending} calls were not settled in ${SETTLE_MS} ms`);
    }
    await progress;
    return await this.#look(longestPauseMs, recoveryMs);
  }

  /** Goes through its faults in any order, each once, and again until the time is over. */
  async #lane(lane: Fault['lane'], untilMs: number): Promise<void> {
    const random = this.#random.fork(lane);
    const faults = this.#options.faults.filter((fault) => fault.lane === lane);
    let left: Fault[] = [];
    for (let round = 0; faults.length > 0; ) {
      if (left.length === 0) {
        if (round > 0 && performance.now() > untilMs) return;
        left = shuffled(random, faults);
        round += 1;
      }
      // Every fault gets its turn, however short the time is.
      if (round > 1 && performance.now() > untilMs) return;
      await pass(100 + random.below(900));
      await this.#inject(left.pop()!, random);
    }
  }

  async #inject(fault: Fault, random: SeededRandom): Promise<void> {
    const count = this.#tally.ask(fault.name);
    try {
      const note = await fault.inject(this.#scene, random);
      if (note === null) count.happened += 1;
      else count.note = note;
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? `: ${error.cause}` : '';
      this.#violations.push(`fault ${fault.name}: ${error}${cause}`);
    }
  }

  /** Everybody runs. Answers after how long a write of somebody who has just come succeeds. */
  async #recover(): Promise<number> {
    const beganMs = performance.now();
    for (const node of this.#cluster.nodes) {
      if (node.isPaused) node.resume();
      if (node.isRunning || node.isRetired) continue;
      await this.#cluster.start(node);
    }
    for (;;) {
      try {
        const kv = await this.#cluster.connect(2000);
        await kv.put('recovered', 'yes', { timeoutMs: 2000 });
        await kv.close();
        return performance.now() - beganMs;
      } catch (error) {
        if (performance.now() - beganMs > RECOVERY_MS) {
          this.#violations.push(
            `no write succeeds ${RECOVERY_MS} ms after the last fault: ${error}`,
          );
          return RECOVERY_MS;
        }
      }
    }
  }

  async #look(longestPauseMs: number, recoveryMs: number): Promise<ChaosResult> {
    const workload = this.#workload;
    const kv = await this.#cluster.connect(30_000);
    const entries = await workload.readAll('reader', kv);
    const { revision } = await kv.page({ limit: 1 });
    const members = (await membersNow(this.#scene)) ?? [];
    const { term } = kv.status();
    if (members.length === 0) this.#violations.push('nobody is a member at the end');
    await this.#compareMembers(
      members.filter((member) => !this.#isDismissed(member)).map(({ id }) => id),
      JSON.stringify([...entries]),
      revision,
    );
    await kv.close();
    await (await this.#admin)?.close();
    if (workload.latestMs > LATE_MS) {
      this.#violations.push(`a call was settled ${workload.latestMs} ms after its deadline`);
    }
    const lost = [...workload.writtenOnce]
      .filter(([key, value]) => entries.get(key)?.value !== value)
      .map(([key]) => key);
    if (lost.length > 0) this.#violations.push(`acknowledged and lost: ${lost.slice(0, 5).join()}`);
    this.#violations.push(...this.#cluster.troubles, ...workload.listings.faults());
    const { operations } = workload.history;
    this.#options.onProgress?.(`${operations.length} calls are checked`);
    const check = checkKV(operations);
    if (check.verdict !== 'linearizable') {
      this.#violations.push(`the history of the clients: ${check.verdict}`);
    }
    const staleReads = operations.filter(({ client }) => client.startsWith(STALE_CLIENT));
    const staleControl = checkKV(operations.map(passedOff), { maxCounterexamples: 1 });
    return {
      violations: this.#violations,
      check,
      staleControl,
      faults: this.#tally.counts,
      failures: workload.failures,
      calls: operations.length,
      acknowledged: workload.acknowledged,
      staleReads: staleReads.length,
      listings: workload.listings.count,
      writtenOnce: workload.writtenOnce.size,
      lost,
      keys: workload.keys.length,
      longestPauseMs,
      latestMs: workload.latestMs,
      recoveryMs,
      members: members.map(({ id, role }) => `${id} ${role}`),
      term,
      operations,
    };
  }

  /** A learner that was let in by a call that had been given up, and its node with it. */
  #isDismissed({ id, role }: Member): boolean {
    return role === 'learner' && this.#cluster.node(id)?.isRetired === true;
  }

  /** What each member holds itself, once it has applied that revision. */
  async #compareMembers(ids: readonly string[], expected: string, revision: number): Promise<void> {
    for (const id of ids) {
      const endpoint = this.#cluster.node(id)?.clientAddress ?? '';
      try {
        const held = await heldBy(endpoint, revision);
        if (held !== expected) this.#violations.push(`${id} holds something else at the end`);
      } catch (error) {
        this.#violations.push(`${id}, a member, does not show what it holds: ${error}`);
      }
    }
  }

  /** A new one from time to time: nodes come and go. */
  async #administrator(): Promise<KVStore> {
    if (this.#admin !== null && performance.now() < this.#adminUntilMs) return await this.#admin;
    const before = this.#admin;
    this.#adminUntilMs = performance.now() + ADMIN_MS;
    this.#admin = this.#reach();
    await (await before)?.close();
    return await this.#admin;
  }

  async #reach(): Promise<KVStore> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#cluster.connect();
      } catch (error) {
        if (attempt === 10) throw error;
        await pass(200);
      }
    }
  }

  async #tellProgress(over: { isOver: boolean }): Promise<void> {
    const { onProgress } = this.#options;
    const beganMs = performance.now();
    for (let tellMs = beganMs + 10_000; onProgress !== undefined && !over.isOver; ) {
      await pass(200);
      if (performance.now() < tellMs) continue;
      tellMs += 10_000;
      const happened = [...this.#tally.counts.values()].reduce((sum, one) => sum + one.happened, 0);
      const seconds = Math.round((performance.now() - beganMs) / 1000);
      onProgress(`${seconds} s: ${this.#workload.acknowledged} acknowledged, ${happened} faults`);
    }
  }
}

/** A `stale` read as somebody would record it who takes it for another. */
function passedOff(operation: KVOperation): KVOperation {
  const { input } = operation;
  if (input.kind !== 'get' || input.consistency !== 'stale') return operation;
  return { ...operation, input: { ...input, consistency: 'linearizable' } };
}

const ADMIN_MS = 10_000;

async function heldBy(endpoint: string, minRevision: number): Promise<string> {
  const kv = await connect({ endpoints: [endpoint], callTimeoutMs: 30_000 });
  try {
    const entries: [string, unknown][] = [];
    for await (const entry of kv.list({ consistency: 'stale', minRevision })) {
      entries.push([entry.key, entry]);
    }
    return JSON.stringify(entries);
  } finally {
    await kv.close();
  }
}
