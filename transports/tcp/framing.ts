import { crc32 } from 'node:zlib';
import { assert } from '../../lib/base/index.js';

/*
 * The bytes of a connection, the same between peers and between client and server (client port):
 *
 *   opening   4 bytes    'QRP1' from a peer, 'QRC1' from a client; the acceptor answers with its own
 *   frames    u32 length of what follows the checksum, from 1; checked before anything is allocated
 *             u32 CRC-32 of what follows it
 *             u8  kind
 *             …   payload
 *
 * Numbers are big-endian.
 */

/** Who speaks on a connection. */
export type Speech = 'peer' | 'client';

/** `goodbye` ends a connection cleanly; its payload is a reason in UTF-8, empty for an ordinary close. */
export type FrameKind = 'greeting' | 'data' | 'ping' | 'goodbye';

/** What a connection opens with. */
export const OPENINGS: Readonly<Record<Speech, Uint8Array>> = {
  peer: Uint8Array.from([0x51, 0x52, 0x50, 0x31]),
  client: Uint8Array.from([0x51, 0x52, 0x43, 0x31]),
};

export const OPENING_BYTES = 4;
/** Length, checksum and kind. */
export const FRAME_HEADER_BYTES = 9;

/** Why a connection cannot go on. `reason` is one of few texts; what varies stands in `detail`. */
export interface FrameFault {
  readonly reason: string;
  readonly detail: Readonly<Record<string, string | number>>;
}

/**
 * What the first bytes of a connection are: from one byte on it is told whether they may still become
 * one of ours (`'undecided'` until all four are there). HTTP is anything that starts with a capital letter
 * and is not ours; every method does.
 */
export type OpeningGuess = Speech | 'undecided' | 'otherVersion' | 'http' | 'tls' | 'unknown';

/** Guesses from the first bytes that have arrived, one or more; see `OpeningGuess`. */
export function guessOpening(bytes: Uint8Array): OpeningGuess {
  const start = String.fromCharCode(...bytes.subarray(0, OPENING_BYTES));
  if (start.length < OPENING_BYTES && ('QRP1'.startsWith(start) || 'QRC1'.startsWith(start))) {
    return 'undecided';
  }
  if (start === 'QRP1') return 'peer';
  if (start === 'QRC1') return 'client';
  if (/^QR[PC]/.test(start)) return start.length < OPENING_BYTES ? 'undecided' : 'otherVersion';
  if (bytes[0] === TLS_HANDSHAKE) return 'tls';
  return /^[A-Z]+$|^[A-Z]+ /.test(start) ? 'http' : 'unknown';
}

/** The first byte of every TLS connection. */
const TLS_HANDSHAKE = 0x16;

const GUESS_REASONS: Readonly<Record<Exclude<OpeningGuess, 'undecided'>, string>> = {
  peer: 'a peer connection on the client port',
  client: 'a client connection on the peer port',
  otherVersion: 'a connection of another protocol version',
  http: 'HTTP on a port for peers',
  tls: 'TLS on a port without TLS',
  unknown: 'the connection does not open as one of ours',
};

const KINDS: readonly FrameKind[] = ['greeting', 'data', 'ping', 'goodbye'];
/** Indexed by the byte on the wire; zero is no kind, so that a run of zeros is no frame. */
const KIND_OF: readonly (FrameKind | undefined)[] = [undefined, ...KINDS];
const CODE_OF: Readonly<Record<FrameKind, number>> = { greeting: 1, data: 2, ping: 3, goodbye: 4 };
/** The checksum of each kind's byte, to be continued with the payload. */
const KIND_CRC: readonly number[] = KIND_OF.map((_, code) => crc32(Uint8Array.of(code)));

/** The first allocation for a frame that is split over chunks; it doubles as bytes arrive. */
const FIRST_ALLOCATION_BYTES = 16 * 1024;

export interface FrameParserOptions {
  /** What the other side must open with. */
  readonly expect: Speech;
  /** Largest payload, until `raiseLimit`. */
  readonly maxPayloadBytes: number;
  /** The payload shares no memory with the chunk it arrived in. */
  readonly onFrame: (kind: FrameKind, payload: Uint8Array) => void;
}

/**
 * Turns chunks into frames, however they were split or merged. Each byte is copied at most twice, and
 * what is allocated follows what has arrived, not what a header promises. After a fault, or `stop`,
 * nothing is parsed any more.
 */
export class FrameParser {
  readonly #options: FrameParserOptions;
  #maxPayloadBytes: number;
  #opened = false;
  #stopped = false;
  #fault: FrameFault | null = null;
  /** Opening or header, while split over chunks. */
  readonly #head = new Uint8Array(FRAME_HEADER_BYTES);
  #headLength = 0;
  /** Payload of a frame split over chunks; null while its header is not complete. */
  #payload: Uint8Array | null = null;
  #payloadLength = 0;
  #frameCount = 0;

  constructor(options: FrameParserOptions) {
    this.#options = options;
    this.#maxPayloadBytes = options.maxPayloadBytes;
  }

  /** Frames handed over so far. */
  get frameCount(): number {
    return this.#frameCount;
  }

  /** Whether a frame, or the opening, has begun and not ended. */
  get isInside(): boolean {
    return this.#headLength > 0 || this.#payload !== null;
  }

  /** Whether the other side opened as some version of ours, so that it understands a goodbye. */
  get isOurs(): boolean {
    return this.#opened || (this.#head[0] === 0x51 && this.#head[1] === 0x52);
  }

  raiseLimit(maxPayloadBytes: number): void {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  stop(): void {
    this.#stopped = true;
    this.#payload = null;
    this.#headLength = 0;
  }

  /** Hands over every frame that `chunk` completes. A fault ends the connection. */
  push(chunk: Uint8Array): FrameFault | null {
    let offset = 0;
    while (offset < chunk.length && !this.#stopped) {
      if (!this.#opened) offset = this.#readOpening(chunk, offset);
      else if (this.#payload !== null) offset = this.#readPayload(this.#payload, chunk, offset);
      else offset = this.#readFrame(chunk, offset);
    }
    return this.#fault;
  }

  #readOpening(chunk: Uint8Array, offset: number): number {
    const end = this.#fillHead(OPENING_BYTES, chunk, offset);
    const guess = guessOpening(this.#head.subarray(0, this.#headLength));
    if (guess === 'undecided') return end;
    if (guess !== this.#options.expect) {
      const opening = Buffer.from(this.#head.subarray(0, this.#headLength)).toString('hex');
      return this.#fail(GUESS_REASONS[guess], { opening }, chunk);
    }
    this.#opened = true;
    this.#headLength = 0;
    return end;
  }

  #readFrame(chunk: Uint8Array, offset: number): number {
    const isWhole = this.#headLength === 0 && chunk.length - offset >= FRAME_HEADER_BYTES;
    const end = isWhole
      ? offset + FRAME_HEADER_BYTES
      : this.#fillHead(FRAME_HEADER_BYTES, chunk, offset);
    if (!isWhole && this.#headLength < FRAME_HEADER_BYTES) {
      // The length is judged as soon as it is there: nothing more is awaited from a bad header.
      return this.#headLength >= 4 && !this.#isLegal(this.#head, 0, chunk) ? chunk.length : end;
    }
    const [head, at] = isWhole ? [chunk, offset] : [this.#head, 0];
    if (!this.#isLegal(head, at, chunk)) return chunk.length;
    const length = readU32(head, at) - 1;
    if (chunk.length - end >= length) {
      const payload = new Uint8Array(length);
      payload.set(chunk.subarray(end, end + length));
      this.#complete(head, at, payload, chunk);
      return end + length;
    }
    if (isWhole) this.#fillHead(FRAME_HEADER_BYTES, chunk, offset);
    this.#payload = new Uint8Array(Math.min(length, FIRST_ALLOCATION_BYTES));
    this.#payloadLength = 0;
    return end;
  }

  #readPayload(payload: Uint8Array, chunk: Uint8Array, offset: number): number {
    const length = readU32(this.#head, 0) - 1;
    const end = Math.min(chunk.length, offset + length - this.#payloadLength);
    const filled = this.#payloadLength + end - offset;
    const room = filled <= payload.length ? payload : grow(payload, filled, length);
    room.set(chunk.subarray(offset, end), this.#payloadLength);
    this.#payload = room;
    this.#payloadLength = filled;
    if (filled === length) {
      assert(room.length === length, 'the last allocation is exactly the payload');
      this.#complete(this.#head, 0, room, chunk);
    }
    return end;
  }

  #complete(head: Uint8Array, at: number, payload: Uint8Array, chunk: Uint8Array): void {
    const code = head[at + 8] ?? 0;
    const kind = KIND_OF[code];
    this.#headLength = 0;
    this.#payload = null;
    if (kind === undefined) {
      this.#fail('a frame of unknown kind', { kind: code }, chunk);
    } else if (checksum(code, payload) !== readU32(head, at + 4)) {
      this.#fail('a frame with a wrong checksum', { lengthBytes: payload.length }, chunk);
    } else {
      this.#frameCount += 1;
      this.#options.onFrame(kind, payload);
    }
  }

  #isLegal(head: Uint8Array, at: number, chunk: Uint8Array): boolean {
    const length = readU32(head, at);
    if (length === 0) this.#fail('a frame of length zero', {}, chunk);
    else if (length - 1 > this.#maxPayloadBytes) {
      const detail = { lengthBytes: length - 1, limitBytes: this.#maxPayloadBytes };
      this.#fail('a frame above the limit', detail, chunk);
    }
    return this.#fault === null;
  }

  /** Moves bytes into `#head` until it holds `length`; answers where the chunk goes on. */
  #fillHead(length: number, chunk: Uint8Array, offset: number): number {
    const end = Math.min(chunk.length, offset + length - this.#headLength);
    this.#head.set(chunk.subarray(offset, end), this.#headLength);
    this.#headLength += end - offset;
    return end;
  }

  /** Answers the end of the chunk: the rest of it is not looked at. */
  #fail(reason: string, detail: FrameFault['detail'], chunk: Uint8Array): number {
    this.#fault ??= { reason, detail };
    this.stop();
    return chunk.length;
  }
}

export interface QueuedFrame {
  readonly kind: FrameKind;
  readonly payload: Uint8Array;
}

/** From this size on a payload is written from where it lies; below, copying is cheaper. */
const COPY_BELOW_BYTES = 16 * 1024;

/**
 * The buffers to write for `frames`, in order: runs of small frames joined in one, a large payload
 * by itself behind the header. The payloads must not change until they are written.
 */
export function gatherFrames(frames: readonly QueuedFrame[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let start = 0;
  while (start < frames.length) {
    let end = start;
    let joinedBytes = 0;
    let large: Uint8Array | null = null;
    while (end < frames.length && large === null) {
      const payload = frames[end]?.payload;
      assert(payload !== undefined, 'the frame is inside the batch');
      if (payload.length >= COPY_BELOW_BYTES) large = payload;
      joinedBytes += FRAME_HEADER_BYTES + (large === null ? payload.length : 0);
      end += 1;
    }
    pieces.push(joinFrames(frames, start, end, joinedBytes));
    if (large !== null) pieces.push(large);
    start = end;
  }
  return pieces;
}

/** Frames [start, end); a large payload is left out, which is possible for the last one only. */
function joinFrames(
  frames: readonly QueuedFrame[],
  start: number,
  end: number,
  sizeBytes: number,
): Uint8Array {
  const joined = Buffer.allocUnsafe(sizeBytes);
  let offset = 0;
  for (let i = start; i < end; i += 1) {
    const frame = frames[i];
    assert(frame !== undefined, 'the frame is inside the batch');
    writeHeader(joined, offset, frame.kind, frame.payload);
    offset += FRAME_HEADER_BYTES;
    if (frame.payload.length >= COPY_BELOW_BYTES) continue;
    joined.set(frame.payload, offset);
    offset += frame.payload.length;
  }
  return joined;
}

function writeHeader(target: Uint8Array, at: number, kind: FrameKind, payload: Uint8Array): void {
  const code = CODE_OF[kind];
  writeU32(target, at, payload.length + 1);
  writeU32(target, at + 4, checksum(code, payload));
  target[at + 8] = code;
}

function checksum(code: number, payload: Uint8Array): number {
  // Given no bytes, zlib may start anew instead of going on: an empty Buffer has no address.
  const start = KIND_CRC[code] ?? 0;
  return payload.length === 0 ? start : crc32(payload, start);
}

/** Twice the room, or what is needed; never beyond the payload, so that the last one is exact. */
function grow(payload: Uint8Array, needed: number, length: number): Uint8Array {
  const room = new Uint8Array(Math.min(length, Math.max(needed, payload.length * 2)));
  room.set(payload);
  return room;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
