import type { NodeId } from '../base/index.js';
import {
  digitsOrNullIn,
  MAX_ADDRESS_LENGTH,
  malformed,
  nameIn,
  present,
  priorityIn,
  textOrNullIn,
} from './boundary.js';
import type { quorate } from './generated/quorate.js';

const ACTIONS = ['add', 'promote', 'remove', 'replace', 'update'] as const;

/** A change of the members as a client asks for it: a call of `Membership`. */
export interface MemberRequest {
  readonly kind: 'member';
  readonly action: (typeof ACTIONS)[number];
  readonly id: NodeId;
  /** For `replace`: who takes the place. Null for all others. */
  readonly by: NodeId | null;
  readonly peerAddress: string | null;
  readonly clientAddress: string | null;
  readonly expect: string | null;
  /** For `update`; null where it stays. */
  readonly priority: number | null;
}

type Wire = quorate.v1.MemberRequest.$Properties;

export function memberRequestToWire({ kind: _, action, ...rest }: MemberRequest): Wire {
  return { ...rest, action: ACTIONS.indexOf(action) + 1 };
}

export function memberRequestFromWire(wire: Wire): MemberRequest {
  const action = ACTIONS[(wire.action ?? 0) - 1];
  if (action === undefined) throw malformed('a change of members is not known to this version');
  return {
    kind: 'member',
    action,
    id: nameIn(wire.id, 'a node id'),
    by: action === 'replace' ? nameIn(present(wire.by, 'a replacement'), 'a node id') : null,
    peerAddress: textOrNullIn(wire.peerAddress, MAX_ADDRESS_LENGTH, 'a peer address'),
    clientAddress: textOrNullIn(wire.clientAddress, MAX_ADDRESS_LENGTH, 'a client address'),
    expect: digitsOrNullIn(wire.expect, 'an expected version'),
    priority: typeof wire.priority === 'number' ? priorityIn(wire.priority) : null,
  };
}
