import { equalBytes, type Incarnation, type NodeId } from '../base/index.js';
import type { Lane } from '../interfaces/index.js';
import { type Channel, type Greeting, unpackLinkIdentity } from '../wire/index.js';
import { SeenRequests } from './seen-requests.js';

/** Who sent a frame. The name is vouched for by the transport, the rest is what the frame says. */
export interface Sender {
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** One start of the sender's process: 16 hexadecimal digits. */
  readonly instance: string;
  /** Null until the sender belongs to a cluster. */
  readonly clusterId: string | null;
}

/** Why a frame was not handed on. */
export type DropReason =
  /** It is no frame of this version. */
  | 'malformed'
  /** Its sender belongs to another cluster. */
  | 'wrongCluster'
  /** Its sender, or this node, belongs to no cluster yet, and the channel needs one. */
  | 'noCluster'
  /** Its sender claims to be another incarnation than the one that was greeted. */
  | 'wrongIncarnation'
  /** Nothing here handles its channel. */
  | 'noHandler'
  /** It repeats a request that was carried out. */
  | 'repeated'
  /** It answers what nothing waits for, any more or at all. */
  | 'lateAnswer';

/** What this node knows of another. */
export interface PeerStatus {
  readonly id: NodeId;
  /** From the address book; null for a peer that is not in it. */
  readonly address: string | null;
  readonly connected: boolean;
  /** As last heard, or null. */
  readonly incarnation: Incarnation | null;
  readonly clusterId: string | null;
  /** Why there is no connection, in words, or null when there is one or nothing is known yet. */
  readonly reason: string | null;
  /** Frames from it that were not handed on. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
}

/** State of one peer. */
export class Peer {
  readonly id: NodeId;
  connected = false;
  reason: string | null = null;
  readonly seen = new SeenRequests();
  /** Requests of the peer that are being carried out. */
  serving = 0;
  readonly #dropped = new Map<DropReason, number>();
  readonly #greeted = new Map<Lane, Greeting>();
  /** The identity of the last frame; packed, so that the next one costs a comparison. */
  #last: { readonly packed: Uint8Array; readonly sender: Sender } | null = null;

  constructor(id: NodeId) {
    this.id = id;
  }

  greet(greeting: Greeting): void {
    this.#greeted.set(greeting.lane, greeting);
    // What was heard of another incarnation is old.
    if (this.#last?.sender.incarnation !== greeting.incarnation) this.#last = null;
  }

  /** The start of the peer's process that was heard last, or null. */
  get instance(): string | null {
    return this.#last?.sender.instance ?? null;
  }

  /** Whether it was `sender`'s incarnation that was greeted on this lane, where one was. */
  isGreeted(sender: Sender, lane: Lane): boolean {
    const greeting = this.#greeted.get(lane);
    return greeting === undefined || greeting.incarnation === sender.incarnation;
  }

  senderOf(packed: Uint8Array): Sender {
    if (this.#last !== null && equalBytes(this.#last.packed, packed)) return this.#last.sender;
    const sender = { nodeId: this.id, ...unpackLinkIdentity(packed) };
    this.#last = { packed: new Uint8Array(packed), sender };
    return sender;
  }

  /** Counts it; true for the first of its kind, which is worth a line in the log. */
  drop(reason: DropReason): boolean {
    const count = this.#dropped.get(reason) ?? 0;
    this.#dropped.set(reason, count + 1);
    return count === 0;
  }

  status(address: string | null): PeerStatus {
    const known = this.#last?.sender ?? this.#greeted.values().next().value ?? null;
    return {
      id: this.id,
      address,
      connected: this.connected,
      incarnation: known?.incarnation ?? null,
      clusterId: known?.clusterId ?? null,
      reason: this.reason,
      dropped: Object.fromEntries(this.#dropped),
    };
  }
}

/**
 * Whether a frame may pass, by the clusters of both sides. A new node is spoken to on `admin` alone;
 * it also hears `raft`, because that is how the founder tells it which cluster it belongs to.
 */
export function clusterFault(
  ours: string | null,
  theirs: string | null,
  channel: Channel,
): DropReason | null {
  if (ours !== null && theirs !== null) return ours === theirs ? null : 'wrongCluster';
  if (channel === 'admin') return null;
  return channel === 'raft' && theirs !== null ? null : 'noCluster';
}

/** Peers outside the address book whose state is kept: joining nodes, and whoever else knocks. */
const MAX_STRANGERS = 256;

/** Every peer that is in the address book or was heard of lately. */
export class PeerTable {
  readonly #peers = new Map<NodeId, Peer>();
  #book: ReadonlyMap<NodeId, string> = new Map();

  setBook(book: ReadonlyMap<NodeId, string>): void {
    this.#book = new Map(book);
    for (const [id, peer] of this.#peers) {
      if (!book.has(id) && !peer.connected) this.#peers.delete(id);
    }
    for (const id of book.keys()) this.get(id);
  }

  isInBook(id: NodeId): boolean {
    return this.#book.has(id);
  }

  get(id: NodeId): Peer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    if (this.#peers.size >= this.#book.size + MAX_STRANGERS) this.#forgetStrangers();
    const peer = new Peer(id);
    this.#peers.set(id, peer);
    return peer;
  }

  statuses(self: NodeId): PeerStatus[] {
    return [...this.#peers.values()]
      .filter((peer) => peer.id !== self)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((peer) => peer.status(this.#book.get(peer.id) ?? null));
  }

  /** Those without a connection: what is open is bounded by the transport. */
  #forgetStrangers(): void {
    for (const [id, peer] of this.#peers) {
      if (!this.#book.has(id) && !peer.connected) this.#peers.delete(id);
    }
  }
}
