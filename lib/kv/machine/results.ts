import {
  ByteReader,
  ByteWriter,
  copyBytes,
  decodeUtf8,
  EMPTY_BYTES,
  ERROR_CODES,
  type ErrorCode,
  encodeUtf8,
  QuorateError,
} from '../../base/index.js';
import type { StoredEntry } from './types.js';

/** What a command came to. `failed` changed nothing and took no revision; so did `conditionFailed`. */
export type KVResult =
  | { readonly kind: 'put'; readonly revision: number; readonly created: boolean }
  /** `revision` is the deletion's, or the store's where nothing was deleted. */
  | { readonly kind: 'delete'; readonly revision: number; readonly deleted: boolean }
  /** `entry` is what stands there now; null: nothing. */
  | { readonly kind: 'conditionFailed'; readonly entry: StoredEntry | null }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/*
 * Result, integers little-endian: 0 u8 layout (1) · 1 u8 kind, then by kind:
 *
 *   1 put              u64 revision · u8 created
 *   2 delete           u64 revision · u8 deleted
 *   3 conditionFailed  u8 has an entry, then the entry
 *   4 failed           u8 code length · code · message (to the end)
 *   5 found            as 3; the answer to a query, never to a command
 *
 * Entry: u64 createRevision · u64 modRevision · u64 version · u16 key length · u32 value length ·
 * u8 lease length (0: none) · key · value · lease.
 */
const LAYOUT = 1;
const PUT = 1;
const DELETE = 2;
const CONDITION_FAILED = 3;
const FAILED = 4;
const FOUND = 5;
/** Bytes of an entry beside key, value and lease. */
const ENTRY_HEADER_BYTES = 31;

/** The packed result. */
export function encodeResult(result: KVResult): Uint8Array {
  switch (result.kind) {
    case 'put':
      return encodeChange(PUT, result.revision, result.created);
    case 'delete':
      return encodeChange(DELETE, result.revision, result.deleted);
    case 'conditionFailed':
      return encodeEntry(CONDITION_FAILED, result.entry);
    case 'failed': {
      const code = encodeUtf8(result.code);
      const message = encodeUtf8(result.message);
      const writer = new ByteWriter(3 + code.length + message.length).u8(LAYOUT).u8(FAILED);
      return writer.u8(code.length).bytes(code).bytes(message).finish();
    }
  }
}

/** The result in `packed`, sharing no memory with it. Anything else is ERR_PROTOCOL. */
export function decodeResult(packed: Uint8Array): KVResult {
  const reader = new ByteReader(packed);
  const layout = reader.u8();
  if (layout !== LAYOUT) throw malformed(`layout ${layout} is not known to this version`);
  const kind = reader.u8();
  const result = decodeKind(reader, kind);
  reader.end();
  return result;
}

/** The packed answer to the question what stands at a key. */
export function encodeFound(entry: StoredEntry | null): Uint8Array {
  return encodeEntry(FOUND, entry);
}

/** What stood at the key, sharing no memory with `packed`. Anything else is ERR_PROTOCOL. */
export function decodeFound(packed: Uint8Array): StoredEntry | null {
  const reader = new ByteReader(packed);
  if (reader.u8() !== LAYOUT || reader.u8() !== FOUND) throw malformed('it is not an entry');
  const entry = decodeFlag(reader) ? readEntry(reader) : null;
  reader.end();
  return entry;
}

function decodeKind(reader: ByteReader, kind: number): KVResult {
  switch (kind) {
    case PUT:
      return { kind: 'put', revision: reader.u64(), created: decodeFlag(reader) };
    case DELETE:
      return { kind: 'delete', revision: reader.u64(), deleted: decodeFlag(reader) };
    case CONDITION_FAILED:
      return { kind: 'conditionFailed', entry: decodeFlag(reader) ? readEntry(reader) : null };
    case FAILED: {
      const code = decodeUtf8(reader.bytes(reader.u8()));
      if (!isErrorCode(code)) throw malformed('an error code is not known to this version');
      return { kind: 'failed', code, message: decodeUtf8(reader.bytes(reader.remaining)) };
    }
    default:
      throw malformed(`kind ${kind} is not known`);
  }
}

function encodeChange(kind: number, revision: number, flag: boolean): Uint8Array {
  const writer = new ByteWriter(11).u8(LAYOUT).u8(kind).u64(revision);
  return writer.u8(flag ? 1 : 0).finish();
}

function encodeEntry(kind: number, entry: StoredEntry | null): Uint8Array {
  const lease = entry === null || entry.lease === null ? EMPTY_BYTES : encodeUtf8(entry.lease);
  const entryBytes =
    entry === null ? 0 : ENTRY_HEADER_BYTES + entry.key.length + entry.value.length + lease.length;
  const writer = new ByteWriter(3 + entryBytes).u8(LAYOUT).u8(kind);
  writer.u8(entry === null ? 0 : 1);
  if (entry !== null) {
    writer.u64(entry.createRevision).u64(entry.modRevision).u64(entry.version);
    writer.u16(entry.key.length).u32(entry.value.length).u8(lease.length);
    writer.bytes(entry.key).bytes(entry.value).bytes(lease);
  }
  return writer.finish();
}

function readEntry(reader: ByteReader): StoredEntry {
  const createRevision = reader.u64();
  const modRevision = reader.u64();
  const version = reader.u64();
  const keyLength = reader.u16();
  const valueLength = reader.u32();
  const leaseLength = reader.u8();
  const key = copyBytes(reader.bytes(keyLength));
  const value = copyBytes(reader.bytes(valueLength));
  const lease = leaseLength === 0 ? null : decodeUtf8(reader.bytes(leaseLength));
  return { key, value, createRevision, modRevision, version, lease };
}

function decodeFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw malformed('a flag is neither 0 nor 1');
  return flag === 1;
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code);
}

function malformed(message: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed result: ${message}` });
}
