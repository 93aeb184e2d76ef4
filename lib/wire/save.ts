import { assert } from '../base/index.js';
import type { SavedPart } from '../store/types.js';
import { isSafeUnsigned, nameIn, ownBytes, safeInteger, textOrNullIn } from './boundary.js';
import type { quorate } from './generated/quorate.js';

/** The next part of the state that `cursor` names; with null, the first of the state as it is now. */
export interface SaveRequest {
  readonly kind: 'save';
  readonly cursor: string | null;
}

const MAX_CURSOR_LENGTH = 256;

export function saveFromWire({ cursor }: quorate.v1.SaveRequest.$Properties): SaveRequest {
  return { kind: 'save', cursor: textOrNullIn(cursor, MAX_CURSOR_LENGTH, 'a cursor') };
}

export function savedPartToWire(part: SavedPart): quorate.v1.SaveResponse.$Properties {
  const { index, term, logTimeMs, revision, keyCount } = part;
  for (const number of [index, term, logTimeMs, revision, keyCount]) {
    assert(isSafeUnsigned(number), 'what a state says of itself are safe integers');
  }
  return { ...part };
}

export function savedPartFromWire(wire: quorate.v1.SaveResponse.$Properties): SavedPart {
  return {
    group: nameIn(wire.group, 'a group id'),
    index: safeInteger(wire.index),
    term: safeInteger(wire.term),
    logTimeMs: safeInteger(wire.logTimeMs),
    configuration: ownBytes(wire.configuration),
    revision: safeInteger(wire.revision),
    keyCount: safeInteger(wire.keyCount),
    content: ownBytes(wire.content),
    cursor: textOrNullIn(wire.cursor, MAX_CURSOR_LENGTH, 'a cursor'),
  };
}
