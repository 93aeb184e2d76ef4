import { QuorateError } from '../../lib/base/index.js';
import { EmitterEventBus } from '../../lib/events/index.js';
import type { NodeStatus, StateMachine } from '../../lib/interfaces/index.js';
import { type NodeHost, openHost, openMachineNode, openStoreNode } from '../../lib/kv/index.js';
import type { NodeDefaults, NodeOptions, RaftNode } from '../../lib/node/index.js';
import { FunctionLogger, type LogLine, MemoryMetrics } from '../../lib/observe/index.js';
import { type KVStore, utf8 } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/index.js';
import { VirtualTime } from '../../lib/testing/test-time.js';
import { type MemoryDisk, memoryDisk, memoryStorage } from '../../storage/memory/index.js';
import { type MemoryNetwork, memoryNetwork } from '../../transports/memory/index.js';

interface HasStatus {
  readonly id: string;
  status(): NodeStatus;
}

/** Nodes in virtual time, opened one by one as the library opens them, on disks that outlive them. */
export class World {
  readonly members: readonly string[];
  readonly time = new VirtualTime();
  readonly network: MemoryNetwork;
  readonly metrics = new MemoryMetrics();
  readonly lines: LogLine[] = [];
  /** Node ids and codes of `raft.faulted`. */
  readonly faults: string[] = [];
  readonly events = new EmitterEventBus({
    onListenerError: (error) => this.unexpected.push(error),
    onUnobservedFault: ({ error }) => this.unexpected.push(error),
  });
  readonly unexpected: unknown[] = [];
  readonly #random: SeededRandom;
  readonly #disks = new Map<string, MemoryDisk>();
  #opened = 0;

  constructor({ members = ['n1', 'n2', 'n3'], seed = 1 } = {}) {
    this.members = members;
    this.#random = new SeededRandom(seed);
    this.network = memoryNetwork({ clock: this.time.clock, random: this.#random.fork('network') });
    this.events.on('raft.faulted', ({ nodeId, error }) => {
      this.faults.push(`${nodeId} ${'code' in error ? error.code : error.name}`);
    });
  }

  disk(id: string): MemoryDisk {
    const known = this.#disks.get(id) ?? memoryDisk();
    this.#disks.set(id, known);
    return known;
  }

  /** Gives the node an empty disk for its next start. */
  wipe(id: string): void {
    this.#disks.delete(id);
  }

  openStore(id: string, options: NodeOptions = {}): Promise<KVStore> {
    return this.run(openStoreNode(this.#options(id, options), utf8, this.#defaults()));
  }

  openMachine(id: string, machine: StateMachine, options: NodeOptions = {}): Promise<RaftNode> {
    return this.run(openMachineNode(this.#options(id, options), machine, this.#defaults()));
  }

  openHost(id: string, options: NodeOptions = {}): Promise<NodeHost> {
    return this.run(openHost(this.#options(id, options), this.#defaults()));
  }

  /** All members as stores, and the one that leads. */
  async openAll(options: NodeOptions = {}): Promise<readonly KVStore[]> {
    const stores: KVStore[] = [];
    for (const id of this.members) stores.push(await this.openStore(id, options));
    await this.leaderOf(stores);
    await this.until(() => stores.every((kv) => kv.status().appliedIndex >= 2));
    return stores;
  }

  async leaderOf<N extends HasStatus>(nodes: readonly N[]): Promise<N> {
    const isFollowed = (node: N): boolean =>
      node.status().role === 'leader' &&
      nodes.filter((other) => other.status().leader?.id === node.id).length > nodes.length / 2;
    await this.until(() => nodes.some(isFollowed));
    return nodes.find(isFollowed) ?? nodes[0]!;
  }

  /** Stops a node as the death of its process would. */
  async crash(node: { readonly id: string; close(): Promise<void> }): Promise<void> {
    this.network.crash(node.id);
    this.disk(node.id).crash();
    await this.run(node.close());
  }

  /** Lets time pass until the work is over. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    work.then(over, over);
    if (!(await this.time.until(() => isOver, 120_000))) throw new Error('it does not settle');
    return await work;
  }

  async until(isTrue: () => boolean): Promise<void> {
    if (!(await this.time.until(isTrue, 120_000))) throw new Error('it does not become true');
  }

  elapse(ms: number): Promise<void> {
    return this.time.elapse(ms);
  }

  #options(id: string, options: NodeOptions): NodeOptions {
    this.#opened += 1;
    return {
      id,
      members: this.members,
      clock: this.time.clock,
      random: this.#random.fork(`${id}/${this.#opened}`),
      transport: this.network.transport(id),
      storage: memoryStorage({ disk: this.disk(id) }),
      events: this.events,
      metrics: this.metrics,
      logger: new FunctionLogger((line) => this.lines.push(line)),
      ...options,
    };
  }

  #defaults(): NodeDefaults {
    return {
      clock: this.time.clock,
      random: this.#random,
      storage: () => memoryStorage(),
      report: (line) => this.unexpected.push(line),
      checked: true,
    };
  }
}

/** The operating error that a promise rejects with. */
export async function failureOf(work: Promise<unknown>): Promise<QuorateError> {
  try {
    await work;
  } catch (error) {
    if (QuorateError.is(error)) return error;
    throw error;
  }
  throw new Error('it resolves');
}
