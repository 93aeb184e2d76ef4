/**
 * That the client closes, told to whatever waits. Any number of calls may wait, which an AbortSignal
 * takes for a leak and warns of on stderr.
 */
export class Closing {
  readonly #listeners = new Set<() => void>();
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Tells `listener` once, unless the returned function was called before. */
  onOver(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** May be called twice. */
  end(): void {
    this.#isOver = true;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}
