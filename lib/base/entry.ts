import { assert } from './assert.js';
import { QuorateError } from './errors.js';
import { readU64, writeU64 } from './packing.js';
import { type GroupId, isName, type LogIndex, type Term } from './vocabulary.js';

/**
 * What an entry is for. `noop` opens a leader's term, `command` is for the state machine,
 * `configuration` says who the members are.
 */
export type EntryKind = 'noop' | 'command' | 'configuration';

/**
 * One entry of a group's log. It is packed once, by the leader that proposed it; the same bytes go
 * to every follower and to every disk.
 */
export interface Entry {
  readonly kind: EntryKind;
  /** Version of the payload's own layout, chosen by whoever proposed it. 0 to 65,535. */
  readonly commandVersion: number;
  readonly group: GroupId;
  readonly term: Term;
  readonly index: LogIndex;
  /** Milliseconds of leaders' monotonic time since the log began. Never goes back along the log. */
  readonly logTimeMs: number;
  /** A view into `packed`, made at each look. Never mutated. */
  readonly payload: Uint8Array;
  /** Header and payload, as on the wire and on disk. A view, made at each look. Never mutated. */
  readonly packed: Uint8Array;
  /** Length of `packed`. */
  readonly sizeBytes: number;
}

/** What `packEntries` makes an entry from. */
export interface EntryDraft {
  readonly kind: EntryKind;
  readonly commandVersion: number;
  readonly payload: Uint8Array;
}

/**
 * There are very many, and of most the bytes are looked at seldom: a view of them takes more memory than all
 * else that is known of an entry, and is made when it is asked for.
 */
class PackedEntry implements Entry {
  readonly kind: EntryKind;
  readonly commandVersion: number;
  readonly group: GroupId;
  readonly term: Term;
  readonly index: LogIndex;
  readonly logTimeMs: number;
  readonly sizeBytes: number;
  readonly #region: Uint8Array;
  readonly #offset: number;

  constructor(
    kind: EntryKind,
    commandVersion: number,
    group: GroupId,
    term: Term,
    index: LogIndex,
    logTimeMs: number,
    region: Uint8Array,
    offset: number,
    sizeBytes: number,
  ) {
    this.kind = kind;
    this.commandVersion = commandVersion;
    this.group = group;
    this.term = term;
    this.index = index;
    this.logTimeMs = logTimeMs;
    this.sizeBytes = sizeBytes;
    this.#region = region;
    this.#offset = offset;
  }

  get packed(): Uint8Array {
    return this.#region.subarray(this.#offset, this.#offset + this.sizeBytes);
  }

  get payload(): Uint8Array {
    const start = this.#offset + FIXED_BYTES + this.group.length;
    return this.#region.subarray(start, this.#offset + this.sizeBytes);
  }
}

/*
 * Layout 1, integers little-endian:
 *
 *   0 u8 layout (1) · 1 u8 kind · 2 u16 command version · 4 u32 payload length ·
 *   8 u64 term · 16 u64 index · 24 u64 log time · 32 u8 group length · 33 group, payload
 */
const LAYOUT = 1;
const FIXED_BYTES = 33;
const KINDS: readonly EntryKind[] = ['noop', 'command', 'configuration'];
const KIND_NUMBERS: Readonly<Record<EntryKind, number>> = { noop: 0, command: 1, configuration: 2 };

/** The most bytes that a header takes, with the longest group name. */
export const MAX_ENTRY_HEADER_BYTES: number = FIXED_BYTES + 64;

export interface EntryPosition {
  readonly group: GroupId;
  readonly term: Term;
  /** Index of the first entry; the others follow without a gap. */
  readonly firstIndex: LogIndex;
  readonly logTimeMs: number;
}

/** Packs drafts as consecutive entries into one region of memory that the entries share. */
export function packEntries(position: EntryPosition, drafts: readonly EntryDraft[]): Entry[] {
  const { group, term, firstIndex, logTimeMs } = position;
  assert(isName(group), 'a group id is a valid name');
  const headerBytes = FIXED_BYTES + group.length;
  let total = 0;
  for (const draft of drafts) total += headerBytes + draft.payload.length;
  const region = new Uint8Array(total);
  const view = new DataView(region.buffer);
  const entries: Entry[] = [];
  let offset = 0;
  for (const { kind, commandVersion, payload } of drafts) {
    const index = firstIndex + entries.length;
    view.setUint8(offset, LAYOUT);
    view.setUint8(offset + 1, KIND_NUMBERS[kind]);
    view.setUint16(offset + 2, commandVersion, true);
    view.setUint32(offset + 4, payload.length, true);
    writeU64(view, offset + 8, term);
    writeU64(view, offset + 16, index);
    writeU64(view, offset + 24, logTimeMs);
    view.setUint8(offset + 32, group.length);
    for (let i = 0; i < group.length; i += 1) {
      view.setUint8(offset + FIXED_BYTES + i, group.charCodeAt(i));
    }
    region.set(payload, offset + headerBytes);
    const bytes = headerBytes + payload.length;
    entries.push(
      new PackedEntry(kind, commandVersion, group, term, index, logTimeMs, region, offset, bytes),
    );
    offset += bytes;
  }
  return entries;
}

/**
 * The entries of a region, in order, as views into it: the caller owns the region and never changes
 * it again. Anything that is not a run of whole entries is ERR_PROTOCOL; so is an unknown layout or
 * kind, which a newer version wrote and which must not be skipped.
 */
export function unpackEntries(region: Uint8Array): Entry[] {
  const view = new DataView(region.buffer, region.byteOffset, region.byteLength);
  const entries: Entry[] = [];
  let offset = 0;
  let group: GroupId = '';
  while (offset < region.length) {
    const entry = unpackAt(region, view, offset, group);
    entries.push(entry);
    offset += entry.sizeBytes;
    group = entry.group;
  }
  return entries;
}

/** The entry at `offset`. Most are of the group of the one before, and then share the text of its name. */
function unpackAt(region: Uint8Array, view: DataView, offset: number, groupBefore: GroupId): Entry {
  if (region.length - offset < FIXED_BYTES) throw malformed('a header is cut off');
  const layout = view.getUint8(offset);
  if (layout !== LAYOUT) throw malformed(`layout ${layout} is not known to this version`);
  const kind = KINDS[view.getUint8(offset + 1)];
  if (kind === undefined) {
    throw malformed(`kind ${view.getUint8(offset + 1)} is not known to this version`);
  }
  const groupLength = view.getUint8(offset + 32);
  const payloadAt = offset + FIXED_BYTES + groupLength;
  const end = payloadAt + view.getUint32(offset + 4, true);
  if (end > region.length) throw malformed('a payload is cut off');
  const group = groupAt(region, offset + FIXED_BYTES, groupLength, groupBefore);
  const term = readU64(view, offset + 8);
  const index = readU64(view, offset + 16);
  if (term === 0 || index === 0) throw malformed('an entry has term or index 0');
  const commandVersion = view.getUint16(offset + 2, true);
  const logTimeMs = readU64(view, offset + 24);
  const bytes = end - offset;
  return new PackedEntry(
    kind,
    commandVersion,
    group,
    term,
    index,
    logTimeMs,
    region,
    offset,
    bytes,
  );
}

function groupAt(region: Uint8Array, start: number, length: number, before: GroupId): GroupId {
  let isSame = length === before.length && length > 0;
  for (let i = 0; isSame && i < length; i += 1) isSame = region[start + i] === before.charCodeAt(i);
  if (isSame) return before;
  const group = asciiAt(region, start, length);
  if (!isName(group)) throw malformed('a group id is not a valid name');
  return group;
}

function asciiAt(region: Uint8Array, start: number, length: number): string {
  let text = '';
  for (let i = start; i < start + length; i += 1) text += String.fromCharCode(region[i] ?? 0);
  return text;
}

function malformed(message: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed entry: ${message}` });
}
