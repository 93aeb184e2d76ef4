const REGION_BYTES = 1024 * 1024;

/** Gives memory out of large regions, so that very many small batches are not as many buffers. */
export class RegionPool {
  #region = new Uint8Array(0);
  #usedBytes = 0;

  /** Zeros, and nobody else's. */
  take(bytes: number): Uint8Array {
    if (bytes >= REGION_BYTES / 4) return new Uint8Array(bytes);
    if (bytes > this.#region.length - this.#usedBytes) {
      this.#region = new Uint8Array(REGION_BYTES);
      this.#usedBytes = 0;
    }
    const start = this.#usedBytes;
    this.#usedBytes += bytes;
    return this.#region.subarray(start, start + bytes);
  }
}
