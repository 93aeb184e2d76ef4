import {
  ByteReader,
  ByteWriter,
  encodeUtf8,
  equalBytes,
  QuorateError,
} from '../../lib/base/index.js';
import { checksum, corrupt } from '../files/index.js';
import { STAMP_END } from './stamps.js';

/*
 * The first 64 bytes of a segment, integers little-endian:
 *
 *   0 "QRTW" · 4 u8 layout (1) · 5 7 × 0 · 12 u32 nonce of the stream · 16 u64 sequence · 24 u64 size of
 *   the segment in bytes · 32 u64 number of its first batch · 40 u32 chain, the CRC of the last portion
 *   before that batch · 44 15 × 0 · 59 u32 CRC-32 of bytes 0 to 58 · 63 u8 A5
 */
export const HEAD_BYTES = 64;
const MAGIC = encodeUtf8('QRTW');
const LAYOUT = 1;
const CHECKED_BYTES = 59;

/** What a segment says of itself. */
export interface SegmentHead {
  readonly nonce: number;
  readonly sequence: number;
  readonly sizeBytes: number;
  readonly firstBatchNumber: number;
  /** CRC of the portion before the first batch: the last one of the segment before. */
  readonly chain: number;
}

export function encodeHead(head: SegmentHead): Uint8Array {
  const checked = new ByteWriter(CHECKED_BYTES)
    .bytes(MAGIC)
    .u8(LAYOUT)
    .bytes(new Uint8Array(7))
    .u32(head.nonce)
    .u64(head.sequence)
    .u64(head.sizeBytes)
    .u64(head.firstBatchNumber)
    .u32(head.chain)
    .bytes(new Uint8Array(15))
    .finish();
  const crc = checksum(checked);
  return new ByteWriter(HEAD_BYTES).bytes(checked).u32(crc).u8(STAMP_END).finish();
}

/** Null where no head was written in full; ERR_CORRUPT where it was, and is damaged. */
export function decodeHead(path: string, bytes: Uint8Array): SegmentHead | null {
  if (bytes.length < HEAD_BYTES) throw corrupt(path, 'the segment is cut off');
  if (bytes[HEAD_BYTES - 1] === 0) return null;
  const checked = bytes.subarray(0, CHECKED_BYTES);
  const reader = new ByteReader(bytes.subarray(CHECKED_BYTES, HEAD_BYTES));
  const isChecked = reader.u32() === checksum(checked) && reader.u8() === STAMP_END;
  if (!isChecked || !equalBytes(checked.subarray(0, MAGIC.length), MAGIC)) {
    throw corrupt(path, 'the head of the segment is damaged');
  }
  if (checked[4] !== LAYOUT) throw newerLayout(path, checked[4]);
  const fields = new ByteReader(checked.subarray(12));
  return {
    nonce: fields.u32(),
    sequence: fields.u64(),
    sizeBytes: fields.u64(),
    firstBatchNumber: fields.u64(),
    chain: fields.u32(),
  };
}

const SUFFIX = '.wal';
const NAME = /^\d{16}\.wal$/;

export function segmentName(sequence: number): string {
  return String(sequence).padStart(16, '0') + SUFFIX;
}

/** The sequence of the segment with this name; null where it is no segment's. */
export function sequenceOf(name: string): number | null {
  return NAME.test(name) ? Number(name.slice(0, -SUFFIX.length)) : null;
}

function newerLayout(path: string, layout: number | undefined): QuorateError {
  return new QuorateError('ERR_CONFIG', {
    message: `${path} has layout ${layout}, which this version does not know; use a newer version`,
  });
}
