import type { OpenFile } from '../../lib/interfaces/index.js';
import { corrupt } from '../files/index.js';
import { BLOCK_BYTES } from './portions.js';

/** Read in one go. A multiple of a block, and long beside most batches: one that goes on in the next is copied. */
const CHUNK_BYTES = 2 * 1024 * 1024;

/**
 * Takes a piece of a segment, whole blocks of it, which it may change. Says whether it keeps the memory:
 * otherwise another piece is put there.
 */
export type TakeChunk = (chunk: Uint8Array, offset: number) => { readonly isKept: boolean };

/** Reads a segment from front to back. The next piece is being read while one is taken. */
export async function readChunks(path: string, file: OpenFile, take: TakeChunk): Promise<void> {
  const sizeBytes = await file.sizeBytes();
  if (sizeBytes % BLOCK_BYTES !== 0) throw corrupt(path, 'the segment is cut off');
  const chunkBytes = Math.min(sizeBytes, CHUNK_BYTES);
  let free: Uint8Array | undefined;
  let reading = file.read(0, chunkBytes);
  try {
    for (let offset = 0; offset < sizeBytes; offset += chunkBytes) {
      const chunk = await reading;
      const expectedBytes = Math.min(chunkBytes, sizeBytes - offset);
      if (chunk.length !== expectedBytes) throw corrupt(path, 'the segment is cut off');
      const next = offset + chunkBytes;
      if (next < sizeBytes) reading = file.read(next, chunkBytes, free);
      free = take(chunk, offset).isKept ? undefined : chunk;
    }
  } finally {
    await reading.catch(() => {}); // Whoever waited for this piece was told.
  }
}
