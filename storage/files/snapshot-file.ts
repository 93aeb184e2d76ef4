import { createHash, randomBytes } from 'node:crypto';
import { basename, dirname, resolve } from 'node:path';
import { type GroupId, QuorateError } from '../../lib/base/index.js';
import type {
  FileLayer,
  OpenFile,
  SavedSnapshot,
  SnapshotDescription,
  SnapshotDraft,
  SnapshotSink,
  SnapshotWriter,
} from '../../lib/interfaces/index.js';
import { checkCompression, type SnapshotCompression } from './compression.js';
import { storageFailed } from './damage.js';
import { nodeFiles } from './node-files.js';
import { readHeader, SnapshotFileReader, snapshotIdStart } from './snapshot-reader.js';
import { SnapshotFileWriter } from './snapshot-writer.js';

/** How a snapshot is saved in a file. */
export interface SnapshotFileOptions {
  /** Whether a file that is there may be replaced, in one step, by one that is complete. Default false. */
  readonly overwrite?: boolean | undefined;
  /** Default `'gzip'`: a file that is kept, and carried elsewhere. */
  readonly compression?: SnapshotCompression | undefined;
  /** For tests. Default: the files of the machine. */
  readonly files?: FileLayer | undefined;
}

/** One snapshot in one file, in the layout that snapshots have in a data directory. */
export interface SnapshotFile extends SnapshotSink {
  /**
   * Reads the file from end to end. ERR_CORRUPT where anything of it is damaged or missing, ERR_CONFIG
   * where there is no such file.
   */
  open(): Promise<SavedSnapshot>;
}

/**
 * A snapshot at `path`, to be saved or read. While it is saved it has another name beside its own,
 * which begins with its own and ends in `.part.tmp` or `.part`; a process that is killed leaves that.
 */
export function snapshotFile(path: string, options: SnapshotFileOptions = {}): SnapshotFile {
  if (typeof path !== 'string' || path === '') {
    throw new QuorateError('ERR_CONFIG', { message: 'snapshotFile needs the path of a file' });
  }
  const { files = nodeFiles, overwrite = false, compression = 'gzip' } = options;
  const place = { files, path: resolve(path), overwrite };
  return {
    create: async (group, draft) => {
      await checkFree(place);
      return await SavingFile.create(place, { group, draft, compression });
    },
    open: () => openSaved(place),
  };
}

interface Place {
  readonly files: FileLayer;
  /** Absolute. */
  readonly path: string;
  readonly overwrite: boolean;
}

/** A snapshot under another name, which takes its own once it is complete and durable. */
class SavingFile implements SnapshotWriter {
  readonly #place: Place;
  readonly #partPath: string;
  readonly #writer: SnapshotFileWriter;
  #isNamed = false;

  private constructor(place: Place, partPath: string, writer: SnapshotFileWriter) {
    this.#place = place;
    this.#partPath = partPath;
    this.#writer = writer;
  }

  static async create(
    place: Place,
    given: {
      readonly group: GroupId;
      readonly draft: SnapshotDraft;
      readonly compression: SnapshotCompression;
    },
  ): Promise<SavingFile> {
    const { group, draft, compression } = given;
    // Two that save to one path at once are kept apart; the later one finds it taken.
    const partPath = `${place.path}.${randomBytes(8).toString('hex')}.part`;
    const id = `${snapshotIdStart(draft)}saved`;
    const writer = await SnapshotFileWriter.create(
      { files: place.files, path: partPath, group, id },
      draft,
      {
        compression: checkCompression(compression),
        attempt: (call) => call(),
        onEnd: () => {},
        onDurable: async () => {},
      },
    );
    return new SavingFile(place, partPath, writer);
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#writer.write(chunk);
  }

  async commit(): Promise<SnapshotDescription> {
    const description = await this.#writer.commit();
    const { files, path } = this.#place;
    await checkFree(this.#place);
    await usable(path, async () => {
      await files.rename(this.#partPath, path);
      this.#isNamed = true;
      await files.syncFolder(dirname(path));
    });
    return description;
  }

  async abort(): Promise<void> {
    await this.#writer.abort();
    if (this.#isNamed) return;
    const { files } = this.#place;
    await usable(this.#partPath, () => files.remove(this.#partPath));
  }
}

async function checkFree({ files, path, overwrite }: Place): Promise<void> {
  const names = await usable(path, () => files.list(dirname(path)));
  if (overwrite || !names.includes(basename(path))) return;
  throw new QuorateError('ERR_CONFIG', { message: `${path} exists already` });
}

async function openSaved({ files, path }: Place): Promise<SavedSnapshot> {
  const { group, id, digest } = await examine(files, path);
  const reader = await SnapshotFileReader.open({ files, path, group, id });
  try {
    await reader.verify();
  } catch (error) {
    await reader.close();
    throw error;
  }
  return {
    group,
    digest,
    description: reader.description,
    read: (offset, maxBytes) => reader.read(offset, maxBytes),
    close: () => reader.close(),
  };
}

/** What must be known before it can be read, and the digest of all of it. */
async function examine(
  files: FileLayer,
  path: string,
): Promise<{ readonly group: GroupId; readonly id: string; readonly digest: string }> {
  const file = await openExisting(files, path);
  try {
    const { group, draft } = await readHeader(path, file);
    return { group, id: `${snapshotIdStart(draft)}saved`, digest: await digestOf(path, file) };
  } finally {
    await file.close();
  }
}

const READ_BYTES = 1024 * 1024;

/** SHA-256 of the whole file, as `sha256sum` prints it. */
async function digestOf(path: string, file: OpenFile): Promise<string> {
  const hash = createHash('sha256');
  for (let offset = 0; ; ) {
    const bytes = await usable(path, () => file.read(offset, READ_BYTES));
    if (bytes.length === 0) return hash.digest('hex');
    hash.update(bytes);
    offset += bytes.length;
  }
}

async function openExisting(files: FileLayer, path: string): Promise<OpenFile> {
  try {
    return await files.open(path, { create: false });
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') {
      throw new QuorateError('ERR_CONFIG', { message: `there is no file ${path}`, cause });
    }
    throw storageFailed(path, cause);
  }
}

async function usable<T>(path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw storageFailed(path, error);
  }
}
