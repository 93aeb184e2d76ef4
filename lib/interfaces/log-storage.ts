import type { Entry, LogIndex, Term } from '../base/index.js';

/** The log as found on disk. */
export interface StoredLog {
  /** The last entry that was compacted away; `{ index: 0, term: 0 }` for a whole log. */
  readonly compacted: { readonly index: LogIndex; readonly term: Term };
  /** From `compacted.index + 1` on, without a gap. */
  readonly entries: readonly Entry[];
}

/**
 * Where one group of one node keeps its log.
 *
 * Contract, checked by `logStorageSuite`:
 * - `open` is called once, first. Damage is ERR_CORRUPT and names the file; it is never passed over.
 * - `append` resolves only once all entries are durable; after a failure none may be relied on, and
 *   every later call fails too.
 * - Entries at or after `entries[0].index` are replaced; nothing before it is touched. A gap is a
 *   mistake of the caller and throws `InvariantViolation`.
 * - The owner saves a term in the state before it appends entries of that term; an engine may take
 *   a log that is ahead of its state for damage.
 * - Calls never overlap: the owner awaits one before making the next. Calls of different groups may.
 * - After a crash at any point, `open` returns the state as of some completed call, or of the one
 *   that was under way; a part of an append that was under way may be kept, from its start.
 */
export interface LogStorage {
  /** Called once, before anything else. */
  open(): Promise<StoredLog>;
  /** At least one entry, consecutive, following what is stored or replacing from inside it. */
  append(entries: readonly Entry[]): Promise<void>;
  /**
   * Forgets entries up to and including `index`, whose term is `term`: a snapshot covers them. An
   * index that is forgotten already is passed over; one that is not stored yet is a mistake.
   */
  compact(index: LogIndex, term: Term): Promise<void>;
  /** Atomically empties the log; the next entry is `index + 1`. For an installed snapshot. */
  reset(index: LogIndex, term: Term): Promise<void>;
}
