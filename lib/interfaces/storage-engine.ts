import type { GroupId, Incarnation, NodeId } from '../base/index.js';
import type { Clock } from './clock.js';
import type { LogStorage } from './log-storage.js';
import type { Logger } from './logger.js';
import type { SnapshotStorage } from './snapshot-storage.js';
import type { StateStorage } from './state-storage.js';

/** Whose data this is. */
export interface StoredIdentity {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** 16 hexadecimal digits, or null until the node belongs to a cluster. */
  readonly clusterId: string | null;
}

/** What one group keeps. */
export interface GroupStorage {
  readonly log: LogStorage;
  readonly state: StateStorage;
  readonly snapshots: SnapshotStorage;
}

/** What an engine is given when it is opened. */
export interface StorageContext {
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * One per process, shared by its groups so that writes at the same time share one sync.
 *
 * Contract, checked by the storage suites:
 * - `open` is called once, first, and locks the data: ERR_LOCKED when another process holds it. It
 *   gives the identity, or null for storage that was never written.
 * - `initialise` stores the identity durably. It may be called again only to fill in `clusterId`;
 *   anything else is ERR_WRONG_CLUSTER.
 * - A group is used only once there is an identity.
 * - `group` gives the same object for the same id. Groups may be used at the same time.
 * - `close` waits for calls under way, `open` included, may be called twice, and unlocks. A closed
 *   engine may be opened again.
 */
export interface StorageEngine {
  /** Locks the data and gives its identity; null when there is none yet. */
  open(context: StorageContext): Promise<StoredIdentity | null>;
  /** Resolves when the identity is durable. */
  initialise(identity: StoredIdentity): Promise<void>;
  /** The storage of one group, made when it is first asked for. */
  group(id: GroupId): GroupStorage;
  /** Finishes what is under way and unlocks. May be called twice. */
  close(): Promise<void>;
}
