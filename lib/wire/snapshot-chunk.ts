import { assert, type GroupId, isName, type LogIndex, type Term } from '../base/index.js';
import {
  decodeWith,
  encodeWith,
  isSafeUnsigned,
  malformed,
  nameIn,
  ownBytes,
  safeInteger,
  textIn,
} from './boundary.js';
import { quorate } from './generated/quorate.js';
import { MAX_SNAPSHOT_ID_LENGTH } from './raft-message.js';

/** A request on channel `snapshot`: the next bytes of a snapshot that was offered. */
export interface SnapshotRequest {
  readonly group: GroupId;
  /** As the storage of whoever is asked names it. */
  readonly snapshotId: string;
  readonly offset: number;
}

/** The answer: what the snapshot says of itself, and its bytes from `offset` on; none at its end. */
export interface SnapshotChunk {
  readonly index: LogIndex;
  readonly term: Term;
  readonly logTimeMs: number;
  readonly configuration: Uint8Array;
  readonly sizeBytes: number;
  /** At most `MAX_CHUNK_BYTES`. */
  readonly content: Uint8Array;
}

/** The most that one answer carries. */
export const MAX_CHUNK_BYTES: number = 64 * 1024;

export function encodeSnapshotRequest(request: SnapshotRequest): Uint8Array {
  assert(isName(request.group), 'a group id is a valid name');
  assert(isSafeUnsigned(request.offset), 'an offset is a safe integer');
  return encodeWith(quorate.v1.SnapshotRequest, { ...request });
}

export function decodeSnapshotRequest(bytes: Uint8Array): SnapshotRequest {
  return decodeWith(quorate.v1.SnapshotRequest, bytes, (wire) => ({
    group: nameIn(wire.group, 'a group id'),
    snapshotId: textIn(wire.snapshotId, MAX_SNAPSHOT_ID_LENGTH, 'the id of a snapshot'),
    offset: safeInteger(wire.offset),
  }));
}

export function encodeSnapshotChunk(chunk: SnapshotChunk): Uint8Array {
  assert(chunk.content.length <= MAX_CHUNK_BYTES, 'a chunk is of limited size');
  return encodeWith(quorate.v1.SnapshotChunk, { ...chunk });
}

/** In memory of its own. */
export function decodeSnapshotChunk(bytes: Uint8Array): SnapshotChunk {
  return decodeWith(quorate.v1.SnapshotChunk, bytes, (wire) => {
    const content = ownBytes(wire.content);
    if (content.length > MAX_CHUNK_BYTES) throw malformed('a chunk is too large');
    return {
      index: safeInteger(wire.index),
      term: safeInteger(wire.term),
      logTimeMs: safeInteger(wire.logTimeMs),
      configuration: ownBytes(wire.configuration),
      sizeBytes: safeInteger(wire.sizeBytes),
      content,
    };
  });
}
