import type { Member } from '../interfaces/index.js';
import { decodeConfiguration } from '../raft/index.js';
import { memberList } from './node-status.js';

/**
 * The members that a stored configuration names, sorted by id: of a snapshot, or of an entry of a log. For
 * whoever looks into data without a node. ERR_PROTOCOL where it is none that this version knows.
 */
export function storedMembers(configuration: Uint8Array): readonly Member[] {
  return memberList(decodeConfiguration(configuration));
}
