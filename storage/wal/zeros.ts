import type { OpenFile } from '../../lib/interfaces/index.js';

const PIECE_BYTES = 1024 * 1024;
const ZEROS = new Uint8Array(PIECE_BYTES);

/**
 * Writes zeros to [from, to), without holding all of them. Each piece is synced, so that the disk has little to
 * catch up with when the log wants to write: that takes twice as long, and a write of the log that comes
 * meanwhile a third instead of three times longer. Durable when it resolves.
 */
export async function writeZeros(file: OpenFile, from: number, to: number): Promise<void> {
  for (let offset = from; offset < to; offset += PIECE_BYTES) {
    await file.write(offset, ZEROS.subarray(0, Math.min(PIECE_BYTES, to - offset)));
    await file.sync();
  }
}
