import { assert, type GroupId, isName, QuorateError } from '../../lib/base/index.js';
import type {
  GroupStorage,
  StorageContext,
  StorageEngine,
  StoredIdentity,
} from '../../lib/interfaces/index.js';
import { checkIdentity, copyIdentity } from '../identity.js';
import { Disk, type DiskSession, type MemoryDisk, memoryDisk } from './disk.js';
import { MemoryLogStorage } from './log.js';
import { MemorySnapshotStorage } from './snapshots.js';
import { MemoryStateStorage } from './state.js';

/** Where storage in memory writes. */
export interface MemoryStorageOptions {
  /** What is written to. Default: a disk of its own, forgotten with the engine. */
  readonly disk?: MemoryDisk | undefined;
}

/**
 * Storage that lasts as long as its disk object: for tests, for trying things out, and for members
 * whose data may be lost with their process. Nothing is durable beyond the process.
 */
export function memoryStorage(options: MemoryStorageOptions = {}): StorageEngine {
  const disk = options.disk ?? memoryDisk();
  if (!(disk instanceof Disk)) {
    throw new QuorateError('ERR_CONFIG', { message: 'disk must come from memoryDisk()' });
  }
  return new MemoryStorageEngine(disk);
}

class MemoryStorageEngine implements StorageEngine {
  readonly #disk: Disk;
  #session: DiskSession | null = null;
  #groups = new Map<GroupId, GroupStorage>();
  #closing: Promise<void> | null = null;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async open({ clock }: StorageContext): Promise<StoredIdentity | null> {
    if (this.#session !== null) {
      throw new QuorateError('ERR_CONFIG', { message: 'another node uses this storage already' });
    }
    const session = this.#disk.attach(clock);
    this.#session = session;
    this.#closing = null;
    return session.read(() => this.#disk.identity);
  }

  async initialise(identity: StoredIdentity): Promise<void> {
    const stored = this.#disk.identity;
    if (stored !== null) checkIdentity(stored, identity);
    const copy = copyIdentity(identity);
    const apply = (): void => {
      this.#disk.identity = copy;
    };
    await this.#opened().write({ kind: 'initialise', group: null, entryCount: 0, apply });
  }

  groups(): Promise<readonly GroupId[]> {
    return this.#opened().read(() => [...this.#disk.groups.keys()].sort());
  }

  group(id: GroupId): GroupStorage {
    const session = this.#opened();
    assert(isName(id), 'a group id is a valid name');
    assert(this.#disk.identity !== null, 'storage is initialised before a group is used');
    let group = this.#groups.get(id);
    if (group === undefined) {
      const contents = this.#disk.contentsOf(id);
      group = {
        log: new MemoryLogStorage(session, contents),
        state: new MemoryStateStorage(session, contents),
        snapshots: new MemorySnapshotStorage(session, contents),
      };
      this.#groups.set(id, group);
    }
    return group;
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    await session.idle();
    session.close();
    this.#disk.detach(session);
    this.#groups = new Map();
    this.#session = null;
  }

  #opened(): DiskSession {
    if (this.#session === null) {
      throw new QuorateError('ERR_CLOSED', { message: 'the storage is not open' });
    }
    return this.#session;
  }
}
