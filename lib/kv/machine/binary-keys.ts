/** Few enough arguments for one call, whatever the stack. */
const MAX_UNITS = 4096;

/**
 * A key as the store holds it: one character, U+0000 to U+00FF, for each byte. The order of such
 * strings is the order of the bytes, and the runtime compares them like memory.
 */
export function toBinaryKey(key: Uint8Array): string {
  if (key.length <= MAX_UNITS) return characters(key);
  let text = '';
  for (let i = 0; i < key.length; i += MAX_UNITS) {
    text += characters(key.subarray(i, i + MAX_UNITS));
  }
  return text;
}

function characters(bytes: Uint8Array): string {
  // A spread would go through an iterator, at four times the cost.
  return Reflect.apply(String.fromCharCode, null, bytes);
}

/** The bytes of a key, newly made. */
export function fromBinaryKey(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  for (let i = 0; i < key.length; i += 1) bytes[i] = key.charCodeAt(i);
  return bytes;
}
