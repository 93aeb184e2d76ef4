import { assert } from '../base/index.js';
import type {
  GroupStorage,
  LogStorage,
  SnapshotStorage,
  StateStorage,
  StorageContext,
  StorageEngine,
  StoredIdentity,
} from '../interfaces/index.js';
import { silentLogger } from '../observe/index.js';
import { SystemClock } from '../timing/index.js';

/** The group whose ports the storage suites use. */
export const SUITE_GROUP = 'default';

/** Whose data the storage suites write. */
export const SUITE_IDENTITY: StoredIdentity = {
  nodeId: 'n1',
  incarnation: '0123456789abcdef',
  clusterId: null,
};

/** Real time and no logging, for an engine that is opened by hand. */
export function storageContext(): StorageContext {
  return { clock: new SystemClock(), logger: silentLogger };
}

/** Makes the subject of a port's suite, and opens its data again as after a restart. */
export interface PortFixture<Port> {
  /** A port over storage that was never written. */
  create(): Promise<Port>;
  /** Another port over the same data. */
  reopen(port: Port): Promise<Port>;
}

/** How a suite gets engines. Neither function opens what it returns. */
export interface EngineFixture {
  /** An engine over storage that was never written. */
  create(): Promise<StorageEngine>;
  /** Another engine over the same data. The first one may still be open. */
  reopen(engine: StorageEngine): Promise<StorageEngine>;
}

/** The three port fixtures of an engine, for the suites of the ports. */
export interface StoragePorts {
  readonly log: PortFixture<LogStorage>;
  readonly state: PortFixture<StateStorage>;
  readonly snapshots: PortFixture<SnapshotStorage>;
  /** Closes every engine that was opened. */
  close(): Promise<void>;
}

/** Takes the ports of one group out of engines, so that an engine's author writes one fixture. */
export function storagePorts(fixture: EngineFixture): StoragePorts {
  const owners = new Map<object, StorageEngine>();

  async function start<Port extends object>(
    engine: StorageEngine,
    pick: (group: GroupStorage) => Port,
    prepare: (group: GroupStorage) => Promise<void>,
  ): Promise<Port> {
    const identity = await engine.open(storageContext());
    if (identity === null) await engine.initialise(SUITE_IDENTITY);
    const group = engine.group(SUITE_GROUP);
    if (identity === null) await prepare(group);
    const port = pick(group);
    owners.set(port, engine);
    return port;
  }

  function portFixture<Port extends object>(
    pick: (group: GroupStorage) => Port,
    prepare: (group: GroupStorage) => Promise<void> = async () => {},
  ): PortFixture<Port> {
    return {
      create: async () => start(await fixture.create(), pick, prepare),
      reopen: async (port) => {
        const owner = owners.get(port);
        assert(owner !== undefined, 'a port is reopened by the fixture that made it');
        owners.delete(port);
        await owner.close();
        return start(await fixture.reopen(owner), pick, prepare);
      },
    };
  }

  return {
    log: portFixture(
      (group) => group.log,
      async ({ state }) => {
        // A log is never ahead of its state: an engine may take that for damage.
        await state.save({ term: Number.MAX_SAFE_INTEGER, votedFor: null });
      },
    ),
    state: portFixture((group) => group.state),
    snapshots: portFixture((group) => group.snapshots),
    close: async () => {
      for (const owner of owners.values()) await owner.close();
      owners.clear();
    },
  };
}
