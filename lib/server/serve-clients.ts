import {
  type ClientHandler,
  clientAcceptor,
  LogLimiter,
  listen,
} from '../../transports/tcp/index.js';
import { type Limits, maxFrameBytes, QuorateError, resolveLimits } from '../base/index.js';
import type { Clock, FrameConnection, Logger } from '../interfaces/index.js';
import { silentLogger } from '../observe/index.js';
import { backendOf, type KVBackend, type KVStore } from '../store/index.js';
import { SystemClock } from '../timing/index.js';
import { ClientSession } from './client-session.js';

/** How a client port is opened. Only `listen` must be given. */
export interface ServeClientsOptions {
  /** Where to listen, `host:port`; port 0 lets the system pick one. */
  readonly listen: string;
  /** `maxClientConnections`, `maxQueuedBytes` and `maxPendingCalls` are meant; sizes are the store's. */
  readonly limits?: { readonly [K in keyof Limits]?: Limits[K] | undefined } | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** A client port that is open. */
export interface ClientServer extends AsyncDisposable {
  /** Where it listens, with the port that was picked. */
  readonly address: string;
  /**
   * Closes the port: calls under way are answered, for at most a second; then those that are left are
   * told so, with what may be concluded, and every connection is closed. The store stays open. May be called twice.
   */
  close(): Promise<void>;
}

/** What `close` waits for calls under way. */
const DRAIN_MS = 1000;

/**
 * Opens a port on which clients use `store`, by `connect` of `quorate/client`. Rejects with ERR_CONFIG
 * when it cannot listen. A store that closes is answered for with ERR_CLOSED; closing the port is the
 * caller's part.
 */
export async function serveClients<V>(
  store: KVStore<V>,
  options: ServeClientsOptions,
): Promise<ClientServer> {
  const server = new Server(backendOf(store), options);
  await server.open(options.listen);
  return server;
}

class Server implements ClientServer {
  readonly #backend: KVBackend;
  readonly #limits: Limits;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #acceptor: ReturnType<typeof clientAcceptor>;
  readonly #limiter: LogLimiter;
  readonly #sessions = new Set<ClientSession>();
  #listening: Awaited<ReturnType<typeof listen>> | null = null;
  #closing: Promise<void> | null = null;

  constructor(backend: KVBackend, options: ServeClientsOptions) {
    this.#backend = backend;
    const { maxKeyBytes, maxValueBytes } = backend;
    this.#limits = { ...resolveLimits(options.limits), maxKeyBytes, maxValueBytes };
    this.#logger = options.logger ?? silentLogger;
    this.#clock = options.clock ?? new SystemClock();
    this.#limiter = new LogLimiter(this.#logger, this.#clock);
    this.#acceptor = clientAcceptor({
      clock: this.#clock,
      logger: this.#logger,
      maxFrameBytes: maxFrameBytes(this.#limits),
      maxQueuedBytes: this.#limits.maxQueuedBytes,
      maxConnections: this.#limits.maxClientConnections,
      onConnection: (connection, remote) => this.#onConnection(connection, remote),
    });
  }

  async open(address: string): Promise<void> {
    this.#listening = await listen(address, (socket) => this.#acceptor.accept(socket));
    this.#listening.server.on('error', (error) => {
      const fields = { event: 'server.acceptFailed', error };
      this.#logger.error(fields, 'The client port could not take a connection.');
    });
  }

  get address(): string {
    if (this.#listening !== null) return this.#listening.address;
    throw new QuorateError('ERR_CLOSED', { message: 'the client port is not open' });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#listening === null) resolve();
      else this.#listening.server.close(() => resolve());
    });
    await this.#drain();
    await this.#acceptor.close();
    await closed;
  }

  async #drain(): Promise<void> {
    const drained = Promise.all([...this.#sessions].map((session) => session.drain()));
    let giveUp = (): void => {};
    const late = new Promise<void>((resolve) => {
      giveUp = resolve;
    });
    const timer = this.#clock.after(DRAIN_MS, giveUp);
    await Promise.race([drained, late]);
    timer.cancel();
    for (const session of this.#sessions) session.giveUp();
    // What was aborted is answered in this turn; a store that does not heed it is not waited for.
    await new Promise<void>((resolve) => this.#clock.soon(resolve));
  }

  #onConnection(connection: FrameConnection, remote: string): ClientHandler {
    const session = new ClientSession({
      connection,
      backend: this.#backend,
      limits: this.#limits,
      logger: this.#logger.child({ remote }),
      onRefused: (reason) => {
        const fields = { event: 'server.clientRefused', remote, reason };
        this.#limiter.log('warn', fields, `client connection closed: ${reason}`);
      },
    });
    this.#sessions.add(session);
    // Let in before the port closed: it is told so, rather than cut off in the middle of its calls.
    if (this.#closing !== null) void session.drain();
    return {
      onFrame: (frame) => session.onFrame(frame),
      onClose: (reason) => {
        this.#sessions.delete(session);
        session.onClose(reason);
      },
    };
  }
}
