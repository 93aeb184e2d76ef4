import { ByteReader, ByteWriter } from '../../lib/base/index.js';
import type { TwinSubject } from '../files/index.js';

/** The end of a batch: two streams of one directory that agree here are equal up to here. */
export interface StreamPosition {
  /** Sequence of the segment; 0 before the first. */
  readonly segment: number;
  /** Behind the last stamp of the batch. */
  readonly offset: number;
  /** 0 before the first. */
  readonly batchNumber: number;
  /** CRC of the batch's last portion, which covers all portions before it. */
  readonly chain: number;
}

/** What the mark of a stream says: all up to the position is durable, in segments from the first on. */
export interface WalMark extends StreamPosition {
  readonly nonce: number;
  readonly firstSegment: number;
}

/** The mark of a stream that has no segment yet. */
export function initialMark(nonce: number): WalMark {
  return { nonce, firstSegment: 1, segment: 0, offset: 0, batchNumber: 0, chain: nonce };
}

/** u32 nonce · u64 first segment · u64 segment · u64 offset · u64 batch number · u32 chain */
export function encodeMark(mark: WalMark): Uint8Array {
  return new ByteWriter(40)
    .u32(mark.nonce)
    .u64(mark.firstSegment)
    .u64(mark.segment)
    .u64(mark.offset)
    .u64(mark.batchNumber)
    .u32(mark.chain)
    .finish();
}

export function decodeMark(body: Uint8Array): WalMark {
  const reader = new ByteReader(body);
  const mark = {
    nonce: reader.u32(),
    firstSegment: reader.u64(),
    segment: reader.u64(),
    offset: reader.u64(),
    batchNumber: reader.u64(),
    chain: reader.u32(),
  };
  reader.end();
  return mark;
}

export function isSameMark(a: WalMark, b: WalMark): boolean {
  return a.batchNumber === b.batchNumber && a.firstSegment === b.firstSegment;
}

/** The mark of a directory: those of another stream have another nonce. */
export const MARK_PAIR: TwinSubject = {
  kind: 'mark',
  owner: '',
  canFollow: (older, newer) => decodeMark(older).nonce === decodeMark(newer).nonce,
};
