import { QuorateError, unreachable } from '../base/index.js';
import type { KVRequest } from '../store/index.js';

/** The most entries that are given at once. */
const MAX_RANGE_LIMIT = 1000;

/** What bounds the requests of strangers. */
export interface RequestLimits {
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
}

/** Throws ERR_TOO_LARGE or ERR_CONFIG for a request that the store would not have made. */
export function validateRequest(request: KVRequest, limits: RequestLimits): void {
  switch (request.kind) {
    case 'get':
    case 'delete':
      validateKey(request.key, limits);
      break;
    case 'put':
      validateKey(request.key, limits);
      validateSize('the value', request.value, limits.maxValueBytes);
      break;
    case 'range':
      // The end of a range may be the successor of the longest key.
      validateSize('from', request.from, limits.maxKeyBytes + 1);
      if (request.to !== null) validateSize('to', request.to, limits.maxKeyBytes + 1);
      validateLimit(request.limit);
      break;
    case 'release':
      break;
    default:
      unreachable(request);
  }
}

function validateKey(key: Uint8Array, limits: RequestLimits): void {
  if (key.length === 0) {
    throw new QuorateError('ERR_CONFIG', { message: 'a key has at least one byte' });
  }
  validateSize('the key', key, limits.maxKeyBytes);
}

function validateSize(what: string, bytes: Uint8Array, maxBytes: number): void {
  if (bytes.length <= maxBytes) return;
  throw new QuorateError('ERR_TOO_LARGE', {
    message: `${what} has ${bytes.length} bytes; at most ${maxBytes} are allowed`,
  });
}

function validateLimit(limit: number): void {
  if (limit >= 1 && limit <= MAX_RANGE_LIMIT) return;
  throw new QuorateError('ERR_CONFIG', {
    message: `limit must be an integer from 1 to ${MAX_RANGE_LIMIT}, not ${limit}`,
  });
}
