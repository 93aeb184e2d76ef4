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
  /** How often the leader crashes and is started again. Default 2. */
  readonly crashes?: number | undefined;
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
  readonly framesLost: number;
  readonly acknowledged: number;
  /** Puts that may or may not have happened. */
  readonly unknown: number;
  readonly virtualMs: number;
}

/**
 * Three nodes as in production, a key-value store on each, in virtual time: clients put under loss
 * and delay of messages, the leader crashes and comes back, and at the end everything is compared.
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

  constructor({ seed, puts = 1000, clients = 4, crashes = 2, loss = 0.03 }: SimulationOptions) {
    this.#options = { seed, puts, clients, crashes, loss };
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
    const { puts, clients, crashes, loss, seed } = this.#options;
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
    await this.#crashLeaders(cluster, workload, crashes);
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
      crashes,
      framesLost: this.#framesLost,
      acknowledged: workload.acknowledged.size,
      unknown: workload.unknown.size,
      virtualMs: Math.round(clock.now()),
    };
  }

  /** Crashes whoever leads, at a put that chance picks in each equal part of the run. */
  async #crashLeaders(cluster: TestCluster, workload: Workload, crashes: number): Promise<void> {
    const random = this.#random.fork('crashes');
    const part = Math.floor(this.#options.puts / Math.max(crashes, 1));
    for (let crash = 0; crash < crashes; crash += 1) {
      await cluster.run(workload.reached(crash * part + 1 + random.below(Math.ceil(part / 2))));
      const leader = await cluster.leader();
      this.#trace.add(cluster.clock.now(), `crash ${leader.id}`);
      await cluster.crash(leader.id);
      await cluster.elapse(random.below(1000));
      this.#trace.add(cluster.clock.now(), `restart ${leader.id}`);
      await cluster.restart(leader.id);
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
