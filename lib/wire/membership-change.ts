import { assert, isPriority, type MemberId, unreachable } from '../base/index.js';
import type { MembershipChange } from '../raft/inputs.js';
import type { MemberAddresses } from '../raft/types.js';
import {
  isMemberId,
  MAX_ADDRESS_LENGTH,
  malformed,
  present,
  priorityIn,
  textIn,
} from './boundary.js';
import type { quorate } from './generated/quorate.js';

const KINDS = [
  'addLearner',
  'promote',
  'remove',
  'replace',
  'changeAddresses',
  'changePriority',
] as const satisfies readonly MembershipChange['kind'][];

type Wire = quorate.v1.ChangeMembership.$Properties;

export function changeToWire(change: MembershipChange): Wire {
  const { member } = change;
  assert(isMemberId(member), 'a member id is a name, perhaps with an incarnation');
  const kind = KINDS.indexOf(change.kind) + 1;
  switch (change.kind) {
    case 'promote':
    case 'remove':
      return { kind, member };
    case 'replace':
      return { kind, member, by: change.by };
    case 'changePriority':
      assert(isPriority(change.priority), 'a priority is a small integer');
      return { kind, member, priority: change.priority };
    case 'addLearner':
    case 'changeAddresses': {
      const { peer, client } = change.addresses;
      return { kind, member, peerAddress: peer, clientAddress: client };
    }
    default:
      return unreachable(change);
  }
}

export function changeFromWire(wire: Wire): MembershipChange {
  const kind = KINDS[(wire.kind ?? 0) - 1];
  if (kind === undefined) throw malformed('a kind of change is not known to this version');
  const member = memberIn(wire.member, 'a member');
  switch (kind) {
    case 'promote':
    case 'remove':
      return { kind, member };
    case 'replace':
      return { kind, member, by: memberIn(wire.by, 'a replacement') };
    case 'changePriority':
      return { kind, member, priority: priorityIn(present(wire.priority, 'a priority')) };
    case 'addLearner':
    case 'changeAddresses':
      return { kind, member, addresses: addressesIn(wire) };
    default:
      return unreachable(kind);
  }
}

function memberIn(value: string | null | undefined, what: string): MemberId {
  const member = present(value, what);
  if (!isMemberId(member)) throw malformed(`${what} is not a member id`);
  return member;
}

function addressesIn({ peerAddress, clientAddress }: Wire): MemberAddresses {
  return {
    peer: textIn(present(peerAddress, 'a peer address'), MAX_ADDRESS_LENGTH, 'a peer address'),
    client: clientAddress ? textIn(clientAddress, MAX_ADDRESS_LENGTH, 'a client address') : null,
  };
}
