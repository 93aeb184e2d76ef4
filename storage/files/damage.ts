import { QuorateError } from '../../lib/base/index.js';

const ADVICE =
  'a data directory is removed, and its node joins again; of a saved snapshot, use another copy';

/** Damage that was found: names the file or folder, says what is wrong with it and what to do. */
export function corrupt(path: string, what: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_CORRUPT', { message: `${path}: ${what}; ${ADVICE}`, cause });
}

/** A call to the disk that failed. Nobody knows what it stored. What is typed already stays as it is. */
export function storageFailed(path: string, cause: unknown): QuorateError {
  if (QuorateError.is(cause)) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new QuorateError('ERR_STORAGE', {
    message: `${path}: ${reason}`,
    outcome: 'unknown',
    cause,
  });
}
