import { type Entry, type GroupId, QuorateError } from '../base/index.js';
import type {
  SavedSnapshot,
  SnapshotDescription,
  SnapshotDraft,
  SnapshotSink,
  StateMachine,
  StorageContext,
} from '../interfaces/index.js';
import { Applier } from './applier.js';
import { chunksOf } from './snapshots.js';

/** What a state is made of. */
export interface RebuildOptions {
  readonly group: GroupId;
  /** Where it begins; null: with nothing, and with entry 1. */
  readonly snapshot: SavedSnapshot | null;
  /** All after the snapshot, in order and without a gap; at least one. */
  readonly entries: readonly Entry[];
  /** Where it is written to. */
  readonly sink: SnapshotSink;
  /** Of the group, and new: it holds the state afterwards. */
  readonly stateMachine: StateMachine;
}

/**
 * Applies entries to a snapshot, as a member would, and writes what comes of it: the state as of the last
 * entry. ERR_CONFIG where the entries do not follow the snapshot. Where it fails, nothing is left of it.
 */
export async function rebuildSnapshot(
  { group, snapshot, entries, sink, stateMachine: machine }: RebuildOptions,
  { clock }: Pick<StorageContext, 'clock'>,
): Promise<SnapshotDescription> {
  const draft = draftOf(entries, snapshot);
  if (snapshot !== null) await machine.restore(chunksOf(snapshot, null));
  const applier = new Applier({ machine, clock, onApplied: () => {} });
  applier.add(entries);
  while (!applier.isIdle) applier.run();
  const writer = await sink.create(group, draft);
  try {
    for await (const chunk of machine.snapshot()) await writer.write(chunk);
    return await writer.commit();
  } finally {
    await writer.abort();
  }
}

function draftOf(entries: readonly Entry[], snapshot: SavedSnapshot | null): SnapshotDraft {
  const { index = 0, term = 0, configuration = null } = snapshot?.description ?? {};
  let last = { index, term };
  for (const entry of entries) {
    if (entry.index !== last.index + 1 || entry.term < last.term) {
      throw wrong(`entry ${entry.index} does not follow entry ${last.index}`);
    }
    last = entry;
  }
  const end = entries.at(-1);
  if (end === undefined) throw wrong('there is nothing to apply');
  const changed = entries.findLast(({ kind }) => kind === 'configuration')?.payload;
  const members = changed ?? configuration;
  if (members === null) throw wrong('no snapshot and no entry says who the members are');
  return {
    index: end.index,
    term: end.term,
    logTimeMs: end.logTimeMs,
    configuration: members,
  };
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
