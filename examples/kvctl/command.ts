import type { KVStore } from 'quorate';
import type { Flag, Settings } from '../cli/flags.js';

/** One command of `kvctl`: it asks a cluster, or works on files alone. */
export type Command = OnlineCommand | OfflineCommand;

export interface OnlineCommand extends CommandLine {
  /** Looks at words and flags before anything is connected; wrong ones throw a UsageError. */
  readonly prepare: (given: Given) => Action;
}

export interface OfflineCommand extends CommandLine {
  /** As `prepare`. Nothing is connected. */
  readonly prepareOffline: (given: Given) => OfflineAction;
}

/** How a command is written. */
interface CommandLine {
  /** The first is its name; a name may be two words. */
  readonly names: readonly string[];
  /** What follows the name. */
  readonly usage: string;
  readonly help: string;
  /** Flags beside those of every command. */
  readonly flags: readonly Flag[];
  /** How many words follow the name: at least, at most. */
  readonly words: readonly [number, number];
}

export interface Given {
  readonly words: readonly string[];
  readonly settings: Settings;
}

/** Carries the command out and resolves with the exit code. */
export type Action = (session: Session) => Promise<number>;

/** Carries out what needs no cluster, and resolves with the exit code. */
export type OfflineAction = (out: Output) => Promise<number>;

/** What a command works with. */
export interface Session {
  readonly kv: KVStore<Uint8Array>;
  readonly out: Output;
  readonly readInput: () => Promise<Uint8Array>;
  /** The call timeout that is left of `--timeout`. */
  readonly remaining: () => { readonly timeoutMs: number };
}

export interface Output {
  /** One line: words for people, or the record with `--json`. */
  readonly line: (words: string, record: object) => void;
  /** As it is, without a line break. */
  readonly raw: (bytes: Uint8Array) => void;
  /** On the side, for people only. */
  readonly note: (words: string) => void;
  readonly isJson: boolean;
}

export const DONE = 0;
export const NOT_FOUND = 1;
export const DAMAGED = 1;
export const USAGE = 2;
