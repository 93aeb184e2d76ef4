/** Every code an operating error can carry, with what it tells the caller. The documents' table is generated from here. */
export const ERROR_CODES = {
  ERR_CONFIG: 'An option or argument is wrong. The message says which, and what would be right.',
  ERR_CLOSED: 'The node, store or client was closed before the call could be answered.',
  ERR_ABORTED: "The caller's signal was aborted. `cause` is the signal's reason.",
  ERR_TIMEOUT: 'No answer before the deadline of the call.',
  ERR_NO_LEADER: 'The group has no leader that this node can reach. The message says why.',
  ERR_NOT_LEADER: 'The node does not lead the group; `leader` says who might.',
  ERR_UNREACHABLE: 'The other side cannot be reached, or went away before it answered.',
  ERR_BUSY: 'A limit is reached and nothing was queued. Try again later.',
  ERR_TOO_LARGE: 'A key, value, command or frame is larger than its limit.',
  ERR_ENCODING:
    'Bytes and codec do not match: not UTF-8, not JSON, or a value the codec cannot write.',
  ERR_CONDITION:
    'The condition of a write did not hold, and `entry` is what stands there now; or the members are not as expected.',
  ERR_MEMBERSHIP: 'The members cannot be changed in this way. The message says why.',
  ERR_COMPACTED: 'The revision, view or cursor asked for is no longer held.',
  ERR_DENIED: 'The peer or client is not allowed to do this.',
  ERR_PROTOCOL: 'A peer or client sent what this version does not understand.',
  ERR_WRONG_CLUSTER: 'The other side belongs to another cluster, or is not the node it should be.',
  ERR_LOCKED: 'Another process uses the data directory.',
  ERR_STORAGE: 'The disk failed. The node has stopped, because nobody knows what is stored.',
  ERR_CORRUPT: 'Stored data is damaged or missing. The message names the file.',
  ERR_INTERNAL:
    'The library is wrong, and the node has stopped. `cause` says which fact was violated.',
  ERR_MACHINE:
    'The state machine threw. The node has stopped, because skipping a command would diverge.',
} as const;

/** The code of an operating error: a key of `ERROR_CODES`. */
export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * What the caller may conclude. `'rejected'`: it did not happen and may be retried. `'unknown'`: it
 * may have happened, or may still happen; a retry can do it twice.
 */
export type Outcome = 'rejected' | 'unknown';

/** Where the leader was last seen. */
export interface LeaderHint {
  readonly id: string;
  /** Peer address, as its configuration entry says, or null when none is known. */
  readonly address: string | null;
}

/** What an operating error is made of. */
export interface QuorateErrorOptions {
  readonly message: string;
  /** Default `'rejected'`. */
  readonly outcome?: Outcome | undefined;
  readonly leader?: LeaderHint | null | undefined;
  readonly cause?: unknown;
  /** The current entry, for ERR_CONDITION; null where the key does not exist. */
  readonly entry?: unknown;
}

const brand = Symbol.for('quorate.error');

/** Codes that a caller may try again without changing anything, once the outcome is `'rejected'`. */
const RETRIABLE: ReadonlySet<ErrorCode> = new Set([
  'ERR_NO_LEADER',
  'ERR_NOT_LEADER',
  'ERR_UNREACHABLE',
  'ERR_BUSY',
  'ERR_TIMEOUT',
]);

/**
 * The world misbehaved, or the caller did. One class, told apart by `code`; recognised across copies
 * of the package by `QuorateError.is`. Wrong states of the library itself are `InvariantViolation`s.
 */
export class QuorateError extends Error {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  /** The message without the code that stands before it. */
  readonly reason: string;
  readonly leader: LeaderHint | null;
  /** For ERR_CONDITION: what the key holds now (null: nothing). Otherwise undefined. */
  readonly entry: unknown;

  constructor(code: ErrorCode, options: QuorateErrorOptions) {
    super(
      `${code}: ${options.message}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = code === 'ERR_ABORTED' ? 'AbortError' : 'QuorateError';
    this.code = code;
    this.reason = options.message;
    this.outcome = options.outcome ?? 'rejected';
    this.leader = options.leader ?? null;
    this.entry = options.entry;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True when the same call may be made again as it is: it did not happen, and the reason may pass. */
  get retriable(): boolean {
    return this.outcome === 'rejected' && RETRIABLE.has(this.code);
  }

  /** Whether `value` is an operating error of this library, whichever copy of it threw. */
  static is(value: unknown): value is QuorateError {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** The library itself is wrong. The node stops; nothing is retried. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}
