import { dirname } from 'node:path';
import type { FileLayer } from '../../lib/interfaces/index.js';

/** Ends the names of files that were being written. What is found at start is removed. */
export const TEMPORARY_SUFFIX = '.tmp';

/** Writes a whole file so that after a crash it is there complete or not at all. Durable on return. */
export async function writeWhole(files: FileLayer, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX;
  await overwrite(files, temporary, bytes, { create: true });
  await files.rename(temporary, path);
  await files.syncFolder(dirname(path));
}

/** Writes from the start of a file, in place, and syncs. A crash may leave part of it. */
export async function overwrite(
  files: FileLayer,
  path: string,
  bytes: Uint8Array,
  options: { readonly create: boolean },
): Promise<void> {
  const file = await files.open(path, options);
  try {
    await file.write(0, bytes);
    if (options.create) await file.truncate(bytes.length);
    await file.sync();
  } finally {
    await file.close();
  }
}
