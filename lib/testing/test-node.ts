import { type MemoryDisk, memoryStorage } from '../../storage/memory/index.js';
import { assert, type NodeId } from '../base/index.js';
import type { NodeStatus } from '../interfaces/index.js';
import { openStoreNode } from '../kv/index.js';
import type { NodeDefaults, NodeOptions } from '../node/index.js';
import { type KVStore, utf8 } from '../store/index.js';

/** One node of a `TestCluster`. The object stays the same over crashes and restarts. */
export interface TestNode {
  readonly id: NodeId;
  /** The store of the node's current start; after a crash, and until `restart`, the closed one. */
  readonly kv: KVStore;
  /** What the node writes to. It outlives crashes, and can be held, failed and counted. */
  readonly disk: MemoryDisk;
  /** False from a crash, a fault or the close of its store until `restart`. */
  readonly isRunning: boolean;
  /** What the node says of itself; of a node that has stopped, what it said last. */
  status(): NodeStatus;
}

export interface ClusterNodeOptions {
  readonly id: NodeId;
  readonly disk: MemoryDisk;
  /** The options and defaults of the node's next start. */
  readonly next: () => { readonly options: NodeOptions; readonly defaults: NodeDefaults };
}

/** A node that can be started more than once. */
export class ClusterNode implements TestNode {
  readonly id: NodeId;
  readonly disk: MemoryDisk;
  readonly #next: ClusterNodeOptions['next'];
  #kv: KVStore | null = null;
  #isRunning = false;

  constructor({ id, disk, next }: ClusterNodeOptions) {
    this.id = id;
    this.disk = disk;
    this.#next = next;
  }

  get kv(): KVStore {
    assert(this.#kv !== null, 'a node of a cluster has been opened');
    return this.#kv;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  status(): NodeStatus {
    return this.kv.status();
  }

  /** Opens the node on what its disk holds. */
  async start(): Promise<void> {
    assert(!this.#isRunning, 'a node is started when it does not run');
    const { options, defaults } = this.#next();
    const storage = memoryStorage({ disk: this.disk });
    const kv = await openStoreNode({ ...options, storage }, utf8, defaults);
    this.#kv = kv;
    this.#isRunning = true;
    void kv.closed.then(() => {
      if (this.#kv === kv) this.#isRunning = false;
    });
  }

  /** The process is gone: what it had not written is lost, and nobody hears of it. */
  async crash(): Promise<void> {
    this.#isRunning = false;
    this.disk.crash();
    await this.kv.close();
  }

  async close(): Promise<void> {
    this.#isRunning = false;
    await this.#kv?.close();
  }
}
