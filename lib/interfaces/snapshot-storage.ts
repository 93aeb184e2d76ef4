import type { LogIndex, Term } from '../base/index.js';

/** What a snapshot says of itself. */
export interface SnapshotDescription {
  /** Unique in this storage. */
  readonly id: string;
  /** The snapshot holds everything up to and including this entry. */
  readonly index: LogIndex;
  readonly term: Term;
  /** The configuration in force at `index`, as its entry's payload. */
  readonly configuration: Uint8Array;
  /** `logTimeMs` of the entry at `index`. */
  readonly logTimeMs: number;
  readonly sizeBytes: number;
}

/** What is known of a snapshot before it is written. */
export type SnapshotDraft = Omit<SnapshotDescription, 'id' | 'sizeBytes'>;

/** A snapshot being written. Invisible until `commit` resolves. */
export interface SnapshotWriter {
  /** Resolves when the next chunk may be written; the chunk is the writer's until then. */
  write(chunk: Uint8Array): Promise<void>;
  /** Complete and durable once it resolves. */
  commit(): Promise<SnapshotDescription>;
  /** Removes what was written. May be called twice, and after `commit`, which it does not undo. */
  abort(): Promise<void>;
}

/** A committed snapshot being read. Deleting it meanwhile does not disturb the reader. */
export interface SnapshotReader {
  readonly description: SnapshotDescription;
  /** Up to `maxBytes` from `offset`; empty at the end. Damage is ERR_CORRUPT and names the file. Calls may overlap. */
  read(offset: number, maxBytes: number): Promise<Uint8Array>;
  /** May be called twice. */
  close(): Promise<void>;
}

/**
 * Where one group of one node keeps its snapshots.
 *
 * Contract, checked by `snapshotStorageSuite`:
 * - What was not committed is never listed, also not after a crash.
 * - `list` is ordered by index, newest first, and passes over damaged ones, which it reports to the logger.
 * - `remove` really gives the space back once no reader is open. An unknown id is passed over.
 * - Several readers and one writer may be open at once.
 */
export interface SnapshotStorage {
  /** Begins a snapshot; nothing is seen of it before its `commit`. A configuration of up to 1 MiB fits. */
  create(draft: SnapshotDraft): Promise<SnapshotWriter>;
  /** Committed and undamaged ones, newest first. ERR_CONFIG where one is of a format that is not known. */
  list(): Promise<readonly SnapshotDescription[]>;
  /** ERR_CORRUPT when it is damaged or not there. */
  open(id: string): Promise<SnapshotReader>;
  /** Deletes one; an unknown id is passed over. */
  remove(id: string): Promise<void>;
}
