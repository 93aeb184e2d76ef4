import type { LogIndex, MemberId, Term } from '../base/index.js';
import type { Configuration, Role, SnapshotReference } from './types.js';

/** What a member says of itself, for status pages, logs and tests. */
export interface RaftStatus {
  readonly self: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly votedFor: MemberId | null;
  readonly leader: MemberId | null;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly durableIndex: LogIndex;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  /** Whether it waits for a snapshot of a leader, and takes no part in decisions. */
  readonly lacksState: boolean;
  readonly configuration: Configuration;
  /** Bytes of the entries that are held in memory. */
  readonly logBytes: number;
  /** Leader only, else empty. */
  readonly progress: ReadonlyMap<
    MemberId,
    {
      readonly matchIndex: LogIndex;
      readonly nextIndex: LogIndex;
      readonly mode: 'probe' | 'replicate' | 'snapshot';
      /** The snapshot that is offered; null in other modes. */
      readonly snapshot: SnapshotReference | null;
      /** Ticks since it was heard from, or since this leader began. */
      readonly silentTicks: number;
    }
  >;
}
