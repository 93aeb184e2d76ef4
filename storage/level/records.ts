import {
  ByteReader,
  ByteWriter,
  type Entry,
  encodeUtf8,
  equalBytes,
  type GroupId,
  type LogIndex,
} from '../../lib/base/index.js';
import { checksum, type LogPosition } from '../files/index.js';

/*
 * Layout 1. Keys sort by group, then by index (big-endian, unlike all other integers here):
 *
 *   base of a group:  "b" group            -> u8 1 · u64 index · u64 term · u32 chain · u32 CRC-32
 *   entry of a group: "e" group 00 u64 BE  -> u32 chain · packed entry
 *
 * The chain of an entry is the CRC-32 of its packed bytes, begun with the chain of the entry before
 * it; that of the first entry begins with the chain of the base. So it covers everything since the
 * base, and an entry of an earlier life of the log does not fit, however well it was stored.
 */
const BASE_LAYOUT = 1;
const BASE_BYTES = 25;
const CHAIN_BYTES = 4;
const BASE_KEY = 'b'.charCodeAt(0);
const ENTRY_KEY = 'e'.charCodeAt(0);
const ENTRY_KEY_EXTRA_BYTES = 10;

export function baseKey(group: GroupId): Uint8Array {
  const name = encodeUtf8(group);
  return new ByteWriter(1 + name.length).u8(BASE_KEY).bytes(name).finish();
}

/** Key of the entry at `index`; of the first possible one with 0. */
export function entryKey(group: GroupId, index: LogIndex): Uint8Array {
  const key = new Uint8Array(group.length + ENTRY_KEY_EXTRA_BYTES);
  writeEntryKey(key, group, index);
  return key;
}

/** By hand, because it is made for every entry. The name of a group is ASCII. */
function writeEntryKey(key: Uint8Array, group: GroupId, index: LogIndex): void {
  key[0] = ENTRY_KEY;
  for (let i = 0; i < group.length; i += 1) key[1 + i] = group.charCodeAt(i);
  let rest = index;
  for (let i = key.length - 1; i > group.length + 1; i -= 1) {
    key[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** Follows all entries of the group, and comes before those of any other. */
export function endKey(group: GroupId): Uint8Array {
  const name = encodeUtf8(group);
  return new ByteWriter(2 + name.length).u8(ENTRY_KEY).bytes(name).u8(1).finish();
}

/** Chain value that begins a log after (`index`, `term`), different for each. */
export function firstChain(group: GroupId, index: LogIndex, term: number): number {
  return checksum(new ByteWriter(16).u64(index).u64(term).finish(), checksum(encodeUtf8(group)));
}

export function nextChain(chain: number, packed: Uint8Array): number {
  return checksum(packed, chain);
}

export function encodeBase(group: GroupId, { index, term, chain }: LogPosition): Uint8Array {
  const bytes = new ByteWriter(BASE_BYTES)
    .u8(BASE_LAYOUT)
    .u64(index)
    .u64(term)
    .u32(chain)
    .u32(0)
    .finish();
  new DataView(bytes.buffer).setUint32(BASE_BYTES - 4, baseCrc(group, bytes), true);
  return bytes;
}

/** Null when it is damaged, or the base of another group. */
export function decodeBase(group: GroupId, bytes: Uint8Array): LogPosition | null {
  if (bytes.length !== BASE_BYTES) return null;
  const reader = new ByteReader(bytes);
  const layout = reader.u8();
  const crc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(BASE_BYTES - 4, true);
  if (layout !== BASE_LAYOUT || crc !== baseCrc(group, bytes)) return null;
  return { index: reader.u64(), term: reader.u64(), chain: reader.u32() };
}

/** One put of a batch. */
export interface EntryRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The records of consecutive entries that follow `previous`, and where the log ends with them. */
export function encodeEntries(
  entries: readonly Entry[],
  previous: LogPosition,
): { readonly records: readonly EntryRecord[]; readonly last: LogPosition } {
  let bytes = 0;
  for (const { sizeBytes } of entries) bytes += CHAIN_BYTES + sizeBytes;
  const region = new Uint8Array(bytes);
  const view = new DataView(region.buffer);
  const records: EntryRecord[] = [];
  let last = previous;
  let offset = 0;
  for (const { group, index, term, packed } of entries) {
    const end = offset + CHAIN_BYTES + packed.length;
    region.set(packed, offset + CHAIN_BYTES);
    // Over our own copy: the caller's bytes could change between the sum and the copy.
    const chain = nextChain(last.chain, region.subarray(offset + CHAIN_BYTES, end));
    view.setUint32(offset, chain, true);
    records.push({ key: entryKey(group, index), value: region.subarray(offset, end) });
    last = { index, term, chain };
    offset = end;
  }
  return { records, last };
}

/** What a record holds; null when the value is too short to hold anything. Not checked yet. */
export function splitEntry(
  value: Uint8Array,
): { readonly chain: number; readonly packed: Uint8Array } | null {
  if (value.length <= CHAIN_BYTES) return null;
  const chain = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  return { chain, packed: value.subarray(CHAIN_BYTES) };
}

export function isKey(found: Uint8Array, expected: Uint8Array): boolean {
  return equalBytes(found, expected);
}

function baseCrc(group: GroupId, bytes: Uint8Array): number {
  return checksum(bytes.subarray(0, BASE_BYTES - 4), checksum(encodeUtf8(group)));
}
