import type { Clock } from '../../lib/interfaces/index.js';
import type { Database } from './database.js';

export type Operation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

interface Waiting {
  readonly operations: Iterable<Operation>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Put into a batch in one turn. Cutting off a long tail is as many deletes as it had entries, all of
 * them in one batch, or a crash could leave a log with a hole.
 */
const TURN_OPERATIONS = 2048;

/**
 * Joins the writes of all groups: those of one turn, and those that come while the disk is busy, go
 * into one atomic batch with one sync. Holds at most one write of each group, because the calls of a
 * group never overlap.
 *
 * The first batch that fails is the last that is tried: LevelDB can leave half a record in its log,
 * and passes over what follows one at the next start, however well that was synced.
 */
export class Batcher {
  readonly #database: Database;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #isScheduled = false;
  #syncCount = 0;
  /** Why nothing is written any more. */
  #failure: { readonly error: unknown } | null = null;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Syncs of the database so far. */
  get syncCount(): number {
    return this.#syncCount;
  }

  /** Resolves once all operations are durable, together. After a failure every later call fails too. */
  write(operations: Iterable<Operation>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operations, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      this.#clock.soon(() => void this.#flushAll());
    });
  }

  /** One after another into a batch of LevelDB: half the cost of an array of operations. */
  async #writeTogether(taken: readonly Waiting[]): Promise<void> {
    const batch = this.#database.batch();
    let count = 0;
    for (const { operations } of taken) {
      for (const operation of operations) {
        if (operation.type === 'put') batch.put(operation.key, operation.value);
        else batch.del(operation.key);
        count += 1;
        if (count % TURN_OPERATIONS === 0) await this.#nextTurn();
      }
    }
    await batch.write({ sync: true });
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve));
  }

  async #flushAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#failure !== null) throw this.#failure.error;
        this.#syncCount += 1;
        await this.#writeTogether(taken);
        for (const { resolve } of taken) resolve();
      } catch (error) {
        this.#failure ??= { error };
        for (const { reject } of taken) reject(error);
      }
    }
    this.#isScheduled = false;
  }
}
