import { assert } from '../../lib/base/index.js';
import { checksum } from '../files/index.js';
import { STAMP_BYTES, type Stamps } from './stamps.js';

/*
 * A batch is its content (u32 length of the content, records), cut where a block of the file ends.
 * Each portion is content, zeros up to an offset that 16 divides, and a stamp, which in all but the
 * last portion ends its block. The next batch begins behind the last stamp, or at the next block where
 * only a stamp would fit.
 */
export const BLOCK_BYTES = 4096;

/** Bytes of content that say how long it is, themselves included. Every first portion holds them. */
export const LENGTH_BYTES = 4;

/** Where a batch begins that is the next one after `offset`. */
export function batchStart(offset: number): number {
  return roomAt(offset) === STAMP_BYTES ? offset + STAMP_BYTES : offset;
}

/** How much of the content goes into one portion, and how much room that takes, with its stamp. */
export interface PortionShape {
  readonly contentBytes: number;
  readonly sizeBytes: number;
}

/** The portion at `offset` of a batch of which `restBytes` of content are still to come. */
export function portionShape(offset: number, restBytes: number): PortionShape {
  const sizeBytes = roomAt(offset);
  const capacity = sizeBytes - STAMP_BYTES;
  if (restBytes > capacity) return { contentBytes: capacity, sizeBytes };
  return { contentBytes: restBytes, sizeBytes: aligned(restBytes) + STAMP_BYTES };
}

/** Where a batch ends that begins at `start`, a `batchStart`. */
export function batchEnd(start: number, contentBytes: number): number {
  let offset = start;
  for (let rest = contentBytes; ; ) {
    const shape = portionShape(offset, rest);
    offset += shape.sizeBytes;
    if (shape.contentBytes === rest) return offset;
    rest -= shape.contentBytes;
  }
}

/** Where a batch is written, and what it follows. */
export interface BatchPlace {
  /** Of the segment. */
  readonly sequence: number;
  readonly offset: number;
  readonly batchNumber: number;
  /** CRC of the last portion of the batch before. */
  readonly chain: number;
}

/**
 * Makes a batch of `bytes`, which go from its place to its end and hold its content at their own end: nothing
 * is held twice, because no piece goes further back than it came from. What stands before the content may be
 * anything. Gives the CRC of the last portion.
 */
export function stampBatch(
  stamps: Stamps,
  bytes: Uint8Array,
  contentBytes: number,
  { sequence, offset, batchNumber, chain: chainBefore }: BatchPlace,
): number {
  assert(batchStart(offset) === offset, 'a batch begins where its length fits');
  let chain = chainBefore;
  let at = 0;
  for (let rest = contentBytes; rest > 0; ) {
    const shape = portionShape(offset + at, rest);
    const from = bytes.length - rest;
    bytes.copyWithin(at, from, from + shape.contentBytes);
    rest -= shape.contentBytes;
    const stampAt = at + shape.sizeBytes - STAMP_BYTES;
    bytes.fill(0, at + shape.contentBytes, stampAt);
    chain = checksum(bytes.subarray(at, stampAt), chain);
    const place = { sequence, offset: offset + stampAt };
    stamps.write(bytes, stampAt, place, { crc: chain, batchNumber, isLast: rest === 0 });
    at += shape.sizeBytes;
  }
  assert(at === bytes.length, 'a batch ends where it was said to');
  return chain;
}

/** From `offset` to the end of its block. */
function roomAt(offset: number): number {
  return BLOCK_BYTES - (offset % BLOCK_BYTES);
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / STAMP_BYTES) * STAMP_BYTES;
}
