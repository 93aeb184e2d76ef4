import {
  assert,
  at,
  copyBytes,
  type Entry,
  type LogIndex,
  type Term,
} from '../../lib/base/index.js';
import type { LogStorage, StoredLog } from '../../lib/interfaces/index.js';
import type { GroupContents, KeptEntry } from './contents.js';
import type { DiskSession, DiskWriteKind } from './disk.js';

/** A group's log on a memory disk. */
export class MemoryLogStorage implements LogStorage {
  readonly #session: DiskSession;
  readonly #contents: GroupContents;
  #isOpen = false;
  #isBusy = false;

  constructor(session: DiskSession, contents: GroupContents) {
    this.#session = session;
    this.#contents = contents;
  }

  async open(): Promise<StoredLog> {
    assert(!this.#isOpen, 'a log is opened once');
    const log = await this.#session.read(() => this.#contents.readLog());
    this.#isOpen = true;
    return log;
  }

  async append(entries: readonly Entry[]): Promise<void> {
    const first = at(entries, 0).index;
    assert(first >= this.#contents.firstIndex, 'an append begins after what was compacted');
    assert(first <= this.#contents.lastIndex + 1, 'an append leaves no gap');
    const kept = entries.map((entry, offset): KeptEntry => {
      assert(entry.index === first + offset, 'the entries of an append are consecutive');
      assert(entry.group === this.#contents.group, 'an entry is stored in its own group');
      return { term: entry.term, packed: copyBytes(entry.packed) };
    });
    await this.#write('append', kept.length, (parts) => {
      this.#contents.replaceFrom(first, kept.slice(0, parts));
    });
  }

  async compact(index: LogIndex, term: Term): Promise<void> {
    assert(index <= this.#contents.lastIndex, 'only stored entries are compacted');
    await this.#write('compact', 0, () => this.#contents.compact(index, term));
  }

  async reset(index: LogIndex, term: Term): Promise<void> {
    await this.#write('reset', 0, () => this.#contents.reset(index, term));
  }

  async #write(
    kind: DiskWriteKind,
    entryCount: number,
    apply: (parts: number) => void,
  ): Promise<void> {
    assert(this.#isOpen, 'a log is opened before it is written');
    assert(!this.#isBusy, 'calls to one log never overlap');
    this.#isBusy = true;
    try {
      await this.#session.write({ kind, group: this.#contents.group, entryCount, apply });
    } finally {
      this.#isBusy = false;
    }
  }
}
