import { type MemoryDiskOptions, memoryDisk } from '../../storage/memory/index.js';
import { type MemoryNetwork, memoryNetwork } from '../../transports/memory/index.js';
import { type NodeId, QuorateError } from '../base/index.js';
import { EmitterEventBus } from '../events/index.js';
import type { Clock, EventBus, Logger, Random } from '../interfaces/index.js';
import type { NodeDefaults, NodeOptions } from '../node/index.js';
import { systemRandom, type TimingOptions, type TimingPreset } from '../timing/index.js';
import { SeededRandom } from './seeded-random.js';
import { ClusterNode, type TestNode } from './test-node.js';
import { RealTime, type TestTime, VirtualTime } from './test-time.js';

/** What a cluster for tests is opened with. */
export interface TestClusterOptions {
  /** Nodes, named n1, n2 and so on. Default 3. */
  readonly size?: number | undefined;
  /**
   * `real` (the default): time passes by itself. `virtual`: it stands still but inside the calls of
   * the cluster, so that a seed decides the run; wait for calls of a store with `run`.
   */
  readonly time?: 'real' | 'virtual' | undefined;
  /** Decides every chance of nodes and network. Default: another one each time. */
  readonly seed?: string | number | undefined;
  /** Default: heartbeats of 5 ms and elections after 15 to 30 ms. */
  readonly timing?: TimingPreset | TimingOptions | undefined;
  /** How each disk behaves; `latencyMs` is by the cluster's clock. */
  readonly disks?: MemoryDiskOptions | ((id: NodeId) => MemoryDiskOptions) | undefined;
  readonly callTimeoutMs?: NodeOptions['callTimeoutMs'];
  readonly limits?: NodeOptions['limits'];
  /** Hears all nodes. Default: silent. */
  readonly logger?: Logger | undefined;
}

/**
 * A whole cluster in this process: nodes as in production, with transport and storage in memory. The
 * core checks its invariants at every step.
 *
 * A node that stops by itself, other than by `crash`, fails the call of the cluster that is made
 * next: what broke it is never passed over.
 */
export interface TestCluster extends AsyncDisposable {
  readonly nodes: readonly TestNode[];
  /** ERR_CONFIG for a name that is not in the cluster. */
  node(id: NodeId): TestNode;
  /** What all nodes tell. */
  readonly events: EventBus;
  /** For faults beyond `split`: loss, delay, repetition, one-way cuts. */
  readonly network: MemoryNetwork;
  readonly clock: Clock;
  /** Resolves with the node that leads a majority which it can reach, as soon as there is one. */
  leader(): Promise<TestNode>;
  /**
   * Stops a node as the death of its process would: writes that are not durable are lost, and nobody
   * hears a goodbye. Calls under way on it settle. Resolves when the name is free for `restart`.
   */
  crash(id: NodeId): Promise<void>;
  /** Starts a node that does not run, on what its disk holds. */
  restart(id: NodeId): Promise<void>;
  /** Only nodes of the same group reach each other; those not named form one more group. Replaces an earlier split. */
  split(groups: readonly (readonly NodeId[])[]): void;
  /** Undoes every cut and split. Faults of links stay. */
  heal(): void;
  /** Resolves when every running node that the leader can reach has applied all that the leader holds. */
  settle(): Promise<void>;
  /** Waits for `work`, letting time pass: five minutes of it at most. */
  run<T>(work: Promise<T>): Promise<T>;
  /** Lets `ms` milliseconds of the cluster's time pass. */
  elapse(ms: number): Promise<void>;
  /** Closes every node. May be called twice. */
  close(): Promise<void>;
}

const TEST_TIMING = {
  tickMs: 5,
  heartbeatMs: 5,
  electionTimeoutMinMs: 15,
  electionTimeoutMaxMs: 30,
} as const satisfies TimingOptions;

/** How long the calls of a cluster wait for their condition. */
const LIMIT_MS = 20_000;
/** How long `run` waits. */
const RUN_LIMIT_MS = 300_000;

/** Opens a cluster; resolves when it has formed and every node knows its first leader. */
export async function openTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { size = 3 } = options;
  if (!Number.isInteger(size) || size < 1 || size > 99) {
    throw new QuorateError('ERR_CONFIG', { message: `size must be from 1 to 99, not ${size}` });
  }
  const cluster = new MemoryCluster(options, size);
  await cluster.open();
  return cluster;
}

class MemoryCluster implements TestCluster {
  readonly events: EventBus;
  readonly network: MemoryNetwork;
  readonly #options: TestClusterOptions;
  readonly #time: TestTime;
  readonly #nodes: readonly ClusterNode[];
  readonly #random: SeededRandom | null;
  readonly #crashing = new Set<NodeId>();
  #starts = 0;
  #sides: readonly (readonly NodeId[])[] = [];
  #failure: Error | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: TestClusterOptions, size: number) {
    this.#options = options;
    this.#time = options.time === 'virtual' ? new VirtualTime() : new RealTime();
    this.#random = randomOf(options);
    this.network = memoryNetwork({ clock: this.clock, random: this.#randomFor('network') });
    this.events = new EmitterEventBus({
      onListenerError: (error) => this.#fail(error),
      onUnobservedFault: ({ error }) => this.#fail(error),
    });
    this.events.on('raft.faulted', ({ nodeId, error }) => {
      if (!this.#crashing.has(nodeId)) this.#fail(error);
    });
    const ids = Array.from({ length: size }, (_, position) => `n${position + 1}`);
    this.#nodes = ids.map((id) => this.#newNode(id, ids));
  }

  get nodes(): readonly TestNode[] {
    return this.#nodes;
  }

  get clock(): Clock {
    return this.#time.clock;
  }

  async open(): Promise<void> {
    await this.run(Promise.all(this.#nodes.map((node) => node.start())));
    // Until the first entry is on a majority, nobody else could lead if its founder were lost.
    await this.settle();
  }

  node(id: NodeId): TestNode {
    return this.#node(id);
  }

  leader(): Promise<TestNode> {
    return this.#find('there is a leader', () => this.#leaderNow());
  }

  async crash(id: NodeId): Promise<void> {
    const node = this.#node(id);
    this.#crashing.add(id);
    this.network.crash(id);
    await this.run(node.crash());
    this.#crashing.delete(id);
  }

  async restart(id: NodeId): Promise<void> {
    const node = this.#node(id);
    this.#checkOpen();
    if (node.isRunning) throw new QuorateError('ERR_CONFIG', { message: `${id} is running` });
    // Where the node stopped by itself, it may still be closing.
    await this.run(node.close());
    await this.run(node.start());
  }

  split(groups: readonly (readonly NodeId[])[]): void {
    for (const id of groups.flat()) this.#node(id);
    this.#sides = groups;
    this.network.split(groups);
  }

  heal(): void {
    this.#sides = [];
    this.network.heal();
  }

  async settle(): Promise<void> {
    await this.#find('every node has applied what the leader holds', () => {
      const leader = this.#leaderNow();
      if (leader === null) return null;
      const { lastIndex } = leader.status();
      const isSettled = this.#reachedFrom(leader).every((node) => {
        const status = node.status();
        return status.lastIndex === lastIndex && status.appliedIndex === lastIndex;
      });
      return isSettled ? leader : null;
    });
  }

  async run<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    work.then(over, over);
    if (!(await this.#time.until(() => isOver, RUN_LIMIT_MS))) {
      throw new QuorateError('ERR_TIMEOUT', {
        message: `it has not settled in ${RUN_LIMIT_MS / 1000} s of the cluster's time`,
      });
    }
    return await work;
  }

  elapse(ms: number): Promise<void> {
    return this.#time.elapse(ms);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.run(Promise.all(this.#nodes.map((node) => node.close())));
    this.#check();
  }

  #newNode(id: NodeId, members: readonly NodeId[]): ClusterNode {
    const { disks = {}, timing = TEST_TIMING, callTimeoutMs, limits, logger } = this.#options;
    const disk = memoryDisk(typeof disks === 'function' ? disks(id) : disks);
    return new ClusterNode({
      id,
      disk,
      next: () => {
        this.#starts += 1;
        const random = this.#randomFor(`${id}/${this.#starts}`);
        const { clock, events } = this;
        const transport = this.network.transport(id);
        const own = { id, members, transport, clock, random, events };
        const options: NodeOptions = { ...own, timing, callTimeoutMs, limits, logger };
        return { options, defaults: this.#defaults(random) };
      },
    });
  }

  #defaults(random: Random): NodeDefaults {
    return {
      clock: this.clock,
      random,
      storage: () => {
        throw new QuorateError('ERR_CONFIG', { message: 'a node of a cluster brings its storage' });
      },
      report: (line) => this.#fail(new Error(line)),
      checked: true,
    };
  }

  #randomFor(name: string): Random {
    return this.#random?.fork(name) ?? systemRandom;
  }

  #node(id: NodeId): ClusterNode {
    const found = this.#nodes.find((node) => node.id === id);
    if (found !== undefined) return found;
    throw new QuorateError('ERR_CONFIG', { message: `there is no node ${id} in this cluster` });
  }

  #leaderNow(): TestNode | null {
    for (const node of this.#nodes) {
      if (!node.isRunning || node.status().role !== 'leader') continue;
      const { term } = node.status();
      const followers = this.#reachedFrom(node).filter((other) => {
        const status = other.status();
        return status.term === term && status.leader?.id === node.id;
      });
      if (followers.length > this.#nodes.length / 2) return node;
    }
    return null;
  }

  /** The running nodes on the same side of a split, `node` among them. */
  #reachedFrom(node: TestNode): readonly TestNode[] {
    const sideOf = (id: NodeId): number => this.#sides.findIndex((side) => side.includes(id));
    return this.#nodes.filter((other) => other.isRunning && sideOf(other.id) === sideOf(node.id));
  }

  /** Lets time pass until `look` finds something. */
  async #find<T>(what: string, look: () => T | null): Promise<T> {
    let found: T | null = null;
    const isOver = (): boolean => this.#failure !== null || this.#closing !== null;
    await this.#time.until(() => {
      if (!isOver()) found = look();
      return found !== null || isOver();
    }, LIMIT_MS);
    this.#check();
    if (found !== null) return found;
    this.#checkOpen();
    const states = this.#nodes.map(describe).join('; ');
    throw new QuorateError('ERR_TIMEOUT', {
      message: `waited ${LIMIT_MS / 1000} s until ${what}: ${states}`,
    });
  }

  #checkOpen(): void {
    if (this.#closing === null) return;
    throw new QuorateError('ERR_CLOSED', { message: 'the cluster is closed' });
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  #check(): void {
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
  }
}

function randomOf({ seed, time }: TestClusterOptions): SeededRandom | null {
  if (seed !== undefined) return new SeededRandom(seed);
  return time === 'virtual' ? new SeededRandom(systemRandom.next()) : null;
}

function describe(node: TestNode): string {
  if (!node.isRunning) return `${node.id}: does not run`;
  const { role, term, leader, lastIndex, appliedIndex } = node.status();
  const at = `applied ${appliedIndex} of ${lastIndex}`;
  return `${node.id}: ${role} in term ${term}, leader ${leader?.id ?? 'unknown'}, ${at}`;
}
