import { join } from 'node:path';
import t from 'tap';
import type { StorageEngine } from '../../lib/interfaces/index.js';
import {
  logStorageSuite,
  snapshotStorageSuite,
  stateStorageSuite,
  storageEngineSuite,
  storagePorts,
} from '../../lib/testing/index.js';
import { levelStorage } from '../../storage/level/index.js';

const root = t.testdir();
const directories = new Map<StorageEngine, string>();
const fixture = {
  create: async () => on(join(root, String(directories.size))),
  reopen: async (engine: StorageEngine) => on(directories.get(engine)!),
};
const ports = storagePorts(fixture);
const common = { name: 'level', test: t.test.bind(t) };
storageEngineSuite({ ...common, ...fixture });
logStorageSuite({ ...common, ...ports.log });
stateStorageSuite({ ...common, ...ports.state });
snapshotStorageSuite({ ...common, ...ports.snapshots });
t.teardown(() => ports.close());

function on(directory: string): StorageEngine {
  const engine = levelStorage(directory);
  directories.set(engine, directory);
  return engine;
}
