import t from 'tap';
import type { StorageEngine } from '../../lib/interfaces/index.js';
import {
  logStorageSuite,
  snapshotStorageSuite,
  stateStorageSuite,
  storageEngineSuite,
  storagePorts,
} from '../../lib/testing/index.js';
import { type MemoryDisk, memoryDisk, memoryStorage } from '../../storage/memory/index.js';

const disks = new Map<StorageEngine, MemoryDisk>();
function on(disk: MemoryDisk): StorageEngine {
  const engine = memoryStorage({ disk });
  disks.set(engine, disk);
  return engine;
}
const fixture = {
  create: async () => on(memoryDisk()),
  reopen: async (engine: StorageEngine) => on(disks.get(engine)!),
};
const ports = storagePorts(fixture);
const common = { name: 'memory', test: t.test.bind(t) };
storageEngineSuite({ ...common, ...fixture });
logStorageSuite({ ...common, ...ports.log });
stateStorageSuite({ ...common, ...ports.state });
snapshotStorageSuite({ ...common, ...ports.snapshots });
