import type { Logger } from '../interfaces/index.js';
import { FunctionLogger, type LogLevel, type LogLine } from './function-logger.js';

/** How and where a line logger writes. */
export interface LineLoggerOptions {
  /** Takes one line, which ends in the only line break it holds. Must not throw. */
  readonly write: (line: string) => void;
  /** `json`: one object a line. `pretty`: time, level, message and fields, for eyes. Default `json`. */
  readonly format?: 'json' | 'pretty' | undefined;
  /** Lines that matter less are dropped. Default `info`. */
  readonly level?: LogLevel | undefined;
  /** Milliseconds since 1970; without it lines carry no time. */
  readonly wallNow?: (() => number) | undefined;
}

const LEVELS: Readonly<Record<LogLevel, number>> = {
  trace: 10,
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  fatal: 60,
};

/**
 * A logger that writes lines. Names of peers, keys and other text from outside cannot forge a line
 * or move a terminal's cursor: control characters are written as escapes. Fields of any kind can
 * be logged; one that has no JSON is described instead.
 */
export function lineLogger(options: LineLoggerOptions): Logger {
  const least = LEVELS[options.level ?? 'info'];
  const format = options.format === 'pretty' ? prettyLine : jsonLine;
  return new FunctionLogger((line) => {
    if (LEVELS[line.level] < least) return;
    options.write(`${format(line, options.wallNow?.() ?? null)}\n`);
  });
}

function jsonLine(line: LogLine, wallMs: number | null): string {
  const parts = [`"level":"${line.level}"`];
  if (wallMs !== null) parts.push(`"time":${Math.floor(wallMs)}`);
  for (const [name, value] of Object.entries(line.fields)) {
    if (!RESERVED.has(name)) parts.push(`${printable(name)}:${printable(value)}`);
  }
  parts.push(`"msg":${printable(line.message)}`);
  return `{${parts.join(',')}}`;
}

/** Names that the logger itself writes: a field cannot pretend to be one. */
const RESERVED: ReadonlySet<string> = new Set(['level', 'time', 'msg']);

function prettyLine(line: LogLine, wallMs: number | null): string {
  const parts = [line.level.toUpperCase().padEnd(5), escapeControls(line.message)];
  if (wallMs !== null) parts.unshift(timeOfDay(wallMs));
  for (const [name, value] of Object.entries(line.fields)) {
    parts.push(`${bare(name)}=${typeof value === 'string' ? bare(value) : printable(value)}`);
  }
  return parts.join(' ');
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** `hh:mm:ss.mmm` in UTC. */
function timeOfDay(wallMs: number): string {
  const ms = Math.floor(wallMs) % DAY_MS;
  const digits = (value: number, count: number): string => String(value).padStart(count, '0');
  const hours = digits(Math.floor(ms / 3_600_000), 2);
  const minutes = digits(Math.floor(ms / 60_000) % 60, 2);
  return `${hours}:${minutes}:${digits(Math.floor(ms / 1000) % 60, 2)}.${digits(ms % 1000, 3)}`;
}

const BARE = /^[\w.:/@#+-]+$/;

/** A word as it is, anything else in quotes. */
function bare(text: string): string {
  return BARE.test(text) ? text : printable(text);
}

/** JSON of any value, in printable characters; never throws. */
function printable(value: unknown): string {
  try {
    return escapeControls(JSON.stringify(plain(value, 0)));
  } catch {
    // A getter or a proxy of a user may throw; the line matters more than the field.
    return '"(cannot be shown)"';
  }
}

const MAX_DEPTH = 4;
const MAX_ITEMS = 50;

/** The value as plain data of limited depth, which ends cycles too. */
function plain(value: unknown, depth: number): unknown {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol') {
    return `(${typeof value})`;
  }
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return `(${value.length} bytes)`;
  if (depth === MAX_DEPTH) return '(nested deeper)';
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => plain(item, depth + 1));
  if (value instanceof Error) return plainError(value, depth);
  const entries = Object.entries(value).slice(0, MAX_ITEMS);
  return Object.fromEntries(entries.map(([name, item]) => [name, plain(item, depth + 1)]));
}

function plainError(error: Error, depth: number): unknown {
  return {
    name: error.name,
    message: error.message,
    ...('code' in error ? { code: plain(error.code, depth + 1) } : {}),
    ...(error.cause === undefined ? {} : { cause: plain(error.cause, depth + 1) }),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  };
}

/** What JSON leaves as it is and a terminal or a reader of lines does not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function escapeControls(text: string): string {
  return text.replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
