import protobuf from 'protobufjs/minimal.js';
import {
  copyBytes,
  incarnationOf,
  isIncarnation,
  isName,
  isPriority,
  nodeIdOf,
  QuorateError,
} from '../base/index.js';

/*
 * The one place where generated protobuf code is called. What comes out of it is `Long` objects,
 * views into the receive buffer and bare `RangeError`s; what leaves here is safe integers, memory of
 * its own and ERR_PROTOCOL.
 */

/** What every generated message class has. */
interface Codec<P, M> {
  encode(message: P, writer: protobuf.Writer): protobuf.Writer;
  decode(reader: protobuf.Reader): M;
}

/** A 64-bit integer as the generated code gives it. */
type WireInteger = number | { readonly low: number; readonly high: number } | null | undefined;

const TWO_TO_32 = 0x1_0000_0000;

export function encodeWith<P, M>(codec: Codec<P, M>, message: P): Uint8Array {
  // Not `Writer.create`, which gives a Buffer on Node: its `slice` would be a view.
  return codec.encode(message, new protobuf.Writer()).finish();
}

/** Decodes and then reads out; whatever goes wrong in either is ERR_PROTOCOL. */
export function decodeWith<P, M, T>(
  codec: Codec<P, M>,
  bytes: Uint8Array,
  readOut: (message: M) => T,
): T {
  const reader = protobuf.Reader.create(bytes);
  // Kept ones cost an object each: a frame of nothing else would take many times its size.
  reader.discardUnknown = true;
  let message: M;
  try {
    message = codec.decode(reader);
  } catch (cause) {
    throw new QuorateError('ERR_PROTOCOL', { message: 'malformed message: not protobuf', cause });
  }
  return readOut(message);
}

export function malformed(fact: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed message: ${fact}` });
}

/** An unsigned 64-bit integer, at most 2^53 - 1. */
export function safeInteger(value: WireInteger): number {
  if (value === null || value === undefined) return 0;
  const integer =
    typeof value === 'number' ? value : (value.high >>> 0) * TWO_TO_32 + (value.low >>> 0);
  if (!isSafeUnsigned(integer)) throw malformed('an integer is above 2^53 - 1');
  return integer;
}

export function isSafeUnsigned(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export function isUint32(value: number): boolean {
  return isSafeUnsigned(value) && value < TWO_TO_32;
}

/** Bytes that share no memory with what was received. */
export function ownBytes(value: Uint8Array | null | undefined): Uint8Array {
  return value === null || value === undefined ? new Uint8Array(0) : copyBytes(value);
}

/** A field of a message that must be there. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw malformed(`${what} is missing`);
  return value;
}

export function nameIn(value: string | null | undefined, what: string): string {
  const name = value ?? '';
  if (!isName(name)) throw malformed(`${what} is not a valid name`);
  return name;
}

/** An incarnation, instance or cluster id. */
export function digitsIn(value: string | null | undefined, what: string): string {
  const digits = value ?? '';
  if (!isIncarnation(digits)) throw malformed(`${what} is not 16 hexadecimal digits`);
  return digits;
}

export function digitsOrNullIn(value: string | null | undefined, what: string): string | null {
  return value === null || value === undefined ? null : digitsIn(value, what);
}

/** Free text of at most `maxLength` UTF-16 units. */
export function textIn(value: string | null | undefined, maxLength: number, what: string): string {
  const text = value ?? '';
  if (text.length > maxLength) throw malformed(`${what} is longer than ${maxLength}`);
  return text;
}

export function textOrNullIn(
  value: string | null | undefined,
  maxLength: number,
  what: string,
): string | null {
  return value === null || value === undefined ? null : textIn(value, maxLength, what);
}

export function priorityIn(value: number): number {
  if (!isPriority(value)) throw malformed('a priority is too high');
  return value;
}

/** `nodeId`, or `nodeId#incarnation`. */
export function isMemberId(value: string): boolean {
  if (!isName(nodeIdOf(value))) return false;
  return !value.includes('#') || isIncarnation(incarnationOf(value));
}

/** The longest network address that is believed: a DNS name and a port. */
export const MAX_ADDRESS_LENGTH = 300;
