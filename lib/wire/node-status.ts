import { DEFAULT_PRIORITY, isName } from '../base/index.js';
import type { KeepingReason, KeptData, Member, NodeStatus } from '../interfaces/index.js';
import type { Role } from '../raft/types.js';
import {
  digitsIn,
  digitsOrNullIn,
  MAX_ADDRESS_LENGTH,
  malformed,
  nameIn,
  present,
  priorityIn,
  safeInteger,
  textIn,
  textOrNullIn,
} from './boundary.js';
import type { quorate } from './generated/quorate.js';
import { leadershipFromWire, leadershipToWire } from './leadership-change.js';

const ROLES = [
  'follower',
  'preCandidate',
  'candidate',
  'leader',
] as const satisfies readonly Role[];

const KEEPING_KINDS = [
  'notInSnapshot',
  'trailingEntries',
  'memberReceives',
  'olderSnapshot',
] as const satisfies readonly KeepingReason['kind'][];

export function nodeStatusToWire(status: NodeStatus): quorate.v1.NodeStatus.$Properties {
  return {
    ...status,
    role: ROLES.indexOf(status.role) + 1,
    membershipVersion: status.membershipVersion === '' ? null : status.membershipVersion,
    ...leadershipToWire(status.leadership),
    members: status.members.map((member) => ({ ...member, voter: member.role === 'voter' })),
    progress: [...status.progress],
    kept: keptToWire(status.kept),
  };
}

export function nodeStatusFromWire(wire: quorate.v1.NodeStatus.$Properties): NodeStatus {
  const role = ROLES[(wire.role ?? 0) - 1];
  if (role === undefined) throw malformed('a role is not known to this version');
  return {
    id: nameIn(wire.id, 'a node id'),
    incarnation: digitsIn(wire.incarnation, 'an incarnation'),
    group: nameIn(wire.group, 'a group id'),
    clusterId: digitsOrNullIn(wire.clusterId, 'a cluster id'),
    role,
    term: safeInteger(wire.term),
    votedFor: nameOrNull(wire.votedFor),
    leader: wire.leader
      ? {
          id: nameIn(wire.leader.id, 'the id of a leader'),
          address: addressOrNull(wire.leader.address),
          clientAddress: addressOrNull(wire.leader.clientAddress),
        }
      : null,
    lastIndex: safeInteger(wire.lastIndex),
    durableIndex: safeInteger(wire.durableIndex),
    commitIndex: safeInteger(wire.commitIndex),
    appliedIndex: safeInteger(wire.appliedIndex),
    lacksState: wire.lacksState ?? false,
    kept: keptFromWire(present(wire.kept, 'what a node keeps')),
    members: (wire.members ?? []).map(memberFromWire),
    membershipVersion: digitsOrNullIn(wire.membershipVersion, 'a version of the members') ?? '',
    leadership: leadershipFromWire(wire),
    progress: (wire.progress ?? []).map(({ id, matchIndex, nextIndex }) => ({
      id: nameIn(id, 'the id of a member'),
      matchIndex: safeInteger(matchIndex),
      nextIndex: safeInteger(nextIndex),
    })),
    pendingCalls: wire.pendingCalls ?? 0,
  };
}

function keptToWire({ snapshots, reasons, ...log }: KeptData): quorate.v1.KeptData.$Properties {
  const wireReasons = reasons.map(({ kind, ...rest }) => ({
    ...rest,
    kind: KEEPING_KINDS.indexOf(kind) + 1,
  }));
  return { ...log, snapshots: [...snapshots], reasons: wireReasons };
}

function keptFromWire(wire: quorate.v1.KeptData.$Properties): KeptData {
  return {
    firstIndex: safeInteger(wire.firstIndex),
    logBytes: safeInteger(wire.logBytes),
    snapshots: (wire.snapshots ?? []).map(({ index, sizeBytes }) => ({
      index: safeInteger(index),
      sizeBytes: safeInteger(sizeBytes),
    })),
    // Later versions may know reasons that this one does not.
    reasons: (wire.reasons ?? []).flatMap((reason) => {
      const kind = KEEPING_KINDS[(reason.kind ?? 0) - 1];
      if (kind === undefined) return [];
      return [{ kind, index: safeInteger(reason.index), member: nameOrNull(reason.member) }];
    }),
  };
}

function memberFromWire(wire: quorate.v1.StatusMember.$Properties): Member {
  return {
    id: nameIn(wire.id, 'the id of a member'),
    incarnation: digitsIn(wire.incarnation, 'an incarnation'),
    role: wire.voter ? 'voter' : 'learner',
    peerAddress: textIn(wire.peerAddress, MAX_ADDRESS_LENGTH, 'the address of a member'),
    clientAddress: addressOrNull(wire.clientAddress),
    priority: priorityIn(wire.priority ?? DEFAULT_PRIORITY),
  };
}

function nameOrNull(value: string | null | undefined): string | null {
  if (value === null || value === undefined) return null;
  if (!isName(value)) throw malformed('a node id is not a valid name');
  return value;
}

function addressOrNull(value: string | null | undefined): string | null {
  return textOrNullIn(value, MAX_ADDRESS_LENGTH, 'an address');
}
