import type { GroupId, MemberId, QuorateError } from '../base/index.js';
import type {
  Clock,
  EventBus,
  EventOrigin,
  GroupStorage,
  Logger,
  Metrics,
  StateMachine,
} from '../interfaces/index.js';
import type { Configuration, Message, RaftLimits } from '../raft/index.js';
import type { Timing } from '../timing/index.js';
import type { GroupCallsOptions } from './group-calls.js';
import type { Pull } from './snapshot-transfer.js';
import type { SnapshotsOptions } from './snapshots.js';

/** What a group works with; its host hands it over. */
export interface GroupOptions {
  readonly id: GroupId;
  readonly self: MemberId;
  readonly storage: GroupStorage;
  readonly machine: StateMachine;
  readonly timing: Timing;
  readonly limits: RaftLimits & SnapshotsOptions['limits'];
  readonly checked: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly origin: EventOrigin;
  readonly calls: Pick<
    GroupCallsOptions,
    | 'callTimeoutMs'
    | 'maxPendingCalls'
    | 'maxPendingBytes'
    | 'maxCommandBytes'
    | 'ask'
    | 'explainNoLeader'
    | 'onBusy'
  >;
  /** Best effort. False when it was certainly not sent. */
  readonly send: (message: Message) => boolean;
  /** The longest that a leader that closes waits for another, in milliseconds. */
  readonly handOverMs: number;
  /** Asks a member for a part of its snapshot; null without peers. */
  readonly pull: Pull | null;
  readonly onConfigured: (configuration: Configuration) => void;
  /** The group has stopped by itself and will not come back. */
  readonly onFault: (error: QuorateError) => void;
}
