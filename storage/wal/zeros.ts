import type { OpenFile } from '../../lib/interfaces/index.js';

const PIECE_BYTES = 1024 * 1024;
const ZEROS = new Uint8Array(PIECE_BYTES);

/** Pieces between two syncs, so that the disk has little to catch up with when the log wants to write. */
const SYNC_PIECES = 4;

/** Writes zeros to [from, to), without holding all of them. Durable only after a `sync`. */
export async function writeZeros(file: OpenFile, from: number, to: number): Promise<void> {
  let pieces = 0;
  for (let offset = from; offset < to; offset += PIECE_BYTES) {
    await file.write(offset, ZEROS.subarray(0, Math.min(PIECE_BYTES, to - offset)));
    pieces += 1;
    if (pieces % SYNC_PIECES === 0) await file.sync();
  }
}
