import { concatBytes, decodeUtf8, EMPTY_BYTES, encodeUtf8, QuorateError } from '../base/index.js';
import type { ListOptions } from './types.js';

/** Keys in [from, to), ordered as bytes. `to` null: to the end. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array | null;
}

/**
 * The bytes of a key inside the namespace `prefix`. An empty key is ERR_CONFIG, one that is longer
 * than `maxKeyBytes` together with its prefix ERR_TOO_LARGE, a lone surrogate ERR_ENCODING.
 */
export function encodeKey(prefix: Uint8Array, key: string, maxKeyBytes: number): Uint8Array {
  if (key === '') throw new QuorateError('ERR_CONFIG', { message: 'a key has at least one byte' });
  return encodeBound(prefix, 'key', key, maxKeyBytes);
}

/** The text of a stored key without the namespace's `prefix`. Keys outside it are ERR_CONFIG. */
export function decodeKey(prefix: Uint8Array, key: Uint8Array): string {
  if (!beginsWith(key, prefix)) {
    throw new QuorateError('ERR_CONFIG', { message: 'the cursor belongs to another namespace' });
  }
  return decodeUtf8(key.subarray(prefix.length));
}

/** The range of keys that `options` ask for inside the namespace `prefix`. */
export function rangeOf(prefix: Uint8Array, options: ListOptions, maxKeyBytes: number): KeyRange {
  const { prefix: begin, from, to } = options;
  if (begin !== undefined && (from !== undefined || to !== undefined)) {
    throw new QuorateError('ERR_CONFIG', { message: 'prefix excludes from and to' });
  }
  const start = begin ?? from ?? '';
  const first = encodeBound(prefix, 'from', start, maxKeyBytes);
  if (to !== undefined) {
    return { from: afterPrefix(prefix, first), to: encodeBound(prefix, 'to', to, maxKeyBytes) };
  }
  const under = begin === undefined ? prefix : first;
  return { from: afterPrefix(prefix, first), to: successorOfPrefix(under) };
}

/** The bytes of a namespace's prefix inside the namespace `outer`. */
export function encodePrefix(outer: Uint8Array, prefix: string, maxKeyBytes: number): Uint8Array {
  return encodeBound(outer, 'prefix', prefix, maxKeyBytes);
}

/**
 * The first key, in byte order, after all that begin with `prefix`; null when there is none, because
 * the prefix is empty or all of it is 0xFF.
 */
export function successorOfPrefix(prefix: Uint8Array): Uint8Array | null {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end -= 1;
  if (end === 0) return null;
  const successor = new Uint8Array(prefix.subarray(0, end));
  // No carry: the byte is below 0xFF.
  successor[end - 1] = (prefix[end - 1] ?? 0) + 1;
  return successor;
}

const ZERO = new Uint8Array(1);

/** Inside a namespace the key that is the prefix itself has no name, so its range begins behind it. */
function afterPrefix(prefix: Uint8Array, from: Uint8Array): Uint8Array {
  return prefix.length > 0 && from.length === prefix.length ? concatBytes([from, ZERO]) : from;
}

function encodeBound(
  prefix: Uint8Array,
  what: string,
  text: string,
  maxKeyBytes: number,
): Uint8Array {
  if (typeof text !== 'string') {
    throw new QuorateError('ERR_CONFIG', { message: `${what} must be text, not ${typeof text}` });
  }
  // UTF-8 never has fewer bytes than UTF-16 has units: a huge text is refused before it is encoded.
  if (prefix.length + text.length > maxKeyBytes) throw tooLarge(what, maxKeyBytes);
  const own = text === '' ? EMPTY_BYTES : encodeUtf8(text);
  if (prefix.length + own.length > maxKeyBytes) throw tooLarge(what, maxKeyBytes);
  return prefix.length === 0 ? own : concatBytes([prefix, own]);
}

function tooLarge(what: string, maxKeyBytes: number): QuorateError {
  return new QuorateError('ERR_TOO_LARGE', {
    message: `${what} is longer than ${maxKeyBytes} bytes of UTF-8, its namespace included`,
  });
}

function beginsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  if (key.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i += 1) {
    if (key[i] !== prefix[i]) return false;
  }
  return true;
}
