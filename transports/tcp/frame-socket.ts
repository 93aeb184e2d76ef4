import type { Socket } from 'node:net';
import type { Clock } from '../../lib/interfaces/index.js';
import {
  FRAME_HEADER_BYTES,
  type FrameFault,
  type FrameKind,
  FrameParser,
  gatherFrames,
  OPENINGS,
  type QueuedFrame,
  type Speech,
} from './framing.js';
import type { Deadlines, Sweeper } from './sweeper.js';

export interface FrameSocketOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly sweeper: Sweeper;
  readonly deadlines: Deadlines;
  /** What this side opens with. */
  readonly speak: Speech;
  /** What the other side must open with. */
  readonly expect: Speech;
  /** Largest payload accepted until `raiseLimit`. */
  readonly maxPayloadBytes: number;
  /** Bytes queued before `send` answers false. One frame into an empty queue always fits. */
  readonly maxQueuedBytes: number;
  readonly onFrame: (kind: 'greeting' | 'data', payload: Uint8Array) => void;
  readonly onPing?: (() => void) | undefined;
  /** Told once, when nothing more is sent or received; `'goodbye'` when the other side closed cleanly. */
  readonly onClose: (reason: string, fault: FrameFault | null) => void;
}

/** At most so many bytes are handed to the system at once: later frames may still be dropped. */
const MAX_BATCH_BYTES = 256 * 1024;
const MAX_REASON_BYTES = 256;
const EMPTY = new Uint8Array(0);
const PING: QueuedFrame = { kind: 'ping', payload: EMPTY };

/**
 * Frames over one socket, in both directions. Frames queued in one turn leave in one write. A socket
 * that takes no more is not written to until it drains; the queue then fills up to its limit.
 */
export class FrameSocket {
  readonly #options: FrameSocketOptions;
  readonly #socket: Socket;
  readonly #parser: FrameParser;
  #queue: QueuedFrame[] = [];
  #queuedBytes = 0;
  #flushAsked = false;
  #hasSpoken = false;
  /** Whether the socket has refused more until it drains. */
  #blocked = false;
  /** No longer parsed, queued or told; the socket may still be flushing. */
  #ended = false;
  readonly #gone: Promise<void>;

  readonly #openedMs: number;
  #heardMs: number;
  #spokeMs: number;
  #insideSinceMs: number | null = null;
  #blockedSinceMs: number | null = null;
  #goneByMs = Number.POSITIVE_INFINITY;
  #established = false;

  constructor(options: FrameSocketOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#parser = new FrameParser({
      expect: options.expect,
      maxPayloadBytes: options.maxPayloadBytes,
      onFrame: (kind, payload) => this.#onFrame(kind, payload),
    });
    const now = options.clock.now();
    this.#openedMs = now;
    this.#heardMs = now;
    this.#spokeMs = now;
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Uint8Array) => this.#onData(chunk));
    this.#socket.on('drain', () => this.#onDrain());
    this.#socket.on('error', (error) => this.#end(describeError(error), null));
    this.#socket.on('end', () => this.#end('closed by the other side', null));
    this.#gone = new Promise((resolve) => {
      this.#socket.once('close', () => {
        options.sweeper.remove(this);
        this.#end('connection closed', null);
        resolve();
      });
    });
    options.sweeper.add(this);
  }

  /** Resolves when the socket is closed, for whatever reason. */
  get gone(): Promise<void> {
    return this.#gone;
  }

  get isOpen(): boolean {
    return !this.#ended;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** The other side is known: the deadline of the handshake no longer counts. */
  establish(maxPayloadBytes: number): void {
    this.#established = true;
    this.#parser.raiseLimit(maxPayloadBytes);
  }

  send(kind: FrameKind, payload: Uint8Array): boolean {
    if (this.#ended) return false;
    // The header counts: frames without payload fill the queue as well.
    const sizeBytes = FRAME_HEADER_BYTES + payload.length;
    const queuedBytes = this.#queuedBytes + this.#socket.writableLength;
    if (this.#queuedBytes > 0 && queuedBytes + sizeBytes > this.#options.maxQueuedBytes)
      return false;
    this.#queue.push(payload.length === 0 && kind === 'ping' ? PING : { kind, payload });
    this.#queuedBytes += sizeBytes;
    this.#askFlush();
    return true;
  }

  ping(): void {
    this.send('ping', EMPTY);
  }

  /**
   * Ends the connection from this side: what is queued is still sent, then a goodbye. `onClose` is
   * not called. The socket is destroyed when the other side takes too long.
   */
  close(farewell = ''): void {
    if (this.#ended) return;
    this.#silence();
    this.#writeLast(farewell);
  }

  /** Ends the connection at once, with nothing more sent. `onClose` is not called. */
  destroy(): void {
    this.#silence();
    this.#socket.destroy();
  }

  /** Asked now and then by the sweeper, after waiting input has been read. */
  sweep(now: number): void {
    const { deadlines } = this.#options;
    if (this.#ended) {
      if (now >= this.#goneByMs) this.#socket.destroy();
      return;
    }
    if (!this.#established && now - this.#openedMs >= deadlines.handshakeTimeoutMs) {
      this.#end('the handshake took too long', {
        reason: 'the handshake took too long',
        detail: {},
      });
    } else if (
      this.#insideSinceMs !== null &&
      now - this.#insideSinceMs >= deadlines.frameTimeoutMs
    ) {
      this.#end('a frame took too long', { reason: 'a frame took too long', detail: {} });
    } else if (
      this.#blockedSinceMs !== null &&
      now - this.#blockedSinceMs >= deadlines.writeTimeoutMs
    ) {
      this.#end('the other side does not read', null);
    } else if (this.#established && now - this.#heardMs >= deadlines.silenceTimeoutMs) {
      this.#end('nothing heard', null);
    } else if (this.#established && now - this.#spokeMs >= deadlines.pingIntervalMs) {
      this.ping();
    }
  }

  #onData(chunk: Uint8Array): void {
    if (this.#ended) return;
    const now = this.#options.clock.now();
    this.#heardMs = now;
    const frameCount = this.#parser.frameCount;
    const fault = this.#parser.push(chunk);
    if (fault !== null) {
      this.#end(fault.reason, fault);
    } else if (!this.#parser.isInside) {
      this.#insideSinceMs = null;
    } else if (this.#insideSinceMs === null || this.#parser.frameCount !== frameCount) {
      this.#insideSinceMs = now;
    }
  }

  #onFrame(kind: FrameKind, payload: Uint8Array): void {
    if (kind === 'ping') {
      this.#options.onPing?.();
    } else if (kind === 'goodbye') {
      const reason = Buffer.from(payload.subarray(0, MAX_REASON_BYTES)).toString('utf8');
      this.#end(reason === '' ? 'goodbye' : reason, null);
    } else {
      this.#options.onFrame(kind, payload);
    }
  }

  #askFlush(): void {
    if (this.#flushAsked || this.#blocked) return;
    this.#flushAsked = true;
    this.#options.clock.soon(() => {
      this.#flushAsked = false;
      if (!this.#ended) this.#flush();
    });
  }

  #flush(): void {
    while (this.#queue.length > 0 && !this.#blocked) {
      let count = 0;
      let batchBytes = 0;
      while (count < this.#queue.length && batchBytes < MAX_BATCH_BYTES) {
        batchBytes += FRAME_HEADER_BYTES + (this.#queue[count]?.payload.length ?? 0);
        count += 1;
      }
      const batch = this.#queue.splice(0, count);
      this.#queuedBytes -= batchBytes;
      this.#write(batch);
    }
  }

  /** The queue and a goodbye, whatever the socket says; then its end, at the latest after the linger. */
  #writeLast(farewell: string): void {
    if (this.#socket.connecting) {
      this.#socket.destroy();
      return;
    }
    this.#goneByMs = this.#options.clock.now() + this.#options.deadlines.lingerMs;
    const reason = Buffer.from(farewell, 'utf8').subarray(0, MAX_REASON_BYTES);
    const rest: QueuedFrame[] = [...this.#queue, { kind: 'goodbye', payload: reason }];
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#write(rest);
    this.#socket.end();
  }

  #write(batch: readonly QueuedFrame[]): void {
    const now = this.#options.clock.now();
    const pieces = gatherFrames(batch);
    this.#spokeMs = now;
    this.#socket.cork();
    if (!this.#hasSpoken) this.#socket.write(OPENINGS[this.#options.speak]);
    this.#hasSpoken = true;
    for (const piece of pieces) this.#blocked = !this.#socket.write(piece);
    this.#socket.uncork();
    if (this.#blocked) this.#blockedSinceMs = now;
  }

  #onDrain(): void {
    this.#blocked = false;
    this.#blockedSinceMs = null;
    if (!this.#ended) this.#flush();
  }

  /** Nothing is parsed, queued or told any more. */
  #silence(): void {
    this.#ended = true;
    this.#parser.stop();
  }

  #end(reason: string, fault: FrameFault | null): void {
    if (this.#ended) return;
    this.#silence();
    this.#queue = [];
    this.#queuedBytes = 0;
    // Whoever speaks our language is told what was wrong; nobody else gets an answer.
    if (fault !== null && this.#parser.isOurs) this.#writeLast(fault.reason);
    else this.#socket.destroy();
    this.#options.onClose(reason, fault);
  }
}

/** A system error in words that name no address, so that equal troubles read alike. */
export function describeError(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return ERROR_WORDS[code] ?? (code === '' ? error.message : code);
}

const ERROR_WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'no such address on this machine',
  EACCES: 'permission denied',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'unknown host',
};
