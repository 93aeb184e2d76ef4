import { assert, at, type Entry } from '../base/index.js';

/** Entries in one block. */
const BLOCK_ENTRIES = 1024;

interface Block {
  readonly entries: Entry[];
  /** Packed bytes of `entries`: they are not looked at when the block is dropped. */
  bytes: number;
}

/**
 * Entries in a row, by position from 0. Kept in blocks: one array of a million would be copied as a
 * whole whenever it grows, or loses its beginning.
 */
export class EntryBlocks {
  /** Full ones, but for the first, which has lost `#dropped` entries, and the last. None is empty. */
  readonly #blocks: Block[] = [];
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
    return this.#blocks[number]?.entries[(place % BLOCK_ENTRIES) - before];
  }

  get last(): Entry | undefined {
    return this.#blocks.at(-1)?.entries.at(-1);
  }

  push(entry: Entry): void {
    const place = this.#length + this.#dropped;
    if (place % BLOCK_ENTRIES === 0) this.#blocks.push({ entries: [], bytes: 0 });
    const last = at(this.#blocks, this.#blocks.length - 1);
    last.entries.push(entry);
    this.#count(last, 1, entry.sizeBytes);
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
    let left = count;
    for (;;) {
      const [first] = this.#blocks;
      if (first === undefined || first.entries.length > left) break;
      left -= first.entries.length;
      this.#count(first, -first.entries.length, -first.bytes);
      this.#blocks.shift();
      this.#dropped = 0;
    }
    if (left === 0) return;
    const first = at(this.#blocks, 0);
    for (const { sizeBytes } of first.entries.splice(0, left)) this.#count(first, -1, -sizeBytes);
    this.#dropped += left;
  }

  /** Drops all but the first `length` entries. */
  cutTo(length: number): void {
    while (this.#length > length) {
      const last = at(this.#blocks, this.#blocks.length - 1);
      this.#count(last, -1, -(last.entries.pop()?.sizeBytes ?? 0));
      if (last.entries.length === 0) this.#blocks.pop();
    }
    if (this.#length === 0) this.#dropped = 0;
  }

  #count(block: Block, entries: number, bytes: number): void {
    this.#length += entries;
    this.#bytes += bytes;
    block.bytes += bytes;
  }
}
