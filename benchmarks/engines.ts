import type { StorageEngine } from 'quorate/interfaces';
import { levelStorage } from 'quorate/storage/level';
import { walStorage } from 'quorate/storage/wal';

/** Engines that the members of a benchmark can store with. */
export const ENGINE_NAMES = ['wal', 'level'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export function openEngine(name: EngineName, folder: string): StorageEngine {
  return name === 'wal' ? walStorage(folder) : levelStorage(folder);
}

/** `--storage` of the benchmarks reaches their processes by the environment. Default: wal. */
export function chosenEngine(): EngineName {
  const text = process.env['STORAGE'] ?? 'wal';
  const name = ENGINE_NAMES.find((one) => one === text);
  if (name !== undefined) return name;
  throw new Error(`the storage must be ${ENGINE_NAMES.join(' or ')}, not ${text}`);
}

export function chooseEngine(text: string): void {
  process.env['STORAGE'] = text;
  chosenEngine();
}
