import { checksum, corrupt } from '../files/index.js';
import { BLOCK_BYTES, batchEnd, batchStart, LENGTH_BYTES, portionShape } from './portions.js';
import type { StreamPosition } from './position.js';
import { STAMP_BYTES, type Stamps } from './stamps.js';

export interface SegmentReadingOptions {
  /** What a message names. */
  readonly path: string;
  readonly stamps: Stamps;
  readonly sizeBytes: number;
  /** Number and chain of the batch before, and where its first one may begin. */
  readonly start: StreamPosition;
}

/** A batch that is whole. */
export interface ReadBatch {
  readonly content: Uint8Array;
  /** With which its records begin. */
  readonly chain: number;
  readonly startOffset: number;
  /** Where it ends. */
  readonly end: StreamPosition;
}

/**
 * Reads a segment from front to back, and judges what stands behind its last whole batch. One batch is
 * written at a time, onto zeros, and the next one only when it is durable. So where a portion should be,
 *
 * - a stamp whose last byte is zero was not written in full: the end. What follows can only be what
 *   else a crash left of this one batch: a stamp of another one is damage;
 * - any other stamp was written in full: where it or what it covers is not as it was written, that is
 *   damage.
 *
 * Damage is thrown, as ERR_CORRUPT. Whether the segment may end where it does is for the mark to say.
 * Pure: it is given whole blocks, one after another, to the end of the file. They are its own: a batch is put
 * together where it was read, stamp by stamp moved out of it. Memory that is new costs more than all the rest.
 */
export class SegmentReading {
  readonly #options: SegmentReadingOptions;
  /** The end of the last whole batch. */
  #position: StreamPosition;
  /** Where the next portion is. */
  #offset: number;
  /** CRC of the portion before it. */
  #chain: number;
  /** Content of the batch that is being read, null between batches. */
  #content: Uint8Array | null = null;
  #filledBytes = 0;
  #hasEnded = false;
  #remainsEnd = 0;

  constructor(options: SegmentReadingOptions) {
    this.#options = options;
    this.#position = options.start;
    this.#offset = batchStart(options.start.offset);
    this.#chain = options.start.chain;
  }

  get position(): StreamPosition {
    return this.#position;
  }

  /** Where bytes behind the end are not zero; null where all are. Known once all was read. */
  get remains(): { readonly from: number; readonly to: number } | null {
    const to = Math.max(this.#remainsEnd, this.#content === null ? 0 : this.#offset);
    return to > 0 ? { from: this.#position.offset, to } : null;
  }

  /** Whether nothing of what is read from now on is part of a batch. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The batches that end in `chunk`, which was read at `chunkOffset`. */
  *read(chunk: Uint8Array, chunkOffset: number): Generator<ReadBatch, void, undefined> {
    while (!this.#hasEnded && this.#offset < chunkOffset + chunk.length) {
      this.#hasEnded = !this.#readPortion(chunk, this.#offset - chunkOffset);
      if (this.#content !== null && this.#filledBytes === this.#content.length) {
        yield this.#finish(this.#content);
      }
    }
    if (this.#hasEnded) this.#judgeRemains(chunk, chunkOffset);
  }

  /** Takes the portion at `from` of `chunk`. False where none was written in full. */
  #readPortion(chunk: Uint8Array, from: number): boolean {
    const length = this.#content?.length ?? contentLength(chunk, from);
    const shape = portionShape(this.#offset, length - this.#filledBytes);
    const stampFrom = from + shape.sizeBytes - STAMP_BYTES;
    if (length === 0 || chunk[stampFrom + STAMP_BYTES - 1] === 0) return false;
    const crc = checksum(chunk.subarray(from, stampFrom), this.#chain);
    const stamp = this.#stampAt(chunk, stampFrom, this.#offset - from);
    const isLast = this.#filledBytes + shape.contentBytes === length;
    const isAsWritten =
      stamp?.crc === crc && stamp.batchNumber === this.#batchNumber && stamp.isLast === isLast;
    if (!isAsWritten) throw this.#damaged(this.#offset, 'what was stored here is damaged');
    this.#content ??= this.#room(length, chunk, from);
    this.#content.set(chunk.subarray(from, from + shape.contentBytes), this.#filledBytes);
    this.#filledBytes += shape.contentBytes;
    this.#offset += shape.sizeBytes;
    this.#chain = crc;
    return true;
  }

  /** For the content of the batch that begins at `from`: there, unless it goes on in the next chunk. */
  #room(length: number, chunk: Uint8Array, from: number): Uint8Array {
    const end = batchEnd(this.#offset, length);
    const isInside = end <= this.#options.sizeBytes;
    if (!isInside) throw this.#damaged(this.#offset, 'a batch is longer than its segment');
    const isWhole = from + end - this.#offset <= chunk.length;
    return isWhole ? chunk.subarray(from, from + length) : new Uint8Array(length);
  }

  #finish(content: Uint8Array): ReadBatch {
    const { chain, offset } = this.#position;
    this.#position = {
      segment: this.#position.segment,
      offset: this.#offset,
      batchNumber: this.#batchNumber,
      chain: this.#chain,
    };
    this.#offset = batchStart(this.#offset);
    this.#content = null;
    this.#filledBytes = 0;
    return { content, chain, startOffset: batchStart(offset), end: this.#position };
  }

  /** Number of the batch that is being read. */
  get #batchNumber(): number {
    return this.#position.batchNumber + 1;
  }

  #judgeRemains(chunk: Uint8Array, chunkOffset: number): void {
    const faultBlock = blockOf(this.#offset);
    const first = Math.max(faultBlock, chunkOffset);
    for (let block = first; block < chunkOffset + chunk.length; block += BLOCK_BYTES) {
      const from = Math.max(block, this.#offset);
      const bytes = chunk.subarray(from - chunkOffset, block - chunkOffset + BLOCK_BYTES);
      if (isZero(bytes)) continue;
      this.#remainsEnd = block + BLOCK_BYTES;
      this.#judgeBlock(bytes, from, { isFault: block === faultBlock });
    }
  }

  /** A block, from `offset` on, that holds what may be left of the batch that ended nowhere. */
  #judgeBlock(bytes: Uint8Array, offset: number, { isFault }: { readonly isFault: boolean }): void {
    for (let at = 0; at < bytes.length; at += STAMP_BYTES) {
      const stamp = this.#stampAt(bytes, at, offset);
      const isRest = stamp === null || (stamp.batchNumber === this.#batchNumber && !isFault);
      if (isRest) continue;
      throw this.#damaged(this.#offset, `batch ${stamp.batchNumber} follows what is not there`);
    }
    const end = bytes.length - STAMP_BYTES;
    const isWritten = bytes.at(-1) !== 0 && this.#stampAt(bytes, end, offset) === null;
    if (isWritten) throw this.#damaged(offset, 'there is something that was never written');
  }

  /** The stamp at `at` of `bytes`, which begin at `offset` of the segment. */
  #stampAt(bytes: Uint8Array, at: number, offset: number): ReturnType<Stamps['read']> {
    const sequence = this.#position.segment;
    return this.#options.stamps.read(bytes, at, { sequence, offset: offset + at });
  }

  #damaged(offset: number, what: string): Error {
    return corrupt({ path: this.#options.path, offset }, what);
  }
}

/** Bytes of content of the batch that begins at `at`, by what stands there: not checked yet. 0: none. */
function contentLength(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let i = LENGTH_BYTES - 1; i >= 0; i -= 1) length = length * 256 + (bytes[at + i] ?? 0);
  return length;
}

function blockOf(offset: number): number {
  return offset - (offset % BLOCK_BYTES);
}

const ZEROS = new Uint8Array(BLOCK_BYTES);

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0;
}
