import type { OpenFile } from '../../lib/interfaces/index.js';
import { corrupt } from '../files/index.js';
import { BLOCK_BYTES } from './portions.js';

/** Read in one go. A multiple of a block. */
const CHUNK_BYTES = 1024 * 1024;

/** A piece of a segment, whole blocks of it. */
export interface SegmentChunk {
  readonly chunk: Uint8Array;
  readonly offset: number;
}

/** A segment from front to back. The next piece is being read while one is looked at. */
export async function* segmentChunks(
  path: string,
  file: OpenFile,
): AsyncGenerator<SegmentChunk, void, undefined> {
  const sizeBytes = await file.sizeBytes();
  if (sizeBytes % BLOCK_BYTES !== 0) throw corrupt(path, 'the segment is cut off');
  let reading = file.read(0, CHUNK_BYTES);
  try {
    for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) {
      const chunk = await reading;
      const expectedBytes = Math.min(CHUNK_BYTES, sizeBytes - offset);
      if (chunk.length !== expectedBytes) throw corrupt(path, 'the segment is cut off');
      reading = file.read(offset + CHUNK_BYTES, CHUNK_BYTES);
      yield { chunk, offset };
    }
  } finally {
    await reading.catch(() => {}); // Whoever waited for this piece was told.
  }
}
