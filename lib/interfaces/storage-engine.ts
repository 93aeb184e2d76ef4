import type { GroupId, Incarnation, NodeId } from '../base/index.js';
import type { Clock } from './clock.js';
import type { LogStorage } from './log-storage.js';
import type { Logger } from './logger.js';
import type { Random } from './random.js';
import type { SnapshotStorage } from './snapshot-storage.js';
import type { StateStorage } from './state-storage.js';

/** Whose data this is. */
export interface StoredIdentity {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** 16 hexadecimal digits, or null until the node belongs to a cluster. */
  readonly clusterId: string | null;
  /**
   * Only while a recovery from the loss of a majority is under way: the cluster that the groups were of,
   * and are still to be taken out of.
   */
  readonly formerClusterId?: string | undefined;
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
  /** Decides what must differ from what other directories hold, or held before. Default: the machine. */
  readonly random?: Random | undefined;
}

/**
 * One per process, shared by its groups so that writes at the same time share one sync.
 *
 * Contract, checked by the storage suites:
 * - `open` is called once, first, and locks the data: ERR_LOCKED when another process holds it. It
 *   gives the identity, or null for storage that was never written.
 * - `initialise` stores the identity durably and as a whole: after a crash it is the old one or the new
 *   one. It may be called again only to fill in `clusterId`; to replace all but the node's name by an
 *   identity whose `formerClusterId` is the cluster stored; and to take out `formerClusterId`, which
 *   `open` gives until then. Anything else is ERR_WRONG_CLUSTER.
 * - `groups` names every group that was opened, by this engine or by one before it.
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
  /** The groups that were ever used, sorted. */
  groups(): Promise<readonly GroupId[]>;
  /** The storage of one group, made when it is first asked for. */
  group(id: GroupId): GroupStorage;
  /** Finishes what is under way and unlocks. May be called twice. */
  close(): Promise<void>;
}
