/** Shaped like pino, so that one can be passed as it is. Fields first, then one sentence. */
export interface Logger {
  trace(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** What a line is about. `event` names it; values and secrets of users are never logged. */
export type LogFields = Readonly<Record<string, unknown>>;
