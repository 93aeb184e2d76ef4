import type { Entry, GroupId, MemberId } from '../base/index.js';
import type { Compacted, Configuration, HardState, SnapshotReference } from './types.js';

export interface RaftOptions {
  readonly self: MemberId;
  readonly group: GroupId;
  /** As found on disk; null for a member that never voted. */
  readonly hardState: HardState | null;
  /** The last entry that is no longer in the log; all three are 0 for a whole log. */
  readonly compacted: Compacted;
  /** The configuration as of `compacted.index`, null where none was in force. */
  readonly configuration: Configuration | null;
  /** What follows `compacted.index`, durable, without a gap. */
  readonly entries: readonly Entry[];
  /**
   * What the state machine begins with, and others may pull: `compacted.index <= snapshot.index`, and
   * the entries reach as far. Null, the default, where it begins with nothing.
   */
  readonly snapshot?: SnapshotReference | null | undefined;
  /**
   * The log begins in the middle, and no snapshot leads to where it does: this member takes no part in
   * decisions until it has installed one of a leader. Default false.
   */
  readonly lacksState?: boolean | undefined;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  /** A number in [0, 1). The only source of chance. */
  readonly random: () => number;
  /** Runs `checkInvariants` after every step. For tests and the simulator. Default false. */
  readonly checked?: boolean | undefined;
}

/** In ticks. 0 < heartbeat < electionMin < electionMax. */
export interface RaftTiming {
  readonly heartbeatTicks: number;
  /** An election timeout is drawn from [min, max), anew each time it is armed. */
  readonly electionMinTicks: number;
  readonly electionMaxTicks: number;
}

/** As in `Limits`, whose docstrings say what happens when one is reached. All at least 1. */
export interface RaftLimits {
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
  readonly maxInflightBytes: number;
  readonly maxUncommittedBytes: number;
  readonly trailingEntries: number;
  readonly maxLogBytes: number;
}
