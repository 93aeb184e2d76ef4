import {
  assert,
  type GroupId,
  type Incarnation,
  isName,
  type LogIndex,
  type NodeId,
  QuorateError,
  unreachable,
} from '../base/index.js';
import type { MembershipChange } from '../raft/inputs.js';
import type { EntryName, LeadershipChange } from '../raft/types.js';
import {
  decodeWith,
  digitsIn,
  digitsOrNullIn,
  encodeWith,
  isSafeUnsigned,
  isUint32,
  MAX_ADDRESS_LENGTH,
  malformed,
  nameIn,
  ownBytes,
  present,
  safeInteger,
  textIn,
} from './boundary.js';
import { quorate } from './generated/quorate.js';
import { leadershipChangeFromWire, leadershipChangeToWire } from './leadership-change.js';
import { changeFromWire, changeToWire } from './membership-change.js';
/** What a node asks of the leader of a group on channel `kv`. Never forwarded again. */
export type PeerCall =
  | {
      readonly kind: 'propose';
      readonly group: GroupId;
      readonly commandVersion: number;
      readonly command: Uint8Array;
      /** How long the caller still waits. An unsigned 32-bit integer. */
      readonly timeoutMs: number;
    }
  | { readonly kind: 'readIndex'; readonly group: GroupId; readonly timeoutMs: number }
  | {
      readonly kind: 'transfer';
      readonly group: GroupId;
      /** Who is to lead; null for whoever is most caught up. */
      readonly to: NodeId | null;
      readonly timeoutMs: number;
    }
  | {
      readonly kind: 'changeMembership';
      readonly group: GroupId;
      readonly timeoutMs: number;
      readonly change: MembershipChange;
      /** The version that must be in force, or null for any. */
      readonly expect: string | null;
    }
  | {
      readonly kind: 'changeLeadership';
      readonly group: GroupId;
      readonly timeoutMs: number;
      readonly leadership: LeadershipChange;
      readonly expect: string | null;
    };

/** By the `kind` of the call. */
export type PeerAnswer =
  | { readonly kind: 'propose'; readonly result: Uint8Array }
  | { readonly kind: 'readIndex'; readonly index: LogIndex }
  /** Who leads now. */
  | { readonly kind: 'transfer'; readonly leader: NodeId }
  | { readonly kind: 'changeMembership' }
  | { readonly kind: 'changeLeadership' };

/** Question and answer on channel `admin`: what a node says of itself before a cluster exists. */
export interface Probe {
  readonly group: GroupId;
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  readonly clusterId: string | null;
  /** Told apart before there is an id: nodes of another name are not waited for. */
  readonly clusterName: string;
  /** Whether the node holds a log of the group. */
  readonly hasLog: boolean;
  /** Whom the node was told to form a cluster with. */
  readonly members: readonly { readonly id: NodeId; readonly address: string }[];
  /** Where the node serves clients, or null. */
  readonly clientAddress: string | null;
  /** Whether the node asks to be let into a cluster that exists. */
  readonly joins: boolean;
  /**
   * With a log: the entry by which the node is a learner, where it does not know that it is decided, and
   * index 0 where no entry names it. Null without a log, and for all others.
   */
  readonly undecided: EntryName | null;
}

const MAX_COMMAND_VERSION = 0xffff;

export function encodePeerCall(call: PeerCall): Uint8Array {
  assert(isName(call.group), 'a group id is a valid name');
  assert(isUint32(call.timeoutMs), 'a timeout is an unsigned 32-bit integer');
  const { group, timeoutMs } = call;
  switch (call.kind) {
    case 'propose': {
      const { commandVersion, command } = call;
      assert(isCommandVersion(commandVersion), 'a command version is an unsigned 16-bit integer');
      const propose = { group, commandVersion, command, timeoutMs };
      return encodeWith(quorate.v1.PeerCall, { propose });
    }
    case 'readIndex':
      return encodeWith(quorate.v1.PeerCall, { readIndex: { group, timeoutMs } });
    case 'transfer': {
      const { to } = call;
      assert(to === null || isName(to), 'a node id is a valid name');
      return encodeWith(quorate.v1.PeerCall, { transfer: { group, to: to ?? '', timeoutMs } });
    }
    case 'changeMembership': {
      const { change, expect } = call;
      const changeMembership = { ...changeToWire(change), group, timeoutMs, expect };
      return encodeWith(quorate.v1.PeerCall, { changeMembership });
    }
    case 'changeLeadership': {
      const changes = leadershipChangeToWire(call.leadership);
      const changeLeadership = { ...changes, group, timeoutMs, expect: call.expect };
      return encodeWith(quorate.v1.PeerCall, { changeLeadership });
    }
    default:
      return unreachable(call);
  }
}

export function decodePeerCall(bytes: Uint8Array): PeerCall {
  return decodeWith(quorate.v1.PeerCall, bytes, (wire) => {
    if (wire.propose) {
      const { group, commandVersion = 0, command, timeoutMs } = wire.propose;
      if (!isCommandVersion(commandVersion ?? 0)) throw malformed('a command version is too high');
      return {
        kind: 'propose',
        group: nameIn(group, 'a group id'),
        commandVersion: commandVersion ?? 0,
        command: ownBytes(command),
        timeoutMs: timeoutMs ?? 0,
      };
    }
    if (wire.transfer) {
      const { group, to, timeoutMs } = wire.transfer;
      return {
        kind: 'transfer',
        group: nameIn(group, 'a group id'),
        to: (to ?? '') === '' ? null : nameIn(to, 'a node id'),
        timeoutMs: timeoutMs ?? 0,
      };
    }
    if (wire.changeMembership) {
      const { group, timeoutMs, expect } = wire.changeMembership;
      return {
        kind: 'changeMembership',
        group: nameIn(group, 'a group id'),
        timeoutMs: timeoutMs ?? 0,
        change: changeFromWire(wire.changeMembership),
        expect: digitsOrNullIn(expect, 'an expected version'),
      };
    }
    if (wire.changeLeadership) {
      const { group, timeoutMs, expect } = wire.changeLeadership;
      return {
        kind: 'changeLeadership',
        group: nameIn(group, 'a group id'),
        timeoutMs: timeoutMs ?? 0,
        leadership: leadershipChangeFromWire(wire.changeLeadership),
        expect: digitsOrNullIn(expect, 'an expected version'),
      };
    }
    const { group, timeoutMs } = present(wire.readIndex, 'a call known to this version');
    return { kind: 'readIndex', group: nameIn(group, 'a group id'), timeoutMs: timeoutMs ?? 0 };
  });
}

export function encodePeerAnswer(answer: PeerAnswer): Uint8Array {
  switch (answer.kind) {
    case 'propose':
      return encodeWith(quorate.v1.PeerAnswer, { propose: { result: answer.result } });
    case 'readIndex':
      assert(isSafeUnsigned(answer.index), 'an index is a safe integer');
      return encodeWith(quorate.v1.PeerAnswer, { readIndex: { index: answer.index } });
    case 'transfer':
      assert(isName(answer.leader), 'a node id is a valid name');
      return encodeWith(quorate.v1.PeerAnswer, { transfer: { leader: answer.leader } });
    case 'changeMembership':
      return encodeWith(quorate.v1.PeerAnswer, { changeMembership: {} });
    case 'changeLeadership':
      return encodeWith(quorate.v1.PeerAnswer, { changeLeadership: {} });
    default:
      return unreachable(answer);
  }
}

/** What cannot be read says nothing about what was done: ERR_PROTOCOL with outcome `'unknown'`. */
export function decodePeerAnswer(bytes: Uint8Array): PeerAnswer {
  try {
    return decodeWith(quorate.v1.PeerAnswer, bytes, (wire) => {
      if (wire.propose) return { kind: 'propose', result: ownBytes(wire.propose.result) };
      if (wire.transfer) {
        return { kind: 'transfer', leader: nameIn(wire.transfer.leader, 'the id of a leader') };
      }
      if (wire.changeMembership) return { kind: 'changeMembership' };
      if (wire.changeLeadership) return { kind: 'changeLeadership' };
      const { index } = present(wire.readIndex, 'an answer known to this version');
      return { kind: 'readIndex', index: safeInteger(index) };
    });
  } catch (cause) {
    if (!QuorateError.is(cause)) throw cause;
    const { reason: message } = cause;
    throw new QuorateError('ERR_PROTOCOL', { message, outcome: 'unknown', cause });
  }
}

export function encodeProbe(probe: Probe): Uint8Array {
  assert(isName(probe.group), 'a group id is a valid name');
  assert(isName(probe.nodeId), 'a node id is a valid name');
  return encodeWith(quorate.v1.Probe, { ...probe, members: [...probe.members] });
}

export function decodeProbe(bytes: Uint8Array): Probe {
  return decodeWith(quorate.v1.Probe, bytes, (wire) => ({
    group: nameIn(wire.group, 'a group id'),
    nodeId: nameIn(wire.nodeId, 'a node id'),
    incarnation: digitsIn(wire.incarnation, 'an incarnation'),
    clusterId: digitsOrNullIn(wire.clusterId, 'a cluster id'),
    clusterName: nameIn(wire.clusterName, 'a cluster name'),
    hasLog: wire.hasLog ?? false,
    members: wire.members.map((member) => ({
      id: nameIn(member.id, 'the id of a member'),
      address: textIn(member.address, MAX_ADDRESS_LENGTH, 'the address of a member'),
    })),
    clientAddress: wire.clientAddress
      ? textIn(wire.clientAddress, MAX_ADDRESS_LENGTH, 'a client address')
      : null,
    joins: wire.joins ?? false,
    undecided: wire.undecided
      ? { index: safeInteger(wire.undecided.index), term: safeInteger(wire.undecided.term) }
      : null,
  }));
}

function isCommandVersion(value: number): boolean {
  return isUint32(value) && value <= MAX_COMMAND_VERSION;
}
