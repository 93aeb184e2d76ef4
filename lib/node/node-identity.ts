import { type Incarnation, type MemberId, memberId, QuorateError, toHex } from '../base/index.js';
import type { StorageEngine, StoredIdentity } from '../interfaces/index.js';
import type { NodeSettings } from './options.js';

/** Who a node is, and of which cluster: what its storage says, and never something else. */
export class NodeIdentity {
  readonly #storage: StorageEngine;
  #stored: StoredIdentity;
  /** Changes of what is stored, one after the other. */
  #adoption: Promise<void> = Promise.resolve();

  private constructor(storage: StorageEngine, stored: StoredIdentity) {
    this.#storage = storage;
    this.#stored = stored;
  }

  /**
   * The identity in `stored`, or a new one where the storage was nobody's; durable on return. Rejects with
   * ERR_WRONG_CLUSTER where the storage is another node's.
   */
  static async of(
    { storage, random, id }: NodeSettings,
    stored: StoredIdentity | null,
  ): Promise<NodeIdentity> {
    if (stored === null) {
      const incarnation: Incarnation = toHex(random.bytes(8));
      const identity: StoredIdentity = { nodeId: id, incarnation, clusterId: null };
      await storage.initialise(identity);
      return new NodeIdentity(storage, identity);
    }
    if (stored.nodeId === id) return new NodeIdentity(storage, stored);
    throw new QuorateError('ERR_WRONG_CLUSTER', {
      message: `the data belongs to node ${stored.nodeId}, not to ${id}; name its own directory, or start it as ${stored.nodeId}`,
    });
  }

  get stored(): StoredIdentity {
    return this.#stored;
  }

  get member(): MemberId {
    return memberId(this.#stored.nodeId, this.#stored.incarnation);
  }

  /** Makes the cluster this node's own, durably. Once it has one, another is refused. */
  adopt(clusterId: string): Promise<void> {
    const adoption = this.#adoption.then(() => this.#store(clusterId));
    // Whoever asked hears of a failure; the next one asks the storage again.
    this.#adoption = adoption.catch(() => {});
    return adoption;
  }

  async #store(clusterId: string): Promise<void> {
    if (this.#stored.clusterId === clusterId) return;
    const identity = { ...this.#stored, clusterId };
    await this.#storage.initialise(identity);
    this.#stored = identity;
  }
}
