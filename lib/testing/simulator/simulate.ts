import type { FrameInFlight } from '../../../transports/memory/index.js';
import type { NodeId } from '../../base/index.js';
import type { EventBus, EventName } from '../../interfaces/index.js';
import { SeededRandom } from '../seeded-random.js';
import { openTestCluster, type TestCluster } from '../test-cluster.js';
import { checkStates, Elections } from './checks.js';
import { Trace } from './trace.js';
import { Workload } from './workload.js';

/** What a simulation does. Every number is of virtual time or of counts; the seed decides the rest. */
export interface SimulationOptions {
  readonly seed: number | string;
  /** Puts in all. Default 1,000. */
  readonly puts?: number | undefined;
  readonly clients?: number | undefined;
  /**
   * How often the leader is taken away while the clients write: it crashes and is started again, the
   * first time for sure, or it is cut off and comes back. At most `puts / 4`. Default 4.
   */
  readonly troubles?: number | undefined;
  /** Share of frames that are lost while the clients write. Default 0.03. */
  readonly loss?: number | undefined;
}

/** What came of a simulation. */
export interface SimulationResult {
  readonly seed: string;
  /** The same for the same seed and options in every process. */
  readonly traceHash: string;
  /** Steps that the hash covers. */
  readonly steps: number;
  /** How often a node became leader after the first. */
  readonly elections: number;
  readonly crashes: number;
  readonly splits: number;
  readonly framesLost: number;
  readonly acknowledged: number;
  /** Puts that may or may not have happened. */
  readonly unknown: number;
  readonly virtualMs: number;
}

/**
 * Three nodes as in production, a key-value store on each, in virtual time: clients put under loss
 * and delay of messages, the leader crashes or is cut off, and comes back, and at the end everything is compared.
 * Throws where a promise is broken; the message names the seed.
 *
 *     seed ─▶ a stream of chance for each link, disk, client and for the crashes
 *     event ─▶ all promises settle ─▶ next event      each noted in the trace
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const simulation = new Simulation(options);
  try {
    return await simulation.run();
  } catch (cause) {
    const { seed, puts = 1000 } = options;
    const command = `npm run simulate -- --seed ${seed} --puts ${puts}`;
    throw new Error(`seed ${seed}: ${String(cause)}\n  again: ${command}`, { cause });
  }
}

const MAX_DELAY_MS = 3;
const MAX_DISK_MS = 4;
const DUPLICATE = 0.02;
const REORDER = 0.05;

class Simulation {
  readonly #options: Required<{
    [K in keyof SimulationOptions]: NonNullable<SimulationOptions[K]>;
  }>;
  readonly #random: SeededRandom;
  readonly #trace = new Trace();
  #cluster: TestCluster | null = null;
  #isFaulty = false;
  #framesLost = 0;
  #crashes = 0;
  #splits = 0;

  constructor({ seed, puts = 1000, clients = 4, troubles = 4, loss = 0.03 }: SimulationOptions) {
    this.#options = { seed, puts, clients, troubles, loss };
    this.#random = new SeededRandom(seed);
  }

  async run(): Promise<SimulationResult> {
    const cluster = await openTestCluster({
      time: 'virtual',
      seed: this.#options.seed,
      timing: 'fast',
      callTimeoutMs: 2000,
      disks: (id) => this.#diskOf(id),
    });
    this.#cluster = cluster;
    try {
      return await this.#drive(cluster);
    } finally {
      await cluster.close();
    }
  }

  async #drive(cluster: TestCluster): Promise<SimulationResult> {
    const { puts, clients, troubles, loss, seed } = this.#options;
    const { nodes, clock, events, network } = cluster;
    const trace = this.#trace;
    const elections = new Elections(events);
    this.#traceEvents(events);
    network.setFaults({
      drop: this.#lossOf(loss),
      delayMs: [0, MAX_DELAY_MS],
      duplicate: DUPLICATE,
      reorder: REORDER,
    });
    const random = this.#random.fork('clients');
    const workload = new Workload({ nodes, clock, random, trace, puts, clients });
    this.#isFaulty = true;
    const written = workload.run();
    await this.#trouble(cluster, workload, troubles);
    await cluster.run(written);
    this.#isFaulty = false;
    await cluster.settle();
    const state = await cluster.run(checkStates(nodes, workload));
    elections.check();
    trace.add(clock.now(), state);
    return {
      seed: String(seed),
      traceHash: trace.hash,
      steps: trace.count,
      elections: elections.won,
      crashes: this.#crashes,
      splits: this.#splits,
      framesLost: this.#framesLost,
      acknowledged: workload.acknowledged.size,
      unknown: workload.unknown.size,
      virtualMs: Math.round(clock.now()),
    };
  }

  /** Takes away whoever leads, the moment that a put is acknowledged: one in each part of the run. */
  async #trouble(cluster: TestCluster, workload: Workload, troubles: number): Promise<void> {
    const random = this.#random.fork('troubles');
    const part = Math.floor(this.#options.puts / 2 / Math.max(troubles, 1));
    for (let trouble = 0; trouble < troubles; trouble += 1) {
      await cluster.run(workload.reached(trouble * part + 1 + random.below(part)));
      const { id } = await cluster.leader();
      const isCrash = random.chance(0.5) || trouble === 0;
      this.#note(`${isCrash ? 'crash' : 'split'} ${id}`);
      if (isCrash) await cluster.crash(id);
      else cluster.split([[id]]);
      await cluster.elapse(random.below(1500));
      this.#note(`back ${id}`);
      if (isCrash) await cluster.restart(id);
      else cluster.heal();
      if (isCrash) this.#crashes += 1;
      else this.#splits += 1;
    }
  }

  #diskOf(id: NodeId): {
    readonly latencyMs: (write: { kind: string; entryCount: number }) => number;
  } {
    const random = this.#random.fork(`disk ${id}`);
    return {
      latencyMs: ({ kind, entryCount }) => {
        this.#note(`${id} ${kind} ${entryCount}`);
        return random.next() * MAX_DISK_MS;
      },
    };
  }

  /** Every frame passes here when it is sent. Each link has a stream of its own. */
  #lossOf(loss: number): (frame: FrameInFlight) => boolean {
    const links = new Map<string, SeededRandom>();
    return ({ from, to, lane, bytes }) => {
      const link = `${from}>${to}`;
      const random = links.get(link) ?? this.#random.fork(`loss ${link}`);
      links.set(link, random);
      const isLost = random.chance(loss) && this.#isFaulty;
      if (isLost) this.#framesLost += 1;
      this.#note(`${link} ${lane}${isLost ? ' lost' : ''}`, bytes);
      return isLost;
    };
  }

  #traceEvents(events: EventBus): void {
    const names: readonly EventName[] = [
      'raft.electionTimedOut',
      'raft.stateChanged',
      'raft.leaderChanged',
      'raft.entriesCommitted',
      'raft.membershipChanged',
      'network.peerConnected',
      'network.peerLost',
    ];
    for (const name of names) {
      events.on(name, (event) => this.#note(`${name} ${JSON.stringify(event)}`));
    }
  }

  #note(what: string, bytes?: Uint8Array): void {
    this.#trace.add(this.#cluster?.clock.now() ?? 0, what, bytes);
  }
}
