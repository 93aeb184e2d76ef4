import { assert, concatBytes } from '../../lib/base/index.js';
import type { Clock } from '../../lib/interfaces/index.js';
import { closed, type Mark } from '../files/index.js';
import type { GroupLogs } from './group-logs.js';
import { BLOCK_BYTES, batchEnd, batchStart, stampBatch } from './portions.js';
import type { StreamPosition, WalMark } from './position.js';
import { contentBytes, encodeRecords, recordBytes, type WalRecord } from './records.js';
import { ReusedMemory } from './reused-memory.js';
import type { SegmentFolder } from './segment-folder.js';
import { encodeHead, HEAD_BYTES } from './segment-head.js';
import type { SegmentWriter } from './segment-writer.js';
import type { Stamps } from './stamps.js';

/** The first segment is small, and each one twice the one before, up to `segmentBytes`. */
const FIRST_SEGMENT_BYTES = 1024 * 1024;

/** With very many groups a segment is longer than it was asked for: so many times as its checkpoint. */
const MIN_CHECKPOINTS = 4;

export interface WalStreamOptions {
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly nonce: number;
  readonly groups: GroupLogs;
  readonly segments: SegmentFolder;
  readonly writer: SegmentWriter;
  readonly mark: Mark<WalMark>;
  /** Of a segment, a multiple of a block. Only a batch that is longer gets a longer one. */
  readonly segmentBytes: number;
  /** Of records in one batch. What comes after waits with its caller. One record always fits. */
  readonly maxBatchBytes: number;
  /** Told after each batch and each new segment. */
  readonly onWritten: () => void;
}

/** Where a stream goes on. */
export interface StreamStart {
  readonly firstSegment: number;
  readonly position: StreamPosition;
  /** Of the last segment. */
  readonly sizeBytes: number;
}

/** Asked for the records when the batch is put together: what is durable then is known in `groups`. */
type Records = () => readonly WalRecord[];

interface Waiting {
  readonly records: Records;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The one log of all groups. Records that are asked for in one turn, or while a write is under way, are
 * the next batch: one durable write. Nothing is held but what its callers hold and the one batch.
 *
 * The first write that fails is the last that is tried: what stands after it on the disk is unknown.
 */
export class WalStream {
  readonly #options: WalStreamOptions;
  /** Of the batch that is written. */
  readonly #memory = new ReusedMemory();
  #waiting: Waiting[] = [];
  #running: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #firstSegment: number;
  #position: StreamPosition;
  #sizeBytes: number;
  /** Of the last segment, with its head; 0 until one is begun. */
  #checkpointBytes = 0;
  #writeCount = 0;
  #isClosed = false;

  constructor(options: WalStreamOptions, { firstSegment, position, sizeBytes }: StreamStart) {
    this.#options = options;
    this.#firstSegment = firstSegment;
    this.#position = position;
    this.#sizeBytes = sizeBytes;
  }

  /** Durable writes of batches so far. */
  get writeCount(): number {
    return this.#writeCount;
  }

  get firstSegment(): number {
    return this.#firstSegment;
  }

  get lastSegment(): number {
    return this.#position.segment;
  }

  /** What a spare is made for. */
  get nextSegmentBytes(): number {
    const { segmentBytes } = this.#options;
    const wantedBytes = Math.min(segmentBytes, Math.max(FIRST_SEGMENT_BYTES, 2 * this.#sizeBytes));
    return Math.max(wantedBytes, inBlocks(MIN_CHECKPOINTS * this.#checkpointBytes));
  }

  /** Opens the segment that is written to, and makes the first one. Called once, before anything else. */
  async begin(): Promise<void> {
    const { writer, segments } = this.#options;
    if (this.#position.segment === 0) await this.#roll(0);
    else await writer.open(segments.path(this.#position.segment));
  }

  /** Resolves when the records are durable, together and after all that was asked for before. */
  append(records: readonly WalRecord[]): Promise<void> {
    const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closed();
      this.#waiting.push({ records: () => records, bytes, resolve, reject });
      this.#run();
    });
  }

  /**
   * Resolves when the records are durable that `records` gives, which is asked when all that was written
   * before is durable, and nothing stands between. They come before all that waits.
   */
  appendFirst(records: Records): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closed();
      this.#waiting.unshift({ records, bytes: this.#options.maxBatchBytes, resolve, reject });
      this.#run();
    });
  }

  /** The first segment that is needed is this one: marked when it resolves. */
  async raiseFirstSegment(segment: number): Promise<void> {
    assert(segment > this.#firstSegment, 'segments are given up from the first on');
    assert(segment <= this.#position.segment, 'the segment that is written to is needed');
    this.#firstSegment = segment;
    this.#marked();
    await this.#options.mark.raise();
  }

  /** Fails what is asked for from now on. Resolves when no write is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  #run(): void {
    this.#running ??= this.#nextTurn().then(() => this.#writeAll());
  }

  /** So that what others ask for in this turn comes along. */
  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.soon(resolve));
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#take();
      try {
        if (this.#failure !== null) throw this.#failure.error;
        await this.#write(taken.flatMap(({ records }) => records()));
        for (const { resolve } of taken) resolve();
      } catch (error) {
        this.#failure ??= { error };
        for (const { reject } of taken) reject(error);
      }
    }
    // In the same turn as the last look: whoever comes now begins another run.
    this.#running = null;
  }

  /** The next batch: at least one call, and others while they fit. */
  #take(): readonly Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      bytes += waiting.bytes;
      if (count > 0 && bytes > this.#options.maxBatchBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(records: readonly WalRecord[]): Promise<void> {
    if (records.length === 0) return;
    const { segments, writer, onWritten } = this.#options;
    const length = contentBytes(records);
    const start = batchStart(this.#position.offset);
    if (batchEnd(start, length) > this.#sizeBytes) await this.#roll(length);
    const offset = batchStart(this.#position.offset);
    const { bytes, end } = this.#stamped(records, { ...this.#position, offset });
    await writer.write(offset, bytes);
    this.#writeCount += 1;
    this.#advance(end, records);
    if (end.offset > this.#sizeBytes / 4) segments.prepare(this.nextSegmentBytes);
    onWritten();
  }

  /** Goes on in a new segment, which has room for a batch of `length` bytes after its checkpoint. */
  async #roll(length: number): Promise<void> {
    const { groups, segments, writer, nonce, mark } = this.#options;
    const { segment, batchNumber, chain } = this.#position;
    const sequence = segment + 1;
    const checkpoint = groups.checkpoint();
    const checkpointEnd = batchEnd(HEAD_BYTES, contentBytes(checkpoint));
    const neededBytes = batchEnd(batchStart(checkpointEnd), Math.max(length, 1));
    this.#checkpointBytes = checkpointEnd;
    const wantedBytes = Math.max(inBlocks(neededBytes), this.nextSegmentBytes);
    const sizeBytes = await segments.create(sequence, wantedBytes);
    const head = { nonce, sequence, sizeBytes, firstBatchNumber: batchNumber + 1, chain };
    const place = { segment: sequence, offset: HEAD_BYTES, batchNumber, chain };
    const { bytes, end } = this.#stamped(checkpoint, place);
    await writer.open(segments.path(sequence));
    await writer.write(0, concatBytes([encodeHead(head), bytes]));
    this.#sizeBytes = sizeBytes;
    this.#advance(end, checkpoint);
    // Until it is marked, a start takes a segment whose beginning cannot be read for one never used.
    await mark.raise();
  }

  #stamped(
    records: readonly WalRecord[],
    { segment: sequence, offset, batchNumber: before, chain: chainBefore }: StreamPosition,
  ): { readonly bytes: Uint8Array; readonly end: StreamPosition } {
    const { stamps } = this.#options;
    const batchNumber = before + 1;
    const length = contentBytes(records);
    const bytes = this.#memory.take(batchEnd(offset, length) - offset);
    encodeRecords(records, chainBefore, bytes.subarray(bytes.length - length));
    const place = { sequence, offset, batchNumber, chain: chainBefore };
    const chain = stampBatch(stamps, bytes, length, place);
    const end = { segment: sequence, offset: offset + bytes.length, batchNumber, chain };
    return { bytes, end };
  }

  /** The records are durable, up to `end`. */
  #advance(end: StreamPosition, records: readonly WalRecord[]): void {
    this.#position = end;
    for (const record of records) {
      this.#options.groups.apply(record, end.segment);
    }
    this.#marked();
  }

  #marked(): void {
    const { mark, nonce } = this.#options;
    mark.moved({ ...this.#position, nonce, firstSegment: this.#firstSegment });
  }
}

function inBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}
