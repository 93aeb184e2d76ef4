import { join, resolve } from 'node:path';
import { assert, type GroupId, isName, QuorateError } from '../../lib/base/index.js';
import type {
  FileLayer,
  GroupStorage,
  StorageContext,
  StorageEngine,
  StoredIdentity,
} from '../../lib/interfaces/index.js';
import {
  checkCompression,
  DataFolder,
  Health,
  nodeFiles,
  type SnapshotCompression,
} from '../files/index.js';
import { checkIdentity, copyIdentity, isSameIdentity } from '../identity.js';
import { Batcher } from './batcher.js';
import { type Database, openDatabase } from './database.js';
import { LevelGroup } from './group.js';

/** As `FORMAT` names it. */
export const ENGINE = 'level';
export const VERSION = 1;
/** Folder of the database, in the data directory. */
export const DATABASE = 'log';
/** Names in the data directory that are the engine's own. */
export const DATA_NAMES: readonly string[] = [DATABASE];

/** How a directory is written. */
export interface LevelStorageOptions {
  /**
   * Whether the chunks of new snapshots are compressed, with gzip at level 1. Each file says how it was
   * written, so that the setting may change from start to start. Default `'none'`.
   */
  readonly snapshotCompression?: SnapshotCompression | undefined;
  /** Reaches every file but those of the database. Default: the file system. For tests. */
  readonly files?: FileLayer | undefined;
}

/**
 * Storage in a directory, with the log in LevelDB; needs the package `classic-level`. The directory is
 * made at the first open, belongs to one node, and is used by one process at a time. What a write
 * stored is durable, on stable storage, when it resolves; the first write that fails is final.
 */
export function levelStorage(directory: string, options: LevelStorageOptions = {}): StorageEngine {
  if (typeof directory !== 'string' || directory === '') {
    throw new QuorateError('ERR_CONFIG', { message: 'levelStorage needs the path of a directory' });
  }
  const { files = nodeFiles, snapshotCompression = 'none' } = options;
  checkCompression(snapshotCompression);
  return new LevelStorageEngine(resolve(directory), { files, snapshotCompression });
}

/** What an engine has while it is open. */
interface Opened {
  readonly context: StorageContext;
  readonly folder: DataFolder;
  readonly database: Database;
  readonly batcher: Batcher;
  readonly health: Health;
  readonly groups: Map<GroupId, LevelGroup>;
  identity: StoredIdentity | null;
}

class LevelStorageEngine implements StorageEngine {
  readonly #path: string;
  readonly #files: FileLayer;
  readonly #snapshotCompression: SnapshotCompression;
  #opened: Opened | null = null;
  #opening: Promise<Opened> | null = null;
  #closing: Promise<void> | null = null;

  constructor(
    path: string,
    options: { readonly files: FileLayer; readonly snapshotCompression: SnapshotCompression },
  ) {
    this.#path = path;
    this.#files = options.files;
    this.#snapshotCompression = options.snapshotCompression;
  }

  async open(context: StorageContext): Promise<StoredIdentity | null> {
    if (this.#opening !== null || this.#opened !== null) {
      throw new QuorateError('ERR_CONFIG', { message: 'another node uses this storage already' });
    }
    this.#opening = this.#open(context);
    try {
      this.#opened = await this.#opening;
      return this.#opened.identity;
    } finally {
      this.#opening = null;
    }
  }

  async #open(context: StorageContext): Promise<Opened> {
    const folder = await DataFolder.open({
      files: this.#files,
      logger: context.logger,
      path: this.#path,
      engine: ENGINE,
      version: VERSION,
      dataNames: DATA_NAMES,
    });
    try {
      // A group is stored only after the database was made: beside one, it is there or it was lost.
      const database = await openDatabase(join(this.#path, DATABASE), {
        create: !folder.hasGroups,
      });
      return {
        context,
        folder,
        database,
        batcher: new Batcher(database, context.clock),
        health: new Health(),
        groups: new Map(),
        identity: folder.identity,
      };
    } catch (error) {
      await folder.release();
      throw error;
    }
  }

  async initialise(identity: StoredIdentity): Promise<void> {
    const opened = this.#use();
    if (opened.identity !== null) {
      checkIdentity(opened.identity, identity);
      if (isSameIdentity(opened.identity, identity)) return;
    }
    const copy = copyIdentity(identity);
    await opened.health.write(this.#path, () => opened.folder.saveIdentity(copy));
    opened.identity = copy;
  }

  async groups(): Promise<readonly GroupId[]> {
    const { health, folder } = this.#use();
    return health.attempt(this.#path, () => folder.groups());
  }

  group(id: GroupId): GroupStorage {
    const { context, folder, database, batcher, health, groups, identity } = this.#use();
    assert(isName(id), 'a group id is a valid name');
    assert(identity !== null, 'storage is initialised before a group is used');
    let group = groups.get(id);
    if (group === undefined) {
      const { clock, logger, random } = context;
      group = new LevelGroup({
        folder,
        group: id,
        files: this.#files,
        clock,
        logger,
        random,
        health,
        database,
        batcher,
        snapshotCompression: this.#snapshotCompression,
      });
      groups.set(id, group);
    }
    return group;
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => {
      this.#closing = null;
    });
    await this.#closing;
  }

  async #close(): Promise<void> {
    // An open that fails has let go of everything itself, and its caller is told.
    const opened = this.#opened ?? (await this.#opening?.catch(() => null)) ?? null;
    if (opened === null) return;
    const { context, folder, database, health, groups } = opened;
    await health.idle();
    // What fails in one group is no reason to leave the others as they are.
    const endings = await Promise.allSettled([...groups.values()].map((group) => group.close()));
    for (const ending of endings) {
      if (ending.status === 'fulfilled') continue;
      context.logger.error(
        { event: 'storage.closeFailed', error: String(ending.reason) },
        'a group was not closed in full',
      );
    }
    health.close();
    this.#opened = null;
    try {
      await database.close();
    } finally {
      await folder.release();
    }
  }

  #use(): Opened {
    if (this.#opened === null) {
      throw new QuorateError('ERR_CLOSED', { message: 'the storage is not open' });
    }
    return this.#opened;
  }
}
