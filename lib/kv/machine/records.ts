import {
  assert,
  decodeUtf8,
  EMPTY_BYTES,
  encodeUtf8,
  readU64,
  writeU64,
} from '../../base/index.js';
import { ArenaSlabs, type Slabs, type SlabUsage, type Slot } from './slabs.js';
import type { StoredEntry } from './types.js';

/*
 * Record, integers little-endian: as in a snapshot, so that one is written and read by copying.
 *
 *   0 u8 1 · 1 u64 createRevision · 9 u64 modRevision · 17 u64 version · 25 u16 key length ·
 *   27 u32 value length · 31 u8 lease length (0: none) · 32 key · lease · value
 */
/** What a record begins with. */
export const RECORD = 1;
export const RECORD_HEADER_BYTES = 32;
const CREATE_REVISION_AT = 1;
const MOD_REVISION_AT = 9;
const VERSION_AT = 17;
const KEY_LENGTH_AT = 25;
const VALUE_LENGTH_AT = 27;
const LEASE_LENGTH_AT = 31;
const MAX_LEASE_BYTES = 255;

/** The fixed part of a record. */
export interface RecordHeader {
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly keyLength: number;
  readonly valueLength: number;
  readonly leaseLength: number;
}

/** The fixed part of the record at `offset`. Nothing is checked. */
export function readRecordHeader(view: DataView, offset: number): RecordHeader {
  return {
    createRevision: readU64(view, offset + CREATE_REVISION_AT),
    modRevision: readU64(view, offset + MOD_REVISION_AT),
    version: readU64(view, offset + VERSION_AT),
    keyLength: view.getUint16(offset + KEY_LENGTH_AT, true),
    valueLength: view.getUint32(offset + VALUE_LENGTH_AT, true),
    leaseLength: view.getUint8(offset + LEASE_LENGTH_AT),
  };
}

/**
 * Keys, what they hold and what is known of them, each packed into one slot: to the garbage collector
 * a record is no object at all. A record is never changed, only replaced.
 */
export class Records {
  readonly #slabs: Slabs = new ArenaSlabs();

  /** Stores a copy of everything. */
  add({ key, value, createRevision, modRevision, version, lease }: StoredEntry): Slot {
    const leaseBytes = lease === null ? EMPTY_BYTES : encodeUtf8(lease);
    assert(leaseBytes.length <= MAX_LEASE_BYTES, 'the name of a lease fits its length');
    const leaseAt = RECORD_HEADER_BYTES + key.length;
    const valueAt = leaseAt + leaseBytes.length;
    const slot = this.#slabs.take(valueAt + value.length);
    const { bytes, view } = this.#slabs.region(slot);
    const offset = this.#slabs.offset(slot);
    view.setUint8(offset, RECORD);
    writeU64(view, offset + CREATE_REVISION_AT, createRevision);
    writeU64(view, offset + MOD_REVISION_AT, modRevision);
    writeU64(view, offset + VERSION_AT, version);
    view.setUint16(offset + KEY_LENGTH_AT, key.length, true);
    view.setUint32(offset + VALUE_LENGTH_AT, value.length, true);
    view.setUint8(offset + LEASE_LENGTH_AT, leaseBytes.length);
    bytes.set(key, offset + RECORD_HEADER_BYTES);
    bytes.set(leaseBytes, offset + leaseAt);
    bytes.set(value, offset + valueAt);
    return slot;
  }

  /** Stores a copy of a record that is packed already, and was checked. */
  addPacked(packed: Uint8Array): Slot {
    const slot = this.#slabs.take(packed.length);
    this.#slabs.region(slot).bytes.set(packed, this.#slabs.offset(slot));
    return slot;
  }

  /** The packed record: a view, to be read at once, or copied. */
  packed(slot: Slot): Uint8Array {
    const offset = this.#slabs.offset(slot);
    return this.#slabs.region(slot).bytes.subarray(offset, offset + this.#slabs.length(slot));
  }

  header(slot: Slot): RecordHeader {
    return readRecordHeader(this.#slabs.region(slot).view, this.#slabs.offset(slot));
  }

  /** Everything, copied. */
  entry(slot: Slot): StoredEntry {
    const { createRevision, modRevision, version, keyLength, leaseLength } = this.header(slot);
    const packed = this.packed(slot);
    const leaseAt = RECORD_HEADER_BYTES + keyLength;
    const valueAt = leaseAt + leaseLength;
    const lease = leaseLength === 0 ? null : decodeUtf8(packed.subarray(leaseAt, valueAt));
    const key = new Uint8Array(packed.subarray(RECORD_HEADER_BYTES, leaseAt));
    const value = new Uint8Array(packed.subarray(valueAt));
    return { key, value, createRevision, modRevision, version, lease };
  }

  /** The key: a view, to be read at once, or copied. */
  key(slot: Slot): Uint8Array {
    const { bytes, view } = this.#slabs.region(slot);
    const start = this.#slabs.offset(slot) + RECORD_HEADER_BYTES;
    const length = view.getUint16(start - RECORD_HEADER_BYTES + KEY_LENGTH_AT, true);
    return bytes.subarray(start, start + length);
  }

  /** Order of the record's key and `key`, as of `compareBytes`; without a view for each look. */
  compareKey(slot: Slot, key: Uint8Array): number {
    const { bytes, view } = this.#slabs.region(slot);
    const offset = this.#slabs.offset(slot);
    const length = view.getUint16(offset + KEY_LENGTH_AT, true);
    const start = offset + RECORD_HEADER_BYTES;
    const shorter = Math.min(length, key.length);
    for (let i = 0; i < shorter; i += 1) {
      const difference = (bytes[start + i] ?? 0) - (key[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - key.length;
  }

  free(slot: Slot): void {
    this.#slabs.free(slot);
  }

  usage(): SlabUsage {
    return this.#slabs.usage();
  }
}
