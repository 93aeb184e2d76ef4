import { isName, type NodeId, QuorateError } from '../base/index.js';
import type {
  Consistency,
  Freshness,
  KeyCondition,
  ListOptions,
  PutOptions,
  ReadOptions,
} from './types.js';

const CONSISTENCIES: readonly Consistency[] = ['linearizable', 'leaderLease', 'stale'];

/** The longest staleness that a request can carry: 49 days. */
const MAX_UINT32 = 2 ** 32 - 1;

/** Whether a call may go out: ERR_CONFIG for options that make no sense, ERR_ABORTED once aborted. */
export function validateCall(options: ReadOptions): void {
  const { signal, timeoutMs, consistency, minRevision, maxStalenessMs } = options;
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw wrong(`timeoutMs must be a number above 0, not ${timeoutMs}`);
  }
  if (consistency !== undefined && !CONSISTENCIES.includes(consistency)) {
    throw wrong(
      `consistency must be one of ${CONSISTENCIES.join(', ')}, not ${JSON.stringify(consistency)}`,
    );
  }
  if (minRevision !== undefined) {
    if (consistency !== 'stale') throw wrong("minRevision goes with consistency 'stale'");
    if (!Number.isSafeInteger(minRevision) || minRevision < 0) {
      throw wrong(`minRevision must be an integer from 0 on, not ${minRevision}`);
    }
  }
  if (maxStalenessMs !== undefined) {
    if (consistency !== 'stale') throw wrong("maxStalenessMs goes with consistency 'stale'");
    if (
      !Number.isSafeInteger(maxStalenessMs) ||
      maxStalenessMs < 1 ||
      maxStalenessMs > MAX_UINT32
    ) {
      throw wrong(
        `maxStalenessMs must be an integer from 1 to ${MAX_UINT32}, not ${maxStalenessMs}`,
      );
    }
  }
  if (signal?.aborted === true) {
    throw new QuorateError('ERR_ABORTED', {
      message: 'the call was aborted',
      cause: signal.reason,
    });
  }
}

/** How fresh a read must be, as requests say it. */
export function freshnessOf({ consistency, minRevision, maxStalenessMs }: ReadOptions): Freshness {
  return {
    consistency: consistency ?? 'linearizable',
    ...(minRevision === undefined ? {} : { minRevision }),
    ...(maxStalenessMs === undefined ? {} : { maxStalenessMs }),
  };
}

/** The one condition that a write carries, or null. */
export function conditionOf({ ifRevision, ifAbsent }: PutOptions): KeyCondition | null {
  if (ifRevision === undefined) return ifAbsent === true ? { modRevision: 0 } : null;
  if (ifAbsent === true) throw wrong('ifRevision and ifAbsent exclude each other');
  if (!Number.isSafeInteger(ifRevision) || ifRevision < 0) {
    throw wrong(`ifRevision must be an integer from 0 on, not ${ifRevision}`);
  }
  return { modRevision: ifRevision };
}

/** Who is to lead, or null for whoever is most caught up. */
export function targetOf(to: NodeId | undefined): NodeId | null {
  if (to === undefined || isName(to)) return to ?? null;
  throw wrong(`${JSON.stringify(to)} is not the name of a node`);
}

/** The limit that was given, from 1 to `max`, or null. */
export function limitOf({ limit }: ListOptions, max: number): number | null {
  if (limit === undefined) return null;
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= max) return limit;
  throw wrong(`limit must be an integer from 1 to ${max}, not ${limit}`);
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
