import { join, resolve } from 'node:path';
import { encodeUtf8, QuorateError } from '../../lib/base/index.js';
import type { FileLayer } from '../../lib/interfaces/index.js';
import { checksum } from './checksum.js';
import { corrupt, storageFailed } from './damage.js';
import { nodeFiles } from './node-files.js';
import { writeWhole } from './whole-file.js';

/** Which engine wrote a data directory, in which version of its layout. */
export interface StoredFormat {
  readonly engine: string;
  readonly version: number;
}

export const FORMAT_NAME = 'FORMAT';

/**
 * Name of the engine that wrote a data directory, `'wal'` or `'level'`; null where none has yet. Changes
 * nothing. ERR_CORRUPT where the directory no longer says so, ERR_STORAGE where it cannot be read.
 */
export async function storedEngine(directory: string): Promise<string | null> {
  const path = resolve(directory);
  try {
    return (await readFormat(nodeFiles, path))?.engine ?? null;
  } catch (error) {
    throw storageFailed(`cannot use data directory ${path}`, error);
  }
}

/** What the FORMAT file in `folder` says; null where there is none, ERR_CORRUPT where it is damaged. */
export async function readFormat(files: FileLayer, folder: string): Promise<StoredFormat | null> {
  const path = join(folder, FORMAT_NAME);
  const bytes = await files.read(path);
  if (bytes === null) return null;
  const found = parseFormat(Buffer.from(bytes).toString('latin1'));
  if (found === null) throw corrupt(path, 'damaged');
  return found;
}

/** Appears whole or not at all. */
export async function writeFormat(
  files: FileLayer,
  folder: string,
  format: StoredFormat,
): Promise<void> {
  await writeWhole(files, join(folder, FORMAT_NAME), encodeUtf8(formatLine(format)));
}

/** ERR_CONFIG unless `found` is what `own` reads. */
export function checkFormat(folder: string, found: StoredFormat, own: StoredFormat): void {
  if (found.engine !== own.engine) {
    throw wrong(
      `${folder} was written by storage engine ${found.engine} and keeps it: open it with that one, ` +
        `or give ${own.engine} a new directory`,
    );
  }
  if (found.version === own.version) return;
  const whose = found.version > own.version ? 'a newer version' : 'the version that wrote it';
  throw wrong(
    `${folder} was written by storage engine ${found.engine}, version ${found.version}, and this is ` +
      `version ${own.version}; use ${whose}`,
  );
}

function formatLine({ engine, version }: StoredFormat): string {
  const text = `quorate ${engine} ${version}`;
  return `${text} ${checksum(encodeUtf8(text)).toString(16).padStart(8, '0')}\n`;
}

function parseFormat(line: string): StoredFormat | null {
  const match = /^quorate ([a-z]+) (\d{1,9}) [0-9a-f]{8}\n$/.exec(line);
  const engine = match?.[1];
  if (engine === undefined) return null;
  const format = { engine, version: Number(match?.[2]) };
  return formatLine(format) === line ? format : null;
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
