import { closest } from '../cli/closest.js';
import { parseDuration } from '../cli/durations.js';
import { parseCommandLine, type Settings } from '../cli/flags.js';
import { UsageError } from '../cli/usage-error.js';
import type { Action, Command, OfflineAction } from './command.js';
import { COMMANDS, KVCTL_FLAGS, LATER_COMMANDS, takesFlag } from './commands.js';
import { clientAddresses } from './endpoints.js';

/** What a command line asks for, checked before anything is connected. */
export type CtlRequest = ClusterRequest | OfflineRequest;

/** Work on files. */
export interface OfflineRequest {
  readonly offline: OfflineAction;
  readonly isJson: boolean;
}

/** A question to a cluster. */
export interface ClusterRequest {
  /** Null: the console. */
  readonly action: Action | null;
  readonly endpoints: readonly string[];
  readonly timeoutMs: number;
  readonly isJson: boolean;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/** Whatever is wrong is a UsageError. */
export function readRequest(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): 'help' | 'version' | CtlRequest {
  const { settings, words } = parseCommandLine(args, KVCTL_FLAGS);
  if (settings.has('help')) return 'help';
  if (settings.has('version')) return 'version';
  const isJson = settings.get('json')?.text === 'true';
  const work = words.length === 0 ? null : workOf(words, settings);
  if (work !== null && 'offline' in work) return { ...work, isJson };
  const timeout = settings.get('timeout');
  return {
    action: work?.action ?? null,
    endpoints: clientAddresses(settings, environment),
    timeoutMs:
      timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout.text, timeout.source),
    isJson,
  };
}

function workOf(
  words: readonly string[],
  settings: Settings,
): { readonly action: Action } | { readonly offline: OfflineAction } {
  const { command, rest } = findCommand(words);
  const [name = ''] = command.names;
  for (const [flag, { source }] of settings) {
    if (takesFlag(command, flag)) continue;
    throw new UsageError(`${source} does not belong to ${name}; kvctl --help shows what does`);
  }
  const [least, most] = command.words;
  if (rest.length < least || rest.length > most) {
    const usage = `kvctl ${name} ${command.usage}`.trimEnd();
    const advice = rest.length > most ? '; quote what holds blanks' : '';
    throw new UsageError(`${name} takes ${amount(command.words)}: ${usage}${advice}`);
  }
  const given = { words: rest, settings };
  return 'prepare' in command
    ? { action: command.prepare(given) }
    : { offline: command.prepareOffline(given) };
}

function findCommand(words: readonly string[]): { command: Command; rest: readonly string[] } {
  for (const count of [2, 1]) {
    const name = words.slice(0, count).join(' ');
    const command = COMMANDS.find(({ names }) => names.includes(name));
    if (command !== undefined) return { command, rest: words.slice(count) };
    if (LATER_COMMANDS.includes(name)) {
      throw new UsageError(
        `${name} is not a command of this version; kvctl --help lists those that are`,
      );
    }
  }
  const [word = ''] = words;
  const near = closest(
    word,
    COMMANDS.flatMap(({ names }) => names),
  );
  const advice = near === null ? 'kvctl --help lists them' : `did you mean ${near}?`;
  throw new UsageError(`unknown command ${word}; ${advice}`);
}

function amount([least, most]: Command['words']): string {
  if (most === 0) return 'no words';
  const words = most === 1 ? 'word' : 'words';
  if (least === 0) return `at most ${most} ${words}`;
  return least === most ? `${most} ${words}` : `${least} to ${most} ${words}`;
}
