import type { RawEntry } from '../store/types.js';
import { ownBytes, safeInteger, textOrNullIn } from './boundary.js';
import type { quorate } from './generated/quorate.js';

const MAX_LEASE_LENGTH = 64;

export function rawEntryToWire(entry: RawEntry): quorate.v1.RawEntry.$Properties {
  const { key, value, createRevision, modRevision, version, lease } = entry;
  return { key, value, createRevision, modRevision, version, lease };
}

/** The entry, in memory of its own. */
export function rawEntryFromWire(wire: quorate.v1.RawEntry.$Properties): RawEntry {
  return {
    key: ownBytes(wire.key),
    value: ownBytes(wire.value),
    createRevision: safeInteger(wire.createRevision),
    modRevision: safeInteger(wire.modRevision),
    version: safeInteger(wire.version),
    lease: textOrNullIn(wire.lease, MAX_LEASE_LENGTH, 'a lease'),
  };
}
