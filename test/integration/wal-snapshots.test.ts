import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type KVStore, type NodeOptions, openKVStore } from '../../lib/index.js';
import type { FileLayer, StorageEngine } from '../../lib/interfaces/index.js';
import { FunctionLogger, type LogLine } from '../../lib/observe/index.js';
import { nodeFiles } from '../../storage/files/index.js';
import { examineDirectory, walStorage } from '../../storage/wal/index.js';
import { memoryNetwork } from '../../transports/memory/index.js';
import { until } from './waiting.js';

const IDS = ['n1', 'n2', 'n3'];
/** Elections that a slow machine does not begin. */
const CALM = { heartbeatMs: 100, electionTimeoutMinMs: 1000, electionTimeoutMaxMs: 2000 };
/** A call that waits for a node which is just taken for dead. */
const callTimeoutMs = 30_000;
const limits = { snapshotEntries: 50, trailingEntries: 10 };
const VALUE = 'x'.repeat(2000);

class Cluster {
  readonly network = memoryNetwork();
  readonly lines: LogLine[] = [];
  readonly #root: string;
  readonly #ids: readonly string[];
  readonly #nodes = new Map<string, KVStore>();

  constructor(root: string, ids: readonly string[]) {
    this.#root = root;
    this.#ids = ids;
  }

  async open(id: string, files: FileLayer = nodeFiles): Promise<KVStore> {
    const storage: StorageEngine = walStorage(this.path(id), { files, writer: 'main' });
    const logger = new FunctionLogger((line) => this.lines.push(line));
    const options: NodeOptions = { id, storage, limits, timing: CALM, callTimeoutMs, logger };
    const transport = this.network.transport(id);
    const kv = await openKVStore({ ...options, members: this.#ids, transport });
    this.#nodes.set(id, kv);
    return kv;
  }

  /** Opens all, and gives the one that leads. */
  async leader(): Promise<KVStore> {
    const all: KVStore[] = [];
    for (const id of this.#ids) all.push(await this.open(id));
    for (const kv of all) await kv.ready();
    await until(() => all.some((kv) => kv.status().role === 'leader'));
    return all.find((kv) => kv.status().role === 'leader')!;
  }

  others(leader: KVStore): readonly KVStore[] {
    return [...this.#nodes.values()].filter((kv) => kv !== leader);
  }

  path(id: string): string {
    return join(this.#root, id);
  }

  /** Names of its snapshots, the oldest first. */
  files(id: string): readonly string[] {
    const names = readdirSync(join(this.path(id), 'groups/default/snapshots'));
    return names.filter((name) => name.endsWith('.snap')).sort();
  }

  /** Resolves when it keeps two snapshots, no other is due, and its log on the disk begins after the older one. */
  async untilKept(kv: KVStore): Promise<void> {
    const names = (): readonly string[] => {
      const { lastIndex, kept } = kv.status();
      const isDue = lastIndex - (kept.snapshots[0]?.index ?? 0) >= limits.snapshotEntries;
      const found = readdirSync(join(this.path(kv.id), 'groups/default/snapshots'));
      return kept.snapshots.length === 2 && found.length === 2 && !isDue ? found : [];
    };
    for (let before: readonly string[] = []; ; ) {
      await until(() => names().length === 2);
      if (String(before) === String(names())) return;
      before = names();
      // Stored after the base of the log.
      await kv.put('last', '');
    }
  }

  flip(id: string, name: string | undefined): void {
    const path = join(this.path(id), 'groups/default/snapshots', name ?? '');
    const bytes = readFileSync(path);
    const place = Math.floor(bytes.length / 2);
    bytes[place] = bytes[place]! ^ 1;
    writeFileSync(path, bytes);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((kv) => kv.close()));
  }
}

t.test('two snapshots are kept on the disk, and the log reaches back to the older', async (t) => {
  const cluster = new Cluster(t.testdir(), ['n1']);
  const only = await cluster.open('n1');
  await puts(only, 0, 300);
  await cluster.untilKept(only);
  await only.close();
  const { damage, snapshots, groups } = await examineDirectory(cluster.path('n1'));
  t.same(damage, []);
  const [older, newest] = snapshots.map(({ index }) => index ?? 0).sort((a, b) => a - b);
  t.ok((older ?? 0) > 50 && (older ?? 0) < (newest ?? 0));
  t.equal(groups[0]?.base.index, older);
});

t.test(
  'a node whose newest snapshot is damaged has everything, by the older and the log',
  async (t) => {
    const cluster = new Cluster(t.testdir(), ['n1']);
    const before = await cluster.open('n1');
    await puts(before, 0, 300);
    await until(() => cluster.files('n1').length === 2);
    await before.close();
    const [, newest] = cluster.files('n1');
    cluster.flip('n1', newest);
    const after = await cluster.open('n1');
    await after.ready();
    t.equal(await countOf(after), 300);
    t.ok(cluster.files('n1').includes(newest!), 'as long as nothing takes its place');
    await puts(after, 300, 100);
    await until(() => !cluster.files('n1').includes(newest!));
    t.equal(await countOf(after), 400);
    await after.close();
  },
);

t.test('a node alone whose snapshots are all damaged does not start', async (t) => {
  const cluster = new Cluster(t.testdir(), ['n1']);
  const before = await cluster.open('n1');
  await puts(before, 0, 300);
  await cluster.untilKept(before);
  await before.close();
  for (const name of cluster.files('n1')) cluster.flip('n1', name);
  await t.rejects(cluster.open('n1'), { code: 'ERR_CORRUPT', message: /no usable snapshot/ });
});

t.test(
  'a member whose snapshots are all damaged starts without a vote, and asks the leader',
  async (t) => {
    const cluster = new Cluster(t.testdir(), IDS);
    const leader = await cluster.leader();
    const lost = cluster.others(leader)[0]!;
    await puts(leader, 0, 300);
    await cluster.untilKept(lost);
    await until(() => isWhole(lost, leader));
    await lost.close();
    for (const name of cluster.files(lost.id)) cluster.flip(lost.id, name);
    cluster.network.split([[lost.id]]);
    const back = await cluster.open(lost.id);
    const { lacksState, role, kept, appliedIndex } = back.status();
    t.same(
      { lacksState, role, appliedIndex },
      { lacksState: true, role: 'follower', appliedIndex: 0 },
    );
    t.same(kept.snapshots, []);
    cluster.network.heal();
    await until(() => !back.status().lacksState && isWhole(back, leader));
    t.equal(await countOf(back), 300);
    await back.close();
    // A damaged one that reaches further than the leader's may stay for a while.
    const { damage, snapshots } = await examineDirectory(cluster.path(lost.id));
    t.same(damage, []);
    t.ok(snapshots.some(({ index }) => index !== null));
    await cluster.close();
  },
);

t.test('a damaged snapshot is not sent: another one is taken for who needs it', async (t) => {
  const cluster = new Cluster(t.testdir(), IDS);
  const leader = await cluster.leader();
  const away = cluster.others(leader)[0]!;
  await away.close();
  await puts(leader, 0, 300);
  await cluster.untilKept(leader);
  const damaged = cluster.files(leader.id);
  for (const name of damaged) cluster.flip(leader.id, name);
  const back = await cluster.open(away.id);
  await until(() => isWhole(back, leader));
  t.equal(await countOf(back), 300);
  t.ok(cluster.lines.some(({ fields }) => fields['event'] === 'raft.snapshotDamaged'));
  await back.close();
  const { damagedSnapshots, snapshots } = await examineDirectory(cluster.path(away.id));
  t.same(damagedSnapshots, []);
  t.ok(snapshots.length > 0);
  await cluster.close();
});

t.test('a snapshot that a disk damages while it comes in is not installed', async (t) => {
  const cluster = new Cluster(t.testdir(), IDS);
  const leader = await cluster.leader();
  const away = cluster.others(leader)[0]!;
  await away.close();
  await puts(leader, 0, 300);
  await cluster.untilKept(leader);
  const lying = await cluster.open(away.id, damagingFiles());
  let end: Awaited<KVStore['closed']> | null = null;
  void lying.closed.then((ending) => {
    end = ending;
  });
  await until(() => end !== null);
  t.match(end, { cause: { code: 'ERR_CORRUPT', message: /chunk \d+ of the snapshot is damaged/ } });
  t.ok(lying.status().appliedIndex < 10, 'nothing of it was applied');
  // On a disk that stores what it is given it begins anew.
  const back = await cluster.open(away.id);
  await until(() => !back.status().lacksState && isWhole(back, leader));
  t.equal(await countOf(back), 300);
  await cluster.close();
});

/** Files that store one bit of each chunk of a snapshot wrong. */
function damagingFiles(): FileLayer {
  return {
    ...nodeFiles,
    async open(path, options) {
      const file = await nodeFiles.open(path, options);
      if (!path.includes('snapshots') || !options.create) return file;
      return {
        sizeBytes: () => file.sizeBytes(),
        read: (offset, length) => file.read(offset, length),
        writeDurably: (offset, bytes) => file.writeDurably(offset, bytes),
        truncate: (bytes) => file.truncate(bytes),
        sync: () => file.sync(),
        close: () => file.close(),
        write: (offset, bytes) => {
          const changed = new Uint8Array(bytes);
          if (changed.length > 10_000) changed[5000] = changed[5000]! ^ 1;
          return file.write(offset, changed);
        },
      };
    },
  };
}

function isWhole(kv: KVStore, leader: KVStore): boolean {
  return kv.status().appliedIndex >= leader.status().commitIndex;
}

async function countOf(kv: KVStore): Promise<number> {
  let count = 0;
  for await (const { value } of kv.list()) count += value === VALUE ? 1 : 0;
  return count;
}

async function puts(kv: KVStore, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 25) {
    await Promise.all(Array.from({ length: 25 }, (_, j) => kv.put(`key/${i + j}`, VALUE)));
  }
}
