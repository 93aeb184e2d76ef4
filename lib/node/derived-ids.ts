import { encodeUtf8 } from '../base/index.js';

const MASK = 0xffff_ffff_ffff_ffffn;

/**
 * 64 bits as 16 hexadecimal digits, the same for the same parts everywhere: FNV-1a with a last mixing.
 * It keeps apart what is different; it is no secret and no signature.
 */
export function derivedId(parts: readonly string[]): string {
  let value = 0xcbf2_9ce4_8422_2325n;
  // As JSON, two lists of parts are never one text.
  for (const byte of encodeUtf8(JSON.stringify(parts))) {
    value = ((value ^ BigInt(byte)) * 0x100_0000_01b3n) & MASK;
  }
  for (const factor of [0xff51_afd7_ed55_8ccdn, 0xc4ce_b9fe_1a85_ec53n]) {
    value = ((value ^ (value >> 33n)) * factor) & MASK;
  }
  return (value ^ (value >> 33n)).toString(16).padStart(16, '0');
}
