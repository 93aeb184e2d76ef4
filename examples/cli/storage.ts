import type { StorageEngine } from 'quorate/interfaces';
import { storedEngine, walStorage } from 'quorate/storage/wal';
import type { Flag, Settings } from './flags.js';
import { UsageError } from './usage-error.js';

/** Engines that a directory can be written by. */
export const ENGINES = ['wal', 'level'] as const;
export type EngineName = (typeof ENGINES)[number];

/** That of a new directory. Nobody has shown yet that `wal` loses nothing on Windows. */
export const DEFAULT_ENGINE: EngineName = process.platform === 'win32' ? 'level' : 'wal';

export const STORAGE_FLAG: Flag = {
  name: 'storage',
  value: 'ENGINE',
  help: `of a new directory: wal or level; default: ${DEFAULT_ENGINE}. One with data keeps its own`,
};

/** The engine that was asked for; null where none was. */
export function engineOf(settings: Settings): EngineName | null {
  const setting = settings.get('storage');
  if (setting === undefined) return null;
  const { text, source } = setting;
  const name = ENGINES.find((one) => one === text);
  if (name !== undefined) return name;
  throw new UsageError(`${source} must be ${ENGINES.join(' or ')}, not ${JSON.stringify(text)}`);
}

/** The engine that wrote the directory; for a new one the one that was asked for. */
export async function storageIn(
  directory: string,
  wished: EngineName | null,
): Promise<StorageEngine> {
  const stored = await storedEngine(directory);
  if (stored !== null && wished !== null && stored !== wished) {
    throw new UsageError(
      `${directory} was written by ${stored} and keeps it, but --storage says ${wished}; ` +
        'leave --storage away, or name a new directory',
    );
  }
  const name = stored ?? wished ?? DEFAULT_ENGINE;
  // Loaded when it is used: whoever has no level directory needs no native code.
  if (name === 'level') return (await import('quorate/storage/level')).levelStorage(directory);
  if (name === 'wal') return walStorage(directory);
  throw new UsageError(
    `${directory} was written by ${name}, which this version does not know; use a newer version`,
  );
}
