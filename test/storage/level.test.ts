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
import { type LevelStorageOptions, levelStorage } from '../../storage/level/index.js';

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
const compressing = storagePorts({
  create: async () => on(join(root, String(directories.size)), { snapshotCompression: 'gzip' }),
  // A start with the other setting reads what was written with this one.
  reopen: fixture.reopen,
});
snapshotStorageSuite({ ...common, name: 'level with gzip', ...compressing.snapshots });
t.teardown(() => Promise.all([ports.close(), compressing.close()]));
t.throws(() => levelStorage(root, JSON.parse('{"snapshotCompression":"zip"}')), {
  code: 'ERR_CONFIG',
  message: /none, gzip, not zip/,
});

function on(directory: string, options?: LevelStorageOptions): StorageEngine {
  const engine = levelStorage(directory, options);
  directories.set(engine, directory);
  return engine;
}
