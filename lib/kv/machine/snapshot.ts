import { ByteWriter, copyBytes } from '../../base/index.js';
import type { RecordView } from './kv-state.js';

/*
 * Snapshot, format 1, integers little-endian:
 *
 *   header   u32 magic 'QKVS' · u16 format (1) · u16 zero · u64 revision
 *   record   as in `records.ts`
 *   end      u8 2 · u64 record count
 *
 * Records stand in the order of their keys. The same state gives the same bytes.
 */
/** The numbers of the layout, shared with the restorer alone. */
export const MAGIC = 0x53564b51;
export const FORMAT = 1;
export const HEADER_BYTES = 16;
export const END = 2;
export const END_BYTES = 9;

const CHUNK_BYTES = 64 * 1024;

/** What of a view a snapshot is made of. */
export type SnapshotSource = Pick<RecordView, 'revision' | 'size' | 'packedRecords' | 'release'>;

/** Yields a view as chunks of 64 KiB, the last one shorter, and releases it when iteration ends. */
export function snapshotChunks(view: SnapshotSource): IterableIterator<Uint8Array> {
  const chunks = intoChunks(piecesOf(view));
  const next = (): IteratorResult<Uint8Array> => {
    const step = chunks.next();
    if (step.done === true) view.release();
    return step;
  };
  // A generator that was never started would not run its `finally`.
  const leave = (): IteratorResult<Uint8Array> => {
    view.release();
    return chunks.return();
  };
  const iterator = { next, return: leave, [Symbol.iterator]: () => iterator };
  return iterator;
}

/** What the snapshot is made of. A piece is used up before the next is asked for. */
function* piecesOf(view: SnapshotSource): Generator<Uint8Array, void, undefined> {
  const header = new ByteWriter(HEADER_BYTES);
  yield header.u32(MAGIC).u16(FORMAT).u16(0).u64(view.revision).finish();
  yield* view.packedRecords();
  yield new ByteWriter(END_BYTES).u8(END).u64(view.size).finish();
}

/** Copies pieces into full chunks, each with memory of its own. */
function* intoChunks(pieces: Iterable<Uint8Array>): Generator<Uint8Array, void, undefined> {
  let chunk = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for (const piece of pieces) {
    let taken = 0;
    while (taken < piece.length) {
      const part = piece.subarray(taken, taken + CHUNK_BYTES - filled);
      chunk.set(part, filled);
      filled += part.length;
      taken += part.length;
      if (filled < CHUNK_BYTES) continue;
      yield chunk;
      chunk = new Uint8Array(CHUNK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield copyBytes(chunk.subarray(0, filled));
}
