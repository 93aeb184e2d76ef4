import type { LogIndex } from '../base/index.js';
import { leadershipOf } from './configuration.js';
import { isLeaving } from './membership.js';
import type { LeaseStamp } from './messages.js';
import type { Progress } from './progress.js';
import { hasQuorum, votersOf } from './quorum.js';
import { configurationOf, type RaftState } from './state.js';

/*
 * Leader leases (Thesis §6.4.1): reads without asking, for as long as no other leader can be elected.
 *
 *   leader   sends a heartbeat at s ─────────────────── answers reads until s + lease
 *   voter         hears it at h >= s ─────────────────────── votes for nobody until h + lease × 1.1
 *
 * That holds while no voter's clock gains a tenth on the leader's. The promise is kept whatever becomes
 * of term and leader. It ends early in one case: the leader itself tells somebody to stand, and relies on
 * no lease any more in that term.
 */

/** How much faster than a leader's a voter's clock may run, as a share. */
export const LEASE_CLOCK_BOUND = 0.1;

/** Leader: what a heartbeat that is sent now asks voters to promise; null where leases are off. */
export function leaseStamp(state: RaftState): LeaseStamp | null {
  const { leaderLeaseMs } = leadershipOf(configurationOf(state));
  if (leaderLeaseMs === null) return null;
  // Rounded down: a lease that ends too early harms nobody.
  return { sentMs: Math.floor(state.nowMs), leaseMs: leaderLeaseMs };
}

/** Voter: from now on nobody is voted for until the lease, as this clock measures it, is over. */
export function promiseLease(state: RaftState, { leaseMs }: LeaseStamp): void {
  const untilMs = state.nowMs + leaseMs * (1 + LEASE_CLOCK_BOUND);
  state.promisedUntilMs = Math.max(state.promisedUntilMs ?? 0, untilMs);
}

/** Leader: a member has made the promise that the heartbeat of that moment asked for. */
export function noteLeasePromised(progress: Progress, stamp: LeaseStamp): void {
  if ((progress.lease?.sentMs ?? 0) <= stamp.sentMs) progress.lease = stamp;
}

/**
 * A member that starts may have promised anything up to a whole lease just before it stopped. It has
 * `configurations` on its disk, or no leader counted its promises.
 */
export function promiseAgain(state: RaftState): void {
  if (state.promisedUntilMs === null) promiseWhatIsStored(state);
}

/**
 * Also when a configuration is stored here: the leader counts from then on what this member has promised,
 * and it may have done so before it last started, when nothing here spoke of leases.
 */
export function promiseWhatIsStored(state: RaftState): void {
  state.promisedUntilMs ??= 0;
  for (const { configuration } of state.configurations) {
    const { leaderLeaseMs: leaseMs } = leadershipOf(configuration);
    if (leaseMs !== null) promiseLease(state, { sentMs: 0, leaseMs });
  }
}

/** Whether a lease may rest on this member's not voting. */
export function isPromised(state: RaftState): boolean {
  if (state.nowMs >= (state.promisedUntilMs ?? 0)) return false;
  // Alone it is the leader that it promised to: one that is no voter holds no lease.
  return votersOf(configurationOf(state)).some((voter) => voter !== state.options.self);
}

/**
 * The index that a read at `nowMs` must have applied to be linearizable without asking anybody; null
 * where this member holds no lease then.
 */
export function leaseIndex(state: RaftState, nowMs: number): LogIndex | null {
  if (state.role !== 'leader' || state.transfer !== null || state.isLeaseGone) return null;
  // Whoever is left alone without this leader waits for no promise.
  if (isLeaving(state)) return null;
  // A new leader does not know what its predecessor committed before its own no-op is (Raft §8).
  if (state.commitIndex < state.termStartIndex) return null;
  const settledIndex = state.configurations.at(-1)?.index ?? 0;
  // Before the setting is committed it may vanish, and those without it forget their promises.
  if (settledIndex > state.commitIndex) return null;
  const { leaderLeaseMs } = leadershipOf(configurationOf(state));
  if (leaderLeaseMs === null) return null;
  const isHeld = hasQuorum(configurationOf(state), (member) => {
    if (member === state.options.self) return true;
    const progress = state.progress.get(member);
    if (progress === undefined || progress.matchIndex < settledIndex) return false;
    const { lease } = progress;
    if (lease === null) return false;
    return nowMs < lease.sentMs + Math.min(lease.leaseMs, leaderLeaseMs);
  });
  return isHeld ? state.commitIndex : null;
}
