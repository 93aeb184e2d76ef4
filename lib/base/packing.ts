import { assert } from './assert.js';
import { QuorateError } from './errors.js';

/**
 * Reads and writes packed layouts: unsigned little-endian integers, lengths before bytes. The writer
 * asserts (it is given our own values), the reader validates (it is given bytes from outside) and
 * throws ERR_PROTOCOL instead of reading past the end.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** A 64-bit integer, at most 2^53 - 1. */
  u64(): number {
    return readU64(this.#view, this.#take(8));
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
  readonly #view: DataView;
  #offset = 0;

  /** `length` is the exact size of what will be written. */
  constructor(length: number) {
    this.#bytes = new Uint8Array(length);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#advance(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#advance(2), value, true);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#advance(4), value, true);
    return this;
  }

  u64(value: number): this {
    writeU64(this.#view, this.#advance(8), value);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#advance(value.length));
    return this;
  }

  finish(): Uint8Array {
    assert(this.#offset === this.#bytes.length, 'a packed value fills exactly its bytes');
    return this.#bytes;
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
  const value = view.getUint32(offset + 4, true) * TWO_TO_32 + view.getUint32(offset, true);
  if (!Number.isSafeInteger(value)) throw malformed('an integer is above 2^53 - 1');
  return value;
}

export function writeU64(view: DataView, offset: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, 'a packed integer is safe and not negative');
  view.setUint32(offset, value % TWO_TO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_TO_32), true);
}

function malformed(message: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed bytes: ${message}` });
}
