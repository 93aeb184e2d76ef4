import { dirname, join } from 'node:path';
import { QuorateError, toHex } from '../../lib/base/index.js';
import type {
  FileLayer,
  Logger,
  Random,
  SnapshotDescription,
  SnapshotDraft,
  SnapshotReader,
  SnapshotStorage,
  SnapshotWriter,
} from '../../lib/interfaces/index.js';
import { bytesOfChance } from './chance.js';
import { checkCompression, type SnapshotCompression } from './compression.js';
import { corrupt } from './damage.js';
import { closed, type Health } from './health.js';
import { SnapshotFileReader, type SnapshotPlace, snapshotIdStart } from './snapshot-reader.js';
import { SnapshotFileWriter } from './snapshot-writer.js';

const SUFFIX = '.snap';
const ID = /^\d{16}-\d{16}-[0-9a-f]{16}$/;

export interface SnapshotFilesOptions {
  readonly files: FileLayer;
  readonly logger: Logger;
  readonly health: Health;
  /** Absolute, in the group's folder, in that of all groups. Created with the first snapshot. */
  readonly folder: string;
  readonly group: string;
  /** Of snapshots to come. Default 'none'. */
  readonly compression?: SnapshotCompression | undefined;
  /** Names snapshots. Default: the machine's. */
  readonly random?: Random | undefined;
}

/** A group's snapshots, one file each, in a folder of their own. */
export class SnapshotFiles implements SnapshotStorage {
  readonly #options: SnapshotFilesOptions;
  /** Read from end to end since this process began, or written by it. */
  readonly #verified = new Set<string>();
  readonly #writers = new Set<SnapshotFileWriter>();
  /** Under way, or failed at the end: where there is a file, nobody knows whether it would last. */
  readonly #doubtful = new Set<string>();
  /** Found and passed over. The files stay until a snapshot that reaches as far is durable. */
  readonly #damaged = new Set<string>();
  /** Whether the names that an earlier process left are known to last. */
  #isFolderSynced = false;
  /** Whether the folder and those that it is in are known to last. */
  #isFolderMade = false;
  #isClosed = false;

  constructor(options: SnapshotFilesOptions) {
    this.#options = options;
  }

  create(draft: SnapshotDraft): Promise<SnapshotWriter> {
    const id = snapshotIdStart(draft) + toHex(bytesOfChance(this.#options.random, 8));
    return this.#attempt(async () => {
      const place = this.#place(id);
      await this.#makeFolder();
      const writer = await SnapshotFileWriter.create(place, draft, {
        compression: checkCompression(this.#options.compression ?? 'none'),
        attempt: (call) => this.#attempt(call),
        onEnd: (ended, ending) => {
          this.#writers.delete(ended);
          if (ending !== 'doubtful') this.#doubtful.delete(id);
          if (ending === 'committed') this.#verified.add(id);
        },
        onDurable: (snapshot) => this.#removeDamaged(snapshot),
      });
      this.#writers.add(writer);
      this.#doubtful.add(id);
      return writer;
    });
  }

  list(): Promise<readonly SnapshotDescription[]> {
    return this.#attempt(async () => {
      const found: SnapshotDescription[] = [];
      for (const name of await this.#durableNames()) {
        const id = name.slice(0, -SUFFIX.length);
        if (!name.endsWith(SUFFIX) || !ID.test(id) || this.#doubtful.has(id)) continue;
        const description = await this.#described(id);
        if (description !== null) found.push(description);
      }
      // The names sort by index, and the newest of one index has the largest term.
      return found.reverse();
    });
  }

  open(id: string): Promise<SnapshotReader> {
    return this.#attempt(async () => {
      if (!ID.test(id) || this.#doubtful.has(id)) {
        throw corrupt(this.#options.folder, `there is no snapshot ${JSON.stringify(id)}`);
      }
      return SnapshotFileReader.open(this.#place(id));
    });
  }

  remove(id: string): Promise<void> {
    return this.#attempt(async () => {
      if (!ID.test(id)) return;
      const { files, folder } = this.#options;
      this.#verified.delete(id);
      this.#damaged.delete(id);
      if (!(await files.list(folder)).includes(id + SUFFIX)) return;
      await files.remove(this.#place(id).path);
      await files.syncFolder(folder);
    });
  }

  /** Waits for calls under way and aborts what is still being written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#options.health.idle();
    const endings = await Promise.allSettled([...this.#writers].map((writer) => writer.abort()));
    for (const ending of endings) if (ending.status === 'rejected') throw ending.reason;
  }

  /**
   * A process can end between making a folder and syncing the one that it is in. Its successor finds it, and
   * must not store in it what a power cut takes away with it.
   */
  async #makeFolder(): Promise<void> {
    if (this.#isFolderMade) return;
    const { files, folder } = this.#options;
    await files.makeFolder(folder);
    const group = dirname(folder);
    const groups = dirname(group);
    for (const parent of [group, groups, dirname(groups)]) await files.syncFolder(parent);
    this.#isFolderMade = true;
  }

  /**
   * A process can end between giving a snapshot its name and syncing the folder. Its successor finds
   * the name, and must not let a log be compacted for it before it lasts.
   */
  async #durableNames(): Promise<readonly string[]> {
    const { files, folder } = this.#options;
    const names = await files.list(folder);
    if (!this.#isFolderSynced && names.length > 0) await files.syncFolder(folder);
    this.#isFolderSynced = true;
    return names;
  }

  /**
   * A snapshot that cannot be read may still be of use to whoever repairs a node that has nothing else;
   * a durable one that reaches as far ends that. What cannot be removed is tried with the next one.
   */
  async #removeDamaged({ index }: SnapshotDescription): Promise<void> {
    const { files, folder, logger } = this.#options;
    for (const id of this.#damaged) {
      if (id > snapshotIdStart({ index: index + 1, term: 0 })) continue;
      try {
        await files.remove(this.#place(id).path);
        await files.syncFolder(folder);
        this.#damaged.delete(id);
        logger.info({ event: 'storage.snapshotRemoved', id }, 'a damaged snapshot is removed');
      } catch (error) {
        const fields = { event: 'storage.snapshotNotRemoved', id, error: String(error) };
        logger.error(fields, 'a damaged snapshot could not be removed');
      }
    }
  }

  /** Null, and a line in the log, when the snapshot is damaged. */
  async #described(id: string): Promise<SnapshotDescription | null> {
    const { logger } = this.#options;
    try {
      const reader = await SnapshotFileReader.open(this.#place(id));
      try {
        if (!this.#verified.has(id)) await reader.verify();
        this.#verified.add(id);
        return reader.description;
      } finally {
        await reader.close();
      }
    } catch (error) {
      if (!QuorateError.is(error) || error.code !== 'ERR_CORRUPT') throw error;
      if (!this.#damaged.has(id)) {
        const fields = { event: 'storage.snapshotDamaged', id, error: error.message };
        logger.error(fields, 'a snapshot is passed over');
      }
      this.#damaged.add(id);
      return null;
    }
  }

  #place(id: string): SnapshotPlace {
    const { files, folder, group } = this.#options;
    return { files, path: join(folder, id + SUFFIX), group, id };
  }

  async #attempt<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed();
    return this.#options.health.attempt(this.#options.folder, call);
  }
}
