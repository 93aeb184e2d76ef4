import { assert, QuorateError } from '../base/index.js';
import type { Clock, Dialer, FrameConnection, Logger, Random } from '../interfaces/index.js';
import { PendingRequests } from '../link/index.js';
import {
  CLIENT_PROTOCOL_VERSION,
  type ClientAnswer,
  type ClientCall,
  decodeServerFrame,
  encodeClientFrame,
  type ServerFrame,
  type ServerHello,
} from '../wire/index.js';
import type { Closing } from './closing.js';

export interface ServerConnectionOptions {
  readonly dialer: Dialer;
  readonly address: string;
  readonly maxFrameBytes: number;
  /** From the dial to the server's hello. */
  readonly connectTimeoutMs: number;
  /** Heeded until the hello is there. */
  readonly closing: Closing;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told once a connection that was open is gone, also by `close`. */
  readonly onLost: (connection: ServerConnection, reason: string) => void;
}

/** All that is asked on one connection is asked of one server. */
const CHANNEL = 'client';

/** One connection to one server: calls go out side by side and settle by their ids. */
export class ServerConnection {
  readonly #options: ServerConnectionOptions;
  readonly #pending: PendingRequests<ClientAnswer>;
  readonly #dialing = new AbortController();
  readonly #greeted: Promise<void>;
  #onGreeted: () => void = () => {};
  #onFailed: (error: QuorateError) => void = () => {};
  #frames: FrameConnection | null = null;
  #hello: ServerHello | null = null;
  #endReason: string | null = null;

  private constructor(options: ServerConnectionOptions) {
    this.#options = options;
    this.#pending = new PendingRequests(options.clock, options.random);
    this.#greeted = new Promise((resolve, reject) => {
      this.#onGreeted = resolve;
      this.#onFailed = reject;
    });
  }

  /**
   * Dials and exchanges hellos. Rejects with ERR_UNREACHABLE, outcome `'rejected'`, and the reason, or
   * with ERR_CONFIG for what is no address.
   */
  static async open(options: ServerConnectionOptions): Promise<ServerConnection> {
    const connection = new ServerConnection(options);
    await connection.#greet();
    return connection;
  }

  get address(): string {
    return this.#options.address;
  }

  /** What the server said of itself. */
  get hello(): ServerHello {
    assert(this.#hello !== null, 'a connection that was opened has heard a hello');
    return this.#hello;
  }

  get isOpen(): boolean {
    return this.#endReason === null;
  }

  /**
   * Asks the server and gives its answer. Rejects with outcome `'rejected'` when it was certainly not
   * sent, with `'unknown'` when it was and no answer came, and with what the server answered.
   */
  async call(
    call: ClientCall,
    { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<ClientAnswer> {
    const id = this.#pending.nextCorrelation();
    const head = { kind: 'request', id, timeoutMs: serverTimeoutMs(timeoutMs) } as const;
    const frame = encodeClientFrame({ ...head, call });
    if (!this.isOpen || this.#frames?.send(frame) !== true) throw this.#notSent();
    const waiting = { to: this.address, channel: CHANNEL, timeoutMs, signal };
    const answer = await this.#pending.wait(id, waiting);
    if (answer.kind === 'failure') throw answer.error;
    return answer;
  }

  /** Settles every call with ERR_CLOSED. May be called twice. */
  close(): void {
    const reason = 'the client was closed';
    this.#pending.close(reason);
    this.#end(reason);
  }

  #end(reason: string): void {
    if (this.#endReason !== null) return;
    this.#endReason = reason;
    this.#dialing.abort(reason);
    this.#frames?.close();
    this.#onFailed(this.#notSent());
    this.#pending.failAllTo(this.address, reason);
    if (this.#hello !== null) this.#options.onLost(this, reason);
  }

  async #greet(): Promise<void> {
    const { connectTimeoutMs, closing, clock } = this.#options;
    const ignoreClosing = closing.onOver(() => this.close());
    const timer = clock.after(connectTimeoutMs, () => {
      // A hello that already waits in the socket is not too late.
      clock.afterPoll(() => {
        if (this.#hello === null) this.#end(`no hello within ${connectTimeoutMs} ms`);
      });
    });
    this.#dial().catch((error: unknown) => this.#onDialFailed(error));
    try {
      await this.#greeted;
    } finally {
      timer.cancel();
      ignoreClosing();
    }
  }

  async #dial(): Promise<void> {
    const { dialer, address, maxFrameBytes } = this.#options;
    const frames = await dialer.dial(address, {
      maxFrameBytes,
      signal: this.#dialing.signal,
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (reason) => this.#end(reason),
    });
    if (!this.isOpen) {
      frames.close();
      return;
    }
    this.#frames = frames;
    frames.send(encodeClientFrame({ kind: 'hello', protocolVersion: CLIENT_PROTOCOL_VERSION }));
  }

  #onDialFailed(error: unknown): void {
    if (QuorateError.is(error)) {
      if (error.code === 'ERR_CONFIG') this.#onFailed(error);
      const name = `${this.address}: `;
      this.#end(error.reason.startsWith(name) ? error.reason.slice(name.length) : error.reason);
      return;
    }
    // A dialer that breaks its contract is not passed off as a network that fails.
    const fields = { event: 'client.dialerFailed', address: this.address, error };
    this.#options.logger.error(fields, 'The dialer failed in a way that it must not.');
    this.#end('the dialer failed');
  }

  #onFrame(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(bytes);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      const fields = { event: 'client.badFrame', address: this.address, reason: error.reason };
      this.#options.logger.warn(fields, 'A server sent what this version does not understand.');
      this.#end(error.reason);
      return;
    }
    if (frame.kind === 'hello') this.#onHello(frame);
    else if (frame.kind === 'refusal') this.#end(frame.error.reason);
    // A late answer finds nobody waiting, and nobody misses it.
    else this.#pending.settle(frame.id, this.address, CHANNEL, frame.answer);
  }

  #onHello(hello: ServerHello): void {
    if (hello.protocolVersion !== CLIENT_PROTOCOL_VERSION) {
      this.#end(`speaks protocol version ${hello.protocolVersion}`);
      return;
    }
    this.#hello = hello;
    this.#onGreeted();
  }

  #notSent(): QuorateError {
    if (this.#endReason !== null) {
      return new QuorateError('ERR_UNREACHABLE', { message: this.#endReason });
    }
    return new QuorateError('ERR_BUSY', { message: `the queue to ${this.address} is full` });
  }
}

/** The most by which the server is asked to give up before the client does. */
const MAX_HEAD_START_MS = 100;
const MAX_TIMEOUT_MS = 0xffff_ffff;

/** The server gives up a little earlier: what it then says is better than silence. */
function serverTimeoutMs(timeoutMs: number): number {
  const earlier = Math.floor(timeoutMs - Math.min(MAX_HEAD_START_MS, timeoutMs / 10));
  return Math.min(MAX_TIMEOUT_MS, Math.max(1, earlier));
}
