import { at, type Limits } from '../../base/index.js';
import type { TimingOptions } from '../../timing/index.js';
import { SeededRandom } from '../seeded-random.js';

/** What can go wrong on purpose. Each has a stream of chance and a schedule of its own. */
export const FAULT_KINDS = [
  'isolate',
  'split',
  'bridge',
  'oneWay',
  'clog',
  'lossy',
  'slowLink',
  'reset',
  'kill',
  'powerCut',
  'blackout',
  'stall',
  'wallJump',
  'stop',
  'otherLimits',
  'syncFails',
  'diskHangs',
  'diskSlow',
  'diskFull',
  'flip',
  'zero',
  'stale',
  'lose',
  'wipe',
  'addMember',
  'promoteMember',
  'removeMember',
  'replaceMember',
  'transfer',
  'priority',
  'lease',
] as const;

/** The name of a fault. */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Places in the life of a node, seen from outside, at which it may be killed. */
export const CRASH_POINTS = [
  'voteAsked',
  'voteStored',
  'appendAsked',
  'appendStored',
  'compactAsked',
  'compactStored',
  'resetAsked',
  'resetStored',
  'snapshotBegun',
  'snapshotCommitting',
  'snapshotStored',
  'snapshotRemoving',
  'diskCall',
  'diskDone',
  'frameSent',
  'candidate',
  'elected',
  'applied',
  'configured',
  'installed',
] as const;

/** The name of such a place. */
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** All of a timing, in milliseconds. */
export type SimulatedTiming = { readonly [Name in keyof TimingOptions]-?: number };

/**
 * Everything that a seed decides before a run begins, as plain JSON: whoever looks for the smallest run that
 * fails takes things away here. Times are milliseconds of virtual time.
 */
export interface Features {
  /** Of the part with faults. */
  readonly durationMs: number;
  /** Nodes that found the cluster. */
  readonly nodes: number;
  /** Nodes that may join later. */
  readonly spares: number;
  readonly clients: number;
  readonly keys: number;
  /** Of all clients together, about. */
  readonly operationsPerSecond: number;
  /** How often each operation is drawn, relative to the others. */
  readonly operations: Readonly<Record<OperationKind, number>>;
  readonly valueBytes: number;
  readonly callTimeoutMs: number;
  readonly limits: Partial<Limits>;
  readonly segmentBytes: number;
  readonly maxBatchBytes: number;
  readonly timing: SimulatedTiming;
  readonly leaderLeaseMs: number | null;
  /** Largest share by which clocks go wrong, from the start on. */
  readonly clockDrift: number;
  readonly network: {
    readonly delayMs: readonly [least: number, most: number];
    readonly loss: number;
    readonly duplicate: number;
    readonly reorder: number;
    /** Share of frames that are held for up to `heldMs`. */
    readonly held: number;
    readonly heldMs: number;
  };
  readonly diskMs: readonly [least: number, most: number];
  /** Between two windows in which faults begin, nothing is broken for `quietMs`. */
  readonly windows: { readonly faultyMs: number; readonly quietMs: number };
  /** Average time between two faults of a kind, while faults begin. What is missing never happens. */
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** Share of passages at which a node is killed. */
  readonly points: Readonly<Partial<Record<CrashPoint, number>>>;
  /** Whether at first only a quorum is healed at the end. */
  readonly healsQuorumFirst: boolean;
}

/** What clients do. */
export const OPERATION_KINDS = [
  'put',
  'get',
  'leaseGet',
  'staleGet',
  'delete',
  'putIf',
  'putAbsent',
  'deleteIf',
  'list',
] as const;

/** The name of what a client does. */
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** What a seed decides. The same seed gives the same features in every version of Node. */
export function drawFeatures(seed: string | number): Features {
  const random = new SeededRandom(seed).fork('features');
  const draw = new Draw(random);
  const timing = drawTiming(draw.of('timing'));
  const nodes = draw.of('nodes').pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7]);
  return {
    durationMs: draw.of('duration').between(60_000, 600_000),
    nodes,
    spares: draw.of('spares').pick([0, 1, 2]),
    ...drawClients(draw.of('clients'), timing),
    limits: drawLimits(draw.of('limits')),
    segmentBytes: 4096 * draw.of('segments').pick([2, 3, 4, 8, 16, 64]),
    maxBatchBytes: draw.of('batches').pick([1, 2000, 20_000, 4 << 20]),
    timing,
    ...drawClocks(draw.of('clocks'), timing),
    network: drawNetwork(draw.of('network'), timing),
    diskMs: draw.of('disk').pick([
      [0, 0.5],
      [0.1, 2],
      [1, 10],
    ] as const),
    windows: {
      faultyMs: draw.of('faulty').between(15_000, 90_000),
      quietMs: draw.of('quiet').between(5_000, 15_000),
    },
    faults: drawFaults(draw),
    points: drawPoints(draw),
    healsQuorumFirst: nodes > 2 && draw.of('heal').chance(0.3),
  };
}

/** Streams by name, so that one decision more changes no other. */
class Draw {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  of(name: string): Draw {
    return new Draw(this.#random.fork(name));
  }

  chance(share: number): boolean {
    return this.#random.chance(share);
  }

  pick<T>(choices: readonly T[]): T {
    return at(choices, this.#random.below(choices.length));
  }

  /** A whole number in [least, most]. */
  between(least: number, most: number): number {
    return least + this.#random.below(most - least + 1);
  }
}

function drawTiming(draw: Draw): SimulatedTiming {
  const tickMs = draw.pick([10, 50, 100, 200, 200, 500, 500]);
  const heartbeatMs = tickMs * draw.between(1, 5);
  const electionTimeoutMinMs = heartbeatMs * draw.between(2, 6);
  const electionTimeoutMaxMs = electionTimeoutMinMs + tickMs * draw.between(1, 20);
  return { tickMs, heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs, networkDelayMs: 0 };
}

function drawClients(
  draw: Draw,
  timing: SimulatedTiming,
): Pick<
  Features,
  'clients' | 'keys' | 'operationsPerSecond' | 'operations' | 'valueBytes' | 'callTimeoutMs'
> {
  const share = (name: string, choices: readonly number[]): number => draw.of(name).pick(choices);
  return {
    clients: draw.of('count').between(1, 12),
    keys: draw.of('keys').pick([1, 2, 5, 10, 30, 200]),
    operationsPerSecond: draw.of('rate').pick([1, 2, 5, 10, 20, 40]),
    operations: {
      put: share('put', [1, 5, 10]),
      get: share('get', [1, 5, 10]),
      leaseGet: share('leaseGet', [0, 2, 5]),
      staleGet: share('staleGet', [0, 1]),
      delete: share('delete', [0, 1, 3]),
      putIf: share('putIf', [0, 2, 5]),
      putAbsent: share('putAbsent', [0, 1]),
      deleteIf: share('deleteIf', [0, 1]),
      list: share('list', [0, 0, 1]),
    },
    valueBytes: draw.of('values').pick([0, 20, 20, 100, 2000]),
    callTimeoutMs: Math.min(
      60_000,
      draw.of('timeout').between(2, 20) * timing.electionTimeoutMaxMs,
    ),
  };
}

function drawLimits(draw: Draw): Partial<Limits> {
  const one = (name: string, choices: readonly number[]): number => draw.of(name).pick(choices);
  return {
    maxAppendBytes: one('append', [100, 1000, 10_000, 256 * 1024]),
    maxInflightAppends: one('inflight', [1, 2, 8, 64]),
    maxInflightBytes: one('inflightBytes', [500, 20_000, 8 << 20]),
    maxUncommittedBytes: one('uncommitted', [2000, 50_000, 32 << 20]),
    snapshotEntries: one('snapshots', [1, 10, 30, 100, 300, 1000]),
    trailingEntries: one('trailing', [1, 3, 20, 200, 5000]),
    maxLogBytes: one('log', [2000, 100_000, 256 << 20]),
    maxPendingCalls: one('calls', [10, 100, 16_384]),
    maxQueuedBytes: one('queued', [5000, 100_000, 32 << 20]),
  };
}

function drawClocks(
  draw: Draw,
  timing: SimulatedTiming,
): Pick<Features, 'leaderLeaseMs' | 'clockDrift'> {
  const { heartbeatMs, electionTimeoutMinMs } = timing;
  const mostMs = Math.floor(electionTimeoutMinMs / 1.1);
  const hasLeases = draw.of('leases').chance(0.5) && mostMs > heartbeatMs;
  return {
    leaderLeaseMs: hasLeases ? draw.of('lease').between(heartbeatMs + 1, mostMs) : null,
    // Leases stand on clocks that differ by a tenth at most: each is off by half of it.
    clockDrift: hasLeases
      ? draw.of('drift').pick([0, 0.045])
      : draw.of('drift').pick([0, 0.05, 0.3]),
  };
}

function drawNetwork(draw: Draw, timing: SimulatedTiming): Features['network'] {
  const most = Math.max(
    1,
    Math.round(timing.heartbeatMs * draw.of('delay').pick([0.02, 0.1, 0.4])),
  );
  return {
    delayMs: [0, most],
    loss: draw.of('loss').pick([0, 0, 0.01, 0.05, 0.2]),
    duplicate: draw.of('duplicate').pick([0, 0, 0.02, 0.2]),
    reorder: draw.of('reorder').pick([0, 0, 0.05, 0.5]),
    held: draw.of('held').pick([0, 0, 0.001, 0.01]),
    heldMs: draw.of('heldMs').pick([1000, 30_000, 120_000]),
  };
}

/** Share of seeds in which each fault is on. */
const FAULT_SHARE = 0.4;

function drawFaults(draw: Draw): Partial<Record<FaultKind, number>> {
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const kind of FAULT_KINDS) {
    const own = draw.of(`fault ${kind}`);
    if (own.chance(FAULT_SHARE)) faults[kind] = own.between(3000, 40_000);
  }
  return faults;
}

/** Share of seeds in which each point is on. */
const POINT_SHARE = 0.25;

function drawPoints(draw: Draw): Partial<Record<CrashPoint, number>> {
  const points: Partial<Record<CrashPoint, number>> = {};
  for (const point of CRASH_POINTS) {
    const own = draw.of(`point ${point}`);
    if (own.chance(POINT_SHARE)) points[point] = own.pick(shareOf(point));
  }
  return points;
}

/** What is passed often kills seldom. */
function shareOf(point: CrashPoint): readonly number[] {
  switch (point) {
    case 'diskCall':
    case 'diskDone':
    case 'frameSent':
    case 'appendAsked':
    case 'appendStored':
    case 'applied':
      return [0.0001, 0.0005, 0.002];
    case 'voteAsked':
    case 'voteStored':
    case 'candidate':
    case 'elected':
    case 'installed':
    case 'resetAsked':
    case 'resetStored':
      return [0.05, 0.3];
    default:
      return [0.005, 0.05];
  }
}
