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
import { type WalStorageOptions, walStorage } from '../../storage/wal/index.js';

const root = t.testdir();
const directories = new Map<StorageEngine, string>();
const reopen = async (engine: StorageEngine): Promise<StorageEngine> =>
  on(directories.get(engine)!);
const common = { test: t.test.bind(t) };

const sizes: readonly (readonly [string, WalStorageOptions])[] = [
  ['wal', {}],
  [
    'wal with the smallest segments, written by the main thread',
    { segmentBytes: 8192, maxBatchBytes: 2000, writer: 'main' },
  ],
];
for (const [name, options] of sizes) {
  const fixture = { create: async () => on(join(root, String(directories.size)), options), reopen };
  const ports = storagePorts(fixture);
  storageEngineSuite({ ...common, name, ...fixture });
  logStorageSuite({ ...common, name, ...ports.log });
  stateStorageSuite({ ...common, name, ...ports.state });
  snapshotStorageSuite({ ...common, name, ...ports.snapshots });
  t.teardown(() => ports.close());
}

const compressing = storagePorts({
  create: async () => on(join(root, String(directories.size)), { snapshotCompression: 'gzip' }),
  // A start with the other setting reads what was written with this one.
  reopen,
});
snapshotStorageSuite({ ...common, name: 'wal with gzip', ...compressing.snapshots });
t.teardown(() => compressing.close());

t.throws(() => walStorage(''), { code: 'ERR_CONFIG' });
t.throws(() => walStorage(root, { segmentBytes: 4096 }), { code: 'ERR_CONFIG' });
t.throws(() => walStorage(root, { segmentBytes: 10_000 }), { code: 'ERR_CONFIG' });
t.throws(() => walStorage(root, { maxBatchBytes: 0 }), { code: 'ERR_CONFIG' });

function on(directory: string, options?: WalStorageOptions): StorageEngine {
  const engine = walStorage(directory, options);
  directories.set(engine, directory);
  return engine;
}
