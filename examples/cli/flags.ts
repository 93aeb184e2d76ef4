import { parseArgs } from 'node:util';
import { closest } from './closest.js';
import { UsageError } from './usage-error.js';

/** One flag of a program. Parsing, help and completions are made from a table of these. */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  readonly aliases?: readonly string[];
  /** One letter. */
  readonly short?: string;
  /** What stands for the value in the help; null for a switch. */
  readonly value: string | null;
  readonly help: string;
  /** This switch says the same as another flag with a value. */
  readonly means?: { readonly name: string; readonly value: string };
}

/** What a flag was set to, and where, so that a complaint can point there. */
export interface Setting {
  /** `'true'` or `'false'` for a switch. */
  readonly text: string;
  readonly source: string;
}

/** By the name of the flag. */
export type Settings = ReadonlyMap<string, Setting>;

export interface CommandLine {
  readonly settings: Settings;
  /** What is neither a flag nor the value of one, in order. */
  readonly words: readonly string[];
}

export interface FlagTable {
  readonly program: string;
  readonly flags: readonly Flag[];
  /** Names that a later version knows: refused by saying so. */
  readonly later: readonly string[];
}

/** Reads a command line by its table. What the table does not know is a UsageError. */
export function parseCommandLine(args: readonly string[], table: FlagTable): CommandLine {
  const settings = new Map<string, Setting>();
  const words: string[] = [];
  const { tokens } = parseArgs({
    args: [...args],
    options: parseOptions(table.flags),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const flag = findFlag(token.name, token.rawName, table);
    const text = textOf(flag, token.rawName, token.value, token.inlineValue ?? false);
    set(settings, flag, { text, source: token.rawName });
  }
  return { settings, words };
}

/** Settings from the environment: `PREFIX_DATA_DIR` for `--data-dir`. Other variables are not ours. */
export function settingsOfEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  prefix: string,
  table: FlagTable,
): Settings {
  const settings = new Map<string, Setting>();
  const variable = (name: string): string => `${prefix}${name.toUpperCase().replaceAll('-', '_')}`;
  for (const flag of table.flags) {
    for (const name of [flag.name, ...(flag.aliases ?? [])]) {
      const source = variable(name);
      const text = environment[source];
      if (text !== undefined) set(settings, flag, { text: switchText(flag, text, source), source });
    }
  }
  for (const name of table.later) {
    if (environment[variable(name)] !== undefined) throw notYet(variable(name), table);
  }
  return settings;
}

/** Settings from the fields of a JSON object that was read from `file`. */
export function settingsOfObject(
  fields: Readonly<Record<string, unknown>>,
  file: string,
  table: FlagTable,
): Settings {
  const settings = new Map<string, Setting>();
  for (const [name, value] of Object.entries(fields)) {
    const source = `${JSON.stringify(name)} in ${file}`;
    const flag = findFlag(name, source, table);
    set(settings, flag, { text: switchText(flag, plainText(value, source), source), source });
  }
  return settings;
}

/** Earlier ones win. */
export function mergeSettings(...layers: readonly Settings[]): Settings {
  return new Map([...layers].reverse().flatMap((layer) => [...layer]));
}

function parseOptions(
  flags: readonly Flag[],
): Record<string, { type: 'string' | 'boolean'; short?: string; multiple: boolean }> {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string; multiple: boolean }> =
    {};
  for (const { name, aliases = [], short, value } of flags) {
    const type = value === null ? 'boolean' : 'string';
    options[name] = { type, multiple: true, ...(short === undefined ? {} : { short }) };
    for (const alias of aliases) options[alias] = { type, multiple: true };
  }
  return options;
}

function findFlag(name: string, written: string, table: FlagTable): Flag {
  const { flags, later, program } = table;
  const found = flags.find((flag) => flag.name === name || flag.aliases?.includes(name));
  if (found !== undefined) return found;
  if (later.includes(name)) throw notYet(written, table);
  const near = closest(
    name,
    flags.map((flag) => flag.name),
  );
  const advice = near === null ? `${program} --help lists them` : `did you mean --${near}?`;
  throw new UsageError(`unknown flag ${written}; ${advice}`);
}

function notYet(written: string, { program }: FlagTable): UsageError {
  return new UsageError(
    `${written} is not a flag of this version; ${program} --help lists those that are`,
  );
}

function textOf(flag: Flag, written: string, value: string | undefined, inline: boolean): string {
  if (flag.value === null) {
    if (value === undefined) return 'true';
    throw new UsageError(`${written} takes no value; leave out =${value}`);
  }
  // A value that looks like a flag is a value that was forgotten, unless it was tied on by "=".
  if (value === undefined || (!inline && /^-./.test(value))) {
    throw new UsageError(`${written} needs a value: ${written} ${flag.value}`);
  }
  return value;
}

function set(settings: Map<string, Setting>, flag: Flag, setting: Setting): void {
  if (flag.means !== undefined && setting.text === 'false') return;
  const name = flag.means?.name ?? flag.name;
  const text = flag.means?.value ?? setting.text;
  const before = settings.get(name);
  if (before !== undefined && before.text !== text) {
    throw new UsageError(`${before.source} and ${setting.source} contradict each other; keep one`);
  }
  settings.set(name, { ...setting, text });
}

function switchText(flag: Flag, text: string, source: string): string {
  if (flag.value !== null) return text;
  if (text === 'true' || text === '1') return 'true';
  if (text === 'false' || text === '0' || text === '') return 'false';
  throw new UsageError(`${source} must be true or false, not ${JSON.stringify(text)}`);
}

/** Lists and tables of a configuration file, as they would stand on the command line. */
function plainText(value: unknown, source: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return value.map((item) => plainText(item, source)).join(',');
  if (typeof value === 'object' && value !== null) {
    const pairs = Object.entries(value);
    return pairs.map(([name, item]) => `${name}=${plainText(item, source)}`).join(',');
  }
  throw new UsageError(`${source} must be text, a number or true or false, not ${value}`);
}
