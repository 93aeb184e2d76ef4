import {
  ByteReader,
  compareBytes,
  concatBytes,
  copyBytes,
  decodeUtf8,
  EMPTY_BYTES,
  QuorateError,
} from '../../base/index.js';
import { toBinaryKey } from './binary-keys.js';
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './commands.js';
import { emptyState, type KVState } from './kv-state.js';
import {
  END,
  END_BYTES,
  FORMAT,
  HEADER_BYTES,
  MAGIC,
  RECORD,
  RECORD_HEADER_BYTES,
} from './snapshot.js';

/**
 * Builds a state from the chunks of a snapshot, cut anywhere. What is damaged or incomplete is
 * ERR_CORRUPT, and the restorer must not be used again. Checksums are the storage's: this checks
 * that the bytes are a state that commands can have made.
 */
export class SnapshotRestorer {
  readonly #state: KVState = emptyState();
  #phase: 'header' | 'records' | 'ended' = 'header';
  #parts: Uint8Array[] = [];
  #bufferedBytes = 0;
  /** The next piece takes at least this much; chunks are joined only once it is there. */
  #neededBytes = HEADER_BYTES;
  #lastKey: Uint8Array = EMPTY_BYTES;

  /** Takes the next bytes. They stay the caller's. */
  write(chunk: Uint8Array): void {
    this.#parts.push(copyBytes(chunk));
    this.#bufferedBytes += chunk.length;
    if (this.#bufferedBytes < this.#neededBytes) return;
    const bytes = concatBytes(this.#parts);
    let offset = 0;
    while (bytes.length - offset >= this.#neededBytes) offset += this.#take(bytes.subarray(offset));
    this.#parts = [bytes.subarray(offset)];
    this.#bufferedBytes = bytes.length - offset;
  }

  /** The state, once everything was written. */
  finish(): KVState {
    if (this.#phase !== 'ended') throw corrupt('it ends early');
    return this.#state;
  }

  /** How many bytes of `piece` were used: 0 when it takes more, which `#neededBytes` then says. */
  #take(piece: Uint8Array): number {
    const reader = new ByteReader(piece);
    try {
      if (this.#phase === 'header') this.#takeHeader(reader);
      else if (this.#phase === 'ended') throw corrupt('bytes follow its end');
      else this.#takeRecordOrEnd(reader, piece);
    } catch (cause) {
      if (QuorateError.is(cause) && cause.code !== 'ERR_CORRUPT') throw corrupt('malformed', cause);
      throw cause;
    }
    return reader.offset;
  }

  #takeHeader(reader: ByteReader): void {
    if (reader.u32() !== MAGIC) throw corrupt('it does not begin like one');
    const format = reader.u16();
    if (format !== FORMAT) throw corrupt(`format ${format} is not known to this version`);
    if (reader.u16() !== 0) throw corrupt('its header is malformed');
    this.#state.revision = reader.u64();
    this.#phase = 'records';
    this.#neededBytes = END_BYTES;
  }

  #takeRecordOrEnd(reader: ByteReader, piece: Uint8Array): void {
    if (piece[0] === RECORD) {
      this.#neededBytes = recordBytes(piece);
      if (piece.length < this.#neededBytes) return;
      this.#takeRecord(reader);
      this.#neededBytes = END_BYTES;
      return;
    }
    if (reader.u8() !== END) throw corrupt('a piece is neither a record nor the end');
    if (reader.u64() !== this.#state.tree.size) throw corrupt('records are missing');
    this.#phase = 'ended';
    this.#neededBytes = 1;
  }

  #takeRecord(reader: ByteReader): void {
    reader.u8();
    const createRevision = reader.u64();
    const modRevision = reader.u64();
    const version = reader.u64();
    const keyLength = reader.u16();
    const valueLength = reader.u32();
    const leaseLength = reader.u8();
    const key = reader.bytes(keyLength);
    const lease = leaseLength === 0 ? null : decodeUtf8(reader.bytes(leaseLength));
    const value = reader.bytes(valueLength);
    if (compareBytes(key, this.#lastKey) <= 0) throw corrupt('its keys are not in order');
    if (createRevision < 1 || modRevision < createRevision || modRevision > this.#state.revision) {
      throw corrupt('a revision is not possible');
    }
    if (version < 1 || version > modRevision - createRevision + 1) {
      throw corrupt('a version is not possible');
    }
    this.#lastKey = key;
    const slot = this.#state.slabs.put(value);
    const record = { createRevision, modRevision, version, lease, slot };
    this.#state.tree.set(toBinaryKey(key), record);
  }
}

/** Bytes of the record that `piece` begins with, as far as they can be told from it. */
function recordBytes(piece: Uint8Array): number {
  if (piece.length < RECORD_HEADER_BYTES) return RECORD_HEADER_BYTES;
  const reader = new ByteReader(piece.subarray(RECORD_HEADER_BYTES - 7));
  const keyLength = reader.u16();
  const valueLength = reader.u32();
  if (keyLength < 1 || keyLength > MAX_KEY_BYTES)
    throw corrupt('the length of a key is not possible');
  if (valueLength > MAX_VALUE_BYTES) throw corrupt('the length of a value is not possible');
  return RECORD_HEADER_BYTES + keyLength + valueLength + reader.u8();
}

function corrupt(message: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_CORRUPT', { message: `the snapshot is damaged: ${message}`, cause });
}
