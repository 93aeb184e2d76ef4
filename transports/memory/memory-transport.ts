import { assert, type NodeId, QuorateError } from '../../lib/base/index.js';
import type {
  Lane,
  NetworkTransport,
  Timer,
  TransportContext,
  Verdict,
} from '../../lib/interfaces/index.js';
import type { MemoryConnection } from './connection.js';

/** What a transport asks of the network it belongs to. */
export interface Switchboard {
  /** Throws ERR_CONFIG when a running transport has the name. */
  admit(transport: MemoryTransport): void;
  /** Looks, in a later turn, whether connections of `transport` are missing. */
  review(transport: MemoryTransport): void;
  /** Ends a connection from this side; the other side learns of it when the news can travel. */
  sever(connection: MemoryConnection, from: MemoryTransport, reason: string): void;
  leave(transport: MemoryTransport): void;
}

const MAX_GREETING_BYTES = 1024;
const RETRY_AFTER_REFUSAL_MS = 50;
const LANES: readonly Lane[] = ['control', 'bulk'];

/** One node's end of a `MemoryNetwork`. */
export class MemoryTransport implements NetworkTransport {
  readonly name: NodeId;
  readonly #switchboard: Switchboard;
  readonly #connections = new Map<NodeId, MemoryConnection>();
  readonly #retries = new Map<NodeId, Timer>();
  #peers: ReadonlySet<NodeId> = new Set();
  #context: TransportContext | null = null;
  #closed = false;

  constructor(name: NodeId, switchboard: Switchboard) {
    this.name = name;
    this.#switchboard = switchboard;
  }

  get context(): TransportContext {
    assert(this.#context !== null, 'a transport on the network has been started');
    return this.#context;
  }

  get running(): boolean {
    return this.#context !== null && !this.#closed;
  }

  async start(context: TransportContext): Promise<{ readonly address: string | null }> {
    if (this.#closed) throw new QuorateError('ERR_CLOSED', { message: 'the transport is closed' });
    if (this.#context !== null || context.self !== this.name) {
      throw new QuorateError('ERR_CONFIG', {
        message: `transport ${this.name} is started once, by node ${this.name}`,
      });
    }
    this.#switchboard.admit(this);
    this.#context = context;
    this.#switchboard.review(this);
    return { address: null };
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane): boolean {
    const connection = this.#connections.get(to);
    if (connection === undefined || this.#closed) return false;
    if (frame.length > this.context.maxFrameBytes) return false;
    return connection.send(this, frame, lane);
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    const dropped = [...this.#peers].filter((peer) => !peers.has(peer));
    this.#peers = new Set(peers.keys());
    if (this.#closed) return;
    for (const peer of dropped) {
      const connection = this.#connections.get(peer);
      if (connection === undefined) continue;
      // `send` refuses from here on; the handler is told in a later turn.
      this.#switchboard.sever(connection, this, 'goodbye');
      this.context.clock.soon(() => this.forget(connection, 'no longer a peer'));
    }
    if (this.running) this.#switchboard.review(this);
  }

  async close(): Promise<void> {
    this.shut('goodbye');
  }

  /** Ends everything at once, for this reason. The handler is not called again. */
  shut(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#retries.values()) timer.cancel();
    for (const connection of this.#connections.values()) {
      this.#switchboard.sever(connection, this, reason);
    }
    this.#connections.clear();
    if (this.#context !== null) this.#switchboard.leave(this);
  }

  knows(peer: NodeId): boolean {
    return this.#peers.has(peer);
  }

  connectionTo(peer: NodeId): MemoryConnection | null {
    return this.#connections.get(peer) ?? null;
  }

  /** Why `other` may not connect, or null when it may. Each lane is greeted, as on a real network. */
  refusal(other: MemoryTransport): string | null {
    for (const lane of LANES) {
      const greeting = new Uint8Array(other.context.handler.greeting(lane));
      if (greeting.length > MAX_GREETING_BYTES) return 'the greeting is longer than 1,024 bytes';
      const reason = refusalIn(this.context.handler.judge(greeting), other.name, lane);
      if (reason !== null) return reason;
    }
    return null;
  }

  /** Tries again later; what refuses today may accept tomorrow. */
  retryLater(peer: NodeId): void {
    if (this.#retries.has(peer)) return;
    const timer = this.context.clock.after(RETRY_AFTER_REFUSAL_MS, () => {
      this.#retries.delete(peer);
      this.#switchboard.review(this);
    });
    timer.keepAlive(false);
    this.#retries.set(peer, timer);
  }

  attach(connection: MemoryConnection, peer: NodeId): void {
    this.#connections.set(peer, connection);
    this.context.handler.peerConnected(peer);
  }

  deliver(connection: MemoryConnection, frame: Uint8Array, lane: Lane): void {
    const peer = connection.peerOf(this);
    if (this.#closed || this.#connections.get(peer) !== connection) return;
    this.context.handler.receive(peer, frame, lane);
  }

  /** The handler is told that the connection is gone, once. */
  forget(connection: MemoryConnection, reason: string): void {
    const peer = connection.peerOf(this);
    if (this.#closed || this.#connections.get(peer) !== connection) return;
    this.#connections.delete(peer);
    this.context.handler.peerLost(peer, reason);
    if (this.running) this.#switchboard.review(this);
  }
}

function refusalIn(verdict: Verdict, peer: NodeId, lane: Lane): string | null {
  if (!verdict.accepted) return verdict.reason;
  if (verdict.peer !== peer) return `${peer} answers as ${verdict.peer}`;
  return verdict.lane === lane ? null : `lane ${lane} is greeted as ${verdict.lane}`;
}
