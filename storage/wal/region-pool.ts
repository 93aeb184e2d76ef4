const FIRST_BYTES = 64 * 1024;
const REGION_BYTES = 1024 * 1024;

/**
 * Gives memory out of large regions, so that very many small batches are not as many buffers. The first one
 * is small, and each one twice the one before, so that a short log does not take as much as a long one.
 */
export class RegionPool {
  #region = new Uint8Array(0);
  #usedBytes = 0;

  /** Zeros, and nobody else's. */
  take(bytes: number): Uint8Array {
    if (bytes >= REGION_BYTES / 4) return new Uint8Array(bytes);
    if (bytes > this.#region.length - this.#usedBytes) {
      const wantedBytes = Math.max(FIRST_BYTES, 2 * this.#region.length, bytes);
      this.#region = new Uint8Array(Math.min(REGION_BYTES, wantedBytes));
      this.#usedBytes = 0;
    }
    const start = this.#usedBytes;
    this.#usedBytes += bytes;
    return this.#region.subarray(start, start + bytes);
  }
}
