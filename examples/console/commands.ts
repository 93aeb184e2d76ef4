import { type KVStore, QuorateError } from 'quorate';
import { columns } from '../cli/help.js';
import { describeLeader, describeMembers, describeStatus } from './descriptions.js';

export interface CommandRun {
  readonly kv: KVStore<Uint8Array>;
  readonly line: string;
  /** Prints one or more lines. */
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
}

interface Command {
  readonly names: readonly string[];
  readonly usage: string;
  readonly help: string;
  /** Whether its first word is a key, for completion. */
  readonly takesKey: boolean;
  /** `rest` is what follows the name; a wrong one answers the usage. */
  readonly run: (rest: string, run: CommandRun) => Promise<'quit' | 'usage' | undefined>;
}

const COMMANDS: readonly Command[] = [
  {
    names: ['get'],
    usage: 'get K',
    help: 'the value, or (nil)',
    takesKey: true,
    run: async (rest, { kv, print, signal }) => {
      const [key, more] = firstWord(rest);
      if (key === '' || more !== '') return 'usage';
      const value = await kv.get(key, { signal });
      print(value === null ? '(nil)' : textOf(value));
      return undefined;
    },
  },
  {
    names: ['put', 'set'],
    usage: 'put K V',
    help: 'the value is the rest of the line, spaces kept',
    takesKey: true,
    run: async (rest, { kv, print, signal }) => {
      const [key, value] = firstWord(rest);
      if (key === '' || !rest.includes(' ')) return 'usage';
      await kv.put(key, new TextEncoder().encode(value), { signal });
      print('OK');
      return undefined;
    },
  },
  {
    names: ['delete', 'del'],
    usage: 'delete K',
    help: 'deleted, or not found',
    takesKey: true,
    run: async (rest, { kv, print, signal }) => {
      const [key, more] = firstWord(rest);
      if (key === '' || more !== '') return 'usage';
      const { deleted } = await kv.delete(key, { signal });
      print(deleted ? 'deleted' : 'not found');
      return undefined;
    },
  },
  {
    names: ['list'],
    usage: 'list [PREFIX]',
    help: 'keys, or (empty)',
    takesKey: true,
    run: async (rest, { kv, print, signal }) => {
      const [prefix, more] = firstWord(rest);
      if (more !== '') return 'usage';
      let isEmpty = true;
      for await (const { key } of kv.list({ ...(prefix === '' ? {} : { prefix }), signal })) {
        print(key);
        isEmpty = false;
      }
      if (isEmpty) print('(empty)');
      return undefined;
    },
  },
  showing('members', 'who takes part, and where', (kv) => describeMembers(kv.status())),
  showing('leader', 'who leads, and where', (kv) => describeLeader(kv.status())),
  showing('status', 'how this node stands', (kv) => describeStatus(kv.status())),
  showing('help', 'this text', () =>
    columns(
      COMMANDS.map(({ names, usage, help }) => [[usage, ...names.slice(1)].join(', '), help]),
      '',
    ),
  ),
  {
    names: ['quit', 'exit'],
    usage: 'quit',
    help: 'leave',
    takesKey: false,
    run: async () => 'quit',
  },
];

/** Carries out one line. Never rejects: what fails is printed, and the console goes on. */
export async function runCommand(run: CommandRun): Promise<'quit' | 'next'> {
  const [name, rest] = firstWord(run.line.trimStart());
  if (name === '') return 'next';
  const command = COMMANDS.find(({ names }) => names.includes(name.trimEnd()));
  if (command === undefined) {
    run.print(`unknown command: ${name} (try help)`);
    return 'next';
  }
  try {
    const outcome = await command.run(rest, run);
    if (outcome === 'quit') return 'quit';
    if (outcome === 'usage') run.print(`error: usage: ${command.usage}`);
  } catch (error) {
    run.print(`error: ${messageOf(error)}`);
  }
  return 'next';
}

const MAX_COMPLETIONS = 50;

/** What the last word of a line could become: names of commands, then keys that this node knows. */
export async function completeLine(
  kv: KVStore<Uint8Array>,
  line: string,
): Promise<[string[], string]> {
  const [name, rest] = firstWord(line);
  if (!line.includes(' ')) {
    const names = COMMANDS.flatMap((command) => command.names);
    return [names.filter((one) => one.startsWith(name)).map((one) => `${one} `), line];
  }
  const takesKey = COMMANDS.some((command) => command.takesKey && command.names.includes(name));
  if (!takesKey || rest === '' || rest.includes(' ')) return [[], line];
  try {
    const { items } = await kv.page({
      prefix: rest,
      limit: MAX_COMPLETIONS,
      consistency: 'stale',
      timeoutMs: 1000,
    });
    return [items.map(({ key }) => key), rest];
  } catch {
    // Completion is a convenience: the command itself will say what is wrong.
    return [[], rest];
  }
}

function showing(name: string, help: string, show: (kv: KVStore<Uint8Array>) => string): Command {
  const run: Command['run'] = async (rest, { kv, print }) => {
    if (rest.trim() !== '') return 'usage';
    print(show(kv));
    return undefined;
  };
  return { names: [name], usage: name, help, takesKey: false, run };
}

/** A line's first word, and everything behind the one blank that ends it. */
function firstWord(line: string): [string, string] {
  const cut = line.indexOf(' ');
  return cut < 0 ? [line, ''] : [line.slice(0, cut), line.slice(cut + 1)];
}

/** Values are bytes; what is not UTF-8 shows as replacement characters. */
function textOf(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

function messageOf(error: unknown): string {
  if (QuorateError.is(error) || error instanceof Error) return error.message;
  return String(error);
}
