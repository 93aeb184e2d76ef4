import { join } from 'node:path';
import type { Clock, FileLayer, Logger, OpenFile } from '../../lib/interfaces/index.js';
import { corrupt } from '../files/index.js';
import { GroupLogs } from './group-logs.js';
import type { StreamPosition, WalMark } from './position.js';
import { Progress } from './progress.js';
import { decodeRecords } from './records.js';
import { RegionPool } from './region-pool.js';
import { segmentChunks } from './segment-chunks.js';
import { decodeHead, HEAD_BYTES, segmentName, sequenceOf } from './segment-head.js';
import { type ReadBatch, SegmentReading } from './segment-reading.js';
import type { Stamps } from './stamps.js';
import { writeZeros } from './zeros.js';

export interface RecoveryOptions {
  readonly files: FileLayer;
  /** Of the segments. */
  readonly folder: string;
  readonly mark: WalMark;
  readonly stamps: Stamps;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A stream as it was found, whole and durable. */
export interface RecoveredStream {
  /** With the entries in memory. */
  readonly groups: GroupLogs;
  /** The end of it. Segment 0 where there is none yet. */
  readonly position: StreamPosition;
  /** Of the last segment. */
  readonly sizeBytes: number;
}

/** What was read of one segment. */
interface ReadSegment {
  readonly path: string;
  readonly sequence: number;
  readonly sizeBytes: number;
  readonly remains: SegmentReading['remains'];
  /** Whether it has its checkpoint: without, a crash came before anything was stored in it. */
  readonly isBegun: boolean;
}

/**
 * Reads all segments and judges them by the mark. Nothing is changed before everything was found good:
 * then what a crash left of one batch, or of one segment that was about to be used, is removed. ERR_CORRUPT
 * names the file and the offset.
 */
export async function recoverStream(options: RecoveryOptions): Promise<RecoveredStream> {
  return new Recovery(options).run();
}

class Recovery {
  readonly #options: RecoveryOptions;
  readonly #groups = new GroupLogs();
  readonly #regions = new RegionPool();
  readonly #progress: Progress;
  #position: StreamPosition;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#progress = new Progress(options);
    const { nonce, firstSegment } = options.mark;
    this.#position = { segment: firstSegment - 1, offset: 0, batchNumber: 0, chain: nonce };
  }

  async run(): Promise<RecoveredStream> {
    const { needed, stale } = await this.#sequences();
    let tail: ReadSegment | null = null;
    let unbegun: ReadSegment | null = null;
    for (const sequence of needed) {
      if (unbegun !== null) throw corrupt(unbegun.path, 'the segment has no beginning');
      const segment = await this.#read(sequence);
      // A segment is made only once all before it is durable.
      if (tail !== null && tail.remains !== null) {
        throw corrupt(`${tail.path} at ${tail.remains.from}`, 'the log goes on elsewhere');
      }
      if (segment.isBegun) tail = segment;
      else unbegun = segment;
    }
    this.#judgeEnd(tail);
    this.#progress.finish();
    await this.#remove(unbegun === null ? stale : [...stale, unbegun.sequence]);
    if (tail === null) return { groups: this.#groups, position: NOWHERE, sizeBytes: 0 };
    await this.#settle(tail);
    return { groups: this.#groups, position: this.#position, sizeBytes: tail.sizeBytes };
  }

  /** Those that are needed, without a hole, and those that should have been removed. */
  async #sequences(): Promise<{
    readonly needed: readonly number[];
    readonly stale: readonly number[];
  }> {
    const { files, folder, mark } = this.#options;
    const found = (await files.list(folder)).map(sequenceOf).filter((one) => one !== null);
    const needed = found.filter((sequence) => sequence >= mark.firstSegment);
    const end = Math.max(mark.segment, needed.at(-1) ?? 0);
    for (let sequence = mark.firstSegment; sequence <= end; sequence += 1) {
      if (needed[sequence - mark.firstSegment] === sequence) continue;
      throw corrupt(join(folder, segmentName(sequence)), 'the segment is missing');
    }
    return { needed, stale: found.filter((sequence) => sequence < mark.firstSegment) };
  }

  async #read(sequence: number): Promise<ReadSegment> {
    const { files, folder, mark, stamps } = this.#options;
    const path = join(folder, segmentName(sequence));
    const file = await files.open(path, { create: false });
    try {
      const sizeBytes = await file.sizeBytes();
      const start = await this.#start(path, file, sequence);
      const allocate = (bytes: number): Uint8Array => this.#regions.take(bytes);
      const reading = new SegmentReading({ path, stamps, sizeBytes, start, allocate });
      for await (const { chunk, offset } of segmentChunks(path, file)) {
        for (const batch of reading.read(chunk, offset)) this.#take(path, batch);
        this.#progress.add(chunk.length);
      }
      const isBegun = reading.position.batchNumber > start.batchNumber;
      if (!isBegun && sequence <= mark.segment) {
        throw corrupt(path, 'the segment has no beginning');
      }
      return { path, sequence, sizeBytes, remains: reading.remains, isBegun };
    } finally {
      await file.close();
    }
  }

  /** Where the reading of a segment begins, by its head, which must continue what was read so far. */
  async #start(path: string, file: OpenFile, sequence: number): Promise<StreamPosition> {
    const { mark } = this.#options;
    const sizeBytes = await file.sizeBytes();
    const head = decodeHead(path, await file.read(0, HEAD_BYTES));
    // Not written in full: it may hold nothing, and the reading sees to that.
    if (head === null) return { ...this.#position, segment: sequence, offset: 0 };
    if (head.sequence !== sequence || head.nonce !== mark.nonce) {
      throw corrupt(path, 'the segment is another one');
    }
    if (head.sizeBytes !== sizeBytes) {
      throw corrupt(path, `the segment has ${sizeBytes} bytes, and had ${head.sizeBytes}`);
    }
    const batchNumber = head.firstBatchNumber - 1;
    const { chain } = head;
    const isNext = batchNumber === this.#position.batchNumber && chain === this.#position.chain;
    if (!isNext && sequence > mark.firstSegment) {
      throw corrupt(path, 'the segment does not continue the one before it');
    }
    return { segment: sequence, offset: HEAD_BYTES, batchNumber, chain };
  }

  #take(path: string, { content, chain, end }: ReadBatch): void {
    const { mark } = this.#options;
    try {
      for (const record of decodeRecords(content, chain)) {
        const problem = this.#groups.contradiction(record);
        if (problem !== null) throw new Error(`the group ${record.group} ${problem}`);
        this.#groups.apply(record, end.segment, { isKept: true });
      }
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw corrupt(`${path} before ${end.offset}`, what, error);
    }
    this.#position = end;
    if (end.batchNumber === mark.batchNumber && !isSamePlace(end, mark)) {
      throw corrupt(`${path} before ${end.offset}`, 'the log is not the one that was stored');
    }
  }

  /** What was marked must be there, and what the groups say they have. */
  #judgeEnd(tail: ReadSegment | null): void {
    const { folder, mark } = this.#options;
    const { offset, batchNumber } = this.#position;
    const path = tail === null ? folder : `${tail.path} at ${offset}`;
    if (batchNumber < mark.batchNumber) {
      throw corrupt(
        path,
        `the log ends at batch ${batchNumber}, and held batch ${mark.batchNumber}`,
      );
    }
    const missing = this.#groups.missing();
    if (missing === null) return;
    throw corrupt(path, `entry ${missing.index} of the log of group ${missing.group} is missing`);
  }

  /** What a killed process left in the page cache may be read, and still be lost: not from here on. */
  async #settle({ path, remains }: ReadSegment): Promise<void> {
    const { files, logger } = this.#options;
    const file = await files.open(path, { create: false });
    try {
      await file.sync();
      if (remains === null) return;
      const fields = { event: 'storage.tornTail', path, ...remains };
      logger.warn(fields, 'the last write was not finished, and is removed');
      await writeZeros(file, remains.from, remains.to);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #remove(sequences: readonly number[]): Promise<void> {
    const { files, folder } = this.#options;
    if (sequences.length === 0) return;
    for (const sequence of sequences) await files.remove(join(folder, segmentName(sequence)));
    await files.syncFolder(folder);
  }
}

const NOWHERE: StreamPosition = { segment: 0, offset: 0, batchNumber: 0, chain: 0 };

function isSamePlace(a: StreamPosition, b: StreamPosition): boolean {
  return a.segment === b.segment && a.offset === b.offset && a.chain === b.chain;
}
