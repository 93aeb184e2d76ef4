import type { Socket } from 'node:net';
import type { Clock, FrameConnection, Logger } from '../../lib/interfaces/index.js';
import { connectionOver } from './client-connection.js';
import { FrameSocket } from './frame-socket.js';
import type { FrameFault } from './framing.js';
import { LogLimiter } from './log-limiter.js';
import { DEFAULT_DEADLINES, type Deadlines, Sweeper } from './sweeper.js';

/** What an acceptor of clients works with. */
export interface ClientAcceptorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Largest frame, in bytes, that either side accepts. */
  readonly maxFrameBytes: number;
  /** Bytes queued on one connection before `send` answers false. */
  readonly maxQueuedBytes: number;
  /** Connections at once; a further one is told so and closed. */
  readonly maxConnections: number;
  readonly deadlines?: Partial<Deadlines> | undefined;
  /** A client has opened as one of ours. What is returned is told of everything that follows. */
  readonly onConnection: (connection: FrameConnection, remote: string) => ClientHandler;
}

/** The server's end of one client connection. */
export interface ClientHandler {
  /** The memory is the handler's own. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** Called once, also when the connection was closed from here. */
  readonly onClose: (reason: string) => void;
}

/**
 * Turns sockets of the client port into frame connections. A port that speaks HTTP as well reads the
 * first bytes, asks `guessOpening`, and puts them back with `socket.unshift` before `accept`.
 */
export interface ClientAcceptor {
  /** Takes the connection over: it is greeted, served or refused, and closed in the end. */
  accept(socket: Socket): void;
  /** Says goodbye on every connection and resolves when their sockets are closed. May be called twice. */
  close(): Promise<void>;
}

/** Serves connections of clients on sockets that somebody else accepts. */
export function clientAcceptor(options: ClientAcceptorOptions): ClientAcceptor {
  return new Acceptor(options);
}

class Acceptor implements ClientAcceptor {
  readonly #options: ClientAcceptorOptions;
  readonly #deadlines: Deadlines;
  readonly #sweeper: Sweeper;
  readonly #limiter: LogLimiter;
  /** Every connection whose socket is not closed yet, with the call that tells its handler of the end. */
  readonly #alive = new Map<FrameSocket, (reason: string) => void>();
  #open = true;

  constructor(options: ClientAcceptorOptions) {
    this.#options = options;
    this.#deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
    this.#sweeper = new Sweeper(options.clock, this.#deadlines);
    this.#limiter = new LogLimiter(options.logger, options.clock);
  }

  accept(socket: Socket): void {
    if (!this.#open) {
      socket.destroy();
      return;
    }
    const remote = socket.remoteAddress ?? 'unknown';
    const { maxFrameBytes, maxConnections, onConnection } = this.#options;
    let handler: ClientHandler | null = null;
    const tell = (reason: string): void => handler?.onClose(reason);
    const refuse = (fault: FrameFault): void => {
      this.#report(remote, fault);
      frames.close(fault.reason);
      tell(fault.reason);
    };
    const frames: FrameSocket = new FrameSocket({
      ...this.#options,
      sweeper: this.#sweeper,
      deadlines: this.#deadlines,
      socket,
      speak: 'client',
      expect: 'client',
      maxPayloadBytes: maxFrameBytes,
      onFrame: (kind, payload) => {
        if (kind === 'greeting') refuse(A_GREETING);
        else if (handler === null) refuse(TOO_EARLY);
        else handler.onFrame(payload);
      },
      onPing: () => {
        if (handler !== null) return;
        frames.establish(maxFrameBytes);
        frames.ping();
        handler = onConnection(connectionOver(frames, maxFrameBytes, tell), remote);
      },
      onClose: (reason, fault) => {
        if (fault !== null) this.#report(remote, fault);
        tell(reason);
      },
    });
    this.#alive.set(frames, tell);
    void frames.gone.then(() => this.#alive.delete(frames));
    if (this.#alive.size <= maxConnections) return;
    refuse(TOO_MANY);
  }

  async close(): Promise<void> {
    this.#open = false;
    for (const [frames, tell] of this.#alive) {
      if (!frames.isOpen) continue;
      frames.close();
      tell('closed');
    }
    await Promise.all([...this.#alive.keys()].map(({ gone }) => gone));
  }

  #report(remote: string, { reason, detail }: FrameFault): void {
    const fields = { event: 'transport.refused', remote, reason, ...detail };
    this.#limiter.log('warn', fields, `connection closed: ${reason}`);
  }
}

const A_GREETING: FrameFault = { reason: 'a greeting on the client port', detail: {} };
const TOO_EARLY: FrameFault = { reason: 'a frame before the ping', detail: {} };
const TOO_MANY: FrameFault = { reason: 'too many client connections', detail: {} };
