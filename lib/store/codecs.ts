import { copyBytes, decodeUtf8, encodeUtf8, QuorateError } from '../base/index.js';
import type { Codec } from './types.js';

/** Text as UTF-8. A lone surrogate, and bytes that are not UTF-8, are ERR_ENCODING. */
export const utf8: Codec<string> = {
  encode: (value) => {
    if (typeof value !== 'string') throw unwritable(`${typeof value} is not text`);
    return encodeUtf8(value);
  },
  decode: decodeUtf8,
};

/** Bytes as they are, copied in both directions: what the caller holds is the caller's own. */
export const bytes: Codec<Uint8Array> = {
  encode: (value) => {
    if (!(value instanceof Uint8Array)) throw unwritable(`${typeof value} is not a Uint8Array`);
    return copyBytes(value);
  },
  decode: copyBytes,
};

/**
 * JSON text as UTF-8. What `JSON.stringify` has no text for (undefined, functions, bigints, circles)
 * is ERR_ENCODING, and so are bytes that are not JSON. The type is the caller's claim; nothing checks it.
 */
export function json<T>(): Codec<T> {
  return { encode: encodeJson, decode: decodeJson<T> };
}

function encodeJson(value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw unwritable('the value cannot be written as JSON', cause);
  }
  if (text === undefined) throw unwritable(`${typeof value} cannot be written as JSON`);
  return encodeUtf8(text);
}

function decodeJson<T>(stored: Uint8Array): T {
  const text = decodeUtf8(stored);
  try {
    const value: T = JSON.parse(text);
    return value;
  } catch (cause) {
    throw new QuorateError('ERR_ENCODING', { message: 'the bytes are not JSON', cause });
  }
}

function unwritable(message: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_ENCODING', { message, cause });
}
