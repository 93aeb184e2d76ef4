import { join } from 'node:path';
import { concatBytes } from '../../lib/base/index.js';
import type { Clock, FileLayer, Logger, OpenFile } from '../../lib/interfaces/index.js';
import type { GroupLogs } from './group-logs.js';
import { BLOCK_BYTES, batchEnd, batchStart, LENGTH_BYTES, stampBatch } from './portions.js';
import type { StreamPosition, WalMark } from './position.js';
import { Progress } from './progress.js';
import { encodeHead, HEAD_BYTES, segmentName } from './segment-head.js';
import { Stamps } from './stamps.js';
import { type LastBatch, type ReadSegment, StreamReading } from './stream-reading.js';
import { writeZeros } from './zeros.js';

export interface RecoveryOptions {
  readonly files: FileLayer;
  /** Of the segments. */
  readonly folder: string;
  readonly mark: WalMark;
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

/**
 * Reads all segments and judges them by the mark. Nothing is changed before everything was found good:
 * then what a crash left of one batch, or of one segment that was about to be used, is removed. ERR_CORRUPT
 * names the file and the offset.
 */
export async function recoverStream(options: RecoveryOptions): Promise<RecoveredStream> {
  const { files, folder, mark } = options;
  const progress = new Progress(options);
  const onRead = (bytes: number): void => progress.add(bytes);
  const reading = new StreamReading({ files, folder, mark, onRead });
  await reading.run();
  progress.finish();
  await remove(options, reading.unneeded);
  const { groups, position, tail, lastBatch } = reading;
  if (tail === null || lastBatch === null) return { groups, position, sizeBytes: 0 };
  await settle(options, tail, lastBatch);
  return { groups, position, sizeBytes: tail.sizeBytes };
}

/**
 * What the process before left may be read, and still be lost: not from here on. A sync is not enough for
 * that: where it ended because a write had failed, the system has told of the failure, goes on showing what
 * was not stored, and takes it for stored. Nothing was written after that: it can only be the last batch.
 */
async function settle(
  { files, mark, logger }: RecoveryOptions,
  tail: ReadSegment,
  lastBatch: LastBatch,
): Promise<void> {
  const { path, remains } = tail;
  const file = await files.open(path, { create: false });
  try {
    if (lastBatch.place.batchNumber > mark.batchNumber) {
      const { offset, bytes } = asWritten(lastBatch, mark.nonce, tail.sizeBytes);
      await file.write(offset, bytes);
    }
    await file.sync();
    if (remains === null) return;
    const fields = { event: 'storage.tornTail', path, ...remains };
    logger.warn(fields, 'the last write was not finished, and is removed');
    await eraseRemains(file, remains);
  } finally {
    await file.close();
  }
}

/** A batch with its stamps, and where it begins: the first one of a segment is written with the head. */
function asWritten(
  { content, place }: LastBatch,
  nonce: number,
  sizeBytes: number,
): { readonly offset: number; readonly bytes: Uint8Array } {
  const { sequence, offset, batchNumber: firstBatchNumber, chain } = place;
  const bytes = new Uint8Array(batchEnd(offset, content.length) - offset);
  bytes.set(content, bytes.length - content.length);
  stampBatch(new Stamps(nonce), bytes, content.length, place);
  if (offset !== HEAD_BYTES) return { offset, bytes };
  const head = encodeHead({ nonce, sequence, sizeBytes, firstBatchNumber, chain });
  return { offset: 0, bytes: concatBytes([head, bytes]) };
}

/**
 * Overwrites what is left of a batch with zeros. A start that finds this half done must still see one that was
 * torn, where a stamp without what it covers is damage, and so is content where its length says that a stamp
 * should be:
 *
 * 1. A batch is torn in its second block. Its first one is whole, and ends in a stamp.
 * 2. The zeros are torn as well: the first block begins with zeros, and still ends in the stamp.
 *
 * So the last byte of each block goes first, durably, and with it the stamp, which no tear can leave in half;
 * the length goes last.
 */
async function eraseRemains(
  file: OpenFile,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  for (let end = from - (from % BLOCK_BYTES) + BLOCK_BYTES; end <= to; end += BLOCK_BYTES) {
    await file.write(end - 1, ONE_ZERO);
  }
  await file.sync();
  const content = batchStart(from) + LENGTH_BYTES;
  await writeZeros(file, content, to);
  await writeZeros(file, from, content);
}

const ONE_ZERO = new Uint8Array(1);

async function remove(
  { files, folder }: RecoveryOptions,
  sequences: readonly number[],
): Promise<void> {
  if (sequences.length === 0) return;
  for (const sequence of sequences) await files.remove(join(folder, segmentName(sequence)));
  await files.syncFolder(folder);
}
