import type { ErrorCode, QuorateError } from '../base/index.js';
import type { Random } from '../interfaces/index.js';
import type { ClientCall } from '../wire/index.js';

const FIRST_DELAY_MS = 20;
const MAX_DELAY_MS = 500;

/** The server cannot be reached, cannot reach the leader, or has stopped: another one may do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set([
  'ERR_UNREACHABLE',
  'ERR_NO_LEADER',
  'ERR_NOT_LEADER',
  'ERR_TIMEOUT',
  'ERR_CLOSED',
  'ERR_STORAGE',
  'ERR_MACHINE',
]);

/**
 * Whether the same call may be made again: a write only when it did not happen, a read always. The page
 * of a cursor is asked for again at its own server, which keeps the last few of each view.
 */
export function mayRetry(error: QuorateError, call: ClientCall): boolean {
  if (error.outcome === 'unknown' && !isRepeatable(call)) return false;
  return error.code === 'ERR_BUSY' || ELSEWHERE.has(error.code);
}

/** Whether the error gives reason to ask another server. */
export function tellsToMoveOn(error: QuorateError): boolean {
  return ELSEWHERE.has(error.code);
}

/** A wait that doubles with every attempt, from 1 on, up to half a second; drawn so that clients spread. */
export function retryDelayMs(attempt: number, random: Random): number {
  const most = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, 10));
  return most / 2 + (random.next() * most) / 2;
}

function isRepeatable(call: ClientCall): boolean {
  switch (call.kind) {
    case 'get':
    case 'status':
    case 'ready':
    case 'range':
    case 'save':
      return true;
    default:
      return false;
  }
}
