import { QuorateError } from 'quorate';
import { UsageError } from '../cli/usage-error.js';

/** 1 condition failed, 2 usage, 3 did not happen, 4 nobody knows. */
export function exitCodeOf(error: unknown): 1 | 2 | 3 | 4 {
  if (error instanceof UsageError) return 2;
  // Whatever this is, it proves nothing about what was sent before.
  if (!QuorateError.is(error)) return 4;
  if (error.code === 'ERR_CONDITION') return 1;
  if (error.code === 'ERR_CONFIG') return 2;
  return error.outcome === 'unknown' ? 4 : 3;
}

/** What went wrong, in one line. */
export function complaint(error: unknown, isJson: boolean): string {
  if (isJson && QuorateError.is(error)) {
    const { code, reason, outcome, leader } = error;
    return JSON.stringify({ error: { code, message: reason, outcome, leader } });
  }
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return QuorateError.is(error) && error.outcome === 'unknown'
    ? `kvctl: ${line} (it may have happened, or may still happen)`
    : `kvctl: ${line}`;
}
