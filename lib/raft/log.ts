import { assert, type Entry, type LogIndex, type Term } from '../base/index.js';
import { EntryBlocks } from './entry-blocks.js';
import type { Compacted } from './types.js';

/**
 * The log in memory: what is on disk, and what is on its way there. Indexes have no gap, terms and
 * log times never go back.
 */
export class RaftLog {
  #compacted: Compacted;
  #entries = new EntryBlocks();

  constructor(compacted: Compacted, entries: readonly Entry[]) {
    this.#compacted = compacted;
    if (entries.length > 0) this.append(entries);
  }

  /** Of the first entry that is held; one past the last index when none is. */
  get firstIndex(): LogIndex {
    return this.#compacted.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.#compacted.index + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.last?.term ?? this.#compacted.term;
  }

  get lastLogTimeMs(): number {
    return this.#entries.last?.logTimeMs ?? this.#compacted.logTimeMs;
  }

  /** Packed bytes of the entries that are held. */
  get bytes(): number {
    return this.#entries.bytes;
  }

  /** Null for an index that is compacted away or past the end. Index 0 has term 0. */
  termAt(index: LogIndex): Term | null {
    if (index === this.#compacted.index) return this.#compacted.term;
    return this.#entries.get(index - this.firstIndex)?.term ?? null;
  }

  /** Entries in [from, to]. */
  slice(from: LogIndex, to: LogIndex): readonly Entry[] {
    assert(from >= this.firstIndex, 'entries are read from where the log begins');
    assert(to <= this.lastIndex, 'entries are read up to where the log ends');
    return this.#entries.slice(from - this.firstIndex, to - this.firstIndex + 1);
  }

  /** Entries from `from` on, as many as fit `maxBytes`, and at least one where there is one. */
  sliceBytes(from: LogIndex, maxBytes: number): readonly Entry[] {
    let to = from - 1;
    let bytes = 0;
    while (to < this.lastIndex) {
      bytes += this.#held(to + 1).sizeBytes;
      if (bytes > maxBytes && to >= from) break;
      to += 1;
    }
    return this.slice(from, to);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      assert(entry.index === this.lastIndex + 1, 'the log has no gap');
      assert(entry.term >= this.lastTerm, 'terms never go back along the log');
      this.#entries.push(entry);
    }
  }

  /** Removes everything at and after `index`. */
  truncateFrom(index: LogIndex): void {
    assert(index >= this.firstIndex, 'what is compacted is not truncated');
    this.#entries.cutTo(index - this.firstIndex);
  }

  /** Forgets everything up to and including `index`, which is held. */
  compactTo(index: LogIndex): void {
    assert(index <= this.lastIndex, 'only what is held is compacted');
    if (index < this.firstIndex) return;
    const { term, logTimeMs } = this.#held(index);
    this.#entries.dropFirst(index - this.firstIndex + 1);
    this.#compacted = { index, term, logTimeMs };
  }

  /** Forgets everything up to and including `compacted`, and takes it for what came last before the rest. */
  beginAfter(compacted: Compacted): void {
    this.compactTo(compacted.index);
    assert(compacted.index === this.#compacted.index, 'the log reaches back to there');
    assert(compacted.term === this.#compacted.term, 'an entry keeps its term');
    this.#compacted = compacted;
  }

  /** The lowest index such that what follows it takes at most `maxBytes`, and no more than `upTo`. */
  indexWithin(maxBytes: number, upTo: LogIndex): LogIndex {
    let index = this.#compacted.index;
    let { bytes } = this;
    while (bytes > maxBytes && index < upTo) {
      bytes -= this.#held(index + 1).sizeBytes;
      index += 1;
    }
    return index;
  }

  /** Forgets everything: the log goes on after `compacted`. */
  resetTo(compacted: Compacted): void {
    this.#entries = new EntryBlocks();
    this.#compacted = compacted;
  }

  #held(index: LogIndex): Entry {
    const entry = this.#entries.get(index - this.firstIndex);
    assert(entry !== undefined, 'the log holds what it is asked for');
    return entry;
  }

  /** `logTimeMs` of the entry at `index`, which is held or the last one compacted. */
  logTimeAt(index: LogIndex): number {
    if (index === this.#compacted.index) return this.#compacted.logTimeMs;
    return this.#held(index).logTimeMs;
  }

  /**
   * The last index at or below `upTo` whose term is at most `term`: where two logs may still agree.
   * Terms never go back, so it is found by halving.
   */
  lastIndexWithTermAtMost(upTo: LogIndex, term: Term): LogIndex {
    let low = this.#compacted.index;
    let high = Math.min(upTo, this.lastIndex);
    while (low < high) {
      // The sum of two safe integers may be none; their distance is.
      const middle = low + Math.ceil((high - low) / 2);
      if ((this.termAt(middle) ?? 0) <= term) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Whether (`term`, `index`) is at least as up to date as the end of this log. */
  isUpToDate(index: LogIndex, term: Term): boolean {
    // Raft §5.4.1: the later last term wins, then the longer log.
    return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);
  }
}
