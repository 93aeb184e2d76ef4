import { LEASE_CLOCK_BOUND } from '../raft/index.js';
import type { Timing } from '../timing/index.js';

/**
 * Why leases of that length do not go with a timing, in words; null where they do. Safety is not at
 * stake: voters keep their promises by the length of the lease, whatever their timing.
 */
export function leaseMisfit(leaderLeaseMs: number | null, timing: Timing): string | null {
  if (leaderLeaseMs === null) return null;
  const { heartbeatMs, electionTimeoutMinMs } = timing;
  const longestMs = Math.floor(electionTimeoutMinMs / (1 + LEASE_CLOCK_BOUND));
  // One that is over before the next heartbeat renews it answers some reads, by chance.
  if (leaderLeaseMs > heartbeatMs && leaderLeaseMs <= longestMs) return null;
  const asked = `a leader lease of ${leaderLeaseMs} ms`;
  const least = `more than a heartbeat (${heartbeatMs} ms)`;
  const most = `with a tenth more at most the shortest election timeout (${electionTimeoutMinMs} ms)`;
  const isAny = heartbeatMs < longestMs;
  const advice = isAny ? `take ${heartbeatMs + 1} to ${longestMs} ms` : 'no lease does';
  return `${asked} does not fit the timing: it is ${least}, and ${most}; ${advice}`;
}
