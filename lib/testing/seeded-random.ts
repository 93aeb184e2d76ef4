import { assert } from '../base/index.js';
import type { Random } from '../interfaces/index.js';

/**
 * Chance that a seed decides: the same seed gives the same numbers on every machine and every
 * version of Node. Not for secrets.
 *
 * Each part of a simulation takes a stream of its own by `fork`, so that one part drawing a number
 * more does not change what the others draw.
 */
export class SeededRandom implements Random {
  readonly seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string | number) {
    this.seed = String(seed);
    [this.#a, this.#b, this.#c] = spread(this.seed);
    // The first outputs of similar states resemble each other.
    for (let i = 0; i < 16; i += 1) this.#u32();
  }

  next(): number {
    const high = this.#u32() >>> 5;
    const low = this.#u32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i += 1) bytes[i] = this.#u32() >>> 24;
    return bytes;
  }

  /** An integer in [0, limit); `limit` is at least 1. */
  below(limit: number): number {
    assert(Number.isSafeInteger(limit) && limit >= 1, 'a limit is a positive integer');
    return Math.floor(this.next() * limit);
  }

  /** True once in `1 / probability` times. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /**
   * A stream of its own, decided by the seed and `name` alone: neither what was drawn from this one
   * before nor the order of forks changes it.
   */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${name}`);
  }

  /** Chris Doty-Humphrey's sfc32: three words of state and a counter, period above 2^32. */
  #u32(): number {
    const result = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0;
    return result >>> 0;
  }
}

/** Three words that depend on every character of the seed. */
function spread(seed: string): [number, number, number] {
  return [hash(seed, 0x9e3779b9), hash(seed, 0x85ebca6b), hash(seed, 0xc2b2ae35)];
}

function hash(text: string, basis: number): number {
  let word = basis;
  for (let i = 0; i < text.length; i += 1) {
    word = Math.imul(word ^ text.charCodeAt(i), 0x01000193);
    word ^= word >>> 15;
  }
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
  return (word ^ (word >>> 16)) | 0;
}
