import {
  assert,
  ByteReader,
  ByteWriter,
  decodeUtf8,
  type Entry,
  encodeUtf8,
  type GroupId,
  isName,
  type LogIndex,
  type Term,
  unreachable,
  utf8Length,
} from '../../lib/base/index.js';
import type { HardState } from '../../lib/interfaces/index.js';
import { checksum } from '../files/index.js';
import { LENGTH_BYTES } from './portions.js';

/** An entry of a group's log, by its place. (0, 0) is before the first. */
export interface LogPlace {
  readonly index: LogIndex;
  readonly term: Term;
}

/** All that is known of a group but its entries. */
export interface GroupSummary {
  /** Null until it is first saved. */
  readonly state: HardState | null;
  /** The last entry that was compacted away. */
  readonly base: LogPlace;
  readonly last: LogPlace;
}

/** Entries as they are written: regions of packed ones, one after another. */
export interface EntriesRecord {
  /**
   * `entries` cut off what the log held from their first index on. `moved` were there already, and are
   * now here, because the segment that held them goes: they cut nothing.
   */
  readonly kind: 'entries' | 'moved';
  readonly group: GroupId;
  readonly firstIndex: LogIndex;
  readonly last: LogPlace;
  readonly packed: readonly Uint8Array[];
}

/** One thing that happened to one group. */
export type WalRecord =
  | EntriesRecord
  /** A new group, and in the first batch of each segment every group, as it is there. */
  | { readonly kind: 'group'; readonly group: GroupId; readonly summary: GroupSummary }
  | { readonly kind: 'state'; readonly group: GroupId; readonly state: HardState }
  /** The log begins after `base`, and holds what it held after it. */
  | { readonly kind: 'base'; readonly group: GroupId; readonly base: LogPlace }
  /** The log begins after `base`, and is empty. */
  | { readonly kind: 'reset'; readonly group: GroupId; readonly base: LogPlace };

/*
 * A record, integers little-endian:
 *
 *   0 u32 CRC-32 of what follows, begun with the CRC of the record before it; that of the first one of
 *   a batch with the chain at which the batch begins · 4 u32 length of group and body · 8 u8 kind ·
 *   9 u8 length of the group · 10 u16 0 · 12 group, body
 *
 *   entries, moved: u64 first index · u64 last index · u64 term of the last · packed entries
 *   state:          u64 term · u8 length of the vote (0: none) · vote
 *   base, reset:    u64 index · u64 term
 *   group:          u8 1 if there is a state · base · last · state
 */
const HEADER_BYTES = 12;
const KINDS = ['entries', 'moved', 'group', 'state', 'base', 'reset'] as const;

/** Bytes that the records of a batch take, with the length before them. */
export function contentBytes(records: readonly WalRecord[]): number {
  return records.reduce((sum, record) => sum + recordBytes(record), LENGTH_BYTES);
}

export function recordBytes(record: WalRecord): number {
  return HEADER_BYTES + record.group.length + bodyBytes(record);
}

/** Puts the content of a batch that begins with `chain` into `content`: as many bytes as it takes. */
export function encodeRecords(
  records: readonly WalRecord[],
  chain: number,
  content: Uint8Array,
): void {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  view.setUint32(0, content.length, true);
  let offset = LENGTH_BYTES;
  let crc = chain;
  for (const record of records) {
    const end = encodeRecord(content, offset, record);
    crc = checksum(content.subarray(offset + 4, end), crc);
    view.setUint32(offset, crc, true);
    offset = end;
  }
  assert(offset === content.length, 'records take as many bytes as they say');
}

/** Writes all but the CRC; gives where the record ends. */
function encodeRecord(target: Uint8Array, offset: number, record: WalRecord): number {
  const end = offset + recordBytes(record);
  const writer = new ByteWriter(target.subarray(offset + 4, end))
    .u32(end - offset - HEADER_BYTES)
    .u8(1 + KINDS.indexOf(record.kind))
    .u8(record.group.length)
    .u16(0)
    .ascii(record.group);
  writeBody(writer, record);
  writer.finish();
  return end;
}

/**
 * The records of a batch, in order, with views into `content`. Throws ERR_PROTOCOL for what is none: the
 * caller has checked the portions, and so tells of damage, or of a newer version.
 */
export function* decodeRecords(content: Uint8Array, chain: number): Generator<WalRecord> {
  let crc = chain;
  let rest = content.subarray(LENGTH_BYTES);
  while (rest.length > 0) {
    const reader = new ByteReader(rest);
    const expected = reader.u32();
    const length = reader.u32();
    const kind = KINDS[reader.u8() - 1];
    const groupLength = reader.u8();
    reader.u16();
    const inside = reader.bytes(length);
    crc = checksum(rest.subarray(4, HEADER_BYTES + length), crc);
    if (crc !== expected) throw new Error('the checksum of a record is wrong');
    if (kind === undefined)
      throw new Error('a record is of a kind that this version does not know');
    const group = decodeUtf8(inside.subarray(0, groupLength));
    if (!isName(group)) throw new Error('a record has no group');
    yield decodeBody(kind, group, inside.subarray(groupLength));
    rest = rest.subarray(HEADER_BYTES + length);
  }
}

/** The record of an append. Entries that stand side by side in memory are copied together later. */
export function entriesRecord(group: GroupId, entries: readonly Entry[]): EntriesRecord {
  const [first] = entries;
  const last = entries.at(-1);
  assert(first !== undefined && last !== undefined, 'a record holds at least one entry');
  return {
    kind: 'entries',
    group,
    firstIndex: first.index,
    last: { index: last.index, term: last.term },
    packed: entries.map(({ packed }) => packed),
  };
}

function bodyBytes(record: WalRecord): number {
  switch (record.kind) {
    case 'entries':
    case 'moved':
      return record.packed.reduce((sum, { length }) => sum + length, ENTRIES_BYTES);
    case 'group':
      return 1 + 2 * PLACE_BYTES + stateBytes(record.summary.state ?? NO_STATE);
    case 'state':
      return stateBytes(record.state);
    case 'base':
    case 'reset':
      return PLACE_BYTES;
    default:
      return unreachable(record);
  }
}

function writeBody(writer: ByteWriter, record: WalRecord): void {
  switch (record.kind) {
    case 'entries':
    case 'moved':
      writer.u64(record.firstIndex);
      writePlace(writer, record.last);
      for (const region of record.packed) writer.bytes(region);
      return;
    case 'group': {
      const { state, base, last } = record.summary;
      writer.u8(state === null ? 0 : 1);
      writePlace(writer, base);
      writePlace(writer, last);
      writeState(writer, state ?? NO_STATE);
      return;
    }
    case 'state':
      writeState(writer, record.state);
      return;
    case 'base':
    case 'reset':
      writePlace(writer, record.base);
      return;
    default:
      unreachable(record);
  }
}

function decodeBody(kind: WalRecord['kind'], group: GroupId, body: Uint8Array): WalRecord {
  const reader = new ByteReader(body);
  switch (kind) {
    case 'entries':
    case 'moved': {
      const firstIndex = reader.u64();
      const last = decodePlace(reader);
      return { kind, group, firstIndex, last, packed: [reader.bytes(reader.remaining)] };
    }
    case 'group': {
      const hasState = reader.u8() === 1;
      const base = decodePlace(reader);
      const last = decodePlace(reader);
      const state = decodeState(reader);
      return { kind, group, summary: { state: hasState ? state : null, base, last } };
    }
    case 'state':
      return { kind, group, state: decodeState(reader) };
    case 'base':
    case 'reset':
      return { kind, group, base: decodePlace(reader) };
    default:
      return unreachable(kind);
  }
}

const ENTRIES_BYTES = 24;
const PLACE_BYTES = 16;
const NO_STATE: HardState = { term: 0, votedFor: null };

function writePlace(writer: ByteWriter, { index, term }: LogPlace): void {
  writer.u64(index).u64(term);
}

function decodePlace(reader: ByteReader): LogPlace {
  return { index: reader.u64(), term: reader.u64() };
}

function stateBytes({ votedFor }: HardState): number {
  return 9 + utf8Length(votedFor ?? '');
}

function writeState(writer: ByteWriter, { term, votedFor }: HardState): void {
  const vote = encodeUtf8(votedFor ?? '');
  writer.u64(term).u8(vote.length).bytes(vote);
}

function decodeState(reader: ByteReader): HardState {
  const term = reader.u64();
  const vote = decodeUtf8(reader.bytes(reader.u8()));
  return { term, votedFor: vote === '' ? null : vote };
}
