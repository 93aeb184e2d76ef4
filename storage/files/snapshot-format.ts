import {
  ByteReader,
  ByteWriter,
  concatBytes,
  encodeUtf8,
  equalBytes,
  QuorateError,
} from '../../lib/base/index.js';
import type { SnapshotDraft } from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';

/*
 * Layout 3 of a snapshot file, integers little-endian:
 *
 *   header: "QRTS" · u8 layout (3) · u8 group length · u8 algorithm length · u8 0 ·
 *           u32 configuration length · u64 index · u64 term · u64 log time ·
 *           group, algorithm, configuration · u32 CRC-32 of all before
 *   chunks: u32 CRC-32 · what is stored for 65,536 bytes of content; for less in the last one
 *   table:  u32 stored length of each chunk, without its CRC
 *   footer: "QRTE" · u64 content length · u32 CRC-32 of the content · u32 CRC-32 of the table ·
 *           u32 CRC-32 of header CRC and footer
 *
 * The CRC of a chunk is of its stored bytes, and begins with the CRC of the header and the chunk's number: so
 * two chunks cannot change places, and what is left on the disk of an older snapshot is none of this one. A chunk that is stored in as many bytes as it holds is stored as it is.
 */
const HEADER_MAGIC = encodeUtf8('QRTS');
const FOOTER_MAGIC = encodeUtf8('QRTE');
const LAYOUT = 3;
const LENGTH_BYTES = 4;

/** Every chunk is stored behind a CRC of so many bytes. */
export const CRC_BYTES = 4;
/** Content of one chunk; the last may hold less. */
export const CHUNK_BYTES: number = 64 * 1024;
export const FOOTER_BYTES = 24;
/** What a header begins with, and how long it is can be told from. */
export const FIXED_HEADER_BYTES = 36;
/** A configuration names tens of members; a longer one is ERR_TOO_LARGE when a snapshot is begun. */
export const MAX_CONFIGURATION_BYTES: number = 1024 * 1024;

export interface SnapshotHeader {
  readonly group: string;
  /** Names the compression of the chunks. */
  readonly algorithm: string;
  readonly draft: SnapshotDraft;
  /** Where the first chunk begins. */
  readonly headerBytes: number;
  readonly headerCrc: number;
}

export interface SnapshotFooter {
  readonly sizeBytes: number;
  readonly contentCrc: number;
  readonly tableCrc: number;
}

export function encodeHeader(
  group: string,
  algorithm: string,
  draft: SnapshotDraft,
): SnapshotHeader & { readonly bytes: Uint8Array } {
  const name = encodeUtf8(group);
  const method = encodeUtf8(algorithm);
  const { index, term, logTimeMs, configuration } = draft;
  if (configuration.length > MAX_CONFIGURATION_BYTES) {
    throw new QuorateError('ERR_TOO_LARGE', {
      message: `a configuration of ${configuration.length} bytes, in a snapshot that takes ${MAX_CONFIGURATION_BYTES}`,
    });
  }
  const headerBytes =
    FIXED_HEADER_BYTES + name.length + method.length + configuration.length + CRC_BYTES;
  const bytes = new ByteWriter(headerBytes)
    .bytes(HEADER_MAGIC)
    .u8(LAYOUT)
    .u8(name.length)
    .u8(method.length)
    .u8(0)
    .u32(configuration.length)
    .u64(index)
    .u64(term)
    .u64(logTimeMs)
    .bytes(name)
    .bytes(method)
    .bytes(configuration)
    .u32(0)
    .finish();
  const headerCrc = checksum(bytes.subarray(0, headerBytes - CRC_BYTES));
  viewOf(bytes).setUint32(headerBytes - CRC_BYTES, headerCrc, true);
  return { group, algorithm, draft, headerBytes, headerCrc, bytes };
}

/** How long the header is that begins with these bytes; null when they begin none. */
export function headerLength(start: Uint8Array): number | null {
  if (start.length < FIXED_HEADER_BYTES) return null;
  const reader = new ByteReader(start);
  if (!equalBytes(reader.bytes(HEADER_MAGIC.length), HEADER_MAGIC)) return null;
  if (reader.u8() !== LAYOUT) return null;
  const namesBytes = reader.u8() + reader.u8();
  reader.u8();
  const configurationBytes = reader.u32();
  if (configurationBytes > MAX_CONFIGURATION_BYTES) return null;
  return FIXED_HEADER_BYTES + namesBytes + configurationBytes + CRC_BYTES;
}

/** A header, of the length that `headerLength` told; null when it is damaged. */
export function decodeHeader(bytes: Uint8Array): SnapshotHeader | null {
  const headerBytes = headerLength(bytes);
  if (headerBytes === null || bytes.length !== headerBytes) return null;
  const headerCrc = viewOf(bytes).getUint32(headerBytes - CRC_BYTES, true);
  if (headerCrc !== checksum(bytes.subarray(0, headerBytes - CRC_BYTES))) return null;
  const reader = new ByteReader(bytes);
  reader.bytes(HEADER_MAGIC.length);
  reader.u8();
  const nameLength = reader.u8();
  const methodLength = reader.u8();
  reader.u8();
  const configurationLength = reader.u32();
  const index = reader.u64();
  const term = reader.u64();
  const logTimeMs = reader.u64();
  const group = Buffer.from(reader.bytes(nameLength)).toString('latin1');
  const algorithm = Buffer.from(reader.bytes(methodLength)).toString('latin1');
  const configuration = new Uint8Array(reader.bytes(configurationLength));
  const draft = { index, term, logTimeMs, configuration };
  return { group, algorithm, draft, headerBytes, headerCrc };
}

/** A chunk of a snapshot. */
export interface ChunkPlace {
  /** Of the snapshot's header. */
  readonly headerCrc: number;
  /** From 0 on. */
  readonly number: number;
}

/** The CRC that a chunk is stored behind, with its stored bytes. */
export function encodeChunk(place: ChunkPlace, stored: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CRC_BYTES + stored.length);
  viewOf(bytes).setUint32(0, chunkCrc(place, stored), true);
  bytes.set(stored, CRC_BYTES);
  return bytes;
}

/** The stored bytes of a chunk; null when they are damaged. */
export function decodeChunk(place: ChunkPlace, bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < CRC_BYTES) return null;
  const stored = bytes.subarray(CRC_BYTES);
  return viewOf(bytes).getUint32(0, true) === chunkCrc(place, stored) ? stored : null;
}

/** Table and footer, as they end a file. `lengths` are of the stored chunks. */
export function encodeEnd(
  lengths: readonly number[],
  { sizeBytes, contentCrc }: Omit<SnapshotFooter, 'tableCrc'>,
  headerCrc: number,
): Uint8Array {
  const table = new ByteWriter(tableBytes(sizeBytes));
  for (const length of lengths) table.u32(length);
  const tableCrc = checksum(table.finish());
  const footer = new ByteWriter(FOOTER_BYTES)
    .bytes(FOOTER_MAGIC)
    .u64(sizeBytes)
    .u32(contentCrc)
    .u32(tableCrc)
    .u32(0)
    .finish();
  const crcAt = FOOTER_BYTES - CRC_BYTES;
  viewOf(footer).setUint32(crcAt, checksum(footer.subarray(0, crcAt), headerCrc), true);
  return concatBytes([table.finish(), footer]);
}

/** Null when it is damaged, or not the footer of the file with that header. */
export function decodeFooter(bytes: Uint8Array, headerCrc: number): SnapshotFooter | null {
  if (bytes.length !== FOOTER_BYTES) return null;
  const crcAt = FOOTER_BYTES - CRC_BYTES;
  if (viewOf(bytes).getUint32(crcAt, true) !== checksum(bytes.subarray(0, crcAt), headerCrc)) {
    return null;
  }
  const reader = new ByteReader(bytes);
  if (!equalBytes(reader.bytes(FOOTER_MAGIC.length), FOOTER_MAGIC)) return null;
  return { sizeBytes: reader.u64(), contentCrc: reader.u32(), tableCrc: reader.u32() };
}

/** The lengths of the stored chunks; null when the table is damaged. */
export function decodeTable(table: Uint8Array, tableCrc: number): readonly number[] | null {
  if (checksum(table) !== tableCrc) return null;
  const reader = new ByteReader(table);
  return Array.from({ length: table.length / LENGTH_BYTES }, () => reader.u32());
}

/** What the table of a snapshot with so much content takes. */
export function tableBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / CHUNK_BYTES) * LENGTH_BYTES;
}

function chunkCrc({ headerCrc, number }: ChunkPlace, stored: Uint8Array): number {
  return checksum(stored, checksum(new ByteWriter(8).u64(number).finish(), headerCrc));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
