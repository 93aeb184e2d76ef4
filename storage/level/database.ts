import type { ClassicLevel } from 'classic-level';
import { QuorateError } from '../../lib/base/index.js';
import { corrupt, storageFailed } from '../files/index.js';

/** LevelDB with byte strings for keys and values. */
export type Database = ClassicLevel<Uint8Array, Uint8Array>;

/** Room for writes in memory before LevelDB sorts them into a file, in bytes. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;

/**
 * Opens the database in `path`. Only with `create` may it be made anew: LevelDB takes a folder that
 * lost its CURRENT file for an empty one, and would begin again over the data.
 */
export async function openDatabase(
  path: string,
  options: { readonly create: boolean },
): Promise<Database> {
  const { ClassicLevel } = await loadClassicLevel();
  const database = new ClassicLevel<Uint8Array, Uint8Array>(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    createIfMissing: options.create,
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  try {
    await database.open();
  } catch (error) {
    throw judged(path, error instanceof Error && error.cause !== undefined ? error.cause : error);
  }
  return database;
}

/** What a failure to read the database means: the disk's fault, or damage. */
export function judged(path: string, error: unknown): QuorateError {
  if (QuorateError.is(error)) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'LEVEL_LOCKED') {
    return new QuorateError('ERR_LOCKED', { message: `another process uses the database ${path}` });
  }
  if (DISK_FAULT.test(message)) return storageFailed(path, error);
  return corrupt(path, `the database cannot be read: ${message}`, error);
}

const DISK_FAULT =
  /permission denied|read-only|no space left|too many open files|input\/output error|cannot allocate|not permitted/i;

/** Loaded when it is used: the rest of the library runs without native code. */
async function loadClassicLevel(): Promise<typeof import('classic-level')> {
  try {
    return await import('classic-level');
  } catch (cause) {
    throw new QuorateError('ERR_CONFIG', {
      message: 'quorate/storage/level needs the package classic-level: npm install classic-level@3',
      cause,
    });
  }
}
