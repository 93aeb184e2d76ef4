import {
  ERROR_CODES,
  type ErrorCode,
  type LeaderHint,
  type Outcome,
  QuorateError,
} from '../base/index.js';
import type { RawEntry } from '../store/types.js';
import {
  decodeWith,
  encodeWith,
  MAX_ADDRESS_LENGTH,
  malformed,
  nameIn,
  textIn,
  textOrNullIn,
} from './boundary.js';
import { quorate } from './generated/quorate.js';
import { rawEntryFromWire, rawEntryToWire } from './raw-entry.js';

const OUTCOMES = ['rejected', 'unknown'] as const satisfies readonly Outcome[];
const MAX_MESSAGE_LENGTH = 4096;
const MAX_CODE_LENGTH = 64;
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** An operating error for the other side. Its stack and cause stay here. */
export function encodeFailure(error: QuorateError): Uint8Array {
  return encodeWith(quorate.v1.Failure, failureToWire(error));
}

/**
 * The error that the other side met. A code that this version does not know becomes ERR_PROTOCOL
 * with the code in its message; its outcome stands.
 */
export function decodeFailure(bytes: Uint8Array): QuorateError {
  return decodeWith(quorate.v1.Failure, bytes, failureFromWire);
}

export function failureToWire(error: QuorateError): quorate.v1.Failure.$Properties {
  return {
    code: error.code,
    outcome: OUTCOMES.indexOf(error.outcome) + 1,
    message: messageOf(error),
    leader: error.leader,
    current: isEntryOrNull(error.entry)
      ? { entry: error.entry === null ? null : rawEntryToWire(error.entry) }
      : null,
  };
}

export function failureFromWire(wire: quorate.v1.Failure.$Properties): QuorateError {
  const outcome = OUTCOMES[(wire.outcome ?? 0) - 1];
  if (outcome === undefined) throw malformed('an outcome is not known to this version');
  const code = textIn(wire.code, MAX_CODE_LENGTH, 'an error code');
  const message = textIn(wire.message, MAX_MESSAGE_LENGTH, 'an error message');
  const leader = wire.leader ? leaderFromWire(wire.leader) : null;
  if (!isErrorCode(code)) {
    return new QuorateError('ERR_PROTOCOL', { message: `${code}: ${message}`, outcome, leader });
  }
  if (!wire.current) return new QuorateError(code, { message, outcome, leader });
  const entry = wire.current.entry ? rawEntryFromWire(wire.current.entry) : null;
  return new QuorateError(code, { message, outcome, leader, entry });
}

function leaderFromWire(wire: quorate.v1.LeaderHint.$Properties): LeaderHint {
  return {
    id: nameIn(wire.id, 'the id of a leader'),
    address: textOrNullIn(wire.address, MAX_ADDRESS_LENGTH, 'the address of a leader'),
  };
}

function messageOf({ reason }: QuorateError): string {
  // A lone surrogate, which a message may quote and a cut may leave, has no UTF-8.
  return reason.slice(0, MAX_MESSAGE_LENGTH).replaceAll(LONE_SURROGATE, '\u{fffd}');
}

function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_CODES, value);
}

function isEntryOrNull(value: unknown): value is RawEntry | null {
  if (value === null) return true;
  return (
    typeof value === 'object' &&
    value !== undefined &&
    'key' in value &&
    value.key instanceof Uint8Array
  );
}
