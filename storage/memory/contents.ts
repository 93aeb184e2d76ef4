import {
  assert,
  at,
  copyBytes,
  type Entry,
  type GroupId,
  type LogIndex,
  type Term,
  unpackEntries,
} from '../../lib/base/index.js';
import type { HardState, SnapshotDescription, StoredLog } from '../../lib/interfaces/index.js';

/** One entry as it is kept: bytes of the disk's own. */
export interface KeptEntry {
  readonly term: Term;
  readonly packed: Uint8Array;
}

export interface KeptSnapshot {
  readonly description: SnapshotDescription;
  readonly bytes: Uint8Array;
}

/** What a memory disk holds durably for one group. Shares no memory with anybody. */
export class GroupContents {
  readonly group: GroupId;
  state: HardState | null = null;
  readonly snapshots = new Map<string, KeptSnapshot>();
  #snapshotsMade = 0;
  #compacted: { readonly index: LogIndex; readonly term: Term } = { index: 0, term: 0 };
  #entries: KeptEntry[] = [];

  constructor(group: GroupId) {
    this.group = group;
  }

  get firstIndex(): LogIndex {
    return this.#compacted.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.#compacted.index + this.#entries.length;
  }

  readLog(): StoredLog {
    const entries: Entry[] = [];
    for (const { packed } of this.#entries) entries.push(...unpackEntries(copyBytes(packed)));
    return { compacted: this.#compacted, entries };
  }

  replaceFrom(index: LogIndex, entries: readonly KeptEntry[]): void {
    assert(index >= this.firstIndex, 'an append begins after what was compacted');
    assert(index <= this.lastIndex + 1, 'an append leaves no gap');
    this.#entries.length = index - this.firstIndex;
    for (const entry of entries) this.#entries.push(entry);
  }

  compact(index: LogIndex, term: Term): void {
    if (index < this.firstIndex) return;
    assert(index <= this.lastIndex, 'only stored entries are compacted');
    const last = at(this.#entries, index - this.firstIndex);
    assert(last.term === term, 'a log is compacted with the term of its entry');
    this.#entries = this.#entries.slice(index + 1 - this.firstIndex);
    this.#compacted = { index, term };
  }

  reset(index: LogIndex, term: Term): void {
    this.#entries = [];
    this.#compacted = { index, term };
  }

  nextSnapshotId(index: LogIndex, term: Term): string {
    this.#snapshotsMade += 1;
    return `${index}-${term}-${this.#snapshotsMade}`;
  }
}
