import { assert, at, type Entry } from '../base/index.js';

/** Entries in one block. */
const BLOCK_ENTRIES = 1024;

/**
 * Entries in a row, by position from 0. Kept in blocks: one array of a million would be copied as a
 * whole whenever it grows, or loses its beginning.
 */
export class EntryBlocks {
  /** Full ones, but for the first, which has lost `#dropped` entries, and the last. None is empty. */
  readonly #blocks: Entry[][] = [];
  #dropped = 0;
  #length = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
  }

  /** Packed bytes of the entries. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Undefined outside of [0, length). */
  get(position: number): Entry | undefined {
    if (position < 0) return undefined;
    const place = position + this.#dropped;
    const number = Math.floor(place / BLOCK_ENTRIES);
    const before = number === 0 ? this.#dropped : 0;
    return this.#blocks[number]?.[(place % BLOCK_ENTRIES) - before];
  }

  get last(): Entry | undefined {
    return this.#blocks.at(-1)?.at(-1);
  }

  push(entry: Entry): void {
    const place = this.#length + this.#dropped;
    if (place % BLOCK_ENTRIES === 0) this.#blocks.push([]);
    at(this.#blocks, this.#blocks.length - 1).push(entry);
    this.#length += 1;
    this.#bytes += entry.packed.length;
  }

  /** Entries at [from, to), which are held. */
  slice(from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    for (let position = from; position < to; position += 1) {
      const entry = this.get(position);
      assert(entry !== undefined, 'what is read is held');
      entries.push(entry);
    }
    return entries;
  }

  /** Drops the first `count` entries, which are held. */
  dropFirst(count: number): void {
    for (let left = count; left > 0; ) {
      const first = at(this.#blocks, 0);
      const isWhole = first.length <= left;
      const gone = isWhole ? first : first.splice(0, left);
      if (isWhole) this.#blocks.shift();
      this.#dropped = isWhole ? 0 : this.#dropped + left;
      left -= gone.length;
      this.#length -= gone.length;
      for (const { packed } of gone) this.#bytes -= packed.length;
    }
  }

  /** Drops all but the first `length` entries. */
  cutTo(length: number): void {
    while (this.#length > length) {
      const last = at(this.#blocks, this.#blocks.length - 1);
      this.#bytes -= last.pop()?.packed.length ?? 0;
      this.#length -= 1;
      if (last.length === 0) this.#blocks.pop();
    }
    if (this.#length === 0) this.#dropped = 0;
  }
}
