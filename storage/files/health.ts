import { InvariantViolation, QuorateError } from '../../lib/base/index.js';
import { storageFailed } from './damage.js';

/**
 * Whether an engine's disk can be believed, and what is under way on it. The first write that fails is
 * final: after it nobody knows what is stored, and a later sync that succeeds proves nothing, because
 * the kernel has already told of the loss and forgotten it.
 */
export class Health {
  #failure: QuorateError | null = null;
  #callsUnderWay = 0;
  #onIdle: (() => void)[] = [];

  /** Why every call fails from now on, or null. */
  get failure(): QuorateError | null {
    return this.#failure;
  }

  /** Every later call fails with ERR_CLOSED. */
  close(): void {
    this.#failure = closed();
  }

  /** A write. If it fails, every later call fails with the same error. */
  async write<T>(path: string, call: () => Promise<T>): Promise<T> {
    try {
      return await this.attempt(path, call);
    } catch (error) {
      if (QuorateError.is(error)) this.#failure ??= error;
      throw error;
    }
  }

  /** A call whose failure says nothing about what is stored. */
  async attempt<T>(path: string, call: () => Promise<T>): Promise<T> {
    if (this.#failure !== null) throw this.#failure;
    this.#callsUnderWay += 1;
    try {
      return await call();
    } catch (error) {
      if (QuorateError.is(error) || error instanceof InvariantViolation) throw error;
      throw storageFailed(path, error);
    } finally {
      this.#callsUnderWay -= 1;
      if (this.#callsUnderWay === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Resolves once no call is under way. */
  async idle(): Promise<void> {
    while (this.#callsUnderWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle.push(resolve);
      });
    }
  }
}

/** What a call is told that comes too late. */
export function closed(): QuorateError {
  return new QuorateError('ERR_CLOSED', { message: 'the storage was closed' });
}
