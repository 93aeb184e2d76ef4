import type { Clock, FrameConnection } from '../../lib/interfaces/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import {
  type ClientAcceptor,
  type ClientAcceptorOptions,
  clientAcceptor,
  type Listening,
  listen,
  tcpDialer,
} from '../../transports/tcp/index.js';
import { type Line, MAX_FRAME_BYTES, MAX_QUEUED_BYTES, recordingLogger } from './tcp-nodes.js';

/** A client port that sends every frame back. */
export class EchoServer {
  readonly lines: Line[] = [];
  readonly closed: string[] = [];
  address = '';
  #listening: Listening | null = null;
  #acceptor: ClientAcceptor | null = null;

  static async open(options: { readonly maxConnections?: number } = {}): Promise<EchoServer> {
    const server = new EchoServer();
    const acceptor = clientAcceptor({
      maxConnections: 100,
      ...options,
      ...echoOptions(server.lines, server.closed),
    });
    server.#acceptor = acceptor;
    server.#listening = await listen('127.0.0.1:0', (socket) => acceptor.accept(socket));
    server.address = server.#listening.address;
    return server;
  }

  async close(): Promise<void> {
    this.#listening?.server.close();
    await this.#acceptor?.close();
    await this.#acceptor?.close();
  }
}

export function echoOptions(
  lines: Line[],
  closed: string[],
): Omit<ClientAcceptorOptions, 'maxConnections'> {
  return {
    clock: new SystemClock(),
    logger: recordingLogger(lines),
    maxFrameBytes: MAX_FRAME_BYTES,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    onConnection: (connection: FrameConnection) => ({
      onFrame: (bytes: Uint8Array) => void connection.send(bytes),
      onClose: (reason: string) => void closed.push(reason),
    }),
  };
}

interface ClientOptions {
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
}

/** A client and what it has heard. */
export class Client {
  readonly received: string[] = [];
  readonly closed: string[] = [];
  readonly #connection: FrameConnection[] = [];

  static async dial(address: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client();
    const connection = await tcpDialer({ clock: options.clock ?? new SystemClock() }).dial(
      address,
      {
        maxFrameBytes: MAX_FRAME_BYTES,
        signal: options.signal ?? new AbortController().signal,
        onFrame: (bytes) => client.received.push(Buffer.from(bytes).toString()),
        onClose: (reason) => client.closed.push(reason),
      },
    );
    client.#connection.push(connection);
    return client;
  }

  get connection(): FrameConnection {
    return this.#connection[0]!;
  }
}
