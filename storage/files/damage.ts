import { QuorateError } from '../../lib/base/index.js';

const ADVICE =
  'keep a data directory as it is: kvctl doctor says what can be done; of a saved snapshot, use another copy';

/** A place in a file. */
export interface FilePlace {
  readonly path: string;
  readonly offset: number;
}

/** What is wrong with a file, and where. The cause of every ERR_CORRUPT of the engines on disk. */
export class Damage extends Error {
  override readonly name = 'Damage';
  /** Of a file or folder, absolute. */
  readonly path: string;
  /** Null where it is all of the file, or is not known. */
  readonly offset: number | null;
  readonly what: string;

  constructor(place: string | FilePlace, what: string, cause: unknown) {
    const { path, offset } = typeof place === 'string' ? { path: place, offset: null } : place;
    const where = offset === null ? path : `${path} at ${offset}`;
    super(`${where}: ${what}`, cause === undefined ? undefined : { cause });
    this.path = path;
    this.offset = offset;
    this.what = what;
  }
}

/** Damage that was found: names the file or folder, says what is wrong with it and what to do. */
export function corrupt(place: string | FilePlace, what: string, cause?: unknown): QuorateError {
  const damage = new Damage(place, what, cause);
  const message = `${damage.message}; ${ADVICE}`;
  return new QuorateError('ERR_CORRUPT', { message, cause: damage });
}

/** The damage that an error of reading `path` tells of. What is no damage is thrown. */
export function damageIn(error: unknown, path: string): Damage {
  if (QuorateError.is(error) && error.cause instanceof Damage) return error.cause;
  const cause = QuorateError.is(error) && error.code === 'ERR_STORAGE' ? error.cause : error;
  const isUnreadable = cause instanceof Error && 'code' in cause && cause.code === 'EIO';
  if (isUnreadable) return new Damage(path, 'the disk cannot read it', cause);
  // Nothing was changed, and nothing is known of what is stored.
  if (QuorateError.is(error) && error.code !== 'ERR_STORAGE') throw error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  throw new QuorateError('ERR_STORAGE', { message: `${path}: ${reason}`, cause });
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
