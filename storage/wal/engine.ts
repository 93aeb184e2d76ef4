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
  corrupt,
  DataFolder,
  Health,
  nodeFiles,
  type SnapshotCompression,
} from '../files/index.js';
import { checkIdentity, copyIdentity, isSameIdentity } from '../identity.js';
import { WalGroup } from './group.js';
import { BLOCK_BYTES } from './portions.js';
import { FileSegmentWriter, type SegmentWriter } from './segment-writer.js';
import { type StartThread, ThreadSegmentWriter } from './thread-writer.js';
import { DATA_NAMES, ENGINE, VERSION, Wal } from './wal.js';

const MIN_SEGMENT_BYTES = 2 * BLOCK_BYTES;
const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024;
const DEFAULT_BATCH_BYTES = 4 * 1024 * 1024;

/** How a directory is written. */
export interface WalStorageOptions {
  /**
   * Size of a file of the log, a multiple of 4,096 from 8,192 on. The first ones are smaller. A write
   * that is longer gets a file of its own, and with very many groups a file is four times as long as what
   * it repeats of them at its beginning (about 60 bytes of each). Default 64 MiB.
   */
  readonly segmentBytes?: number | undefined;
  /**
   * The most that is gathered for one durable write, of all groups together; what comes after it waits
   * with its caller for the next. One append is never split. Default 4 MiB.
   */
  readonly maxBatchBytes?: number | undefined;
  /**
   * Whether the chunks of new snapshots are compressed, with gzip at level 1. Each file says how it was
   * written, so that the setting may change from start to start. Default `'none'`.
   */
  readonly snapshotCompression?: SnapshotCompression | undefined;
  /**
   * Which thread writes the log. `'worker'`, the default: one of its own, so that a write does not wait behind
   * what the process has the shared threads of Node do (names to look up, passwords to hash, files to compress)
   * which can hold one for seconds. `'main'`: those shared threads. Saves about 8 MB and 15 ms at the start,
   * and a few microseconds a write where the threads are idle: for tests that open many engines. Where the
   * thread cannot be started, as where a bundler has lost its file, the log says so, once, and it is `'main'`.
   */
  readonly writer?: 'worker' | 'main' | undefined;
  /** Reaches every file. Default: the file system. For tests. */
  readonly files?: FileLayer | undefined;
  /** A u32 that tells a new log from those of other directories. Default: by chance. For tests. */
  readonly nonce?: number | undefined;
}

type Settings = Required<{
  readonly [Key in Exclude<keyof WalStorageOptions, 'nonce'>]: NonNullable<WalStorageOptions[Key]>;
}> & { readonly nonce: number | undefined };

/**
 * Storage in a directory, with a log of its own for all groups. The directory is made at the first open,
 * belongs to one node, and is used by one process at a time. What a write stored is durable, on stable
 * storage, when it resolves; the first write that fails is final. Not on Windows, where nobody has shown
 * that a write is durable when the system says so.
 */
export function walStorage(directory: string, options: WalStorageOptions = {}): StorageEngine {
  return walEngine(directory, options);
}

/** The same, with another thread in place of the one that writes. */
export function walEngine(
  directory: string,
  options: WalStorageOptions = {},
  startThread?: StartThread,
): StorageEngine {
  if (typeof directory !== 'string' || directory === '') {
    throw new QuorateError('ERR_CONFIG', { message: 'walStorage needs the path of a directory' });
  }
  const files = options.files ?? nodeFiles;
  const settings: Settings = {
    segmentBytes: options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
    maxBatchBytes: options.maxBatchBytes ?? DEFAULT_BATCH_BYTES,
    snapshotCompression: options.snapshotCompression ?? 'none',
    writer: options.writer ?? (files === nodeFiles ? 'worker' : 'main'),
    files,
    nonce: options.nonce,
  };
  checkSettings(settings);
  return new WalStorageEngine(resolve(directory), settings, startThread);
}

/** What an engine has while it is open. */
interface Opened {
  readonly context: StorageContext;
  readonly folder: DataFolder;
  readonly health: Health;
  readonly wal: Wal;
  readonly groups: Map<GroupId, WalGroup>;
  identity: StoredIdentity | null;
}

class WalStorageEngine implements StorageEngine {
  readonly #path: string;
  readonly #settings: Settings;
  readonly #startThread: StartThread | undefined;
  #opened: Opened | null = null;
  #opening: Promise<Opened> | null = null;
  #closing: Promise<void> | null = null;

  constructor(path: string, settings: Settings, startThread: StartThread | undefined) {
    this.#path = path;
    this.#settings = settings;
    this.#startThread = startThread;
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
    const { files, segmentBytes, maxBatchBytes, nonce } = this.#settings;
    const folder = await DataFolder.open({
      files,
      logger: context.logger,
      path: this.#path,
      engine: ENGINE,
      version: VERSION,
      dataNames: DATA_NAMES,
    });
    const { identity } = folder;
    const health = new Health();
    const writer = await this.#writer(context);
    try {
      // The log is made before there is an identity: beside one, it is there or it was lost.
      const wal = await health.attempt(this.#path, () =>
        Wal.open({
          ...{ files, context, health, path: this.#path, writer },
          ...{ segmentBytes, maxBatchBytes, nonce, isUsed: identity !== null || folder.hasGroups },
        }),
      );
      if (identity === null && wal.groups.ids.length > 0) {
        await wal.close();
        throw corrupt(join(this.#path, 'identity.1'), 'missing beside data');
      }
      return { context, folder, health, wal, groups: new Map(), identity };
    } catch (error) {
      await Promise.allSettled([writer.close()]); // Why nothing is open matters more.
      await folder.release();
      throw error;
    }
  }

  async #writer({ logger }: StorageContext): Promise<SegmentWriter> {
    const { files, writer } = this.#settings;
    if (writer === 'main') return new FileSegmentWriter(files);
    try {
      return await ThreadSegmentWriter.start(this.#startThread);
    } catch (error) {
      const fields = { event: 'storage.writerThreadFailed', error: reasonOf(error) };
      logger.warn(fields, 'the log is not written by a thread of its own, which cannot be started');
      return new FileSegmentWriter(files);
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
    const { health, folder, wal } = this.#use();
    // A group that has only a snapshot is not in the log yet.
    const named = await health.attempt(this.#path, () => folder.groups());
    return [...new Set([...wal.groups.ids, ...named])].sort();
  }

  group(id: GroupId): GroupStorage {
    const { context, folder, health, wal, groups, identity } = this.#use();
    assert(isName(id), 'a group id is a valid name');
    assert(identity !== null, 'storage is initialised before a group is used');
    let group = groups.get(id);
    if (group === undefined) {
      const { files, snapshotCompression: compression } = this.#settings;
      group = new WalGroup({
        ...{ files, logger: context.logger, random: context.random },
        ...{ health, group: id, compression },
        ...{ folder: folder.groupPath(id), logPath: wal.path },
        ...{ groups: wal.groups, stream: wal.stream },
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
    const { context, folder, health, wal, groups } = opened;
    await health.idle();
    // What fails in one part is no reason to leave the others as they are.
    const endings = await Promise.allSettled([...groups.values()].map((group) => group.close()));
    endings.push(...(await Promise.allSettled([wal.close()])));
    for (const ending of endings) {
      if (ending.status === 'fulfilled') continue;
      const fields = { event: 'storage.closeFailed', error: String(ending.reason) };
      context.logger.error(fields, 'the storage was not closed in full');
    }
    health.close();
    this.#opened = null;
    await folder.release();
  }

  #use(): Opened {
    if (this.#opened === null) {
      throw new QuorateError('ERR_CLOSED', { message: 'the storage is not open' });
    }
    return this.#opened;
  }
}

/** With the cause, which names the file that is missing. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? String(error) : String(cause);
}

function checkSettings({
  segmentBytes,
  maxBatchBytes,
  snapshotCompression,
  writer,
  files,
}: Settings): void {
  if (files === nodeFiles) checkPlatform(process.platform);
  checkCompression(snapshotCompression);
  const isSize = Number.isSafeInteger(segmentBytes) && segmentBytes % BLOCK_BYTES === 0;
  if (!isSize || segmentBytes < MIN_SEGMENT_BYTES) {
    const message = `segmentBytes must be a multiple of ${BLOCK_BYTES} from ${MIN_SEGMENT_BYTES} on`;
    throw new QuorateError('ERR_CONFIG', { message: `${message}, not ${segmentBytes}` });
  }
  if (!Number.isSafeInteger(maxBatchBytes) || maxBatchBytes < 1) {
    throw new QuorateError('ERR_CONFIG', {
      message: `maxBatchBytes must be at least 1, not ${maxBatchBytes}`,
    });
  }
  if (writer !== 'worker' && writer !== 'main') {
    const message = `writer must be 'worker' or 'main', not ${String(writer)}`;
    throw new QuorateError('ERR_CONFIG', { message });
  }
  if (writer === 'worker' && files !== nodeFiles) {
    const message = "with files of your own, writer must be 'main'";
    throw new QuorateError('ERR_CONFIG', { message });
  }
}

/** Refuses a system on which nobody has shown that a write is durable when the call says so. */
export function checkPlatform(platform: string): void {
  if (platform !== 'win32') return;
  const message =
    'walStorage does not run on Windows; use levelStorage, or memoryStorage for tests';
  throw new QuorateError('ERR_CONFIG', { message });
}
