import {
  assert,
  ByteWriter,
  copyBytes,
  EMPTY_BYTES,
  encodeUtf8,
  writeU64,
} from '../../base/index.js';
import { MAX_KEY_BYTES } from './commands.js';
import type { KVRecord, RecordView } from './kv-state.js';

/*
 * Snapshot, format 1, integers little-endian:
 *
 *   header   u32 magic 'QKVS' · u16 format (1) · u16 zero · u64 revision
 *   record   u8 1 · u64 createRevision · u64 modRevision · u64 version · u16 key length ·
 *            u32 value length · u8 lease length (0: none) · key · lease · value
 *   end      u8 2 · u64 record count
 *
 * Records stand in the order of their keys. The same state gives the same bytes.
 */
/** The numbers of the layout, shared with the restorer alone. */
export const MAGIC = 0x53564b51;
export const FORMAT = 1;
export const HEADER_BYTES = 16;
export const RECORD = 1;
export const RECORD_HEADER_BYTES = 32;
export const END = 2;
export const END_BYTES = 9;

const MAX_LEASE_BYTES = 255;

const CHUNK_BYTES = 64 * 1024;

/** Yields a view as chunks of 64 KiB, the last one shorter, and releases it when iteration ends. */
export function snapshotChunks(view: RecordView): IterableIterator<Uint8Array> {
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
function* piecesOf(view: RecordView): Generator<Uint8Array, void, undefined> {
  const header = new ByteWriter(HEADER_BYTES);
  yield header.u32(MAGIC).u16(FORMAT).u16(0).u64(view.revision).finish();
  const headers = new RecordHeaders();
  for (const [key, record] of view.records()) {
    const value = view.value(record);
    yield headers.write(key, record, value.length);
    yield value;
  }
  yield new ByteWriter(END_BYTES).u8(END).u64(view.size).finish();
}

/** Packs records up to their values, each over the one before. */
class RecordHeaders {
  readonly #bytes = new Uint8Array(RECORD_HEADER_BYTES + MAX_KEY_BYTES + MAX_LEASE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  write(key: string, record: KVRecord, valueLength: number): Uint8Array {
    const lease = record.lease === null ? EMPTY_BYTES : encodeUtf8(record.lease);
    assert(lease.length <= MAX_LEASE_BYTES, 'the name of a lease fits its length');
    this.#view.setUint8(0, RECORD);
    writeU64(this.#view, 1, record.createRevision);
    writeU64(this.#view, 9, record.modRevision);
    writeU64(this.#view, 17, record.version);
    this.#view.setUint16(25, key.length, true);
    this.#view.setUint32(27, valueLength, true);
    this.#view.setUint8(31, lease.length);
    for (let i = 0; i < key.length; i += 1) {
      this.#bytes[RECORD_HEADER_BYTES + i] = key.charCodeAt(i);
    }
    const leaseAt = RECORD_HEADER_BYTES + key.length;
    this.#bytes.set(lease, leaseAt);
    return this.#bytes.subarray(0, leaseAt + lease.length);
  }
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
