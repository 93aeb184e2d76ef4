import { randomBytes } from 'node:crypto';
import type { Random } from '../../lib/interfaces/index.js';

/** Bytes that differ from all that were drawn before: by `random` where a test decides, else by the machine. */
export function bytesOfChance(random: Random | undefined, count: number): Uint8Array {
  return random?.bytes(count) ?? randomBytes(count);
}
