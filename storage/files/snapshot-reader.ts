import { concatBytes } from '../../lib/base/index.js';
import type {
  FileLayer,
  OpenFile,
  SnapshotDescription,
  SnapshotReader,
} from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';
import { corrupt, storageFailed } from './damage.js';
import {
  CHUNK_BYTES,
  decodeChunk,
  decodeFooter,
  decodeHeader,
  FOOTER_BYTES,
  MAX_HEADER_BYTES,
  STORED_CHUNK_BYTES,
  storedChunksBytes,
} from './snapshot-format.js';

export interface SnapshotPlace {
  readonly files: FileLayer;
  readonly path: string;
  readonly group: string;
  readonly id: string;
}

/** A committed snapshot file. Every byte that it hands out was checked. */
export class SnapshotFileReader implements SnapshotReader {
  readonly description: SnapshotDescription;
  readonly #file: OpenFile;
  readonly #path: string;
  readonly #contentOffset: number;
  readonly #contentCrc: number;
  #isOpen = true;

  private constructor(
    place: SnapshotPlace,
    file: OpenFile,
    found: {
      readonly description: SnapshotDescription;
      readonly contentOffset: number;
      readonly contentCrc: number;
    },
  ) {
    this.#path = place.path;
    this.#file = file;
    this.description = found.description;
    this.#contentOffset = found.contentOffset;
    this.#contentCrc = found.contentCrc;
  }

  /** Checks header, footer and length; the content is checked as it is read. */
  static async open(place: SnapshotPlace): Promise<SnapshotFileReader> {
    const file = await openExisting(place);
    try {
      return new SnapshotFileReader(place, file, await describe(place, file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(offset: number, maxBytes: number): Promise<Uint8Array> {
    const end = Math.min(offset + maxBytes, this.description.sizeBytes);
    const parts: Uint8Array[] = [];
    for (let at = offset; at < end; ) {
      const number = Math.floor(at / CHUNK_BYTES);
      const content = await this.#chunk(number);
      const start = number * CHUNK_BYTES;
      parts.push(content.subarray(at - start, end - start));
      at = start + content.length;
    }
    return concatBytes(parts);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
  }

  /** Reads all of it; ERR_CORRUPT unless it is what was committed. */
  async verify(): Promise<void> {
    let crc = 0;
    for (let offset = 0; offset < this.description.sizeBytes; offset += CHUNK_BYTES) {
      crc = checksum(await this.#chunk(offset / CHUNK_BYTES), crc);
    }
    if (crc !== this.#contentCrc) throw corrupt(this.#path, 'the snapshot is not what was written');
  }

  async #chunk(number: number): Promise<Uint8Array> {
    const length = Math.min(CHUNK_BYTES, this.description.sizeBytes - number * CHUNK_BYTES);
    const offset = this.#contentOffset + number * STORED_CHUNK_BYTES;
    const stored = await this.#stored(offset, STORED_CHUNK_BYTES - CHUNK_BYTES + length);
    const content = decodeChunk(number, stored);
    if (content === null || content.length !== length) {
      throw corrupt(this.#path, `chunk ${number} of the snapshot is damaged`);
    }
    return content;
  }

  async #stored(offset: number, length: number): Promise<Uint8Array> {
    try {
      return await this.#file.read(offset, length);
    } catch (error) {
      throw storageFailed(this.#path, error);
    }
  }
}

/** How the id of a snapshot begins, so that names sort as indexes and terms do. */
export function snapshotIdStart({
  index,
  term,
}: {
  readonly index: number;
  readonly term: number;
}): string {
  return `${String(index).padStart(16, '0')}-${String(term).padStart(16, '0')}-`;
}

async function openExisting({ files, path }: SnapshotPlace): Promise<OpenFile> {
  try {
    return await files.open(path, { create: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw corrupt(path, 'the snapshot is not there', error);
    }
    throw storageFailed(path, error);
  }
}

async function describe(
  place: SnapshotPlace,
  file: OpenFile,
): Promise<{ description: SnapshotDescription; contentOffset: number; contentCrc: number }> {
  const fileBytes = await file.sizeBytes();
  const header = decodeHeader(await file.read(0, Math.min(fileBytes, MAX_HEADER_BYTES)));
  if (header === null) throw corrupt(place.path, 'the header of the snapshot is damaged');
  if (header.group !== place.group) {
    throw corrupt(place.path, `the snapshot belongs to group ${header.group}`);
  }
  if (!place.id.startsWith(snapshotIdStart(header.draft))) {
    throw corrupt(place.path, 'the snapshot has the name of another');
  }
  const end = await file.read(Math.max(0, fileBytes - FOOTER_BYTES), FOOTER_BYTES);
  const footer = decodeFooter(end, header.headerCrc);
  if (footer === null) throw corrupt(place.path, 'the end of the snapshot is damaged');
  const expectedBytes = header.headerBytes + storedChunksBytes(footer.sizeBytes) + FOOTER_BYTES;
  if (fileBytes !== expectedBytes) {
    throw corrupt(place.path, `the snapshot has ${fileBytes} bytes and not ${expectedBytes}`);
  }
  return {
    description: { ...header.draft, id: place.id, sizeBytes: footer.sizeBytes },
    contentOffset: header.headerBytes,
    contentCrc: footer.contentCrc,
  };
}
