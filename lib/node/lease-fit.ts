import { LEASE_CLOCK_BOUND } from '../raft/index.js';
import type { Timing } from '../timing/index.js';

/** Leases that a timing can do with, in whole milliseconds; none where `leastMs` is above `mostMs`. */
export interface LeaseRange {
  readonly leastMs: number;
  readonly mostMs: number;
}

export function leaseRange({ heartbeatMs, electionTimeoutMinMs }: Timing): LeaseRange {
  return {
    // One that is over before the next heartbeat renews it answers some reads, by chance.
    leastMs: heartbeatMs + 1,
    // The promises of voters are to be over when an election timeout is.
    mostMs: Math.floor(electionTimeoutMinMs / (1 + LEASE_CLOCK_BOUND)),
  };
}

/**
 * Why leases of that length do not go with a timing, in words; null where they do. Safety is not at
 * stake: voters keep their promises by the length of the lease, whatever their timing.
 */
export function leaseMisfit(leaderLeaseMs: number | null, timing: Timing): string | null {
  if (leaderLeaseMs === null) return null;
  const { leastMs, mostMs } = leaseRange(timing);
  if (leaderLeaseMs >= leastMs && leaderLeaseMs <= mostMs) return null;
  const { heartbeatMs, electionTimeoutMinMs } = timing;
  const asked = `a leader lease of ${leaderLeaseMs} ms`;
  const least = `more than a heartbeat (${heartbeatMs} ms)`;
  const most = `with a tenth more at most the shortest election timeout (${electionTimeoutMinMs} ms)`;
  const advice = leastMs <= mostMs ? `take ${leastMs} to ${mostMs} ms` : 'no lease does';
  return `${asked} does not fit the timing: it is ${least}, and ${most}; ${advice}`;
}
