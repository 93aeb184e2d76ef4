import { dirname } from 'node:path';
import { assert, concatBytes, copyBytes } from '../../lib/base/index.js';
import type {
  OpenFile,
  SnapshotDescription,
  SnapshotDraft,
  SnapshotWriter,
} from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';
import type { Compression } from './compression.js';
import { storageFailed } from './damage.js';
import { CHUNK_BYTES, encodeChunk, encodeEnd, encodeHeader } from './snapshot-format.js';
import type { SnapshotPlace } from './snapshot-reader.js';
import { TEMPORARY_SUFFIX } from './whole-file.js';

/** `doubtful`: the commit failed after the file may have got its name. */
type Ending = 'committed' | 'aborted' | 'doubtful';

/** What a writer has of the storage that it belongs to. */
interface Surroundings {
  readonly compression: Compression;
  /** Makes a call, which a close of the storage waits for; ERR_CLOSED after one. */
  readonly attempt: <T>(call: () => Promise<T>) => Promise<T>;
  /** Told once. */
  readonly onEnd: (writer: SnapshotFileWriter, ending: Ending) => void;
  /** After a commit, which it is a part of: a call that the storage waits for. Never rejects. */
  readonly onDurable: (snapshot: SnapshotDescription) => Promise<void>;
}

/**
 * A snapshot on its way to disk. It has a temporary name until it is complete and synced, so that a
 * crash leaves either the snapshot or nothing. A failure, a full disk say, only aborts it.
 */
export class SnapshotFileWriter implements SnapshotWriter {
  readonly #place: SnapshotPlace;
  readonly #draft: SnapshotDraft;
  readonly #file: OpenFile;
  readonly #headerCrc: number;
  readonly #storage: Surroundings;
  #offset: number;
  /** Content that does not fill a chunk yet. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Stored bytes of each chunk so far. */
  readonly #lengths: number[] = [];
  #sizeBytes = 0;
  #contentCrc = 0;
  #isOver = false;

  private constructor(
    place: SnapshotPlace,
    draft: SnapshotDraft,
    file: OpenFile,
    started: { readonly offset: number; readonly headerCrc: number },
    storage: Surroundings,
  ) {
    this.#place = place;
    this.#draft = draft;
    this.#file = file;
    this.#offset = started.offset;
    this.#headerCrc = started.headerCrc;
    this.#storage = storage;
  }

  static async create(
    place: SnapshotPlace,
    given: SnapshotDraft,
    storage: Surroundings,
  ): Promise<SnapshotFileWriter> {
    const draft = { ...given, configuration: copyBytes(given.configuration) };
    const { bytes, headerBytes, headerCrc } = encodeHeader(
      place.group,
      storage.compression.name,
      draft,
    );
    const path = place.path + TEMPORARY_SUFFIX;
    try {
      await place.files.makeFolder(dirname(path));
      const file = await place.files.open(path, { create: true });
      const started = { offset: headerBytes, headerCrc };
      const writer = new SnapshotFileWriter(place, draft, file, started, storage);
      await writer.#orAbort(() => file.write(0, bytes));
      return writer;
    } catch (error) {
      throw storageFailed(path, error);
    }
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#storage.attempt(() => this.#append(chunk));
  }

  commit(): Promise<SnapshotDescription> {
    return this.#storage.attempt(() => this.#finish());
  }

  async abort(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#storage.onEnd(this, 'aborted');
    const path = this.#place.path + TEMPORARY_SUFFIX;
    try {
      await this.#file.close();
      await this.#place.files.remove(path);
    } catch (error) {
      throw storageFailed(path, error);
    }
  }

  async #append(chunk: Uint8Array): Promise<void> {
    assert(!this.#isOver, 'a snapshot is written before it is committed or aborted');
    await this.#orAbort(async () => {
      let content = concatBytes([this.#rest, chunk]);
      while (content.length >= CHUNK_BYTES) {
        await this.#writeChunk(content.subarray(0, CHUNK_BYTES));
        content = content.subarray(CHUNK_BYTES);
      }
      this.#rest = copyBytes(content);
    });
  }

  async #finish(): Promise<SnapshotDescription> {
    assert(!this.#isOver, 'a snapshot is committed once');
    const { files, path, id } = this.#place;
    await this.#orAbort(async () => {
      if (this.#rest.length > 0) await this.#writeChunk(this.#rest);
      const footer = { sizeBytes: this.#sizeBytes, contentCrc: this.#contentCrc };
      await this.#file.write(this.#offset, encodeEnd(this.#lengths, footer, this.#headerCrc));
      await this.#file.sync();
    });
    this.#isOver = true;
    try {
      await this.#file.close();
      await files.rename(path + TEMPORARY_SUFFIX, path);
      await files.syncFolder(dirname(path));
    } catch (error) {
      this.#storage.onEnd(this, 'doubtful');
      throw storageFailed(path, error);
    }
    this.#storage.onEnd(this, 'committed');
    const configuration = copyBytes(this.#draft.configuration);
    const snapshot = { ...this.#draft, configuration, id, sizeBytes: this.#sizeBytes };
    await this.#storage.onDurable(snapshot);
    return snapshot;
  }

  async #writeChunk(content: Uint8Array): Promise<void> {
    const packed = await this.#storage.compression.pack(content);
    const place = { headerCrc: this.#headerCrc, number: this.#lengths.length };
    const chunk = encodeChunk(place, packed);
    await this.#file.write(this.#offset, chunk);
    this.#offset += chunk.length;
    this.#lengths.push(packed.length);
    this.#sizeBytes += content.length;
    this.#contentCrc = checksum(content, this.#contentCrc);
  }

  async #orAbort(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      const failure = storageFailed(this.#place.path + TEMPORARY_SUFFIX, error);
      // What remains is removed at the next start if it cannot be removed now.
      await this.abort().catch(() => {});
      throw failure;
    }
  }
}
