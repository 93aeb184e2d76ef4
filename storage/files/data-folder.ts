import { join } from 'node:path';
import { type GroupId, isName, QuorateError } from '../../lib/base/index.js';
import type { FileLayer, Logger, StoredIdentity } from '../../lib/interfaces/index.js';
import { corrupt, storageFailed } from './damage.js';
import { type FolderLock, lockFolder } from './folder-lock.js';
import { checkFormat, FORMAT_NAME, readFormat, writeFormat } from './format.js';
import { decodeIdentity, encodeIdentity, IDENTITY_PAIR } from './small-values.js';
import { TwinFile } from './twin-file.js';
import { TEMPORARY_SUFFIX } from './whole-file.js';

export interface DataFolderOptions {
  readonly files: FileLayer;
  readonly logger: Logger;
  /** Absolute. Created where missing. */
  readonly path: string;
  /** Which engine, and which version of its layout, the folder is for. */
  readonly engine: string;
  readonly version: number;
  /** Names in the folder that hold the engine's data. */
  readonly dataNames: readonly string[];
}

/** Folder of the groups' folders. */
export const GROUPS = 'groups';
/** Without the `.1` or `.2` of its copies. */
export const IDENTITY = 'identity';

/** A node's data folder: locked, of a known format, with the node's identity. */
export class DataFolder {
  readonly path: string;
  readonly identity: StoredIdentity | null;
  /** Whether any group was ever stored. */
  readonly hasGroups: boolean;
  readonly #files: FileLayer;
  readonly #identityFile: TwinFile;
  readonly #lock: FolderLock;

  private constructor(
    options: DataFolderOptions,
    found: {
      readonly lock: FolderLock;
      readonly identityFile: TwinFile;
      readonly identity: StoredIdentity | null;
      readonly hasGroups: boolean;
    },
  ) {
    this.path = options.path;
    this.#files = options.files;
    this.#lock = found.lock;
    this.#identityFile = found.identityFile;
    this.identity = found.identity;
    this.hasGroups = found.hasGroups;
  }

  /**
   * Locks the folder and checks what is in it. ERR_LOCKED while another process holds it, ERR_CONFIG
   * when it belongs to another engine or version, ERR_CORRUPT when files are damaged or missing.
   */
  static async open(options: DataFolderOptions): Promise<DataFolder> {
    const { files, logger, path } = options;
    const lock = await usable(path, async () => {
      await files.makeFolder(path);
      return files.lock === undefined ? lockFolder(path) : files.lock(path);
    });
    try {
      return await usable(path, async () => {
        const names = await files.list(path);
        await removeTemporary(files, path, names);
        await ownFormat(options, names);
        const identityFile = new TwinFile({
          files,
          path: join(path, IDENTITY),
          ...IDENTITY_PAIR,
          logger,
        });
        const record = await identityFile.load();
        const hasGroups = (await files.list(join(path, GROUPS))).length > 0;
        if (record === null && hasGroups)
          throw corrupt(`${identityFile.path}.1`, 'missing beside data');
        const identity = record === null ? null : decodeIdentity(record.body);
        return new DataFolder(options, { lock, identityFile, identity, hasGroups });
      });
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  async saveIdentity(identity: StoredIdentity): Promise<void> {
    await this.#identityFile.save(encodeIdentity(identity));
  }

  /** The groups that have a folder, sorted. */
  async groups(): Promise<readonly GroupId[]> {
    const names = await this.#files.list(join(this.path, GROUPS));
    return names.map(groupOf).filter(isName).sort();
  }

  /** Where a group keeps its files. Different names give different folders, whatever the file system does with letters. */
  groupPath(group: GroupId): string {
    return join(this.path, GROUPS, folderOf(group));
  }

  /** Creates a group's folder, durably. */
  async makeGroupFolder(group: GroupId): Promise<string> {
    const path = this.groupPath(group);
    await this.#files.makeFolder(path);
    // Also where it was there: whoever made it may have been killed before the name was durable.
    for (const parent of [join(this.path, GROUPS), this.path]) await this.#files.syncFolder(parent);
    return path;
  }

  /** May be called twice. */
  async release(): Promise<void> {
    await this.#lock.release();
  }
}

/** Files that were being written when the process ended: they were never data. */
export async function removeTemporary(
  files: FileLayer,
  folder: string,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await files.remove(join(folder, name));
  }
}

/** Name of a group's folder. */
export function folderOf(group: GroupId): string {
  return group.replaceAll(/[A-Z]/g, (letter) => `=${letter.toLowerCase()}`).replaceAll('.', '=-');
}

/** The group whose folder has this name. */
export function groupOf(name: string): GroupId {
  return name
    .replaceAll('=-', '.')
    .replaceAll(/=([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Marks a folder that is new, and checks one that is not. */
async function ownFormat(options: DataFolderOptions, names: readonly string[]): Promise<void> {
  const { files, path, engine, version, dataNames } = options;
  const found = await readFormat(files, path);
  if (found !== null) return checkFormat(path, found, { engine, version });
  const data = ['identity.1', 'identity.2', GROUPS, ...dataNames];
  if (names.some((name) => data.includes(name))) {
    throw corrupt(join(path, FORMAT_NAME), 'missing beside data');
  }
  await writeFormat(files, path, { engine, version });
}

/** Says in one line why a folder cannot be used at all. */
async function usable<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (QuorateError.is(error)) throw error;
    throw storageFailed(`cannot use data directory ${path}`, error);
  }
}
