import type { Socket } from 'node:net';
import { FrameParser } from '../../transports/tcp/framing.js';
import type { Link } from './link.js';

const MAX_FRAME_BYTES = 64 * 2 ** 20;
/** Beyond it the sender is left to wait, as by a network that takes no more. */
const MAX_QUEUED_BYTES = 256 * 1024;
/** A reset overtakes what was written just before it. */
const FLUSH_MS = 10;

export interface FlowOptions {
  readonly source: Socket;
  readonly target: Socket;
  /** Null until it is known who the two are. */
  readonly link: () => Link | null;
  readonly onGreeting: (payload: Uint8Array) => void;
  /** Tears the connection, both ways. */
  readonly onReset: () => void;
}

/** One direction of a connection: what comes from `source` goes to `target` as the link allows. */
export class Flow {
  readonly #options: FlowOptions;
  readonly #parser: FrameParser;
  readonly #queue: { readonly bytes: Uint8Array; readonly dueMs: number }[] = [];
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  #end: 'none' | 'closed' | 'reset' = 'none';
  #isMuted = false;
  #leave: () => void = () => {};
  #joined: Link | null = null;

  constructor(options: FlowOptions) {
    this.#options = options;
    const { source, target } = options;
    this.#parser = new FrameParser({
      expect: 'peer',
      maxPayloadBytes: MAX_FRAME_BYTES,
      onFrame: (kind, payload) => {
        if (kind === 'greeting') options.onGreeting(payload);
      },
    });
    source.on('data', (bytes: Uint8Array) => this.#take(bytes));
    source.on('end', () => this.#finish('closed'));
    source.on('error', () => this.#finish('reset'));
    source.on('close', () => this.#finish('closed'));
    target.on('drain', () => this.#goOn());
    target.on('close', () => this.#dispose());
  }

  /** From now on nothing is said any more, not even that the source has gone. */
  mute(): void {
    this.#isMuted = true;
  }

  #take(bytes: Uint8Array): void {
    const { link } = this.#options;
    const known = link();
    if (known?.isResetArmed === true && bytes.length > 1) {
      this.#tear(known, bytes);
      return;
    }
    this.#parser.push(bytes);
    this.#enqueue(bytes, link());
    this.#goOn();
  }

  #enqueue(bytes: Uint8Array, link: Link | null): void {
    if (link?.isCut === true) link.heldBytes += bytes.length;
    const delayMs = link?.delayMs ?? 0;
    if (link !== null && delayMs > 0) link.delayedPieces += 1;
    const dueMs = Math.max(this.#queue.at(-1)?.dueMs ?? 0, performance.now() + delayMs);
    this.#queue.push({ bytes, dueMs });
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) this.#options.source.pause();
  }

  /** Lets the first half through, should that be in the middle of a frame, and resets the connection. */
  #tear(link: Link, bytes: Uint8Array): void {
    const first = bytes.subarray(0, Math.ceil(bytes.length / 2));
    this.#parser.push(first);
    if (!this.#parser.isInside) {
      // A frame ended there; what is left comes as any other piece.
      this.#enqueue(first, link);
      this.#take(bytes.subarray(first.length));
      return;
    }
    link.disarmReset();
    link.resets += 1;
    this.#enqueue(first, link);
    this.#goOn();
    setTimeout(this.#options.onReset, FLUSH_MS);
  }

  #goOn(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { source, target } = this.#options;
    const link = this.#link();
    while (this.#queue.length > 0) {
      if (link?.isCut === true) return;
      const waitMs = this.#queue[0]!.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#goOn(), waitMs);
        return;
      }
      const { bytes } = this.#queue.shift()!;
      this.#queuedBytes -= bytes.length;
      if (target.writable) target.write(bytes);
    }
    if (link?.isCut === true || this.#isMuted) return;
    if (this.#end === 'closed') target.end();
    else if (this.#end === 'reset') target.resetAndDestroy();
    else if (target.writableLength < MAX_QUEUED_BYTES) source.resume();
  }

  #finish(end: 'closed' | 'reset'): void {
    if (this.#end === 'none') this.#end = end;
    this.#goOn();
  }

  #link(): Link | null {
    const link = this.#options.link();
    if (link !== null && this.#joined === null) {
      this.#joined = link;
      this.#leave = link.join(() => this.#goOn());
    }
    return link;
  }

  #dispose(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#queue.length = 0;
    this.#leave();
  }
}
