import type { Entry, GroupId } from '../../lib/base/index.js';
import type { FileLayer } from '../../lib/interfaces/index.js';
import { corrupt } from '../files/index.js';
import { GroupLogs } from './group-logs.js';
import { decodeRecords } from './records.js';
import { readChunks } from './segment-chunks.js';
import { decodeHead, HEAD_BYTES } from './segment-head.js';
import { SegmentReading } from './segment-reading.js';
import type { Stamps } from './stamps.js';

/**
 * Reads one segment that is complete: gives, for a group, the entries that it holds, each as it was written
 * last. ERR_CORRUPT where it is damaged. As much memory as the segment has entries.
 */
export async function entriesOfSegment(
  files: FileLayer,
  path: string,
  sequence: number,
  stamps: Stamps,
): Promise<(group: GroupId) => readonly Entry[]> {
  const file = await files.open(path, { create: false });
  try {
    const head = decodeHead(path, await file.read(0, HEAD_BYTES));
    if (head === null || head.sequence !== sequence) throw corrupt(path, 'it has no beginning');
    const { firstBatchNumber, chain, sizeBytes } = head;
    const batchNumber = firstBatchNumber - 1;
    const start = { segment: sequence, offset: HEAD_BYTES, batchNumber, chain };
    const reading = new SegmentReading({ path, stamps, sizeBytes, start });
    const groups = new GroupLogs();
    await readChunks(path, file, (chunk, offset) => {
      const isKept = !reading.hasEnded;
      for (const batch of reading.read(chunk, offset)) {
        for (const record of decodeRecords(batch.content, batch.chain)) {
          groups.apply(record, sequence);
        }
      }
      return { isKept };
    });
    return (group) => groups.heldEntries(group);
  } finally {
    await file.close();
  }
}
