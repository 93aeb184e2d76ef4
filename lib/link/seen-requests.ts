/** Requests of one start of a peer that are remembered; the oldest are forgotten first. */
const MAX_REMEMBERED = 65_536;

/**
 * Which requests of a peer have been carried out. A transport may repeat a frame, and a request that
 * is carried out twice writes twice, the second time over what came between.
 */
export class SeenRequests {
  #instance: string | null = null;
  readonly #correlations = new Set<number>();

  /** Whether this is the first frame of the request. Another start of the peer counts anew. */
  isFirst(instance: string, correlation: number): boolean {
    if (instance !== this.#instance) this.#correlations.clear();
    this.#instance = instance;
    if (this.#correlations.has(correlation)) return false;
    this.#correlations.add(correlation);
    if (this.#correlations.size > MAX_REMEMBERED) this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    for (const oldest of this.#correlations) {
      this.#correlations.delete(oldest);
      return;
    }
  }
}
