/** Shaped like pino, so that one can be passed as it is. Fields first, then one sentence. */
export interface Logger {
  /** Every message and every step: for whoever follows one run. */
  trace(fields: LogFields, message: string): void;
  /** What an operator wants to see only while searching. */
  debug(fields: LogFields, message: string): void;
  /** Something changed as it should: a leader, a member, a snapshot. */
  info(fields: LogFields, message: string): void;
  /** Something is wrong outside, and the node goes on. */
  warn(fields: LogFields, message: string): void;
  /** Something failed that somebody has to look at. */
  error(fields: LogFields, message: string): void;
  /** The node stops. */
  fatal(fields: LogFields, message: string): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** What a line is about. `event` names it; values and secrets of users are never logged. */
export type LogFields = Readonly<Record<string, unknown>>;
