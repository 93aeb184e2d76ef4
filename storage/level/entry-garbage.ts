import type { LogIndex } from '../../lib/base/index.js';
import type { GroupFilesOptions } from '../files/index.js';
import type { Database } from './database.js';
import { entryKey } from './records.js';

export interface EntryGarbageOptions extends Pick<GroupFilesOptions, 'group' | 'health'> {
  readonly database: Database;
}

/**
 * Removes entries from below the base of a log. Nobody reads them any more, so neither the log nor
 * the event loop waits: the database walks them on a thread of its own. What a crash leaves behind goes
 * with the next collection.
 */
export class EntryGarbage {
  readonly #options: EntryGarbageOptions;
  #collection: Promise<void> = Promise.resolve();
  /** Known to be gone, up to here. */
  #collectedIndex: LogIndex = 0;

  constructor(options: EntryGarbageOptions) {
    this.#options = options;
  }

  /** Removes what is at or below `index`. A failure is one of the disk: later calls of the engine fail. */
  collect(index: LogIndex): void {
    this.#collection = this.#collection.then(() => this.#collect(index));
  }

  /** Resolves when nothing is being removed. */
  async idle(): Promise<void> {
    await this.#collection;
  }

  async #collect(index: LogIndex): Promise<void> {
    const { database, group, health } = this.#options;
    const gte = entryKey(group, this.#collectedIndex);
    const lt = entryKey(group, index + 1);
    try {
      await health.write(database.location, () => database.clear({ gte, lt }));
      this.#collectedIndex = index;
    } catch {
      // The engine's health holds the failure, and its next call states it.
    }
  }
}
