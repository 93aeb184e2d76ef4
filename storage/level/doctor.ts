import { chmod, cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { type GroupId, isName, QuorateError } from '../../lib/base/index.js';
import type { Clock, HardState, StorageEngine, Timer } from '../../lib/interfaces/index.js';
import {
  checkTarget,
  checkUnused,
  Damage,
  type DirectoryExamination,
  decodeState,
  type ExaminedGroup,
  examineFolder,
  examinePair,
  type FoundDamage,
  folderOf,
  GROUPS,
  groupOf,
  isLockName,
  nodeFiles,
  quietLogger,
  readOnlyFiles,
  type Salvage,
  type SalvagedLog,
  STATE_NAME,
  writeSalvage,
} from '../files/index.js';
import { openDatabase } from './database.js';
import { DATA_NAMES, DATABASE, ENGINE, levelStorage, VERSION } from './engine.js';
import { readWholeStart } from './log-reading.js';

/** What was found in a directory of `levelStorage`. Nothing was changed. */
export interface LevelExamination extends DirectoryExamination {
  /** Whether a copy of the database could be opened, and all of it read. */
  readonly isDatabaseRead: boolean;
}

/** What was found in a directory, and what was written of it elsewhere. */
export interface LevelSalvage {
  readonly examination: LevelExamination;
  readonly salvage: Salvage;
}

/**
 * Looks at a data directory, and changes nothing. LevelDB has no way to read a database without writing to
 * it: everything but the snapshots is copied into the folder for temporary files, and opened there as a
 * start would. ERR_LOCKED while a process uses the directory, ERR_CONFIG where there is none, or it is of
 * another engine or version.
 */
export async function examineDirectory(directory: string): Promise<LevelExamination> {
  return (await examine(directory)).examination;
}

/**
 * Examines a data directory, and writes what is provably good into `out`, which is new or empty:
 * snapshots that were read from end to end, the entries of each group whose log is whole, and a manifest.
 */
export async function salvageDirectory(directory: string, out: string): Promise<LevelSalvage> {
  const target = await checkTarget(nodeFiles, directory, out);
  const { examination, logs } = await examine(directory);
  const source = { files: nodeFiles, examination, logs };
  return { examination, salvage: await writeSalvage(source, target) };
}

interface Examined {
  readonly examination: LevelExamination;
  readonly logs: readonly SalvagedLog[];
}

async function examine(directory: string): Promise<Examined> {
  const path = resolve(directory);
  await checkUnused(path);
  const own = { engine: ENGINE, version: VERSION, dataNames: DATA_NAMES };
  const folder = await examineFolder(readOnlyFiles(nodeFiles), path, own);
  const { names: _, hasGroups: __, ...rest } = folder;
  const copy = await mkdtemp(join(tmpdir(), 'quorate-doctor-'));
  try {
    await copyDirectory(path, copy);
    // What was copied while it was written is worth nothing.
    await checkUnused(path);
    const read = await readCopy(copy, path);
    const { groups, logs, damage } = read;
    const isDatabaseRead = damage.length === 0;
    const all = distinct([...folder.damage, ...damage]);
    return { examination: { ...rest, engine: ENGINE, groups, damage: all, isDatabaseRead }, logs };
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function copyDirectory(from: string, to: string): Promise<void> {
  try {
    await cp(from, to, {
      recursive: true,
      filter: (path) => {
        const isSnapshots = basename(path) === 'snapshots';
        return !isLockName(basename(path)) && !(isSnapshots && dirname(path) !== from);
      },
    });
    await makeWritable(to);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot copy ${from} to look into its database: ${reason}`;
    throw new QuorateError('ERR_STORAGE', { message, cause });
  }
}

/** What is on a disk that is mounted for reading alone may be copied with its rights. */
async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await makeWritable(path);
    else if (entry.isFile()) await chmod(path, 0o600);
  }
}

/** Opens the copy as a start would. What it says of the copy, it says of the directory. */
async function readCopy(
  copy: string,
  directory: string,
): Promise<{
  readonly groups: readonly ExaminedGroup[];
  readonly logs: readonly SalvagedLog[];
  readonly damage: readonly FoundDamage[];
}> {
  const groups: ExaminedGroup[] = [];
  const logs: SalvagedLog[] = [];
  const damage: FoundDamage[] = [];
  const noting = async (call: () => Promise<void>): Promise<void> => {
    try {
      await call();
    } catch (error) {
      if (!QuorateError.is(error) || error.code !== 'ERR_CORRUPT') throw error;
      damage.push(damageAt(error, copy, directory));
    }
  };
  const storage = levelStorage(copy);
  await noting(async () => {
    await storage.open({ clock: STILL, logger: quietLogger });
    for (const group of await storage.groups()) {
      await noting(async () => {
        const read = await readGroup(storage, group);
        groups.push(read.group);
        logs.push(read.log);
      });
    }
  });
  await storage.close();
  if (damage.length > 0) await readRests(copy, { groups, logs });
  return { groups, logs, damage };
}

/** Of groups that a start refuses what LevelDB still holds of their logs, from the beginning on. */
async function readRests(
  copy: string,
  { groups, logs }: { readonly groups: ExaminedGroup[]; readonly logs: SalvagedLog[] },
): Promise<void> {
  const quiet = async <T>(call: () => Promise<T>): Promise<T | null> =>
    call().catch((error: unknown) => {
      // That it is damaged was said.
      if (QuorateError.is(error) && error.code === 'ERR_CORRUPT') return null;
      throw error;
    });
  const database = await quiet(() => openDatabase(join(copy, DATABASE), { create: false }));
  if (database === null) return;
  try {
    for (const group of await storedGroups(copy)) {
      if (groups.some((one) => one.group === group)) continue;
      const { base, entries } = await readWholeStart(database, group);
      if (base === null) continue;
      const state = await quiet(() => readState(copy, group));
      const read = told({ group, state, base: { index: base.index, term: base.term }, entries });
      groups.push(read.group);
      logs.push({ ...read.log, isEnd: false });
    }
  } finally {
    await database.close();
  }
}

async function storedGroups(copy: string): Promise<readonly GroupId[]> {
  const names = await nodeFiles.list(join(copy, GROUPS));
  return names.map(groupOf).filter(isName);
}

async function readState(copy: string, group: GroupId): Promise<HardState | null> {
  const path = join(copy, GROUPS, folderOf(group), STATE_NAME);
  const pair = { files: nodeFiles, path, kind: 'state' as const, owner: group };
  const body = await examinePair(pair, false, []);
  return body === null ? null : decodeState(body);
}

const TIMER: Timer = { cancel: () => {}, keepAlive: () => {} };

/** Whoever looks waits for nothing, and leaves before anything is due. */
const STILL: Clock = {
  now: () => 0,
  wallNow: () => 0,
  after: () => TIMER,
  soon: (fn) => void setImmediate(fn),
  afterPoll: (fn) => void setImmediate(fn),
};

async function readGroup(
  storage: StorageEngine,
  group: string,
): Promise<{ readonly group: ExaminedGroup; readonly log: SalvagedLog }> {
  const { state, log } = storage.group(group);
  const hardState = await state.load();
  const { compacted: base, entries } = await log.open();
  return told({ group, state: hardState, base, entries });
}

function told({
  group,
  state,
  base,
  entries,
}: Pick<SalvagedLog, 'group' | 'state' | 'base' | 'entries'>): {
  readonly group: ExaminedGroup;
  readonly log: SalvagedLog;
} {
  const { index, term } = entries.at(-1) ?? base;
  const last = { index, term };
  const configuration = entries.findLast(({ kind }) => kind === 'configuration')?.payload ?? null;
  const found = { group, state, base, last };
  return {
    group: { ...found, configuration },
    log: { ...found, part: 1, isEnd: true, entries },
  };
}

function damageAt(error: QuorateError, copy: string, directory: string): FoundDamage {
  const { cause, reason } = error;
  const found =
    cause instanceof Damage ? cause : { path: join(copy, DATABASE), offset: null, what: reason };
  const { path, offset, what } = found;
  const there = (text: string): string => text.replaceAll(copy, directory);
  return { path: there(path), offset, what: there(what) };
}

/** What the files beside the database say is found twice. */
function distinct(damage: readonly FoundDamage[]): readonly FoundDamage[] {
  return damage.filter(
    ({ path, what }, place) =>
      damage.findIndex((other) => other.path === path && other.what === what) === place,
  );
}
