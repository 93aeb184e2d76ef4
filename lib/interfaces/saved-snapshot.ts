import type { GroupId } from '../base/index.js';
import type { SnapshotDraft, SnapshotReader, SnapshotWriter } from './snapshot-storage.js';

/** A place for one snapshot, outside of the storage of any node: a backup. */
export interface SnapshotSink {
  /**
   * Begins it. Nothing is seen of it before its `commit`, which leaves it complete and durable; an
   * `abort` leaves nothing. ERR_CONFIG where something stands in its place already.
   */
  create(group: GroupId, draft: SnapshotDraft): Promise<SnapshotWriter>;
}

/** A snapshot that was saved, read from end to end and found whole. */
export interface SavedSnapshot extends SnapshotReader {
  /** The group whose state it is. */
  readonly group: GroupId;
  /** 64 hexadecimal digits that name it by what it holds: copies have the same. */
  readonly digest: string;
}
