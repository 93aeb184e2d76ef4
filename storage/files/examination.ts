import { join } from 'node:path';
import { type GroupId, isName, QuorateError } from '../../lib/base/index.js';
import type { FileLayer, HardState, Logger, StoredIdentity } from '../../lib/interfaces/index.js';
import { corrupt, damageIn, storageFailed } from './damage.js';
import { GROUPS, groupOf, IDENTITY } from './data-folder.js';
import { isLockName, locked, lockHolder } from './folder-lock.js';
import { checkFormat, FORMAT_NAME, readFormat, type StoredFormat } from './format.js';
import { decodeIdentity, IDENTITY_PAIR } from './small-values.js';
import { snapshotFile } from './snapshot-file.js';
import { snapshotIdStart } from './snapshot-reader.js';
import { TwinFile, type TwinFileOptions } from './twin-file.js';
import { TEMPORARY_SUFFIX } from './whole-file.js';

/** What is wrong with one file. */
export interface FoundDamage {
  /** Absolute. */
  readonly path: string;
  /** Null where it is all of the file, or is not known. */
  readonly offset: number | null;
  readonly what: string;
}

/** A snapshot, read from end to end. */
export interface ExaminedSnapshot {
  readonly group: GroupId;
  readonly path: string;
  /** Null, like all that follows, where it is damaged. */
  readonly index: number | null;
  readonly term: number | null;
  /** Of the state. */
  readonly sizeBytes: number | null;
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly digest: string | null;
  /** As it stands in the configuration entry of the group. */
  readonly configuration: Uint8Array | null;
}

/** A place in a group's log. */
export interface ExaminedPlace {
  readonly index: number;
  readonly term: number;
}

/** A group, by the last of its log that could be read. */
export interface ExaminedGroup {
  readonly group: GroupId;
  /** Term and vote; null where none was saved yet. */
  readonly state: HardState | null;
  /** The last entry that was compacted away; (0, 0) for a whole log. */
  readonly base: ExaminedPlace;
  readonly last: ExaminedPlace;
  /** Of the last configuration entry of the log; null where it holds none. */
  readonly configuration: Uint8Array | null;
}

/** What was found in a data directory. Nothing was changed. */
export interface DirectoryExamination {
  /** Absolute. */
  readonly directory: string;
  readonly engine: string;
  /** Of the engine's layout; null where it is not known. */
  readonly version: number | null;
  /** Null where the directory was never used, or it is damaged. */
  readonly identity: StoredIdentity | null;
  /** Sorted by their names. */
  readonly groups: readonly ExaminedGroup[];
  readonly snapshots: readonly ExaminedSnapshot[];
  /** Because of which a start is refused. */
  readonly damage: readonly FoundDamage[];
  /** Snapshots that a start passes over. */
  readonly damagedSnapshots: readonly FoundDamage[];
  /** What a crash may leave, and the next start puts right. */
  readonly repairs: readonly FoundDamage[];
  /** Names that nobody gave; they are left alone. */
  readonly unknownNames: readonly string[];
}

export interface ExaminedFolder
  extends Omit<DirectoryExamination, 'groups' | 'version' | 'engine'> {
  readonly version: number | null;
  readonly hasGroups: boolean;
  /** Names in the folder. */
  readonly names: readonly string[];
}

/**
 * ERR_LOCKED while a process uses the folder: what it writes meanwhile would look like damage. ERR_CONFIG where
 * it is no folder.
 */
export async function checkUnused(directory: string): Promise<void> {
  const holder = await lockHolder(directory).catch((cause: unknown) => {
    const isFolder = !(cause instanceof Error && 'code' in cause && cause.code === 'ENOTDIR');
    if (isFolder) throw storageFailed(`cannot look into ${directory}`, cause);
    throw new QuorateError('ERR_CONFIG', { message: `${directory} is no folder`, cause });
  });
  if (holder === null) return;
  throw locked(directory, ` (process ${holder})`);
}

/**
 * Looks at all in a data folder that is not the engine's own. ERR_CONFIG where there is none, or it belongs
 * to another engine or version.
 */
export async function examineFolder(
  files: FileLayer,
  directory: string,
  { dataNames, ...own }: StoredFormat & { readonly dataNames: readonly string[] },
): Promise<ExaminedFolder> {
  const names = await files.list(directory);
  const isUsed = names.some((name) => [...dataNames, FORMAT_NAME, GROUPS].includes(name));
  if (!isUsed && !names.some((name) => name.startsWith(`${IDENTITY}.`))) {
    throw new QuorateError('ERR_CONFIG', { message: `${directory} is no data directory` });
  }
  const damage: FoundDamage[] = [];
  const repairs: FoundDamage[] = [];
  const format = await noted(damage, join(directory, FORMAT_NAME), async () => {
    const found = await readFormat(files, directory);
    if (found === null) throw corrupt(join(directory, FORMAT_NAME), 'missing beside data');
    checkFormat(directory, found, own);
    return found;
  });
  const folders = await files.list(join(directory, GROUPS));
  const path = join(directory, IDENTITY);
  const pair = { files, path, ...IDENTITY_PAIR };
  const stored = await noted(damage, path, () => examinePair(pair, folders.length > 0, repairs));
  const snapshots: ExaminedSnapshot[] = [];
  const damagedSnapshots: FoundDamage[] = [];
  const examined = { snapshots, damagedSnapshots };
  for (const folder of folders) await examineSnapshots(files, directory, folder, examined);
  const known = [...dataNames, FORMAT_NAME, GROUPS, `${IDENTITY}.1`, `${IDENTITY}.2`];
  const isKnown = (name: string): boolean => known.includes(name) || isLockName(name);
  for (const name of names.filter((one) => one.endsWith(TEMPORARY_SUFFIX))) {
    repairs.push({
      path: join(directory, name),
      offset: null,
      what: 'was being written, and is removed',
    });
  }
  return {
    ...{ directory, damage, repairs, ...examined, names, hasGroups: folders.length > 0 },
    version: format?.version ?? null,
    identity: stored === null ? null : decodeIdentity(stored),
    unknownNames: names.filter((name) => !isKnown(name) && !name.endsWith(TEMPORARY_SUFFIX)),
  };
}

/** The body of a pair; null where there is none, and nothing that would need it. */
export async function examinePair(
  { files, path, ...pair }: Omit<TwinFileOptions, 'logger'>,
  isNeeded: boolean,
  repairs: FoundDamage[],
): Promise<Uint8Array | null> {
  const found = await new TwinFile({ files, path, ...pair, logger: quietLogger }).look();
  if (found === null) {
    if (isNeeded) throw corrupt(`${path}.1`, 'missing beside data');
    return null;
  }
  for (const copy of found.outdated) {
    const what = 'older than the other copy, damaged or missing';
    repairs.push({ path: `${path}.${copy}`, offset: null, what });
  }
  return found.current.body;
}

/** Null, and noted, where damage is found by reading `path`. */
export async function noted<T>(
  damage: FoundDamage[],
  path: string,
  call: () => Promise<T>,
): Promise<T | null> {
  try {
    return await call();
  } catch (error) {
    const { path: where, offset, what } = damageIn(error, path);
    damage.push({ path: where, offset, what });
    return null;
  }
}

const quiet = (): void => {};
/** Whoever looks is told by what is found. */
export const quietLogger: Logger = {
  ...{ trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet },
  child: () => quietLogger,
};

const SUFFIX = '.snap';

async function examineSnapshots(
  files: FileLayer,
  directory: string,
  name: string,
  found: { readonly snapshots: ExaminedSnapshot[]; readonly damagedSnapshots: FoundDamage[] },
): Promise<void> {
  const group = groupOf(name);
  if (!isName(group)) return;
  const folder = join(directory, GROUPS, name, 'snapshots');
  for (const file of await files.list(folder)) {
    if (!file.endsWith(SUFFIX)) continue;
    const path = join(folder, file);
    const snapshot = await noted(found.damagedSnapshots, path, () =>
      examineSnapshot(files, path, file, group),
    );
    const lost = { index: null, term: null, sizeBytes: null, digest: null, configuration: null };
    found.snapshots.push(snapshot ?? { group, path, ...lost });
  }
}

async function examineSnapshot(
  files: FileLayer,
  path: string,
  name: string,
  group: GroupId,
): Promise<ExaminedSnapshot> {
  const saved = await snapshotFile(path, { files }).open();
  await saved.close();
  const { index, term, sizeBytes, configuration } = saved.description;
  if (saved.group !== group) throw corrupt(path, `the snapshot belongs to group ${saved.group}`);
  if (!name.startsWith(snapshotIdStart({ index, term }))) {
    throw corrupt(path, 'the snapshot has the name of another');
  }
  return { group, path, index, term, sizeBytes, digest: saved.digest, configuration };
}
