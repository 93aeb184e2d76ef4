import type { NodeId } from '../base/index.js';
import type { Clock } from './clock.js';
import type { Logger } from './logger.js';
import type { Random } from './random.js';

/**
 * `control` carries votes, heartbeats, replies and reads; `bulk` carries entries, snapshots and calls.
 * Bulk never delays control.
 */
export type Lane = 'control' | 'bulk';

/** What a transport is given when it starts. */
export interface TransportContext {
  /** This node's name. Peers are told apart by name, never by address. */
  readonly self: NodeId;
  /** Where to listen; null for a transport that has no addresses. */
  readonly listen: string | null;
  /** Largest frame, in bytes, that either side accepts. */
  readonly maxFrameBytes: number;
  /** Bytes queued for one peer and lane before `send` answers false. */
  readonly maxQueuedBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly handler: TransportHandler;
}

/** Called by the transport. Never throws. */
export interface TransportHandler {
  /**
   * What the first frame of a new connection says on this side: opaque to the transport, at most
   * 1,024 bytes. A transport without connections need not ask.
   */
  greeting(lane: Lane): Uint8Array;
  /** Judges the first frame of the other side: who it is, or why the connection is refused. */
  judge(greeting: Uint8Array): Verdict;
  /** A frame from `from`. The memory is the handler's own from here on. */
  receive(from: NodeId, frame: Uint8Array, lane: Lane): void;
  /** Frames to and from `peer` can flow, on any lane. Told once until `peerLost`. */
  peerConnected(peer: NodeId): void;
  /** The last connection is gone. A hint: frames may have been lost before and after. */
  peerLost(peer: NodeId, reason: string): void;
  /** Why `peer` could not be reached just now, for people who ask. A transport need not call it. */
  peerUnreachable?(peer: NodeId, reason: string): void;
  /**
   * Whoever was dialled as `dialed` is `peer`. The connection is refused; a node that joins by an
   * address alone dials again by the right name. A transport without addresses need not call it.
   */
  peerAnsweredAs?(dialed: NodeId, peer: NodeId): void;
}

/** What the first frame of a connection comes to. */
export type Verdict =
  | { readonly accepted: true; readonly peer: NodeId; readonly lane: Lane }
  | { readonly accepted: false; readonly reason: string };

/**
 * Moves frames between named peers. Best effort: frames may be lost, repeated or reordered, and
 * everything above is built for that. It can be written in an afternoon.
 *
 * Contract, checked by `networkTransportSuite`:
 * - `start` is called once and resolves when frames can arrive; it rejects with ERR_CONFIG
 *   when it cannot listen. Its result is the address it listens on.
 * - `send` never throws, never blocks, never delivers inside the call. It answers whether the frame
 *   was queued: false for a peer without a connection, a full queue, a frame above the limit, and
 *   before `start` or after `close`. A queued frame belongs to its connection and is lost with it.
 * - A connected peer can be sent to, also one that connected by itself and is not in the address book.
 * - A frame handed to `send` is not used after the call returns by anyone but the transport, which
 *   may keep it until it is sent and never changes it; a frame handed to `receive` shares no memory
 *   with the sender's.
 * - Frames of one lane that arrive, arrive whole and unchanged. Bulk does not delay control.
 * - `setPeers` replaces the address book. Connections to those no longer in it are closed.
 * - `close` may be called twice; after it resolves the handler is not called again.
 */
export interface NetworkTransport {
  /** Called once. Resolves, with the address listened on, when frames can arrive. */
  start(context: TransportContext): Promise<{ readonly address: string | null }>;
  /** Whether the frame was queued; never whether it arrived. */
  send(to: NodeId, frame: Uint8Array, lane: Lane): boolean;
  /** Name to address. This node's own name may be in it and is passed over. */
  setPeers(peers: ReadonlyMap<NodeId, string>): void;
  /** Stops listening and closes every connection. May be called twice. */
  close(): Promise<void>;
}
