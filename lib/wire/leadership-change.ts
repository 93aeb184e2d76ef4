import { assert, isLeaderLease } from '../base/index.js';
import type { LeadershipChange, LeadershipSettings } from '../raft/types.js';
import { digitsOrNullIn, malformed } from './boundary.js';
import type { quorate } from './generated/quorate.js';

/** A change of how leaders are kept, as a client asks for it: a call of `Membership`. */
export interface LeadershipRequest {
  readonly kind: 'leadership';
  readonly leadership: LeadershipChange;
  readonly expect: string | null;
}

type Wire = quorate.v1.LeadershipRequest.$Properties;
type WireStatus = Pick<quorate.v1.NodeStatus.$Properties, 'leaderLeaseMs' | 'noCloseHint'>;

/** On the wire a lease of 0 is none, and what is absent stays. */
export function leadershipChangeToWire({ leaderLeaseMs, closeHint }: LeadershipChange): Wire {
  return {
    ...(leaderLeaseMs === undefined ? {} : { leaderLeaseMs: leaseToWire(leaderLeaseMs) }),
    ...(closeHint === undefined ? {} : { closeHint }),
  };
}

export function leadershipChangeFromWire({
  leaderLeaseMs,
  closeHint,
}: Pick<Wire, 'leaderLeaseMs' | 'closeHint'>): LeadershipChange {
  const isLeaseGiven = leaderLeaseMs !== null && leaderLeaseMs !== undefined;
  const isHintGiven = closeHint !== null && closeHint !== undefined;
  if (!isLeaseGiven && !isHintGiven) throw malformed('a change of leadership changes nothing');
  return {
    ...(isLeaseGiven ? { leaderLeaseMs: leaseFromWire(leaderLeaseMs) } : {}),
    ...(isHintGiven ? { closeHint } : {}),
  };
}

export function leadershipRequestToWire({ leadership, expect }: LeadershipRequest): Wire {
  return { ...leadershipChangeToWire(leadership), expect };
}

export function leadershipRequestFromWire(wire: Wire): LeadershipRequest {
  return {
    kind: 'leadership',
    leadership: leadershipChangeFromWire(wire),
    expect: digitsOrNullIn(wire.expect, 'an expected version'),
  };
}

/** As a node tells of them. */
export function leadershipToWire({ leaderLeaseMs, closeHint }: LeadershipSettings): WireStatus {
  return { leaderLeaseMs: leaseToWire(leaderLeaseMs), noCloseHint: !closeHint };
}

export function leadershipFromWire({ leaderLeaseMs, noCloseHint }: WireStatus): LeadershipSettings {
  return { leaderLeaseMs: leaseFromWire(leaderLeaseMs ?? 0), closeHint: noCloseHint !== true };
}

function leaseToWire(leaderLeaseMs: number | null): number {
  if (leaderLeaseMs === null) return 0;
  assert(isLeaderLease(leaderLeaseMs), 'a lease has a length that is allowed');
  return leaderLeaseMs;
}

function leaseFromWire(value: number): number | null {
  if (value === 0) return null;
  if (!isLeaderLease(value)) throw malformed('a lease is out of range');
  return value;
}
