import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type KVStore, openKVStore } from '../../lib/index.js';
import type { FileLayer } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import { nodeFiles } from '../../storage/files/index.js';
import { levelStorage } from '../../storage/level/index.js';
import { memoryNetwork } from '../../transports/memory/index.js';
import { until } from './waiting.js';

const IDS = ['n1', 'n2', 'n3'];
/** Elections that a slow machine does not begin. */
const CALM = { heartbeatMs: 100, electionTimeoutMinMs: 1000, electionTimeoutMaxMs: 2000 };
const limits = { snapshotEntries: 50, trailingEntries: 10 };

t.test(
  'what a follower needs is kept while it receives it, and deleted from the disk afterwards',
  async (t) => {
    const network = memoryNetwork();
    const root = t.testdir();
    const nodes = new Map<string, KVStore>();
    const open = async (id: string, files: FileLayer = nodeFiles): Promise<KVStore> => {
      const storage = levelStorage(join(root, id), { files, snapshotCompression: 'gzip' });
      const transport = network.transport(id);
      const kv = await openKVStore({ id, members: IDS, transport, storage, limits, timing: CALM });
      nodes.set(id, kv);
      return kv;
    };
    t.teardown(() => Promise.all([...nodes.values()].map((kv) => kv.close())));
    for (const id of IDS) await open(id);
    const leader = await leaderOf(nodes);
    const away = [...nodes.values()].find((kv) => kv !== leader)!;
    await away.close();
    await puts(leader, 0, 300);
    await until(() => filesOf(root, leader.id).length === 2);

    const gate = gated();
    const back = await open(away.id, gate.files);
    await until(() => reasonOf(leader, away.id) !== null);
    const receiving = reasonOf(leader, away.id);
    await puts(leader, 300, 200);
    // Two, and the one that is being received; others are on their way, or being removed.
    const kept = (): readonly number[] =>
      leader
        .status()
        .kept.snapshots.map(({ index }) => index)
        .reverse();
    const stored = (): readonly number[] => filesOf(root, leader.id).map(indexOf);
    await until(() => kept().length === 3 && String(kept()) === String(stored()));
    t.equal(indexOf(filesOf(root, leader.id)[0]), receiving);
    t.ok(leader.status().kept.firstIndex <= (receiving ?? 0) + 1);

    gate.open();
    await until(() => reasonOf(leader, away.id) === null && filesOf(root, leader.id).length === 2);
    t.ok(indexOf(filesOf(root, leader.id)[0]) > (receiving ?? 0), 'that file is gone');
    await until(() => back.status().appliedIndex >= leader.status().commitIndex);
    await until(() => filesOf(root, back.id).every((name) => name.endsWith('.snap')));
    t.ok(filesOf(root, back.id).length <= 2);
    const { snapshots } = leader.status().kept;
    await leader.close();
    const engine = levelStorage(join(root, leader.id));
    await engine.open({ clock: new SystemClock(), logger: silentLogger });
    const { compacted } = await engine.group('default').log.open();
    await engine.close();
    t.equal(compacted.index, snapshots[1]?.index, 'the log on disk reaches back to the older one');
  },
);

/** Files of which snapshots are not written before the gate opens. */
function gated(): { readonly files: FileLayer; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const files: FileLayer = {
    ...nodeFiles,
    async open(path, options) {
      if (path.includes('snapshots') && options.create) await opened;
      return nodeFiles.open(path, options);
    },
  };
  return { files, open };
}

function reasonOf(leader: KVStore, member: string): number | null {
  const { reasons } = leader.status().kept;
  return reasons.find((reason) => reason.member === member)?.index ?? null;
}

function filesOf(root: string, id: string): readonly string[] {
  return readdirSync(join(root, id, 'groups', 'default', 'snapshots')).sort();
}

function indexOf(name: string | undefined): number {
  return Number(name?.slice(0, 16));
}

async function leaderOf(nodes: ReadonlyMap<string, KVStore>): Promise<KVStore> {
  const all = [...nodes.values()];
  for (const kv of all) await kv.ready();
  await until(() => all.some((kv) => kv.status().role === 'leader'));
  return all.find((kv) => kv.status().role === 'leader')!;
}

async function puts(kv: KVStore, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 25) {
    await Promise.all(
      Array.from({ length: 25 }, (_, j) => kv.put(`key/${i + j}`, 'x'.repeat(200))),
    );
  }
}
