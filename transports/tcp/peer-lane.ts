import { connect } from 'node:net';
import { equalBytes, type NodeId, QuorateError } from '../../lib/base/index.js';
import type { Lane, Timer, TransportContext } from '../../lib/interfaces/index.js';
import { parseAddress } from './address.js';
import type { FrameFault } from './framing.js';
import { PeerConnection } from './peer-connection.js';
import type { Deadlines, Sweeper } from './sweeper.js';

/** How long to wait before dialing again: doubled each time, half of it by chance. Milliseconds. */
export interface Backoff {
  /** Default 20. */
  readonly firstMs: number;
  /** Default 1,000. */
  readonly mostMs: number;
}

export interface PeerLaneOptions {
  readonly peer: NodeId;
  readonly lane: Lane;
  readonly context: TransportContext;
  readonly sweeper: Sweeper;
  readonly deadlines: Deadlines;
  readonly backoff: Backoff;
  /** A dial has begun; its socket is to be waited for at the end. */
  readonly onDialed: (connection: PeerConnection) => void;
  /** Called when a dialed connection is ready; the owner then calls `adopt`. */
  readonly onEstablished: (connection: PeerConnection) => void;
  /** An established connection is gone and forgotten here. */
  readonly onLost: (reason: string, fault: FrameFault | null) => void;
  /** A dial came to nothing. */
  readonly onUnreachable: (reason: string) => void;
}

/**
 * The connections to one peer for one lane. Whoever has none, and knows an address, dials; when both
 * sides dial at once, two connections stand, and either can carry frames: there is no tie to break, so
 * none can be broken wrongly. Each side goes on sending on the one that it had first, which keeps the order.
 *
 * A peer that was restarted may be heard while its earlier connections still seem to live. Its greeting
 * then differs, and they are dropped.
 */
export class PeerLane {
  readonly #options: PeerLaneOptions;
  #address: string | null = null;
  /** The first one is sent on. */
  #connections: PeerConnection[] = [];
  #dialing: PeerConnection | null = null;
  #timer: Timer | null = null;
  #failedDials = 0;
  #establishedMs = 0;
  #closed = false;

  constructor(options: PeerLaneOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#connections.length > 0;
  }

  get isKnown(): boolean {
    return this.#address !== null;
  }

  send(frame: Uint8Array): boolean {
    return this.#connections[0]?.send(frame) ?? false;
  }

  /** Null takes the peer out of the address book and closes what stands. */
  setAddress(address: string | null): void {
    if (address === this.#address) return;
    const wasKnown = this.#address !== null;
    this.#address = address;
    this.#stopDialing();
    if (address === null && wasKnown) this.#closeAll();
    this.#failedDials = 0;
    this.#dial();
  }

  /** Takes a connection that both sides have accepted, whoever dialed it. */
  adopt(connection: PeerConnection): void {
    if (connection === this.#dialing) this.#dialing = null;
    const isStale = (old: PeerConnection): boolean =>
      !equalBytes(old.greeting, connection.greeting) ||
      // The other side dials only when it has no connection: the one it dialed before is dead.
      (!old.wasDialed && !connection.wasDialed);
    for (const old of this.#connections.filter(isStale)) old.destroy();
    this.#connections = this.#connections.filter((old) => !isStale(old));
    this.#connections.push(connection);
    this.#establishedMs = this.#options.context.clock.now();
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** An adopted connection has ended. */
  onClosed(connection: PeerConnection, reason: string, fault: FrameFault | null): void {
    if (!this.#connections.includes(connection)) return;
    this.#connections = this.#connections.filter((other) => other !== connection);
    const { clock } = this.#options.context;
    // A connection that never lasts is a failed dial, or two nodes would dial each other in a loop.
    const lasted = clock.now() - this.#establishedMs > this.#options.backoff.mostMs;
    this.#failedDials = lasted ? 0 : this.#failedDials + 1;
    this.#dialLater();
    this.#options.onLost(reason, fault);
  }

  close(): void {
    this.#closed = true;
    this.#stopDialing();
    this.#closeAll();
  }

  #closeAll(): void {
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
  }

  #stopDialing(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dialing?.destroy();
    this.#dialing = null;
  }

  #dialLater(): void {
    if (this.#timer !== null || this.#closed || this.#address === null) return;
    const { context, backoff } = this.#options;
    const ceilingMs = Math.min(
      backoff.mostMs,
      backoff.firstMs * 2 ** Math.min(this.#failedDials, 30),
    );
    this.#timer = context.clock.after(ceilingMs * (0.5 + context.random.next() / 2), () => {
      this.#timer = null;
      this.#dial();
    });
    this.#timer.keepAlive(false);
  }

  #dial(): void {
    if (this.#closed || this.#address === null || this.#dialing !== null || this.isConnected)
      return;
    const { peer, lane, onEstablished } = this.#options;
    let endpoint: ReturnType<typeof parseAddress>;
    try {
      endpoint = parseAddress(this.#address);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      this.#onUndialable(error.message);
      return;
    }
    this.#dialing = new PeerConnection({
      ...this.#options,
      socket: connect({ ...endpoint, noDelay: true }),
      dialed: { peer, lane },
      onEstablished,
      onClosed: (connection, reason, fault) => this.#onDialedClosed(connection, reason, fault),
    });
    this.#options.onDialed(this.#dialing);
  }

  #onDialedClosed(connection: PeerConnection, reason: string, fault: FrameFault | null): void {
    if (connection !== this.#dialing) {
      this.onClosed(connection, reason, fault);
      return;
    }
    this.#dialing = null;
    this.#onUndialable(reason);
  }

  #onUndialable(reason: string): void {
    this.#failedDials += 1;
    this.#dialLater();
    this.#options.onUnreachable(reason);
  }
}
