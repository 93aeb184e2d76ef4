import { crc32 } from 'node:zlib';

/** CRC-32 (IEEE) of `bytes`. `previous` chains it to what came before: the CRC of both together. */
export function checksum(bytes: Uint8Array, previous = 0): number {
  return crc32(bytes, previous);
}
