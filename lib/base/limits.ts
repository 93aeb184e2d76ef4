import { QuorateError } from './errors.js';

/** Everything has a limit. Sizes in bytes. */
export interface Limits {
  /** Longest key. A longer one is ERR_TOO_LARGE. Default 8,192. */
  readonly maxKeyBytes: number;
  /** Largest value, or command of a user's own machine. Larger is ERR_TOO_LARGE. Default 1 MiB, at most 16 MiB. */
  readonly maxValueBytes: number;
  /** Entries in one append message hold at most this many bytes; one entry always fits. Default 256 KiB. */
  readonly maxAppendBytes: number;
  /** Append messages sent to one follower and not yet answered. When reached, it gets heartbeats only. Default 64. */
  readonly maxInflightAppends: number;
  /** Bytes sent to one follower and not yet answered. One append may always be under way. Default 8 MiB. */
  readonly maxInflightBytes: number;
  /** Bytes proposed and not yet committed. When reached, proposals fail with ERR_BUSY. Default 32 MiB. */
  readonly maxUncommittedBytes: number;
  /** Entries since the last snapshot after which the next is taken. Default 100,000. */
  readonly snapshotEntries: number;
  /** Bytes of entries since the last snapshot after which the next is taken. Default 64 MiB. */
  readonly snapshotBytes: number;
  /** Entries before a snapshot that stay in memory, for members that are not far behind. Default 5,000. */
  readonly trailingEntries: number;
  /** Bytes of entries in memory. When reached, what a snapshot covers is forgotten whoever needs it. Default 256 MiB. */
  readonly maxLogBytes: number;
  /** Calls of one node that wait for an answer. When reached, further ones fail with ERR_BUSY. Default 16,384. */
  readonly maxPendingCalls: number;
  /** Bytes of the commands in them. One may always wait. When reached, further ones fail with ERR_BUSY. Default 64 MiB. */
  readonly maxPendingBytes: number;
  /** Bytes queued for one peer and lane. When reached, further frames are dropped. Default 32 MiB. */
  readonly maxQueuedBytes: number;
  /** Client connections at once. Further ones are closed with a reason. Default 1,024. */
  readonly maxClientConnections: number;
  /** Views held for paged listings of remote clients. The one idle longest is dropped first. Default 64. */
  readonly maxOpenViews: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = {
  maxKeyBytes: 8192,
  maxValueBytes: MIB,
  maxAppendBytes: 256 * 1024,
  maxInflightAppends: 64,
  maxInflightBytes: 8 * MIB,
  maxUncommittedBytes: 32 * MIB,
  snapshotEntries: 100_000,
  snapshotBytes: 64 * MIB,
  trailingEntries: 5000,
  maxLogBytes: 256 * MIB,
  maxPendingCalls: 16384,
  maxPendingBytes: 64 * MIB,
  maxQueuedBytes: 32 * MIB,
  maxClientConnections: 1024,
  maxOpenViews: 64,
};

const CEILINGS: Partial<Record<keyof Limits, number>> = {
  maxKeyBytes: 8192,
  maxValueBytes: 16 * MIB,
};

/** Room in a frame beside its largest entry. */
const FRAME_ALLOWANCE_BYTES = 64 * 1024;

/** The largest frame between peers, or between client and server, that these limits allow. */
export function maxFrameBytes(limits: Limits): number {
  return (
    Math.max(limits.maxValueBytes + limits.maxKeyBytes, limits.maxAppendBytes) +
    FRAME_ALLOWANCE_BYTES
  );
}

/** Fills in the defaults; a limit that is not a positive integer, or above its ceiling, is ERR_CONFIG. */
export function resolveLimits(
  given: { readonly [K in keyof Limits]?: Limits[K] | undefined } = {},
): Limits {
  const resolved: Record<keyof Limits, number> = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(given)) {
    if (!isLimitName(name)) {
      throw new QuorateError('ERR_CONFIG', { message: `limits.${name} is not a limit` });
    }
    if (value === undefined) continue;
    const ceiling = CEILINGS[name] ?? Number.MAX_SAFE_INTEGER;
    if (!Number.isSafeInteger(value) || value < 1 || value > ceiling) {
      throw new QuorateError('ERR_CONFIG', {
        message: `limits.${name} must be an integer from 1 to ${ceiling}, not ${value}`,
      });
    }
    resolved[name] = value;
  }
  return resolved;
}

function isLimitName(name: string): name is keyof Limits {
  return Object.hasOwn(DEFAULT_LIMITS, name);
}

/** The longest leader lease. A member that starts withholds its vote for as long, and a tenth more. */
export const MAX_LEADER_LEASE_MS = 60_000;

export function isLeaderLease(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= MAX_LEADER_LEASE_MS;
}

/** ERR_CONFIG for settings that no cluster could have; what is not given stays as it is. */
export function validateLeadership({
  leaderLeaseMs,
  closeHint,
}: {
  readonly leaderLeaseMs?: number | null | undefined;
  readonly closeHint?: boolean | undefined;
}): void {
  const wrong = (message: string): QuorateError => new QuorateError('ERR_CONFIG', { message });
  if (leaderLeaseMs === undefined && closeHint === undefined) {
    throw wrong('leadership is changed by leaderLeaseMs, closeHint or both');
  }
  if (closeHint !== undefined && typeof closeHint !== 'boolean') {
    throw wrong(`closeHint must be true or false, not ${String(closeHint)}`);
  }
  if (leaderLeaseMs === undefined || leaderLeaseMs === null) return;
  if (isLeaderLease(leaderLeaseMs)) return;
  throw wrong(
    `leaderLeaseMs must be null or an integer from 1 to ${MAX_LEADER_LEASE_MS}, not ${leaderLeaseMs}`,
  );
}

/** Of a member of whom nothing else was said. A leader hands over to members of a higher priority. */
export const DEFAULT_PRIORITY = 1;
export const MAX_PRIORITY = 100;

/** Whether this is an integer from 0 to `MAX_PRIORITY`. */
export function isPriority(value: unknown): value is number {
  return (
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_PRIORITY
  );
}

/** Throws ERR_CONFIG for what a user gave as a priority and is none. */
export function validatePriority(value: number | undefined): void {
  if (value === undefined || isPriority(value)) return;
  throw new QuorateError('ERR_CONFIG', {
    message: `a priority is an integer from 0 to ${MAX_PRIORITY}, not ${value}`,
  });
}
