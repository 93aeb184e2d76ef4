import { ByteReader, ByteWriter, encodeUtf8, equalBytes } from '../../lib/base/index.js';
import type { SnapshotDraft } from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';

/*
 * Layout 1 of a snapshot file, integers little-endian:
 *
 *   header: "QRTS" · u8 layout (1) · u8 group length · u16 0 · u32 configuration length ·
 *           u64 index · u64 term · u64 log time · group, configuration · u32 CRC-32 of all before
 *   chunks: u32 CRC-32 · up to 65,536 bytes of content; all but the last are full
 *   footer: "QRTE" · u64 content length · u32 CRC-32 of the content · u32 CRC-32 of header CRC and footer
 *
 * The CRC of a chunk begins with the chunk's number, so that two chunks cannot change places.
 */
const HEADER_MAGIC = encodeUtf8('QRTS');
const FOOTER_MAGIC = encodeUtf8('QRTE');
const LAYOUT = 1;
const FIXED_HEADER_BYTES = 36;
const CRC_BYTES = 4;

/** Content of one chunk; the last may hold less. */
export const CHUNK_BYTES: number = 64 * 1024;
/** What one full chunk takes in the file. */
export const STORED_CHUNK_BYTES: number = CRC_BYTES + CHUNK_BYTES;
export const FOOTER_BYTES = 20;
/** The longest header is far below this: a configuration names tens of members. */
export const MAX_HEADER_BYTES: number = 1024 * 1024;

export interface SnapshotHeader {
  readonly group: string;
  readonly draft: SnapshotDraft;
  /** Where the first chunk begins. */
  readonly headerBytes: number;
  readonly headerCrc: number;
}

export interface SnapshotFooter {
  readonly sizeBytes: number;
  readonly contentCrc: number;
}

export function encodeHeader(
  group: string,
  draft: SnapshotDraft,
): SnapshotHeader & { readonly bytes: Uint8Array } {
  const name = encodeUtf8(group);
  const { index, term, logTimeMs, configuration } = draft;
  const headerBytes = FIXED_HEADER_BYTES + name.length + configuration.length + CRC_BYTES;
  const bytes = new ByteWriter(headerBytes)
    .bytes(HEADER_MAGIC)
    .u8(LAYOUT)
    .u8(name.length)
    .u16(0)
    .u32(configuration.length)
    .u64(index)
    .u64(term)
    .u64(logTimeMs)
    .bytes(name)
    .bytes(configuration)
    .u32(0)
    .finish();
  const headerCrc = checksum(bytes.subarray(0, headerBytes - CRC_BYTES));
  new DataView(bytes.buffer).setUint32(headerBytes - CRC_BYTES, headerCrc, true);
  return { group, draft, headerBytes, headerCrc, bytes };
}

/** The header that `start`, the first bytes of a file, begin with; null when it is damaged. */
export function decodeHeader(start: Uint8Array): SnapshotHeader | null {
  if (start.length < FIXED_HEADER_BYTES) return null;
  const reader = new ByteReader(start);
  if (!equalBytes(reader.bytes(HEADER_MAGIC.length), HEADER_MAGIC)) return null;
  if (reader.u8() !== LAYOUT) return null;
  const nameLength = reader.u8();
  reader.u16();
  const configurationLength = reader.u32();
  const headerBytes = FIXED_HEADER_BYTES + nameLength + configurationLength + CRC_BYTES;
  if (headerBytes > start.length) return null;
  const headerCrc = new DataView(start.buffer, start.byteOffset).getUint32(
    headerBytes - CRC_BYTES,
    true,
  );
  if (headerCrc !== checksum(start.subarray(0, headerBytes - CRC_BYTES))) return null;
  const index = reader.u64();
  const term = reader.u64();
  const logTimeMs = reader.u64();
  const group = Buffer.from(reader.bytes(nameLength)).toString('latin1');
  const configuration = new Uint8Array(reader.bytes(configurationLength));
  return { group, draft: { index, term, logTimeMs, configuration }, headerBytes, headerCrc };
}

export function encodeChunk(number: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CRC_BYTES + content.length);
  new DataView(bytes.buffer).setUint32(0, chunkCrc(number, content), true);
  bytes.set(content, CRC_BYTES);
  return bytes;
}

/** The content of a stored chunk; null when it is damaged. */
export function decodeChunk(number: number, stored: Uint8Array): Uint8Array | null {
  if (stored.length < CRC_BYTES) return null;
  const crc = new DataView(stored.buffer, stored.byteOffset).getUint32(0, true);
  const content = stored.subarray(CRC_BYTES);
  return crc === chunkCrc(number, content) ? content : null;
}

export function encodeFooter(footer: SnapshotFooter, headerCrc: number): Uint8Array {
  const bytes = new ByteWriter(FOOTER_BYTES)
    .bytes(FOOTER_MAGIC)
    .u64(footer.sizeBytes)
    .u32(footer.contentCrc)
    .u32(0)
    .finish();
  const view = new DataView(bytes.buffer);
  view.setUint32(
    FOOTER_BYTES - CRC_BYTES,
    checksum(bytes.subarray(0, FOOTER_BYTES - CRC_BYTES), headerCrc),
    true,
  );
  return bytes;
}

/** Null when it is damaged, or not the footer of the file with that header. */
export function decodeFooter(bytes: Uint8Array, headerCrc: number): SnapshotFooter | null {
  if (bytes.length !== FOOTER_BYTES) return null;
  const crc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
    FOOTER_BYTES - CRC_BYTES,
    true,
  );
  if (crc !== checksum(bytes.subarray(0, FOOTER_BYTES - CRC_BYTES), headerCrc)) return null;
  const reader = new ByteReader(bytes);
  if (!equalBytes(reader.bytes(FOOTER_MAGIC.length), FOOTER_MAGIC)) return null;
  return { sizeBytes: reader.u64(), contentCrc: reader.u32() };
}

/** What all chunks of `sizeBytes` of content take in the file. */
export function storedChunksBytes(sizeBytes: number): number {
  return sizeBytes + Math.ceil(sizeBytes / CHUNK_BYTES) * CRC_BYTES;
}

function chunkCrc(number: number, content: Uint8Array): number {
  return checksum(content, checksum(new ByteWriter(8).u64(number).finish()));
}
