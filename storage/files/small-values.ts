import type { LogIndex, Term } from '../../lib/base/index.js';
import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from '../../lib/base/index.js';
import type { HardState, StoredIdentity } from '../../lib/interfaces/index.js';
import { mayFollow } from '../identity.js';
import type { TwinSubject } from './twin-file.js';

/** A place in a log, with the checksum over everything up to it: two logs that agree here are equal. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
  readonly chain: number;
}

export function isSamePosition(a: LogPosition, b: LogPosition): boolean {
  return a.index === b.index && a.term === b.term && a.chain === b.chain;
}

/** u64 term · u8 length of the vote (0: none) · vote */
export function encodeState({ term, votedFor }: HardState): Uint8Array {
  const vote = encodeUtf8(votedFor ?? '');
  return new ByteWriter(9 + vote.length).u64(term).u8(vote.length).bytes(vote).finish();
}

export function decodeState(body: Uint8Array): HardState {
  const reader = new ByteReader(body);
  const term = reader.u64();
  const vote = decodeUtf8(reader.bytes(reader.u8()));
  reader.end();
  return { term, votedFor: vote === '' ? null : vote };
}

/** u64 index · u64 term · u32 chain */
export function encodeMark({ index, term, chain }: LogPosition): Uint8Array {
  return new ByteWriter(20).u64(index).u64(term).u32(chain).finish();
}

export function decodeMark(body: Uint8Array): LogPosition {
  const reader = new ByteReader(body);
  const mark = { index: reader.u64(), term: reader.u64(), chain: reader.u32() };
  reader.end();
  return mark;
}

/**
 * Node id, incarnation and cluster id (empty: none), each a u8 length and its text; during a recovery
 * the former cluster id as well.
 */
export function encodeIdentity(identity: StoredIdentity): Uint8Array {
  const { nodeId, incarnation, clusterId, formerClusterId } = identity;
  const former = formerClusterId === undefined ? [] : [formerClusterId];
  const parts = [nodeId, incarnation, clusterId ?? '', ...former].map(encodeUtf8);
  const length = parts.reduce((sum, part) => sum + 1 + part.length, 0);
  const writer = new ByteWriter(length);
  for (const part of parts) writer.u8(part.length).bytes(part);
  return writer.finish();
}

export function decodeIdentity(body: Uint8Array): StoredIdentity {
  const reader = new ByteReader(body);
  const text = (): string => decodeUtf8(reader.bytes(reader.u8()));
  const nodeId = text();
  const incarnation = text();
  const clusterId = text();
  const former = reader.remaining === 0 ? {} : { formerClusterId: text() };
  reader.end();
  return { nodeId, incarnation, clusterId: clusterId === '' ? null : clusterId, ...former };
}

/** The identity of a directory: one may follow another only where its engine would store it. */
export const IDENTITY_PAIR: TwinSubject = {
  kind: 'identity',
  owner: '',
  canFollow: (older, newer) => mayFollow(decodeIdentity(older), decodeIdentity(newer)),
};
