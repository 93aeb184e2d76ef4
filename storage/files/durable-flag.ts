import { constants } from 'node:fs';

/** What a system offers for durable writes. */
export interface WriteSystem {
  /** As `process.platform` names it. */
  readonly platform: string;
  /** The constant; undefined where the system has none. */
  readonly dsync: number | undefined;
}

/** The system that this process runs on. */
export const THIS_SYSTEM: WriteSystem = {
  platform: process.platform,
  dsync: constants.O_DSYNC,
};

/**
 * The flag that makes each write durable by itself, in one call to the system instead of two; 0 where each
 * write has to be followed by a sync. Only where it is known to work: elsewhere the constant may be missing,
 * and `undefined` in a bit mask is no flag at all.
 */
export function durableFlag({ platform, dsync }: WriteSystem): number {
  return platform === 'linux' && typeof dsync === 'number' ? dsync : 0;
}

/** Where Linux says how a file was opened. */
export function flagsPath(fd: number): string {
  return `/proc/self/fdinfo/${fd}`;
}

/**
 * Whether the system has taken the flag, by the text at `flagsPath`: what it says of the open file counts, not
 * what was asked for. Without such a text nothing is known, and each write is followed by a sync.
 */
export function isFlagTaken(text: string, flag: number): boolean {
  const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? '0', 8);
  return flag !== 0 && (flags & flag) === flag;
}
