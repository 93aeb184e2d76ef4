import type { LogFields, Logger } from '../interfaces/index.js';

/** How much a line matters, from least to most. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** One line as it was logged. */
export interface LogLine {
  readonly level: LogLevel;
  /** Those of the logger's parents first, then its own. */
  readonly fields: LogFields;
  readonly message: string;
}

/**
 * Hands each line, with the fields of all parents, to one function. The base of the other loggers,
 * and the shortest way to write one.
 */
export class FunctionLogger implements Logger {
  readonly #fields: LogFields;
  readonly #onLine: (line: LogLine) => void;

  constructor(onLine: (line: LogLine) => void, fields: LogFields = {}) {
    this.#onLine = onLine;
    this.#fields = fields;
  }

  trace(fields: LogFields, message: string): void {
    this.#log('trace', fields, message);
  }

  debug(fields: LogFields, message: string): void {
    this.#log('debug', fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#log('info', fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#log('warn', fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#log('error', fields, message);
  }

  fatal(fields: LogFields, message: string): void {
    this.#log('fatal', fields, message);
  }

  child(fields: LogFields): Logger {
    return new FunctionLogger(this.#onLine, { ...this.#fields, ...fields });
  }

  #log(level: LogLevel, fields: LogFields, message: string): void {
    this.#onLine({ level, fields: { ...this.#fields, ...fields }, message });
  }
}

/** Keeps the last lines in memory, for tests. Its children write into the same list. */
export class CapturingLogger extends FunctionLogger {
  /** Oldest first. */
  readonly lines: readonly LogLine[];

  /** `maxLines`: when reached, the oldest line is dropped. Default 10,000. */
  constructor(options: { readonly maxLines?: number | undefined } = {}) {
    const lines: LogLine[] = [];
    const maxLines = options.maxLines ?? 10_000;
    super((line) => {
      lines.push(line);
      if (lines.length > maxLines) lines.shift();
    });
    this.lines = lines;
  }
}
