import type { Socket } from 'node:net';
import { assert, type NodeId } from '../../lib/base/index.js';
import type { Lane, TransportContext } from '../../lib/interfaces/index.js';
import { FrameSocket } from './frame-socket.js';
import type { FrameFault } from './framing.js';
import type { Deadlines, Sweeper } from './sweeper.js';

/** Whom this side meant to reach, when it was the one to dial. */
export interface Dialed {
  readonly peer: NodeId;
  readonly lane: Lane;
}

export interface PeerConnectionOptions {
  readonly socket: Socket;
  readonly context: TransportContext;
  readonly sweeper: Sweeper;
  readonly deadlines: Deadlines;
  /** Null when the other side dialed. */
  readonly dialed: Dialed | null;
  /** Both sides have accepted each other: frames can flow. */
  readonly onEstablished: (connection: PeerConnection) => void;
  /** Told once, unless this side closed it. `fault` is what was wrong with the other side, if it was. */
  readonly onClosed: (connection: PeerConnection, reason: string, fault: FrameFault | null) => void;
}

const MAX_GREETING_BYTES = 1024;

/**
 * One connection to a peer, for one lane. The handshake:
 *
 *     dialer    -- opening, greeting -->  acceptor judges; a refusal is a goodbye with the reason
 *     judges    <-- opening, greeting --
 *               -- ping -->               established on both sides, each has accepted the other
 */
export class PeerConnection {
  readonly #options: PeerConnectionOptions;
  readonly #frames: FrameSocket;
  #state: 'greeting' | 'answered' | 'established' = 'greeting';
  #peer: NodeId | null = null;
  #lane: Lane;
  #greeting: Uint8Array | null = null;
  /** Why this side refused the other. */
  #refusal: string | null = null;

  constructor(options: PeerConnectionOptions) {
    const { context, dialed } = options;
    this.#options = options;
    this.#lane = dialed?.lane ?? 'control';
    this.#frames = new FrameSocket({
      socket: options.socket,
      clock: context.clock,
      sweeper: options.sweeper,
      deadlines: options.deadlines,
      speak: 'peer',
      expect: 'peer',
      maxPayloadBytes: MAX_GREETING_BYTES,
      maxQueuedBytes: context.maxQueuedBytes,
      onFrame: (kind, payload) =>
        kind === 'greeting' ? this.#onGreeting(payload) : this.#onData(payload),
      onPing: () => this.#onPing(),
      onClose: (reason, fault) => options.onClosed(this, reason, fault),
    });
    if (dialed !== null) this.#greet(dialed.lane);
  }

  get wasDialed(): boolean {
    return this.#options.dialed !== null;
  }

  get isEstablished(): boolean {
    return this.#state === 'established';
  }

  /** Who the other side is: known once its greeting was accepted. */
  get peer(): NodeId {
    assert(this.#peer !== null, 'the greeting was accepted');
    return this.#peer;
  }

  /** Whether its greeting was accepted in this name; it may not have heard of that yet. */
  isOf(peer: NodeId): boolean {
    return this.#peer === peer;
  }

  get lane(): Lane {
    return this.#lane;
  }

  /** What the other side said first; differs when it is another start of the same node. */
  get greeting(): Uint8Array {
    assert(this.#greeting !== null, 'the greeting was accepted');
    return this.#greeting;
  }

  get gone(): Promise<void> {
    return this.#frames.gone;
  }

  send(frame: Uint8Array): boolean {
    return this.#frames.send('data', frame);
  }

  close(): void {
    this.#frames.close();
  }

  destroy(): void {
    this.#frames.destroy();
  }

  #greet(lane: Lane): void {
    const greeting = this.#options.context.handler.greeting(lane);
    assert(greeting.length <= MAX_GREETING_BYTES, 'a greeting has at most 1,024 bytes');
    this.#frames.send('greeting', greeting);
  }

  #onGreeting(greeting: Uint8Array): void {
    if (this.#state !== 'greeting') return this.#refuse('a second greeting');
    const { context, dialed } = this.#options;
    const verdict = context.handler.judge(greeting);
    if (!verdict.accepted) return this.#refuse(verdict.reason);
    if (verdict.peer === context.self) return this.#refuse('it greets with our own name');
    if (dialed !== null && verdict.peer !== dialed.peer) {
      context.handler.peerAnsweredAs?.(dialed.peer, verdict.peer);
      return this.#refuse(`${dialed.peer} answers as ${verdict.peer}`);
    }
    if (dialed !== null && verdict.lane !== dialed.lane)
      return this.#refuse('it greets another lane');
    this.#peer = verdict.peer;
    this.#lane = verdict.lane;
    this.#greeting = greeting;
    this.#frames.establish(context.maxFrameBytes);
    if (dialed === null) {
      this.#state = 'answered';
      this.#greet(verdict.lane);
    } else {
      this.#frames.ping();
      this.#establish();
    }
  }

  #onPing(): void {
    if (this.#state === 'answered') this.#establish();
    else if (this.#state === 'greeting') this.#refuse('a frame before the greeting');
  }

  #onData(payload: Uint8Array): void {
    this.#onPing();
    if (this.#state !== 'established' || !this.#frames.isOpen) return;
    this.#options.context.handler.receive(this.peer, payload, this.#lane);
  }

  #establish(): void {
    this.#state = 'established';
    this.#options.onEstablished(this);
  }

  #refuse(reason: string): void {
    if (this.#refusal !== null) return;
    this.#refusal = reason;
    this.#frames.close(reason);
    this.#options.onClosed(this, reason, { reason, detail: {} });
  }
}
