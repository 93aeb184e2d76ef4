import type { NodeId } from '../../base/index.js';
import type {
  Lane,
  NetworkTransport,
  TransportContext,
  TransportHandler,
} from '../../interfaces/index.js';
import type { Process } from './process.js';

/** What becomes of a frame that a process sends. */
export type FrameFate = (
  from: NodeId,
  to: NodeId,
  lane: Lane,
  frame: Uint8Array,
) => 'send' | 'drop' | Hold;

/** A frame that waits: for a while, or until its link is let go. */
export interface Hold {
  /** Calls back when the frame may go on. */
  readonly until: (go: () => void) => void;
}

export interface WireOptions {
  readonly inner: NetworkTransport;
  readonly self: NodeId;
  readonly process: Process;
  readonly fate: FrameFate;
  /** A frame is on its way. */
  readonly onSent: () => void;
}

/**
 * A transport between one start of a process and the network: what arrives waits while the process is
 * stalled, what is sent may be held, and neither happens once it is killed.
 */
export class Wire implements NetworkTransport {
  readonly #options: WireOptions;
  /** Counted up when a connection is lost: what was held for it is lost with it. */
  readonly #connections = new Map<NodeId, number>();

  constructor(options: WireOptions) {
    this.#options = options;
  }

  start(context: TransportContext): Promise<{ readonly address: string | null }> {
    return this.#options.inner.start({ ...context, handler: this.#handler(context.handler) });
  }

  send(to: NodeId, frame: Uint8Array, lane: Lane): boolean {
    const { inner, self, process, fate, onSent } = this.#options;
    if (process.isDead) return false;
    const becomes = fate(self, to, lane, frame);
    if (becomes === 'drop') return true;
    if (becomes === 'send') {
      const isSent = inner.send(to, frame, lane);
      // It may have been the last thing that the process did.
      if (isSent) onSent();
      return isSent;
    }
    const connection = this.#connections.get(to) ?? 0;
    const held = new Uint8Array(frame);
    becomes.until(() => {
      const isSame = connection === (this.#connections.get(to) ?? 0);
      if (isSame && !process.isDead) inner.send(to, held, lane);
    });
    return true;
  }

  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    if (!this.#options.process.isDead) this.#options.inner.setPeers(peers);
  }

  close(): Promise<void> {
    return this.#options.inner.close();
  }

  #handler(handler: TransportHandler): TransportHandler {
    const { process } = this.#options;
    const deliver = (fn: () => void): void => process.deliver(fn);
    return {
      greeting: (lane) => handler.greeting(lane),
      judge: (greeting) => handler.judge(greeting),
      receive: (from, frame, lane) => deliver(() => handler.receive(from, frame, lane)),
      peerConnected: (peer) => deliver(() => handler.peerConnected(peer)),
      peerLost: (peer, reason) => {
        this.#connections.set(peer, (this.#connections.get(peer) ?? 0) + 1);
        deliver(() => handler.peerLost(peer, reason));
      },
      peerUnreachable: (peer, reason) => deliver(() => handler.peerUnreachable?.(peer, reason)),
      peerAnsweredAs: (dialed, peer) => deliver(() => handler.peerAnsweredAs?.(dialed, peer)),
    };
  }
}
