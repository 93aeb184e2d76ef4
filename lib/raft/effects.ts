import type { Entry, LogIndex, MemberId, Term } from '../base/index.js';
import type { Message } from './messages.js';
import type { Configuration, HardState, Role, SnapshotReference } from './types.js';

/**
 * Everything a member wants done. An effect may be carried out the moment it is returned: whatever
 * has to wait for the disk is returned later, by the step that handles `written`.
 */
export type Effect =
  /**
   * Make durable: first the hard state where there is one, then the entries, replacing anything
   * stored at or after `entries[0].index`. Writes complete in the order of their ids. With `reset`, the
   * stored log is emptied between the two, and goes on after that position: a snapshot covers it.
   */
  | {
      readonly kind: 'write';
      readonly writeId: number;
      readonly hardState: HardState | null;
      readonly reset?: { readonly index: LogIndex; readonly term: Term } | undefined;
      readonly entries: readonly Entry[];
    }
  /** Best effort: may be lost, repeated or reordered. */
  | { readonly kind: 'send'; readonly message: Message }
  /** Hand to the state machine, in order, exactly once per start. Committed, and durable here. */
  | { readonly kind: 'apply'; readonly entries: readonly Entry[] }
  /**
   * Pull this snapshot from `from` and store it durably; answered by `snapshotFetched`. Repeated as
   * long as the leader offers it; another one, or another leader, replaces it.
   */
  | {
      readonly kind: 'fetchSnapshot';
      readonly from: MemberId;
      readonly snapshot: SnapshotReference;
    }
  /**
   * Take a snapshot of the state machine soon: a member has lost its own, and there is none that would
   * do. Repeated for as long as that is so.
   */
  | { readonly kind: 'takeSnapshot' }
  /**
   * Replace the state of the state machine by this durable snapshot; what was handed over and is not
   * applied yet is covered by it. Answered by `applied` with its index. Later entries wait for that.
   */
  | { readonly kind: 'restore'; readonly snapshotId: string; readonly index: LogIndex }
  /** The proposal stands in the log at `firstIndex` and after; committed or not is not known yet. */
  | {
      readonly kind: 'proposed';
      readonly proposalId: number;
      readonly term: Term;
      readonly firstIndex: LogIndex;
    }
  /** Nothing was appended. */
  | {
      readonly kind: 'proposalRejected';
      readonly proposalId: number;
      readonly reason: RejectionReason;
    }
  /** Once `index` is applied, a read sees everything that was acknowledged before the read began. */
  | { readonly kind: 'readReady'; readonly readId: number; readonly index: LogIndex }
  | { readonly kind: 'readRejected'; readonly readId: number; readonly reason: RejectionReason }
  /** The change stands in the log at `index`, and is in force; committed or not is not known yet. */
  | {
      readonly kind: 'changeAppended';
      readonly changeId: number;
      readonly term: Term;
      readonly index: LogIndex;
    }
  /** Nothing was appended. */
  | {
      readonly kind: 'changeRejected';
      readonly changeId: number;
      readonly reason: ChangeRejection;
    }
  /** This member goes on as it was. */
  | {
      readonly kind: 'transferRefused';
      readonly transferId: number;
      readonly reason: TransferRefusal;
    }
  /** The configuration in force has changed; it takes effect when appended, not when committed. */
  | { readonly kind: 'configured'; readonly configuration: Configuration }
  /** Role, term or leader has changed. Emitted once at the end of a step, with the state it ends in. */
  | {
      readonly kind: 'became';
      readonly role: Role;
      readonly term: Term;
      readonly leader: MemberId | null;
    }
  /** An election timeout passed without a leader. For those who watch; nothing is to be done. */
  | { readonly kind: 'electionTimedOut' }
  /** A leader's heartbeats were due; they stand beside this as `send`. For those who watch. */
  | { readonly kind: 'heartbeatTimedOut' };

export type RejectionReason =
  /** Not the leader; `leader` may be. */
  | 'notLeader'
  /** `maxUncommittedBytes` is reached. Reads are never refused for it: they share rounds. */
  | 'busy'
  /** Leadership is being handed over: there will be another leader soon. */
  | 'transferring';

export type TransferRefusal =
  | 'notLeader'
  /** Another transfer is under way. */
  | 'underWay'
  /** No voter, or the leader itself. */
  | 'noTarget'
  /** Not heard from lately, or more than one window behind. */
  | 'lagging'
  /** An election timeout has passed, and this member still leads. */
  | 'tookTooLong';

export type ChangeRejection =
  /** Not the leader; `leader` may be. */
  | 'notLeader'
  /** One change is not committed yet, or its joint configuration not left yet. */
  | 'changeInFlight'
  /** Nothing of the leader's own term is committed yet. */
  | 'termNotCommitted'
  /** Another configuration is in force than the one that was expected. */
  | 'versionMismatch'
  /** Leadership is being handed over. */
  | 'transferring'
  | 'unknownMember'
  | 'alreadyMember'
  /** Only a learner is promoted, or put in the place of another. */
  | 'notLearner'
  /** The learner has not shown within the last election timeout that it holds the log. */
  | 'notCaughtUp'
  /** Nobody would be left to decide. */
  | 'noVoters';
