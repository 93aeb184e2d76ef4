import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type {
  Clock,
  Lane,
  LogFields,
  Logger,
  NetworkTransport,
  TransportHandler,
  Verdict,
} from '../../lib/interfaces/index.js';
import { VirtualClock } from '../../lib/testing/index.js';
import { SystemClock, systemRandom } from '../../lib/timing/index.js';
import {
  type FrameKind,
  FrameParser,
  gatherFrames,
  OPENINGS,
  type QueuedFrame,
  type Speech,
} from '../../transports/tcp/framing.js';
import { type TcpTransportOptions, tcpTransport } from '../../transports/tcp/index.js';

export const MAX_FRAME_BYTES = 256 * 1024;
export const MAX_QUEUED_BYTES = 1024 * 1024;

/** Deadlines pass when the test says so; sockets are read and written in real turns. */
export interface DrivenClock extends Clock {
  advance(ms: number): void;
}

export function drivenClock(): DrivenClock {
  const time = new VirtualClock();
  const turns = new SystemClock();
  return {
    now: () => time.now(),
    wallNow: () => time.wallNow(),
    after: (delayMs, fn) => time.after(delayMs, fn),
    soon: (fn) => turns.soon(fn),
    afterPoll: (fn) => turns.afterPoll(fn),
    advance: (ms) => time.advance(ms),
  };
}

export interface Line {
  readonly level: string;
  readonly fields: LogFields;
  readonly message: string;
}

export function recordingLogger(lines: Line[]): Logger {
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, fields, message });
  };
  const logger: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: () => logger,
  };
  return logger;
}

export interface NodeOptions extends TcpTransportOptions {
  readonly clock?: Clock | undefined;
  readonly listen?: string | undefined;
}

/** A node that accepts whoever greets as `name lane`, except `mallory`. */
export class TcpNode implements TransportHandler {
  readonly name: string;
  readonly transport: NetworkTransport;
  readonly received: string[] = [];
  readonly events: string[] = [];
  readonly lines: Line[] = [];
  address = '';
  receivedBytes = 0;
  readonly #clock: Clock;

  constructor(name: string, options: NodeOptions = {}) {
    this.name = name;
    this.transport = tcpTransport(options);
    this.#clock = options.clock ?? new SystemClock();
  }

  static async start(name: string, options: NodeOptions = {}): Promise<TcpNode> {
    const node = new TcpNode(name, options);
    await node.listen(options.listen ?? '127.0.0.1:0');
    return node;
  }

  async listen(address: string | null): Promise<void> {
    const started = await this.transport.start({
      self: this.name,
      listen: address,
      maxFrameBytes: MAX_FRAME_BYTES,
      maxQueuedBytes: MAX_QUEUED_BYTES,
      clock: this.#clock,
      random: systemRandom,
      logger: recordingLogger(this.lines),
      handler: this,
    });
    this.address = started.address ?? '';
  }

  setPeers(...peers: { readonly name: string; readonly address: string }[]): void {
    this.transport.setPeers(new Map(peers.map(({ name, address }) => [name, address])));
  }

  send(to: string, text: string, lane: Lane = 'control'): boolean {
    return this.transport.send(to, Buffer.from(text), lane);
  }

  has(event: string): boolean {
    return this.events.includes(event);
  }

  warnings(): string[] {
    return this.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  }

  greeting(lane: Lane): Uint8Array {
    return Buffer.from(`${this.name} ${lane}`);
  }

  judge(greeting: Uint8Array): Verdict {
    const [peer = '', lane] = Buffer.from(greeting).toString().split(' ');
    if (peer === 'mallory') return { accepted: false, reason: 'another cluster' };
    return { accepted: true, peer, lane: lane === 'bulk' ? 'bulk' : 'control' };
  }

  receive(from: string, frame: Uint8Array, lane: Lane): void {
    this.receivedBytes += frame.length;
    this.received.push(`${from} ${lane} ${Buffer.from(frame.subarray(0, 40)).toString()}`);
  }

  peerConnected(peer: string): void {
    this.events.push(`+${peer}`);
  }

  peerLost(peer: string, reason: string): void {
    this.events.push(`-${peer} ${reason}`);
  }

  peerUnreachable(peer: string, reason: string): void {
    this.events.push(`?${peer} ${reason}`);
  }
}

/** The other end of a connection, by hand. */
export class RawPeer {
  readonly socket: Socket;
  readonly frames: QueuedFrame[] = [];
  closed = false;
  readonly #parser: FrameParser;

  constructor(address: string, expect: Speech = 'peer') {
    const port = Number(address.split(':').at(-1));
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#parser = new FrameParser({
      expect,
      maxPayloadBytes: MAX_FRAME_BYTES,
      onFrame: (kind, payload) => this.frames.push({ kind, payload }),
    });
    this.socket.on('data', (chunk: Uint8Array) => this.#parser.push(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Connects as `name`, as far as both sides have accepted each other. */
  static async greet(node: TcpNode, name: string, lane: Lane, suffix = ''): Promise<RawPeer> {
    const peer = new RawPeer(node.address);
    peer.write(OPENINGS.peer, frame('greeting', `${name} ${lane}${suffix}`), frame('ping'));
    await until('the answer', () => peer.frames.length > 0);
    return peer;
  }

  write(...pieces: Uint8Array[]): void {
    this.socket.write(Buffer.concat(pieces));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }
}

export function frame(kind: FrameKind, text = ''): Uint8Array {
  return Buffer.concat(gatherFrames([{ kind, payload: Buffer.from(text) }]));
}

const clock = new SystemClock();

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadlineMs = clock.now() + 10_000;
  while (!condition()) {
    if (clock.now() > deadlineMs) throw new Error(`waited 10 s for: ${what}`);
    await new Promise<void>((resolve) => clock.after(1, resolve));
  }
}

/** Two nodes that reach each other. */
export async function pair(options: NodeOptions = {}): Promise<[TcpNode, TcpNode]> {
  const a = await TcpNode.start('a', options);
  const b = await TcpNode.start('b', options);
  a.setPeers(b);
  b.setPeers(a);
  await until('the pair is connected', () => a.has('+b') && b.has('+a'));
  return [a, b];
}

/** Proves that `from` still reaches `to`. */
export async function served(from: TcpNode, to: TcpNode): Promise<void> {
  const text = `served ${to.received.length}`;
  await until('a frame is taken', () => from.send(to.name, text));
  await until('a frame arrives', () => to.received.includes(`${from.name} control ${text}`));
}

export async function closeAll(...things: { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(things.map((thing) => thing.close()));
}
