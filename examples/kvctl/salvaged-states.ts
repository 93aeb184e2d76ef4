import { dirname, join } from 'node:path';
import { QuorateError, rebuildSnapshot } from 'quorate';
import { type Salvage, type SalvagedHistory, snapshotFile } from 'quorate/storage/wal';
import type { SalvagedState } from './diagnosis.js';

/** What was made of a salvage. */
export interface RebuiltStates {
  readonly states: readonly SalvagedState[];
  /** Groups of which none could be made, as those of another state machine. */
  readonly failures: readonly { readonly group: string; readonly reason: string }[];
}

/**
 * Makes a snapshot of each group whose log leads further than every good one. It is restored like any
 * other: into a new cluster, which remembers no vote and is taken for no member of the old one.
 */
export async function rebuildStates(salvage: Salvage | null): Promise<RebuiltStates> {
  const states: SalvagedState[] = [];
  const failures: { readonly group: string; readonly reason: string }[] = [];
  for (const history of salvage?.histories ?? []) {
    if (salvage === null) break;
    try {
      states.push(await rebuild(salvage, history));
    } catch (error) {
      if (!QuorateError.is(error) || error.code === 'ERR_STORAGE') throw error;
      failures.push({ group: history.group, reason: error.reason });
    }
  }
  return { states, failures };
}

async function rebuild(salvage: Salvage, history: SalvagedHistory): Promise<SalvagedState> {
  const { group, entries, lastIndex: index, reachesEnd } = history;
  const snapshotIndex = history.snapshotIndex ?? 0;
  const own = salvage.files.filter((file) => file.group === group);
  const path = join(dirname(own[0]?.path ?? ''), `state-${index}.snap`);
  const from = own.find(
    ({ kind, lastIndex }) => kind === 'snapshot' && lastIndex === snapshotIndex,
  );
  const snapshot =
    from === undefined ? null : await snapshotFile(join(salvage.folder, from.path)).open();
  try {
    const sink = snapshotFile(join(salvage.folder, path));
    await rebuildSnapshot({ group, snapshot, entries, sink });
  } finally {
    await snapshot?.close();
  }
  return { group, path, index, snapshotIndex, reachesEnd };
}
