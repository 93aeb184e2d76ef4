import { checksum } from '../files/index.js';

/*
 * A stamp, 16 bytes at an offset that 16 divides, integers little-endian:
 *
 *   0 u32 CRC-32 of the portion before it, begun with the CRC of the portion before that ·
 *   4 u32 check · 8 u48 number of the batch · 14 u8 1 for the last portion of its batch, else 0 · 15 u8 A5
 *
 * The check is the CRC-32 of: u32 nonce of the stream, u64 sequence of the segment, u64 offset of the
 * stamp, u32 CRC, u48 number, u8 last, u8 A5. So a stamp is known for one wherever it stands, without a
 * look at what it is for, and is none in any other place.
 */
export const STAMP_BYTES = 16;

/** Ends a stamp. Not zero: what was written of a stamp, but not all of it, ends in a zero. */
export const STAMP_END = 0xa5;

/** What a stamp says of the portion before it. */
export interface Stamp {
  readonly crc: number;
  readonly batchNumber: number;
  readonly isLast: boolean;
}

/** Where a stamp stands: at `offset` of the segment `sequence`. */
export interface StampPlace {
  readonly sequence: number;
  readonly offset: number;
}

const CRC_AT = 20;
const NUMBER_AT = 24;
const LAST_AT = 30;
const END_AT = 31;
const CHECKED_BYTES = 32;

/** Writes and knows the stamps of one stream. */
export class Stamps {
  /** What the check is of. One for all stamps: there are very many. */
  readonly #checked = new Uint8Array(CHECKED_BYTES);
  readonly #view = new DataView(this.#checked.buffer);

  /** `nonce`, a u32, tells the streams of different directories apart. */
  constructor(nonce: number) {
    this.#view.setUint32(0, nonce, true);
  }

  /** Puts a stamp at `at` of `target`, which is written to `place`. */
  write(target: Uint8Array, at: number, place: StampPlace, stamp: Stamp): void {
    const view = this.#placed(place);
    view.setUint32(CRC_AT, stamp.crc, true);
    setUint(view, NUMBER_AT, stamp.batchNumber, 6);
    view.setUint8(LAST_AT, stamp.isLast ? 1 : 0);
    view.setUint8(END_AT, STAMP_END);
    const check = checksum(this.#checked);
    for (let i = 0; i < 4; i += 1) {
      target[at + i] = view.getUint8(CRC_AT + i);
      target[at + 4 + i] = check >>> (8 * i);
    }
    for (let i = 8; i < STAMP_BYTES; i += 1) target[at + i] = view.getUint8(16 + i);
  }

  /** The stamp at `at` of `bytes`, which were read at `place`; null unless it was written for there. */
  read(bytes: Uint8Array, at: number, place: StampPlace): Stamp | null {
    if (bytes[at + STAMP_BYTES - 1] !== STAMP_END) return null;
    const view = this.#placed(place);
    let check = 0;
    for (let i = 0; i < 4; i += 1) {
      this.#checked[CRC_AT + i] = bytes[at + i] ?? 0;
      check |= (bytes[at + 4 + i] ?? 0) << (8 * i);
    }
    for (let i = 8; i < STAMP_BYTES; i += 1) this.#checked[16 + i] = bytes[at + i] ?? 0;
    if (checksum(this.#checked) !== check >>> 0) return null;
    return {
      crc: view.getUint32(CRC_AT, true),
      batchNumber: view.getUint32(NUMBER_AT, true) + view.getUint16(NUMBER_AT + 4, true) * 2 ** 32,
      isLast: view.getUint8(LAST_AT) === 1,
    };
  }

  #placed({ sequence, offset }: StampPlace): DataView {
    setUint(this.#view, 4, sequence, 8);
    setUint(this.#view, 12, offset, 8);
    return this.#view;
  }
}

function setUint(view: DataView, at: number, value: number, bytes: 6 | 8): void {
  view.setUint32(at, value % 2 ** 32, true);
  const high = Math.floor(value / 2 ** 32);
  if (bytes === 8) view.setUint32(at + 4, high, true);
  else view.setUint16(at + 4, high, true);
}
