import type { Socket } from 'node:net';
import { assert, type NodeId, QuorateError } from '../../lib/base/index.js';
import type { Lane, NetworkTransport, TransportContext } from '../../lib/interfaces/index.js';
import type { FrameFault } from './framing.js';
import { type Listening, listen } from './listening.js';
import { LogLimiter } from './log-limiter.js';
import { PeerConnection } from './peer-connection.js';
import { type Backoff, PeerLane } from './peer-lane.js';
import { DEFAULT_DEADLINES, type Deadlines, Sweeper } from './sweeper.js';

/** How nodes reach each other over TCP. Everything has a default. */
export interface TcpTransportOptions {
  /**
   * Where to listen, `host:port`, when that is not the address that others dial: behind NAT, in a
   * container, on all interfaces. Default: the node's own entry in `members`.
   */
  readonly listen?: string | undefined;
  readonly deadlines?: { readonly [K in keyof Deadlines]?: number | undefined } | undefined;
  readonly backoff?: { readonly [K in keyof Backoff]?: number | undefined } | undefined;
  /**
   * Connections from outside whose greeting has not been accepted yet. When there are more, the
   * oldest is closed: a flood does not keep peers out, who greet at once. Default 128.
   */
  readonly maxUngreeted?: number | undefined;
  /**
   * Connections of peers that are not in the address book: nodes that join, and whoever else greets
   * well. When there are more, the oldest is closed. Default 128.
   */
  readonly maxStrangers?: number | undefined;
}

/**
 * Frames between nodes on TCP, a connection for each lane. Frames of one lane arrive in order while
 * their connection lasts; frames of a connection that broke are lost, and nothing is sent twice.
 */
export function tcpTransport(options: TcpTransportOptions = {}): NetworkTransport {
  return new TcpTransport(options);
}

interface Peer {
  readonly lanes: Readonly<Record<Lane, PeerLane>>;
  /** Whether the handler was told that it is connected, and not yet that it is lost. */
  told: boolean;
}

const LANES: readonly Lane[] = ['control', 'bulk'];
const DEFAULT_BACKOFF: Backoff = { firstMs: 20, mostMs: 1000 };
const DEFAULT_MAX_UNGREETED = 128;
const DEFAULT_MAX_STRANGERS = 128;

/** What exists from `start` on. */
interface Running {
  readonly context: TransportContext;
  readonly sweeper: Sweeper;
  readonly limiter: LogLimiter;
}

class TcpTransport implements NetworkTransport {
  readonly #listen: string | null;
  readonly #deadlines: Deadlines;
  readonly #backoff: Backoff;
  readonly #maxUngreeted: number;
  readonly #maxStrangers: number;
  readonly #peers = new Map<NodeId, Peer>();
  /** In the order of their arrival. */
  readonly #ungreeted = new Set<PeerConnection>();
  /** Of peers that were not in the address book then; in the order of their greetings. */
  readonly #strangers = new Set<PeerConnection>();
  /** Every connection whose socket is not closed yet. */
  readonly #alive = new Set<PeerConnection>();
  #book: ReadonlyMap<NodeId, string> = new Map();
  #running: Running | null = null;
  #listening: Promise<Listening> | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: TcpTransportOptions) {
    this.#listen = options.listen ?? null;
    this.#deadlines = fillIn(DEFAULT_DEADLINES, options.deadlines ?? {});
    this.#backoff = fillIn(DEFAULT_BACKOFF, options.backoff ?? {});
    this.#maxUngreeted = options.maxUngreeted ?? DEFAULT_MAX_UNGREETED;
    this.#maxStrangers = options.maxStrangers ?? DEFAULT_MAX_STRANGERS;
  }

  async start(context: TransportContext): Promise<{ readonly address: string | null }> {
    if (this.#closing !== null) {
      throw new QuorateError('ERR_CLOSED', { message: 'the transport is closed' });
    }
    if (this.#listening !== null) {
      throw new QuorateError('ERR_CONFIG', { message: 'a transport is started once' });
    }
    const address = this.#listen ?? context.listen;
    if (address === null) {
      throw new QuorateError('ERR_CONFIG', { message: 'TCP needs an address to listen on' });
    }
    const limiter = new LogLimiter(context.logger, context.clock);
    const running = { context, limiter, sweeper: new Sweeper(context.clock, this.#deadlines) };
    this.#listening = listen(address, (socket) => this.#onConnection(running, socket));
    const listening = await this.#listening;
    if (this.#closing !== null) {
      throw new QuorateError('ERR_CLOSED', {
        message: 'the transport was closed while it started',
      });
    }
    listening.server.on('error', (error) => {
      limiter.log('warn', { event: 'transport.listenFailed', error }, 'cannot accept connections');
    });
    this.#running = running;
    this.#applyBook();
    return { address: listening.address };
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane): boolean {
    const peer = this.#peers.get(to);
    if (peer === undefined || this.#running === null || this.#closing !== null) return false;
    if (frame.length > this.#running.context.maxFrameBytes) return false;
    return peer.lanes[lane].send(frame);
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    const dropped = [...this.#book.keys()].filter((name) => !peers.has(name));
    this.#book = new Map(peers);
    for (const name of dropped) this.#dropUngreeted(name);
    if (this.#running !== null && this.#closing === null) this.#applyBook();
  }

  close(): Promise<void> {
    this.#closing ??= this.#shut();
    return this.#closing;
  }

  async #shut(): Promise<void> {
    const stopped = this.#stopListening();
    for (const connection of this.#ungreeted) connection.destroy();
    for (const { lanes } of this.#peers.values()) for (const lane of LANES) lanes[lane].close();
    await Promise.all([...this.#alive].map(({ gone }) => gone));
    await stopped;
  }

  async #stopListening(): Promise<void> {
    // A listen that fails leaves nothing to stop, and the caller of `start` is told.
    const server = (await this.#listening?.catch(() => null))?.server;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  }

  /** Their greetings were accepted from a peer: from a stranger they are judged again. */
  #dropUngreeted(peer: NodeId): void {
    for (const connection of this.#ungreeted) if (connection.isOf(peer)) connection.destroy();
  }

  #applyBook(): void {
    for (const name of this.#book.keys()) {
      if (name !== this.#running?.context.self) this.#peer(name);
    }
    for (const [name, peer] of this.#peers) {
      const address = this.#book.get(name) ?? null;
      for (const lane of LANES) peer.lanes[lane].setAddress(address);
      // The caller is not called back inside its call.
      if (address === null) {
        this.#running?.context.clock.soon(() => this.#review(name, 'no longer a peer'));
      }
    }
  }

  #peer(name: NodeId): Peer {
    const existing = this.#peers.get(name);
    if (existing !== undefined) return existing;
    const peer = {
      told: false,
      lanes: { control: this.#lane(name, 'control'), bulk: this.#lane(name, 'bulk') },
    };
    this.#peers.set(name, peer);
    return peer;
  }

  #lane(peer: NodeId, lane: Lane): PeerLane {
    const running = this.#running;
    assert(running !== null, 'peers exist while the transport runs');
    return new PeerLane({
      ...running,
      peer,
      lane,
      deadlines: this.#deadlines,
      backoff: this.#backoff,
      onDialed: (connection) => this.#track(connection),
      onEstablished: (connection) => this.#onEstablished(connection),
      onLost: (reason, fault) => {
        if (fault !== null) this.#reportFault(running, { peer, lane }, fault);
        this.#review(peer, reason);
      },
      onUnreachable: (reason) => {
        const fields = {
          event: 'transport.unreachable',
          peer,
          address: this.#book.get(peer),
          reason,
        };
        running.limiter.log('info', fields, `cannot reach ${peer}: ${reason}`);
        const { clock, handler } = running.context;
        // A dial can fail inside `setPeers`, whose caller is not called back.
        clock.soon(() => {
          if (this.#closing === null) handler.peerUnreachable?.(peer, reason);
        });
      },
    });
  }

  #onConnection(running: Running, socket: Socket): void {
    if (this.#closing !== null) {
      socket.destroy();
      return;
    }
    const remote = socket.remoteAddress ?? 'unknown';
    const connection: PeerConnection = new PeerConnection({
      ...running,
      socket,
      deadlines: this.#deadlines,
      dialed: null,
      onEstablished: (established) => this.#onEstablished(established),
      onClosed: (closed, reason, fault) => {
        if (closed.isEstablished) {
          this.#peers.get(closed.peer)?.lanes[closed.lane].onClosed(closed, reason, fault);
        } else if (fault !== null) {
          this.#reportFault(running, { remote }, fault);
        }
      },
    });
    this.#track(connection);
    this.#ungreeted.add(connection);
    void connection.gone.then(() => this.#ungreeted.delete(connection));
    const [oldest] = this.#ungreeted;
    if (this.#ungreeted.size <= this.#maxUngreeted || oldest === undefined) return;
    this.#ungreeted.delete(oldest);
    oldest.destroy();
    this.#reportFault(running, { remote }, TOO_MANY);
  }

  #track(connection: PeerConnection): void {
    this.#alive.add(connection);
    void connection.gone.then(() => this.#alive.delete(connection));
  }

  #onEstablished(connection: PeerConnection): void {
    this.#ungreeted.delete(connection);
    this.#peer(connection.peer).lanes[connection.lane].adopt(connection);
    this.#review(connection.peer, '');
    if (!this.#book.has(connection.peer)) this.#limitStrangers(connection);
  }

  /** A greeting proves no right to a name, and there is no end of names. */
  #limitStrangers(newest: PeerConnection): void {
    this.#strangers.add(newest);
    void newest.gone.then(() => this.#strangers.delete(newest));
    for (const oldest of this.#strangers) {
      if (this.#strangers.size <= this.#maxStrangers) return;
      this.#strangers.delete(oldest);
      // It may have been taken into the book since.
      if (this.#book.has(oldest.peer)) continue;
      oldest.destroy();
      const { reason } = TOO_MANY_STRANGERS;
      this.#peers.get(oldest.peer)?.lanes[oldest.lane].onClosed(oldest, reason, TOO_MANY_STRANGERS);
    }
  }

  /** Tells the handler what has changed since it was last told. */
  #review(name: NodeId, reason: string): void {
    const peer = this.#peers.get(name);
    if (peer === undefined || this.#running === null || this.#closing !== null) return;
    const { handler } = this.#running.context;
    const connected = LANES.filter((lane) => peer.lanes[lane].isConnected).length;
    if (!peer.told && connected === LANES.length) {
      peer.told = true;
      handler.peerConnected(name);
    } else if (connected === 0) {
      const wasTold = peer.told;
      peer.told = false;
      if (!this.#book.has(name)) this.#peers.delete(name);
      if (wasTold) handler.peerLost(name, reason);
    }
  }

  #reportFault(running: Running, from: Readonly<Record<string, string>>, fault: FrameFault): void {
    const fields = { event: 'transport.refused', ...from, reason: fault.reason, ...fault.detail };
    running.limiter.log('warn', fields, `connection closed: ${fault.reason}`);
  }
}

const TOO_MANY: FrameFault = { reason: 'too many connections without a greeting', detail: {} };

const TOO_MANY_STRANGERS: FrameFault = {
  reason: 'too many connections of nodes that are no peers',
  detail: {},
};

/** `defaults` with what is given; anything but a positive number is ERR_CONFIG. */
function fillIn<T extends Record<keyof T, number>>(
  defaults: T,
  given: { readonly [K in keyof T]?: number | undefined },
): T {
  const filled = { ...defaults };
  for (const name of Object.keys(defaults)) {
    if (!isKeyOf(defaults, name)) continue;
    const value = given[name];
    if (value === undefined) continue;
    if (!(value > 0)) {
      throw new QuorateError('ERR_CONFIG', {
        message: `${String(name)} must be above 0, not ${value}`,
      });
    }
    Object.assign(filled, { [name]: value });
  }
  return filled;
}

function isKeyOf<T extends object>(object: T, name: string): name is string & keyof T {
  return Object.hasOwn(object, name);
}
