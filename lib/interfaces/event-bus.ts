import type { LogIndex, NodeId, Term } from '../base/index.js';
import type { Role } from '../raft/types.js';

/** Every payload says which node and group it is about, so that one bus may serve several. */
export interface EventOrigin {
  readonly nodeId: NodeId;
  /** The group, or null for what concerns the whole node. */
  readonly group: string | null;
}

/** What a node tells. Events tell, they never steer: a listener cannot change what happens. */
export interface NodeEvents {
  'raft.electionTimedOut': EventOrigin & { readonly term: Term };
  'raft.stateChanged': EventOrigin & {
    readonly from: Role;
    readonly to: Role;
    readonly term: Term;
  };
  'raft.leaderChanged': EventOrigin & { readonly leader: NodeId | null; readonly term: Term };
  /** Committed here, up to and including `index`. */
  'raft.entriesCommitted': EventOrigin & { readonly index: LogIndex };
  /** `durationMs`: from the moment whose state it holds until it was durable. */
  'raft.snapshotCreated': EventOrigin & {
    readonly index: LogIndex;
    readonly sizeBytes: number;
    readonly durationMs: number;
  };
  'raft.snapshotInstalled': EventOrigin & { readonly index: LogIndex; readonly sizeBytes: number };
  'raft.membershipChanged': EventOrigin & {
    readonly voters: readonly NodeId[];
    readonly learners: readonly NodeId[];
  };
  /** The node has stopped and will not come back by itself. */
  'raft.faulted': EventOrigin & { readonly error: Error };
  'client.requestReceived': EventOrigin & { readonly operation: string };
  /** `code` is null for success. */
  'client.requestCompleted': EventOrigin & {
    readonly operation: string;
    readonly durationMs: number;
    readonly code: string | null;
  };
  'network.peerConnected': EventOrigin & { readonly peer: NodeId };
  'network.peerLost': EventOrigin & { readonly peer: NodeId; readonly reason: string };
  'network.messageReceived': EventOrigin & { readonly from: NodeId; readonly kind: string };
  'timer.electionExpired': EventOrigin;
  'timer.heartbeatExpired': EventOrigin;
  /** The event loop was held for `heldMs`: heartbeats may have been late. */
  'timer.loopDelayed': EventOrigin & { readonly heldMs: number };
}

/** The name of an event. */
export type EventName = keyof NodeEvents;

/**
 * Tells listeners what happened.
 *
 * Contract:
 * - A listener that throws never reaches the node, and the other listeners still run.
 * - Listeners run at once, in the order they were added.
 * - `raft.faulted` without a listener is not lost: it is logged.
 */
export interface EventBus {
  /** Adds a listener; the returned function removes it, and may be called twice. */
  on<N extends EventName>(name: N, listener: (event: NodeEvents[N]) => void): () => void;
  /** Calls `build` only when somebody listens. Returns whether anybody did. */
  emit<N extends EventName>(name: N, build: () => NodeEvents[N]): boolean;
}
