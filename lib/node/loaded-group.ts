import { at, QuorateError } from '../base/index.js';
import type {
  GroupStorage,
  HardState,
  SnapshotDescription,
  StateMachine,
  StoredLog,
} from '../interfaces/index.js';
import {
  type Configuration,
  decodeConfiguration,
  type RaftOptions,
  type SnapshotReference,
} from '../raft/index.js';
import { restoreFrom } from './snapshots.js';

/** What a member begins with: as its storage holds it. */
export type LoadedGroup = Pick<
  RaftOptions,
  'hardState' | 'compacted' | 'configuration' | 'entries' | 'snapshot' | 'lacksState'
>;

export interface FoundGroup {
  readonly loaded: LoadedGroup;
  /** Newest first. */
  readonly snapshots: readonly SnapshotDescription[];
  /** Ids of snapshots that are there, and that this member cannot go on from. */
  readonly unusable: readonly string[];
}

/**
 * Reads one group from its storage, and restores the newest usable snapshot into the machine. What
 * contradicts itself is ERR_CORRUPT, and is not served from. So is a log that begins in the middle with no
 * usable snapshot, unless there are others to ask for one: `hasOthers` is given the configuration that is
 * known to be in force, null where that was lost too.
 */
export async function loadGroup(
  group: string,
  storage: GroupStorage,
  machine: StateMachine,
  hasOthers: (configuration: Configuration | null) => boolean = () => false,
): Promise<FoundGroup> {
  const hardState = await storage.state.load();
  const { compacted, entries } = await storage.log.open();
  const lastTerm = entries.length === 0 ? compacted.term : at(entries, entries.length - 1).term;
  checkState(group, hardState, lastTerm);
  for (const entry of entries) {
    if (entry.group !== group) throw corrupt(group, `entry ${entry.index} is of "${entry.group}"`);
    if (entry.kind === 'configuration') checkConfiguration(group, entry.index, entry.payload);
  }
  const term = hardState?.term ?? 0;
  // A snapshot of a term that was never stored here was on its way in, and was told to nobody.
  const stored = await storage.snapshots.list();
  const snapshots = stored.filter((snapshot) => snapshot.term <= term);
  const log = await finishInstall(storage, { compacted, entries }, snapshots);
  const { restored, causes } = await restoreNewest(storage, log, snapshots, machine);
  // What is newer than the one that was restored could not be read.
  const usable = snapshots.filter(({ index }) => index <= (restored?.index ?? 0));
  const unusable = stored.filter((snapshot) => !usable.includes(snapshot)).map(({ id }) => id);
  const lacksState = restored === null && log.compacted.index > 0;
  if (lacksState && !hasOthers(configurationIn(log))) throw stateless(group, log, causes);
  const loaded = lacksState ? logAlone(log) : logFrom(log, usable, restored);
  return { loaded: { hardState, ...loaded }, snapshots: usable, unusable };
}

/** The configuration in force, where it stands in the log. */
function configurationIn({ entries }: StoredLog): Configuration | null {
  const last = entries.findLast(({ kind }) => kind === 'configuration');
  return last === undefined ? null : decodeConfiguration(last.payload);
}

/**
 * A node that belongs to no cluster holds no data: it becomes one's member before it is sent any. Where
 * it does, a restore was cut short, and what is there may be a part of it.
 */
export function checkUnused({ loaded: { hardState, compacted, entries } }: FoundGroup): void {
  if (compacted.index === 0 && entries.length === 0 && (hardState?.term ?? 0) <= 1) return;
  const message =
    'a restore into this storage was cut short: remove the data of this node, and restore it again';
  throw new QuorateError('ERR_CORRUPT', { message });
}

/** A snapshot that the log does not lead to came from a leader: the log goes on after it (fault A9). */
async function finishInstall(
  storage: GroupStorage,
  log: StoredLog,
  [newest]: readonly SnapshotDescription[],
): Promise<StoredLog> {
  if (newest === undefined || newest.index < log.compacted.index || holds(log, newest)) return log;
  const { index, term } = newest;
  await storage.log.reset(index, term);
  return { compacted: { index, term }, entries: [] };
}

/** The newest one that can be read, and that the log goes on from, and why others could not. */
async function restoreNewest(
  storage: GroupStorage,
  log: StoredLog,
  snapshots: readonly SnapshotDescription[],
  machine: StateMachine,
): Promise<{ readonly restored: SnapshotDescription | null; readonly causes: readonly unknown[] }> {
  const causes: unknown[] = [];
  for (const snapshot of snapshots) {
    if (!holds(log, snapshot)) continue;
    try {
      const restored = await restoreFrom(storage.snapshots, snapshot.id, machine, null);
      return { restored, causes };
    } catch (cause) {
      if (!QuorateError.is(cause) || cause.code !== 'ERR_CORRUPT') throw cause;
      causes.push(cause);
    }
  }
  return { restored: null, causes };
}

/** Schedule D14: nothing is made of a log whose beginning is lost. */
function stateless(
  group: string,
  { compacted }: StoredLog,
  causes: readonly unknown[],
): QuorateError {
  const what =
    `its log begins after entry ${compacted.index}, no usable snapshot reaches that far, and there is ` +
    'no other member to ask for one; if there is, name the members or join; otherwise restore a backup';
  return corrupt(group, what, causes[0]);
}

/** What is left without a snapshot. When the leader's time stood where is lost as well. */
function logAlone({ compacted, entries }: StoredLog): Omit<LoadedGroup, 'hardState'> {
  const start = { ...compacted, logTimeMs: 0 };
  return { compacted: start, configuration: null, entries, snapshot: null, lacksState: true };
}

/** The log as the core is to hold it: from a position whose configuration is known. */
function logFrom(
  { compacted, entries }: StoredLog,
  snapshots: readonly SnapshotDescription[],
  restored: SnapshotDescription | null,
): Omit<LoadedGroup, 'hardState'> {
  const base = snapshots.find(
    ({ index, term }) => index === compacted.index && term === compacted.term,
  );
  const first = base ?? (compacted.index === 0 ? null : restored);
  if (first === null) {
    const start = { index: 0, term: 0, logTimeMs: 0 };
    return { compacted: start, configuration: null, entries, snapshot: referenceTo(restored) };
  }
  const { index, term, logTimeMs } = first;
  return {
    compacted: { index, term, logTimeMs },
    configuration: decodeConfiguration(first.configuration),
    entries: entries.filter((entry) => entry.index > index),
    snapshot: referenceTo(restored),
  };
}

function referenceTo(snapshot: SnapshotDescription | null): SnapshotReference | null {
  if (snapshot === null) return null;
  const { id, index, term } = snapshot;
  return { id, index, term };
}

/** Whether the log has this very entry, or begins right after it. */
function holds(
  { compacted, entries }: StoredLog,
  { index, term }: { readonly index: number; readonly term: number },
): boolean {
  if (index === compacted.index) return term === compacted.term;
  return entries[index - compacted.index - 1]?.term === term;
}

/** Schedule F7: a log whose term was never stored could be voted past twice. */
function checkState(group: string, hardState: HardState | null, lastTerm: number): void {
  const term = hardState?.term ?? 0;
  if (term >= lastTerm) return;
  throw corrupt(group, `the stored term is ${term}, and its log has an entry of term ${lastTerm}`);
}

function checkConfiguration(group: string, index: number, payload: Uint8Array): void {
  try {
    decodeConfiguration(payload);
  } catch (cause) {
    throw corrupt(group, `the configuration at entry ${index} is not readable`, cause);
  }
}

function corrupt(group: string, what: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_CORRUPT', { message: `group ${group}: ${what}`, cause });
}
