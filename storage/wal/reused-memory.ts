const MIN_BYTES = 64 * 1024;
/** What is longer gets memory of its own, so that one long batch is not remembered for ever. */
export const MAX_REUSED_BYTES: number = 8 * 1024 * 1024;

/**
 * Memory that is lent to one user at a time. Memory that is new for every batch costs more than the copying
 * into it: pages to clear, garbage to collect.
 */
export class ReusedMemory {
  readonly #allocate: (bytes: number) => Uint8Array;
  #memory: Uint8Array = new Uint8Array(0);

  constructor(allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.#allocate = allocate;
  }

  /** What was lent before is lent no more. What is in it is anything. */
  take(length: number): Uint8Array {
    if (length > MAX_REUSED_BYTES) return new Uint8Array(length);
    if (length > this.#memory.length) {
      let size = MIN_BYTES;
      while (size < length) size *= 2;
      this.#memory = this.#allocate(size);
    }
    return this.#memory.subarray(0, length);
  }
}
