import { assert } from '../../lib/base/index.js';
import type { HardState, StateStorage } from '../../lib/interfaces/index.js';
import type { GroupContents } from './contents.js';
import type { DiskSession } from './disk.js';

/** A group's term and vote on a memory disk. */
export class MemoryStateStorage implements StateStorage {
  readonly #session: DiskSession;
  readonly #contents: GroupContents;
  #isBusy = false;

  constructor(session: DiskSession, contents: GroupContents) {
    this.#session = session;
    this.#contents = contents;
  }

  load(): Promise<HardState | null> {
    return this.#session.read(() => this.#contents.state);
  }

  async save({ term, votedFor }: HardState): Promise<void> {
    assert(!this.#isBusy, 'calls to one state never overlap');
    this.#isBusy = true;
    const apply = (): void => {
      this.#contents.state = { term, votedFor };
    };
    try {
      await this.#session.write({
        kind: 'save',
        group: this.#contents.group,
        entryCount: 0,
        apply,
      });
    } finally {
      this.#isBusy = false;
    }
  }
}
