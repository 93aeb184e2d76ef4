import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { rebuildStates } from '../../examples/kvctl/salvaged-states.js';
import { packEntries } from '../../lib/base/index.js';
import { openKVStore, restoreSnapshot } from '../../lib/index.js';
import type { StorageEngine } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import type { ExaminedSnapshot, SalvagedLog } from '../../storage/files/index.js';
import { historiesOf } from '../../storage/files/salvaged-history.js';
import {
  examineDirectory as examineLevel,
  levelStorage,
  salvageDirectory as salvageLevel,
} from '../../storage/level/index.js';
import {
  examineDirectory,
  salvageDirectory,
  snapshotFile,
  walStorage,
} from '../../storage/wal/index.js';
import { scratch } from './scratch.js';

const { fresh, remove } = scratch();
t.teardown(remove);
t.setTimeout(180_000);

const COUNT = 200;
const SEGMENT_BYTES = 16 * 1024;

/** Every write of these was acknowledged, in the order of the keys, by a node that was then closed. */
const withSnapshots = fresh();
const logAlone = fresh();
const another = fresh();
const level = fresh();
const OLD_MARKS = fresh();

t.before(async () => {
  await fill(smallSegments(withSnapshots), COUNT, 60);
  await fill(smallSegments(another), COUNT, 60);
  await fill(levelStorage(level), COUNT, 60);
  await fill(smallSegments(logAlone), COUNT / 2, 1_000_000);
  for (const copy of [1, 2])
    cpSync(join(logAlone, `mark.${copy}`), join(OLD_MARKS, `mark.${copy}`));
  await fill(smallSegments(logAlone), COUNT, 1_000_000);
});

interface Case {
  readonly what: string;
  readonly from: () => string;
  readonly damage: (directory: string) => void;
  /** Whether a node refuses the directory. */
  readonly isRefused: boolean;
  /**
   * Which of the writes are in what can be restored: all; the first ones, up to the damage; or none, where
   * the beginning is lost, and no snapshot has it.
   */
  readonly kept: 'all' | 'first' | 'none';
  /** Whether it is told that these are all that were stored. */
  readonly isEndKnown?: boolean;
}

const SNAPSHOTS = 'groups/default/snapshots';

const cases: readonly Case[] = [
  {
    what: 'with a flipped bit in its last segment',
    from: () => withSnapshots,
    damage: (directory) => flip(segment(directory, -1), 600),
    isRefused: true,
    kept: 'first',
  },
  {
    what: 'with a flipped bit in a segment before the newest snapshot',
    from: () => withSnapshots,
    damage: (directory) => flip(segment(directory, 0), 5000),
    isRefused: true,
    kept: 'all',
  },
  {
    what: 'without a snapshot, with a flipped bit in the middle',
    from: () => logAlone,
    damage: (directory) => flip(segment(directory, 3), 5000),
    isRefused: true,
    kept: 'first',
  },
  {
    what: 'with a flipped bit in one copy of its mark',
    from: () => withSnapshots,
    damage: (directory) => flip(join(directory, 'mark.1'), 30),
    isRefused: false,
    kept: 'all',
  },
  {
    what: 'with a flipped bit in both copies of its mark',
    from: () => withSnapshots,
    damage: (directory) => {
      for (const copy of [1, 2]) flip(join(directory, `mark.${copy}`), 30);
    },
    isRefused: true,
    kept: 'all',
    isEndKnown: false,
  },
  {
    what: 'with the mark of another one',
    from: () => withSnapshots,
    damage: (directory) => {
      for (const copy of [1, 2])
        cpSync(join(another, `mark.${copy}`), join(directory, `mark.${copy}`));
    },
    isRefused: true,
    kept: 'all',
    isEndKnown: false,
  },
  {
    what: 'whose mark was rolled back',
    from: () => logAlone,
    damage: (directory) => {
      for (const copy of [1, 2])
        cpSync(join(OLD_MARKS, `mark.${copy}`), join(directory, `mark.${copy}`));
    },
    isRefused: false,
    kept: 'all',
  },
  {
    what: 'with its newest snapshot damaged',
    from: () => withSnapshots,
    damage: (directory) => flip(snapshotAt(directory, -1), 3000),
    isRefused: false,
    kept: 'all',
  },
  {
    what: 'without its first segment',
    from: () => withSnapshots,
    damage: (directory) => rmSync(segment(directory, 0)),
    isRefused: true,
    kept: 'all',
  },
  {
    what: 'without a snapshot, and without its first segment',
    from: () => logAlone,
    damage: (directory) => rmSync(segment(directory, 0)),
    isRefused: true,
    kept: 'none',
  },
  {
    what: 'without a segment in the middle',
    from: () => logAlone,
    damage: (directory) => rmSync(segment(directory, 2)),
    isRefused: true,
    kept: 'first',
  },
  {
    what: 'without its last segment',
    from: () => withSnapshots,
    damage: (directory) => rmSync(segment(directory, -1)),
    isRefused: true,
    kept: 'first',
  },
  {
    what: 'with a torn tail',
    from: () => withSnapshots,
    damage: tear,
    isRefused: false,
    kept: 'all',
  },
  {
    what: 'with the segment of another one',
    from: () => logAlone,
    damage: (directory) => cpSync(segment(another, -1), segment(directory, 2)),
    isRefused: true,
    kept: 'first',
  },
  {
    what: 'without an identity',
    from: () => withSnapshots,
    damage: (directory) => {
      for (const copy of [1, 2]) rmSync(join(directory, `identity.${copy}`));
    },
    isRefused: true,
    kept: 'all',
  },
  {
    what: 'with a damaged FORMAT',
    from: () => withSnapshots,
    damage: (directory) => flip(join(directory, 'FORMAT'), 9),
    isRefused: true,
    kept: 'all',
  },
];

for (const one of cases) {
  t.test(`what is salvaged of a directory ${one.what} is a node of another cluster`, async (t) => {
    const directory = fresh();
    cpSync(one.from(), directory, { recursive: true, preserveTimestamps: true });
    one.damage(directory);
    const before = image(directory);
    const out = join(fresh(), 'out');
    const { examination, salvage } = await salvageDirectory(directory, out);
    deepEqual(image(directory), before);
    equal(examination.damage.length > 0, one.isRefused, JSON.stringify(examination.damage));
    const { states, failures } = await rebuildStates(salvage);
    deepEqual(failures, []);
    const saved = salvage.files.filter(({ kind }) => kind === 'snapshot');
    const files = [...states, ...saved.map(({ path, lastIndex: index }) => ({ path, index }))];
    const best = files.sort((a, b) => b.index - a.index).at(0);
    equal(best === undefined, one.kept === 'none');
    if (best === undefined) return;
    const { kept, clusterId, incarnation } = await restored(join(out, best.path));
    t.comment(`${kept} of ${COUNT} writes`);
    equal(kept === COUNT, one.kept === 'all');
    ok(kept >= 50, `${kept} writes`);
    equal(
      states.some(({ reachesEnd }) => reachesEnd),
      one.isEndKnown ?? one.kept === 'all',
    );
    const former = (await examineDirectory(one.from())).identity;
    notEqual(clusterId, former?.clusterId);
    notEqual(incarnation, former?.incarnation);
  });
}

t.test('what is salvaged of a level directory is a node of another cluster', async (t) => {
  const log = (directory: string): string =>
    join(directory, 'log', readdirSync(join(directory, 'log')).find((one) => /\.log$/.test(one))!);
  const damages: readonly (readonly [string, (directory: string) => void, number])[] = [
    ['nothing', () => {}, COUNT],
    [
      'a flipped bit in its log',
      (directory) => flip(log(directory), statSync(log(directory)).size - 5000),
      150,
    ],
    ['no log', (directory) => rmSync(log(directory)), 150],
    ['no CURRENT', (directory) => rmSync(join(directory, 'log', 'CURRENT')), 150],
    [
      'a damaged state',
      (directory) => {
        for (const copy of [1, 2]) flip(join(directory, `groups/default/state.${copy}`), 20);
      },
      COUNT,
    ],
    ['a damaged FORMAT', (directory) => flip(join(directory, 'FORMAT'), 9), COUNT],
  ];
  for (const [what, damage, atLeast] of damages) {
    const directory = fresh();
    cpSync(level, directory, { recursive: true, preserveTimestamps: true });
    damage(directory);
    const before = image(directory);
    const out = join(fresh(), 'out');
    const { examination, salvage } = await salvageLevel(directory, out);
    deepEqual(image(directory), before);
    equal(examination.damage.length > 0, what !== 'nothing', what);
    const { states } = await rebuildStates(salvage);
    const isEndKnown = states.some(({ reachesEnd }) => reachesEnd);
    equal(isEndKnown, what === 'nothing', what);
    const saved = salvage.files.filter(({ kind }) => kind === 'snapshot').map(({ path }) => path);
    const { kept, clusterId } = await restored(join(out, states[0]?.path ?? saved.at(-1)!));
    t.comment(`${what}: ${kept} of ${COUNT} writes`);
    ok(kept >= atLeast, `${what}: ${kept} writes`);
    notEqual(clusterId, (await examineLevel(level)).identity?.clusterId);
  }
});

t.test('what was replaced after the damage is in no state', async () => {
  const snapshot = { ...SNAPSHOT, index: 3, term: 1 };
  // Terms by index, from 1 on, of what stood before the damage and of what stands behind it.
  const past = (
    before: readonly number[],
    behind: readonly number[],
    more: Partial<SalvagedLog> & { readonly from?: number } = {},
  ): readonly (number | boolean | null)[] => {
    const { from = 1, ...rest } = more;
    const first = log(1, before, 1);
    const second = { ...log(2, behind, from), isEnd: true, ...rest };
    const [found] = historiesOf([snapshot], [first, second]);
    if (found === undefined) return [];
    return [found.snapshotIndex, found.lastIndex, found.reachesEnd];
  };
  // Nothing stands behind it that reaches back: what stood before it is all that there is.
  deepEqual(past([1, 1, 1, 1, 1], [2, 2], { from: 8 }), [3, 5, false]);
  // It goes on from the snapshot, to the end.
  deepEqual(past([1, 1], [1, 2, 2], { from: 4 }), [3, 6, true]);
  deepEqual(past([1, 1], [1, 1, 2, 2], { from: 3 }), [3, 6, true]);
  // Entry 5 of term 1 was replaced.
  deepEqual(past([1, 1, 1, 1, 1, 1], [1, 2], { from: 4, isEnd: false }), [3, 4, false]);
  deepEqual(past([1, 1, 1, 1, 1, 1], [2, 2], { from: 5 }), []);
  // The log was shorter afterwards; what it ended with then stood before as well.
  const shorter = { base: { index: 4, term: 1 }, last: { index: 5, term: 1 } };
  deepEqual(past([1, 1, 1, 1, 1, 1, 1], [], shorter), [3, 5, false]);
  // Of another term where the snapshot ends: it is no past of it.
  deepEqual(past([1, 1], [2, 2, 2], { from: 3 }), []);
  // What a snapshot has anyway.
  deepEqual(past([1, 1, 1], []), []);
});

const SNAPSHOT: ExaminedSnapshot = {
  group: 'g',
  path: '/snapshot',
  ...{ index: null, term: null, sizeBytes: 1, digest: '', configuration: null },
};

function log(part: number, terms: readonly number[], from: number): SalvagedLog {
  const entries = terms.flatMap((term, place) =>
    packEntries({ group: 'g', term, firstIndex: from + place, logTimeMs: 0 }, [
      { kind: 'command', commandVersion: 1, payload: new Uint8Array(1) },
    ]),
  );
  const last = { index: from + terms.length - 1, term: terms.at(-1) ?? 0 };
  const base = { index: 0, term: 0 };
  return { group: 'g', part, isEnd: false, state: null, base, last, entries };
}

interface Restored {
  /** So many keys, the first ones, with the values that were acknowledged; and no others. */
  readonly kept: number;
  readonly clusterId: string;
  readonly incarnation: string;
}

async function restored(path: string): Promise<Restored> {
  const storage = smallSegments(fresh());
  const snapshot = await snapshotFile(path).open();
  const members = { n1: 'n1.example:7001' };
  const made = await restoreSnapshot({ snapshot, storage, id: 'n1', members });
  await snapshot.close();
  const kv = await openKVStore({ id: 'n1', storage, logger: silentLogger });
  const found: string[] = [];
  for await (const { key, value } of kv.list()) found.push(`${key} ${value}`);
  await kv.close();
  deepEqual(found, acknowledged(found.length));
  const { clusterId, incarnation } = made;
  return { kept: found.length, clusterId, incarnation };
}

async function fill(storage: StorageEngine, count: number, snapshotEntries: number): Promise<void> {
  const kv = await openKVStore({
    id: 'n1',
    storage,
    logger: silentLogger,
    limits: { snapshotEntries },
  });
  let held = 0;
  for await (const _ of kv.list()) held += 1;
  for (let i = held; i < count; i += 1) await kv.put(keyOf(i), valueOf(i));
  await kv.close();
}

function acknowledged(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `${keyOf(i)} ${valueOf(i)}`);
}

function keyOf(i: number): string {
  return `k${String(i).padStart(4, '0')}`;
}

function valueOf(i: number): string {
  return `${i}`.padEnd(300, '.');
}

function smallSegments(directory: string): StorageEngine {
  return walStorage(directory, { segmentBytes: SEGMENT_BYTES, writer: 'main' });
}

/** Path of a segment, counted from the first one, or from the end. */
function segment(directory: string, place: number): string {
  const names = readdirSync(join(directory, 'log')).filter((name) => name.endsWith('.wal'));
  return join(directory, 'log', names.sort().at(place)!);
}

function snapshotAt(directory: string, place: number): string {
  return join(directory, SNAPSHOTS, readdirSync(join(directory, SNAPSHOTS)).sort().at(place)!);
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = bytes[offset]! ^ 4;
  writeFileSync(path, bytes);
}

/** A write that was cut short by the power: its content is there, and no stamp behind it. */
function tear(directory: string): void {
  const path = segment(directory, -1);
  const bytes = readFileSync(path);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  bytes.set([200, 0, 0, 0, 1, 2, 3], end + (end % 16 === 0 ? 0 : 16 - (end % 16)));
  writeFileSync(path, bytes);
}

/** Every file with its bytes and its times. */
function image(directory: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    const bytes = entry.isFile() ? readFileSync(path, 'latin1') : '';
    found.set(path, `${mtimeNs} ${ctimeNs} ${bytes}`);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}
