import { at, concatBytes, EMPTY_BYTES, QuorateError } from '../../lib/base/index.js';
import type {
  FileLayer,
  OpenFile,
  SnapshotDescription,
  SnapshotReader,
} from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';
import { type Compression, compressionNamed } from './compression.js';
import { corrupt, storageFailed } from './damage.js';
import {
  CHUNK_BYTES,
  CRC_BYTES,
  decodeChunk,
  decodeFooter,
  decodeHeader,
  decodeTable,
  FIXED_HEADER_BYTES,
  FOOTER_BYTES,
  headerLength,
  type SnapshotFooter,
  type SnapshotHeader,
  tableBytes,
} from './snapshot-format.js';

export interface SnapshotPlace {
  readonly files: FileLayer;
  readonly path: string;
  readonly group: string;
  readonly id: string;
}

/** What a file says of itself before its content. */
interface Found {
  readonly description: SnapshotDescription;
  readonly compression: Compression;
  readonly contentCrc: number;
  readonly headerCrc: number;
  /** Where each stored chunk begins, and where the last one ends. */
  readonly offsets: readonly number[];
}

/** Chunks read in one go where all are read: about a millisecond of checksums. */
const VERIFIED_CHUNKS = 16;

/** A committed snapshot file. Every byte that it hands out was checked. */
export class SnapshotFileReader implements SnapshotReader {
  readonly description: SnapshotDescription;
  readonly #file: OpenFile;
  readonly #path: string;
  readonly #found: Found;
  #isOpen = true;

  private constructor(place: SnapshotPlace, file: OpenFile, found: Found) {
    this.#path = place.path;
    this.#file = file;
    this.#found = found;
    this.description = found.description;
  }

  /** Checks header, table, footer and length; the content is checked as it is read. */
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
    if (offset >= end) return EMPTY_BYTES;
    const first = Math.floor(offset / CHUNK_BYTES);
    const contents = await this.#chunks(first, Math.ceil(end / CHUNK_BYTES));
    const start = first * CHUNK_BYTES;
    return concatBytes(contents).subarray(offset - start, end - start);
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#file.close();
  }

  /** Reads all of it; ERR_CORRUPT unless it is what was committed. */
  async verify(): Promise<void> {
    let crc = 0;
    const count = this.#found.offsets.length - 1;
    for (let first = 0; first < count; first += VERIFIED_CHUNKS) {
      const contents = await this.#chunks(first, Math.min(first + VERIFIED_CHUNKS, count));
      for (const content of contents) crc = checksum(content, crc);
    }
    if (crc !== this.#found.contentCrc)
      throw corrupt(this.#path, 'the snapshot is not what was written');
  }

  /** The content of the chunks in [first, end), by one read of the file. */
  async #chunks(first: number, end: number): Promise<readonly Uint8Array[]> {
    const { compression, offsets, headerCrc } = this.#found;
    const from = at(offsets, first);
    const region = await this.#stored(from, at(offsets, end) - from);
    const contents: Uint8Array[] = [];
    for (let number = first; number < end; number += 1) {
      const length = Math.min(CHUNK_BYTES, this.description.sizeBytes - number * CHUNK_BYTES);
      const packed = region.subarray(at(offsets, number) - from, at(offsets, number + 1) - from);
      const stored = decodeChunk({ headerCrc, number }, packed);
      const content = stored === null ? null : await compression.unpack(stored, length);
      if (content === null) throw corrupt(this.#path, `chunk ${number} of the snapshot is damaged`);
      contents.push(content);
    }
    return contents;
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

async function describe(place: SnapshotPlace, file: OpenFile): Promise<Found> {
  const { path, group, id } = place;
  const header = await readHeader(path, file);
  if (header.group !== group) throw corrupt(path, `the snapshot belongs to group ${header.group}`);
  if (!id.startsWith(snapshotIdStart(header.draft))) {
    throw corrupt(path, 'the snapshot has the name of another');
  }
  const compression = compressionNamed(header.algorithm);
  if (compression === null) throw unknownAlgorithm(path, header.algorithm);
  const fileBytes = await file.sizeBytes();
  const end = await file.read(Math.max(0, fileBytes - FOOTER_BYTES), FOOTER_BYTES);
  const footer = decodeFooter(end, header.headerCrc);
  if (footer === null) throw corrupt(path, 'the end of the snapshot is damaged');
  const { sizeBytes, contentCrc } = footer;
  const offsets = await readTable(path, file, header, footer, fileBytes);
  const { headerCrc } = header;
  const description = { ...header.draft, id, sizeBytes };
  return { description, compression, contentCrc, headerCrc, offsets };
}

/** The header that a snapshot file begins with; ERR_CORRUPT where it is none. */
export async function readHeader(path: string, file: OpenFile): Promise<SnapshotHeader> {
  const length = headerLength(await file.read(0, FIXED_HEADER_BYTES));
  const header = length === null ? null : decodeHeader(await file.read(0, length));
  if (header === null) throw corrupt(path, 'the header of the snapshot is damaged');
  return header;
}

async function readTable(
  path: string,
  file: OpenFile,
  { headerBytes }: SnapshotHeader,
  { sizeBytes, tableCrc }: SnapshotFooter,
  fileBytes: number,
): Promise<readonly number[]> {
  const tableAt = fileBytes - FOOTER_BYTES - tableBytes(sizeBytes);
  if (tableAt < headerBytes) throw corrupt(path, 'the snapshot is cut short');
  const lengths = decodeTable(await file.read(tableAt, tableBytes(sizeBytes)), tableCrc);
  if (lengths === null) throw corrupt(path, 'the table of the snapshot is damaged');
  const offsets = [headerBytes];
  let chunksEnd = headerBytes;
  for (const length of lengths) {
    chunksEnd += CRC_BYTES + length;
    offsets.push(chunksEnd);
  }
  if (chunksEnd !== tableAt) {
    throw corrupt(path, `the chunks of the snapshot end at ${tableAt} and not at ${chunksEnd}`);
  }
  return offsets;
}

/** Not damage: the file was written by a version that knows more, and stays as it is. */
function unknownAlgorithm(path: string, algorithm: string): QuorateError {
  const message =
    `${path}: the snapshot is compressed with ${JSON.stringify(algorithm)}, which this version ` +
    'does not know; start the version that wrote it';
  return new QuorateError('ERR_CONFIG', { message });
}
