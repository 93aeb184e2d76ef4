import { concatBytes, copyBytes, decodeUtf8, QuorateError, readU64 } from '../../base/index.js';
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './commands.js';
import { emptyState, type KVState } from './kv-state.js';
import { FILLED_LEAF_SLOTS } from './record-tree.js';
import { RECORD, RECORD_HEADER_BYTES, type RecordHeader, readRecordHeader } from './records.js';
import type { Slot } from './slabs.js';
import { END, END_BYTES, FORMAT, HEADER_BYTES, MAGIC } from './snapshot.js';

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
  /** Records that are not yet in the tree, and the last one of all. */
  #slots: Slot[] = [];
  #last: Slot | null = null;

  /** Takes the next bytes. They stay the caller's. */
  write(chunk: Uint8Array): void {
    this.#parts.push(copyBytes(chunk));
    this.#bufferedBytes += chunk.length;
    if (this.#bufferedBytes < this.#neededBytes) return;
    const bytes = concatBytes(this.#parts);
    const taken = this.#takeAll(bytes);
    this.#parts = [bytes.subarray(taken)];
    this.#bufferedBytes = bytes.length - taken;
  }

  /** The state, once everything was written. */
  finish(): KVState {
    if (this.#phase !== 'ended') throw corrupt('it ends early');
    return this.#state;
  }

  /** Takes what is whole, and gives how many bytes that was. */
  #takeAll(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let offset = 0;
    try {
      while (bytes.length - offset >= this.#neededBytes) offset += this.#take(bytes, view, offset);
    } catch (cause) {
      if (QuorateError.is(cause) && cause.code !== 'ERR_CORRUPT') throw corrupt('malformed', cause);
      throw cause;
    }
    return offset;
  }

  /** How many bytes the piece has: 0 when it takes more, which `#neededBytes` then says. */
  #take(bytes: Uint8Array, view: DataView, offset: number): number {
    switch (this.#phase) {
      case 'header':
        return this.#takeHeader(view, offset);
      case 'records':
        if (bytes[offset] === RECORD) return this.#takeRecord(bytes, view, offset);
        return this.#takeEnd(view, offset);
      case 'ended':
        throw corrupt('bytes follow its end');
    }
  }

  #takeHeader(view: DataView, offset: number): number {
    if (view.getUint32(offset, true) !== MAGIC) throw corrupt('it does not begin like one');
    const format = view.getUint16(offset + 4, true);
    if (format !== FORMAT) throw corrupt(`format ${format} is not known to this version`);
    if (view.getUint16(offset + 6, true) !== 0) throw corrupt('its header is malformed');
    this.#state.revision = readU64(view, offset + 8);
    this.#phase = 'records';
    this.#neededBytes = END_BYTES;
    return HEADER_BYTES;
  }

  #takeEnd(view: DataView, offset: number): number {
    if (view.getUint8(offset) !== END) throw corrupt('a piece is neither a record nor the end');
    this.#append();
    if (readU64(view, offset + 1) !== this.#state.tree.size) throw corrupt('records are missing');
    this.#phase = 'ended';
    this.#neededBytes = 1;
    return END_BYTES;
  }

  #takeRecord(bytes: Uint8Array, view: DataView, offset: number): number {
    const left = bytes.length - offset;
    this.#neededBytes = RECORD_HEADER_BYTES;
    if (left < RECORD_HEADER_BYTES) return 0;
    const header = readRecordHeader(view, offset);
    checkLengths(header);
    const { keyLength, leaseLength, valueLength } = header;
    this.#neededBytes = RECORD_HEADER_BYTES + keyLength + leaseLength + valueLength;
    if (left < this.#neededBytes) return 0;
    this.#add(header, bytes.subarray(offset, offset + this.#neededBytes));
    const taken = this.#neededBytes;
    this.#neededBytes = END_BYTES;
    return taken;
  }

  #add(header: RecordHeader, packed: Uint8Array): void {
    const { records, revision } = this.#state;
    const { keyLength, leaseLength } = header;
    checkRevisions(header, revision);
    const keyEnd = RECORD_HEADER_BYTES + keyLength;
    if (leaseLength > 0) decodeUtf8(packed.subarray(keyEnd, keyEnd + leaseLength));
    const key = packed.subarray(RECORD_HEADER_BYTES, keyEnd);
    if (this.#last !== null && records.compareKey(this.#last, key) >= 0) {
      throw corrupt('its keys are not in order');
    }
    this.#last = records.addPacked(packed);
    this.#slots.push(this.#last);
    if (this.#slots.length === FILLED_LEAF_SLOTS) this.#append();
  }

  #append(): void {
    this.#state.tree.append(this.#slots);
    this.#slots = [];
  }
}

function checkLengths({ keyLength, valueLength }: RecordHeader): void {
  if (keyLength < 1 || keyLength > MAX_KEY_BYTES)
    throw corrupt('the length of a key is not possible');
  if (valueLength > MAX_VALUE_BYTES) throw corrupt('the length of a value is not possible');
}

function checkRevisions(
  { createRevision, modRevision, version }: RecordHeader,
  revision: number,
): void {
  if (createRevision < 1 || modRevision < createRevision || modRevision > revision) {
    throw corrupt('a revision is not possible');
  }
  if (version < 1 || version > modRevision - createRevision + 1) {
    throw corrupt('a version is not possible');
  }
}

function corrupt(message: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_CORRUPT', { message: `the snapshot is damaged: ${message}`, cause });
}
