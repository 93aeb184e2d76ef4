import { assert } from './assert.js';
import { QuorateError } from './errors.js';

/**
 * Reads and writes packed layouts: unsigned little-endian integers, lengths before bytes. The writer
 * asserts (it is given our own values), the reader validates (it is given bytes from outside) and
 * throws ERR_PROTOCOL instead of reading past the end.
 *
 * Neither uses a DataView: to make one of a new small array takes longer than all of its writes.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#byte(this.#take(1));
  }

  u16(): number {
    const start = this.#take(2);
    return this.#byte(start) | (this.#byte(start + 1) << 8);
  }

  u32(): number {
    return this.#u32(this.#take(4));
  }

  /** A 64-bit integer, at most 2^53 - 1. */
  u64(): number {
    const start = this.#take(8);
    return joinU64(this.#u32(start), this.#u32(start + 4));
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** ERR_PROTOCOL unless everything was read. */
  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} bytes follow the end`);
  }

  #byte(offset: number): number {
    return this.#bytes[offset] ?? 0;
  }

  #u32(offset: number): number {
    const high = (this.#byte(offset + 3) << 24) | (this.#byte(offset + 2) << 16);
    return (high | (this.#byte(offset + 1) << 8) | this.#byte(offset)) >>> 0;
  }

  #take(length: number): number {
    const start = this.#offset;
    if (length > this.#bytes.length - start) {
      throw malformed(`${length} bytes wanted at ${start} of ${this.#bytes.length}`);
    }
    this.#offset = start + length;
    return start;
  }
}

export class ByteWriter {
  readonly #bytes: Uint8Array;
  #offset = 0;

  /** The exact size of what will be written, or memory of that size. */
  constructor(target: number | Uint8Array) {
    this.#bytes = typeof target === 'number' ? new Uint8Array(target) : target;
  }

  u8(value: number): this {
    this.#bytes[this.#advance(1)] = value;
    return this;
  }

  u16(value: number): this {
    const start = this.#advance(2);
    this.#bytes[start] = value;
    this.#bytes[start + 1] = value >>> 8;
    return this;
  }

  u32(value: number): this {
    this.#u32(this.#advance(4), value);
    return this;
  }

  u64(value: number): this {
    assertU64(value);
    const start = this.#advance(8);
    this.#u32(start, value % TWO_TO_32);
    this.#u32(start + 4, Math.floor(value / TWO_TO_32));
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#advance(value.length));
    return this;
  }

  /** Text of characters that are one byte each, as names are. */
  ascii(text: string): this {
    const start = this.#advance(text.length);
    for (let i = 0; i < text.length; i += 1) this.#bytes[start + i] = text.charCodeAt(i);
    return this;
  }

  finish(): Uint8Array {
    assert(this.#offset === this.#bytes.length, 'a packed value fills exactly its bytes');
    return this.#bytes;
  }

  #u32(offset: number, value: number): void {
    this.#bytes[offset] = value;
    this.#bytes[offset + 1] = value >>> 8;
    this.#bytes[offset + 2] = value >>> 16;
    this.#bytes[offset + 3] = value >>> 24;
  }

  #advance(length: number): number {
    const start = this.#offset;
    assert(start + length <= this.#bytes.length, 'a packed value fits its bytes');
    this.#offset = start + length;
    return start;
  }
}

const TWO_TO_32 = 0x1_0000_0000;

export function readU64(view: DataView, offset: number): number {
  return joinU64(view.getUint32(offset, true), view.getUint32(offset + 4, true));
}

export function writeU64(view: DataView, offset: number, value: number): void {
  assertU64(value);
  view.setUint32(offset, value % TWO_TO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_TO_32), true);
}

function joinU64(low: number, high: number): number {
  const value = high * TWO_TO_32 + low;
  if (!Number.isSafeInteger(value)) throw malformed('an integer is above 2^53 - 1');
  return value;
}

function assertU64(value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a packed integer is safe and not negative');
}

function malformed(message: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed bytes: ${message}` });
}
