import {
  assert,
  concatBytes,
  copyBytes,
  EMPTY_BYTES,
  type Entry,
  isName,
  MAX_LEADER_LEASE_MS,
  unpackEntries,
  unreachable,
} from '../base/index.js';
import type { LeaseStamp, Message } from '../raft/messages.js';
import {
  decodeWith,
  encodeWith,
  isMemberId,
  isSafeUnsigned,
  malformed,
  present,
  safeInteger,
  textIn,
} from './boundary.js';
import { quorate } from './generated/quorate.js';

type WireMessage = quorate.v1.RaftMessage.$Properties;

/** The longest name that a storage gives a snapshot. */
export const MAX_SNAPSHOT_ID_LENGTH = 128;

/** One past the highest term or index that is believed, so that the next one is a safe integer too. */
const POSITION_LIMIT = Number.MAX_SAFE_INTEGER;

/** The protobuf form of a message of the core. Asserts what `decodeRaftMessage` validates. */
export function encodeRaftMessage(message: Message): Uint8Array {
  const fault = faultOf(message);
  assert(fault === null, `an outgoing message is well formed; ${fault ?? ''}`);
  return encodeWith(quorate.v1.RaftMessage, toWire(message));
}

/**
 * The message that `bytes` hold. Anything malformed, also entries that do not follow `prevIndex`
 * without a gap, belong to another group, or have terms that fall or pass the sender's, is
 * ERR_PROTOCOL. The entries share one copy of their region and nothing with `bytes`.
 */
export function decodeRaftMessage(bytes: Uint8Array): Message {
  return decodeWith(quorate.v1.RaftMessage, bytes, (wire) => {
    const message = fromWire(wire);
    const fault = faultOf(message);
    if (fault !== null) throw malformed(fault);
    return message;
  });
}

function toWire(message: Message): WireMessage {
  const { group, from, to, term } = message;
  const head = { group, from, to, term };
  switch (message.kind) {
    case 'preVote':
    case 'vote': {
      const { lastIndex, lastTerm, isTransfer } = message;
      const transfer = isTransfer === true ? { isTransfer } : {};
      return { ...head, [message.kind]: { lastIndex, lastTerm, ...transfer } };
    }
    case 'preVoteReply':
    case 'voteReply':
      return { ...head, [message.kind]: { granted: message.granted } };
    case 'append': {
      const { prevIndex, prevTerm, commitIndex } = message;
      const entries = concatBytes(message.entries.map((entry) => entry.packed));
      return { ...head, append: { prevIndex, prevTerm, commitIndex, entries } };
    }
    case 'appendAccepted':
      return { ...head, appendAccepted: { matchIndex: message.matchIndex } };
    case 'appendRejected': {
      const { prevIndex, hintIndex, hintTerm } = message;
      return { ...head, appendRejected: { prevIndex, hintIndex, hintTerm } };
    }
    case 'heartbeat': {
      const { commitIndex, readRound } = message;
      return { ...head, heartbeat: { commitIndex, readRound, ...leaseOf(message) } };
    }
    case 'heartbeatReply':
      return { ...head, heartbeatReply: { readRound: message.readRound, ...leaseOf(message) } };
    case 'snapshotOffer': {
      const { id: snapshotId, index, term: lastTerm } = message.snapshot;
      return { ...head, snapshotOffer: { snapshotId, index, term: lastTerm } };
    }
    case 'snapshotNeeded':
      return { ...head, snapshotNeeded: { fromIndex: message.fromIndex } };
    case 'timeoutNow':
      return { ...head, timeoutNow: {} };
    default:
      return unreachable(message);
  }
}

function fromWire(wire: quorate.v1.RaftMessage): Message {
  const head = { group: wire.group, from: wire.from, to: wire.to, term: safeInteger(wire.term) };
  const kind = wire.body;
  switch (kind) {
    case undefined:
      throw malformed('its kind is not known to this version');
    case 'preVote':
    case 'vote': {
      const body = present(wire[kind], kind);
      return {
        ...head,
        kind,
        lastIndex: safeInteger(body.lastIndex),
        lastTerm: safeInteger(body.lastTerm),
        ...(body.isTransfer === true ? { isTransfer: true } : {}),
      };
    }
    case 'preVoteReply':
    case 'voteReply':
      return { ...head, kind, granted: present(wire[kind], kind).granted ?? false };
    case 'append': {
      const body = present(wire.append, kind);
      return {
        ...head,
        kind,
        prevIndex: safeInteger(body.prevIndex),
        prevTerm: safeInteger(body.prevTerm),
        commitIndex: safeInteger(body.commitIndex),
        entries: entriesIn(body.entries ?? EMPTY_BYTES),
      };
    }
    case 'appendAccepted':
      return { ...head, kind, matchIndex: safeInteger(present(wire[kind], kind).matchIndex) };
    case 'appendRejected': {
      const body = present(wire.appendRejected, kind);
      return {
        ...head,
        kind,
        prevIndex: safeInteger(body.prevIndex),
        hintIndex: safeInteger(body.hintIndex),
        hintTerm: safeInteger(body.hintTerm),
      };
    }
    case 'heartbeat': {
      const body = present(wire.heartbeat, kind);
      return {
        ...head,
        kind,
        commitIndex: safeInteger(body.commitIndex),
        readRound: safeInteger(body.readRound),
        ...leaseIn(body.lease),
      };
    }
    case 'heartbeatReply': {
      const body = present(wire.heartbeatReply, kind);
      return { ...head, kind, readRound: safeInteger(body.readRound), ...leaseIn(body.lease) };
    }
    case 'snapshotOffer': {
      const body = present(wire.snapshotOffer, kind);
      const id = textIn(body.snapshotId, MAX_SNAPSHOT_ID_LENGTH, 'the id of a snapshot');
      const snapshot = { id, index: safeInteger(body.index), term: safeInteger(body.term) };
      return { ...head, kind, snapshot };
    }
    case 'snapshotNeeded':
      return { ...head, kind, fromIndex: safeInteger(present(wire[kind], kind).fromIndex) };
    case 'timeoutNow':
      return { ...head, kind };
    default:
      return unreachable(kind);
  }
}

function leaseOf({ lease }: { readonly lease?: LeaseStamp | undefined }): {
  readonly lease?: LeaseStamp;
} {
  return lease === undefined ? {} : { lease };
}

function leaseIn(wire: quorate.v1.LeaseStamp.$Properties | null | undefined): {
  readonly lease?: LeaseStamp;
} {
  if (wire === null || wire === undefined) return {};
  return { lease: { sentMs: safeInteger(wire.sentMs), leaseMs: wire.leaseMs ?? 0 } };
}

function entriesIn(region: Uint8Array): Entry[] {
  // One copy for all of them: they outlive the receive buffer, in the log and on their way to disk.
  return region.length === 0 ? [] : unpackEntries(copyBytes(region));
}

/** What is wrong with a message, or null: one list for both directions. */
function faultOf(message: Message): string | null {
  if (!isName(message.group)) return 'its group is not a valid name';
  if (!isMemberId(message.from)) return 'its sender is not a valid member id';
  if (!isMemberId(message.to)) return 'its receiver is not a valid member id';
  if (!isPosition(message.term)) return 'its term is out of range';
  switch (message.kind) {
    case 'preVote':
    case 'vote':
      return faultOfPosition(message.lastIndex, message.lastTerm, message.term);
    case 'append':
      return (
        faultOfPosition(message.prevIndex, message.prevTerm, message.term) ??
        faultOfIndexes(message.commitIndex) ??
        faultOfEntries(message.entries, message)
      );
    case 'appendAccepted':
      return faultOfIndexes(message.matchIndex);
    case 'appendRejected':
      return faultOfIndexes(message.prevIndex, message.hintIndex, message.hintTerm);
    case 'heartbeat':
      return faultOfIndexes(message.commitIndex, message.readRound) ?? faultOfLease(message);
    case 'heartbeatReply':
      return faultOfIndexes(message.readRound) ?? faultOfLease(message);
    case 'snapshotOffer': {
      const { id, index, term } = message.snapshot;
      if (id === '' || index === 0) return 'it offers no snapshot';
      return faultOfPosition(index, term, message.term);
    }
    case 'snapshotNeeded':
      return faultOfIndexes(message.fromIndex);
    case 'preVoteReply':
    case 'voteReply':
    case 'timeoutNow':
      return null;
    default:
      return unreachable(message);
  }
}

function isPosition(value: number): boolean {
  return isSafeUnsigned(value) && value < POSITION_LIMIT;
}

function faultOfIndexes(...values: readonly number[]): string | null {
  return values.every(isPosition) ? null : 'an index is out of range';
}

function faultOfLease({ lease }: { readonly lease?: LeaseStamp | undefined }): string | null {
  if (lease === undefined) return null;
  const { sentMs, leaseMs } = lease;
  const isInRange = isSafeUnsigned(sentMs) && leaseMs >= 1 && leaseMs <= MAX_LEADER_LEASE_MS;
  return isInRange ? null : 'its lease is out of range';
}

/** Of the place of one entry in a log, as a member of `messageTerm` may state it. */
function faultOfPosition(index: number, term: number, messageTerm: number): string | null {
  if (!isPosition(index) || !isPosition(term)) return 'an index is out of range';
  if ((index === 0) !== (term === 0)) return 'index 0 and term 0 do not come together';
  return term > messageTerm ? 'its log is ahead of its term' : null;
}

function faultOfEntries(
  entries: readonly Entry[],
  message: { group: string; term: number; prevIndex: number; prevTerm: number },
): string | null {
  let index = message.prevIndex;
  let term = message.prevTerm;
  for (const entry of entries) {
    index += 1;
    if (entry.index !== index) return 'its entries leave a gap';
    if (entry.group !== message.group) return 'an entry belongs to another group';
    if (entry.term < term) return 'the terms of its entries fall';
    if (entry.term > message.term) return 'an entry is ahead of the term of its sender';
    term = entry.term;
  }
  return isPosition(index) ? null : 'an index is out of range';
}
