/**
 * Writes the small data directory that the damage tests take apart, in two sessions, so that the
 * database has a sorted file as well as a log of its own. Run as a program it writes one, stays
 * idle, says so and waits to be killed.
 */
import { type Entry, packEntries } from '../../lib/base/index.js';
import type { HardState, StorageEngine, StoredIdentity } from '../../lib/interfaces/index.js';
import { storageContext } from '../../lib/testing/index.js';
import { levelStorage } from '../../storage/level/index.js';

export const GROUP = 'g';

export const IDENTITY: StoredIdentity = {
  nodeId: 'n1',
  incarnation: '0123456789abcdef',
  clusterId: 'fedcba9876543210',
};

export const STATE: HardState = { term: 3, votedFor: 'n1#0123456789abcdef' };

export const ENTRIES: readonly Entry[] = [...entries(1, 1, 3), ...entries(2, 4, 2)];

/** Leaves the engine open. */
export async function writeSmallDirectory(directory: string): Promise<StorageEngine> {
  const first = levelStorage(directory);
  await first.open(storageContext());
  await first.initialise({ ...IDENTITY, clusterId: null });
  await first.group(GROUP).log.open();
  await first.group(GROUP).state.save({ term: 1, votedFor: null });
  await first.group(GROUP).log.append(entries(1, 1, 4));
  await first.close();
  const second = levelStorage(directory);
  await second.open(storageContext());
  await second.initialise(IDENTITY);
  const { log, state, snapshots } = second.group(GROUP);
  await log.open();
  await state.save({ term: 2, votedFor: 'n2' });
  await state.save(STATE);
  for (const entry of entries(2, 4, 2)) await log.append([entry]);
  const writer = await snapshots.create({
    index: 2,
    term: 1,
    configuration: new Uint8Array([1, 2]),
    logTimeMs: 5,
  });
  await writer.write(new Uint8Array(20).fill(7));
  await writer.commit();
  return second;
}

export function entries(term: number, firstIndex: number, count: number): Entry[] {
  const drafts = Array.from({ length: count }, (_, offset) => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload: new Uint8Array([firstIndex + offset]),
  }));
  return packEntries({ group: GROUP, term, firstIndex, logTimeMs: 0 }, drafts);
}

const [, program, directory] = process.argv;
if (program === import.meta.filename && directory !== undefined) {
  await writeSmallDirectory(directory);
  // The time that the promise of the mark is about: idle for 200 ms, then killed.
  setTimeout(() => process.stdout.write('idle\n'), 200);
  setInterval(() => {}, 1000);
}
