import { QuorateError } from '../base/index.js';
import type { KeyCondition, ListOptions, PutOptions, ReadOptions } from './types.js';

/** Whether a call may go out: ERR_CONFIG for options that make no sense, ERR_ABORTED once aborted. */
export function validateCall({ signal, timeoutMs, consistency }: ReadOptions): void {
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw wrong(`timeoutMs must be a number above 0, not ${timeoutMs}`);
  }
  if (consistency !== undefined && consistency !== 'linearizable' && consistency !== 'stale') {
    throw wrong(
      `consistency must be 'linearizable' or 'stale', not ${JSON.stringify(consistency)}`,
    );
  }
  if (signal?.aborted === true) {
    throw new QuorateError('ERR_ABORTED', {
      message: 'the call was aborted',
      cause: signal.reason,
    });
  }
}

/** The one condition that a write carries, or null. */
export function conditionOf({ ifRevision, ifAbsent }: PutOptions): KeyCondition | null {
  if (ifRevision === undefined) return ifAbsent === true ? { modRevision: 0 } : null;
  if (ifAbsent === true) throw wrong('ifRevision and ifAbsent exclude each other');
  if (!Number.isSafeInteger(ifRevision) || ifRevision < 0) {
    throw wrong(`ifRevision must be an integer from 0 on, not ${ifRevision}`);
  }
  return { modRevision: ifRevision };
}

/** The limit that was given, from 1 to `max`, or null. */
export function limitOf({ limit }: ListOptions, max: number): number | null {
  if (limit === undefined) return null;
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= max) return limit;
  throw wrong(`limit must be an integer from 1 to ${max}, not ${limit}`);
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
