import { join } from 'node:path';
import type { FileLayer, OpenFile } from '../../lib/interfaces/index.js';
import { corrupt } from '../files/index.js';
import { GroupLogs } from './group-logs.js';
import type { BatchPlace } from './portions.js';
import type { StreamPosition, WalMark } from './position.js';
import { decodeRecords } from './records.js';
import { readChunks } from './segment-chunks.js';
import { decodeHead, HEAD_BYTES, segmentName, sequenceOf } from './segment-head.js';
import { type ReadBatch, SegmentReading } from './segment-reading.js';
import { Stamps } from './stamps.js';

export interface StreamReadingOptions {
  readonly files: FileLayer;
  /** Of the segments. */
  readonly folder: string;
  readonly mark: WalMark;
  /** Told how many bytes were read since it was last told. */
  readonly onRead?: ((bytes: number) => void) | undefined;
}

/** What was read of one segment. */
export interface ReadSegment {
  readonly path: string;
  readonly sequence: number;
  readonly sizeBytes: number;
  /** Where its last batch ends. */
  readonly endOffset: number;
  /** Where bytes behind that are not zero: a crash left them of one batch. */
  readonly remains: SegmentReading['remains'];
  /** Whether it has its checkpoint: without, a crash came before anything was stored in it. */
  readonly isBegun: boolean;
}

/** A batch with all that it takes to write it as it was. */
export interface LastBatch {
  readonly content: Uint8Array;
  /** Where it begins, and what it follows. */
  readonly place: BatchPlace;
}

/**
 * Reads all segments from the first that the mark names on, and judges them by the mark. Changes nothing.
 * ERR_CORRUPT, with file and offset, ends it: then it says what it had read up to there.
 */
export class StreamReading {
  readonly #options: StreamReadingOptions;
  readonly #stamps: Stamps;
  readonly #groups = new GroupLogs();
  readonly #segments: ReadSegment[] = [];
  #stale: readonly number[] = [];
  #sequence: number;
  #reachesEnd = false;
  #position: StreamPosition;
  #lastBatch: LastBatch | null = null;

  constructor(options: StreamReadingOptions) {
    this.#options = options;
    const { nonce, firstSegment } = options.mark;
    this.#stamps = new Stamps(nonce);
    this.#sequence = firstSegment;
    this.#position = { segment: firstSegment - 1, offset: 0, batchNumber: 0, chain: nonce };
  }

  /** With the entries in memory. */
  get groups(): GroupLogs {
    return this.#groups;
  }

  /** The end of the last whole batch. */
  get position(): StreamPosition {
    return this.#position;
  }

  /** The one that ends there; null where there is none. */
  get lastBatch(): LastBatch | null {
    return this.#lastBatch;
  }

  /** The segment that was read last, or is damaged or missing. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Those that were read to their end, in order. */
  get segments(): readonly ReadSegment[] {
    return this.#segments;
  }

  /** The last segment that anything was stored in; null where there is none. */
  get tail(): ReadSegment | null {
    return this.#segments.findLast(({ isBegun }) => isBegun) ?? null;
  }

  /** Segments that are there and not needed, or not begun. */
  get unneeded(): readonly number[] {
    const unbegun = this.#segments.filter(({ isBegun }) => !isBegun);
    return [...this.#stale, ...unbegun.map(({ sequence }) => sequence)];
  }

  /** Whether all was read, and that is as much as there must be. */
  get reachesEnd(): boolean {
    return this.#reachesEnd;
  }

  async run(): Promise<void> {
    const { files, folder, mark } = this.#options;
    const found = (await files.list(folder)).map(sequenceOf).filter((one) => one !== null);
    this.#stale = found.filter((sequence) => sequence < mark.firstSegment);
    const there = new Set(found);
    const end = Math.max(mark.segment, found.at(-1) ?? 0);
    for (let sequence = mark.firstSegment; sequence <= end; sequence += 1) {
      this.#checkLast();
      this.#sequence = sequence;
      if (!there.has(sequence)) throw this.#missing(sequence, found);
      this.#segments.push(await this.#read(sequence));
    }
    this.#judgeEnd();
  }

  /** A segment is made only once all before it is durable. */
  #checkLast(): void {
    const last = this.#segments.at(-1);
    if (last === undefined) return;
    const { path, remains } = last;
    if (remains === null) return;
    throw corrupt({ path, offset: remains.from }, 'the log goes on elsewhere');
  }

  #missing(sequence: number, found: readonly number[]): Error {
    const next = found.find((other) => other > sequence) ?? this.#options.mark.segment + 1;
    const path = join(this.#options.folder, segmentName(sequence));
    const rest = next - 1 === sequence ? '' : `, and all up to ${segmentName(next - 1)}`;
    return corrupt(path, `the segment is missing${rest}`);
  }

  async #read(sequence: number): Promise<ReadSegment> {
    const { files, folder, mark, onRead } = this.#options;
    const path = join(folder, segmentName(sequence));
    const file = await files.open(path, { create: false });
    try {
      const sizeBytes = await file.sizeBytes();
      const start = await this.#start(path, file, sequence);
      const stamps = this.#stamps;
      const reading = new SegmentReading({ path, stamps, sizeBytes, start });
      await readChunks(path, file, (chunk, offset) => {
        const isKept = !reading.hasEnded;
        for (const batch of reading.read(chunk, offset)) this.#take(path, batch);
        onRead?.(chunk.length);
        return { isKept };
      });
      const { position, remains } = reading;
      const isBegun = position.batchNumber > start.batchNumber;
      if (!isBegun && sequence <= mark.segment) {
        throw corrupt(path, 'the segment has no beginning');
      }
      return { path, sequence, sizeBytes, endOffset: position.offset, remains, isBegun };
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
    // The batch that the mark names is in it, or after it.
    const isLate = sequence <= mark.segment && batchNumber >= mark.batchNumber;
    if (isLate) throw corrupt(path, 'the segment is another one');
    const isNext = batchNumber === this.#position.batchNumber && chain === this.#position.chain;
    if (!isNext && sequence > mark.firstSegment) {
      throw corrupt(path, 'the segment does not continue the one before it');
    }
    return { segment: sequence, offset: HEAD_BYTES, batchNumber, chain };
  }

  #take(path: string, { content, chain, startOffset, end }: ReadBatch): void {
    const { mark } = this.#options;
    const place = { path, offset: end.offset };
    try {
      for (const record of decodeRecords(content, chain)) {
        const problem = this.#groups.contradiction(record);
        if (problem !== null) throw new Error(`the group ${record.group} ${problem}`);
        this.#groups.apply(record, end.segment);
      }
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw corrupt(place, `${what}, in the batch that ends there`, error);
    }
    this.#position = end;
    const { segment: sequence, batchNumber } = end;
    this.#lastBatch = { content, place: { sequence, offset: startOffset, batchNumber, chain } };
    if (end.batchNumber === mark.batchNumber && !isSamePlace(end, mark)) {
      throw corrupt(place, 'the log up to there is not the one that was stored');
    }
  }

  /** What was marked must be there, and what the groups say they have. */
  #judgeEnd(): void {
    const { folder, mark } = this.#options;
    const { tail } = this;
    const { offset, batchNumber } = this.#position;
    const place = tail === null ? folder : { path: tail.path, offset };
    if (batchNumber < mark.batchNumber) {
      const held = `the log ends at batch ${batchNumber}, and held batch ${mark.batchNumber}`;
      throw corrupt(place, held);
    }
    this.#reachesEnd = true;
    const missing = this.#groups.missing();
    if (missing === null) return;
    const { index, group } = missing;
    throw corrupt(place, `entry ${index} of the log of group ${group} is missing`);
  }
}

function isSamePlace(a: StreamPosition, b: StreamPosition): boolean {
  return a.segment === b.segment && a.offset === b.offset && a.chain === b.chain;
}
