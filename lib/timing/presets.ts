import { QuorateError } from '../base/index.js';

/**
 * How fast a group notices that its leader is gone, in whole milliseconds. What is left out is taken
 * from `fast`, but for `tickMs`. To change one number of another preset:
 * `{ ...TIMING_PRESETS.demo, networkDelayMs: 0 }`.
 *
 * All members of a cluster should run at the same timing; a slower one stands for election later.
 */
export interface TimingOptions {
  /**
   * The grain of all timing: elections and heartbeats happen on ticks, so it divides the three below.
   * Default: the largest that does, and gives at least five ticks a heartbeat where that is possible.
   */
  readonly tickMs?: number | undefined;
  /** Time between two heartbeats of a leader. */
  readonly heartbeatMs?: number | undefined;
  /** Shortest silence after which a follower stands for election. More than `heartbeatMs`. */
  readonly electionTimeoutMinMs?: number | undefined;
  /** Longest such silence; each wait is drawn from between the two. More than the shortest. */
  readonly electionTimeoutMaxMs?: number | undefined;
  /** Holds every frame back this long, each way, so that eyes can follow. 0 in production. */
  readonly networkDelayMs?: number | undefined;
}

/** A timing that has been checked, in milliseconds and in ticks. */
export interface Timing {
  readonly tickMs: number;
  readonly heartbeatMs: number;
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
  readonly networkDelayMs: number;
  readonly heartbeatTicks: number;
  /** Shortest election timeout. At least `heartbeatTicks + 1`. */
  readonly electionMinTicks: number;
  /** Longest election timeout. At least `electionMinTicks + 1`. */
  readonly electionMaxTicks: number;
}

/** The timings that have a name. */
export type TimingPreset = 'fast' | 'debug' | 'demo';

/** `fast` is the default. `PRESET_PURPOSES` says what each is for. */
export const TIMING_PRESETS: Readonly<
  Record<TimingPreset, Readonly<Record<keyof TimingOptions, number>>>
> = {
  fast: {
    tickMs: 10,
    heartbeatMs: 50,
    electionTimeoutMinMs: 150,
    electionTimeoutMaxMs: 300,
    networkDelayMs: 0,
  },
  debug: {
    tickMs: 100,
    heartbeatMs: 500,
    electionTimeoutMinMs: 1000,
    electionTimeoutMaxMs: 2000,
    networkDelayMs: 50,
  },
  demo: {
    tickMs: 1000,
    heartbeatMs: 3000,
    electionTimeoutMinMs: 5000,
    electionTimeoutMaxMs: 8000,
    networkDelayMs: 500,
  },
};

/** What each preset is for, in a few words. */
export const PRESET_PURPOSES: Readonly<Record<TimingPreset, string>> = {
  fast: 'production on one site',
  debug: 'stepping through with logs',
  demo: 'watching it with your eyes',
};

/** A kind of host, and a timing that holds there. */
export interface HostTiming {
  readonly host: string;
  readonly timing: TimingPreset | TimingOptions;
  readonly reason: string;
}

/** From the kind of host to a timing that holds; where in doubt, take the slower one. */
export const HOST_TIMINGS: readonly HostTiming[] = [
  {
    host: 'a process of its own, one site',
    timing: 'fast',
    reason: 'Nothing else holds the event loop, and a round trip takes less than a millisecond.',
  },
  {
    host: 'inside a web application',
    timing: { heartbeatMs: 200, electionTimeoutMinMs: 1000, electionTimeoutMaxMs: 2000 },
    reason:
      'Rendering, parsing and garbage collection hold the event loop for tens or hundreds of milliseconds.',
  },
  {
    host: 'members far apart',
    timing: { heartbeatMs: 500, electionTimeoutMinMs: 2500, electionTimeoutMaxMs: 5000 },
    reason: 'Round trips of up to 250 ms, and a lost packet that is sent again, fit several times.',
  },
];

/**
 * Checks a timing and fills in what is missing; nothing given is `fast`. What cannot hold is
 * ERR_CONFIG, and the message says what would.
 */
export function resolveTiming(given: TimingPreset | TimingOptions = 'fast'): Timing {
  const options = typeof given === 'string' ? preset(given) : given;
  const chosen: Record<keyof TimingOptions, number | undefined> = { ...TIMING_PRESETS.fast };
  chosen.tickMs = undefined;
  for (const [name, value] of Object.entries(options)) {
    if (!isTimingName(name)) {
      fail(`timing.${name} is not an option; there are ${Object.keys(chosen).join(', ')}`);
    }
    chosen[name] = value ?? chosen[name];
  }
  const heartbeatMs = milliseconds('heartbeatMs', chosen.heartbeatMs);
  const minMs = milliseconds('electionTimeoutMinMs', chosen.electionTimeoutMinMs);
  const maxMs = milliseconds('electionTimeoutMaxMs', chosen.electionTimeoutMaxMs);
  const networkDelayMs = milliseconds('networkDelayMs', chosen.networkDelayMs, 0);
  checkOrder(heartbeatMs, minMs, maxMs, networkDelayMs);
  const tickMs =
    chosen.tickMs === undefined
      ? defaultTickMs(heartbeatMs, minMs, maxMs)
      : milliseconds('tickMs', chosen.tickMs);
  checkTick(tickMs, heartbeatMs, minMs, maxMs);
  return {
    tickMs,
    heartbeatMs,
    electionTimeoutMinMs: minMs,
    electionTimeoutMaxMs: maxMs,
    networkDelayMs,
    heartbeatTicks: heartbeatMs / tickMs,
    electionMinTicks: minMs / tickMs,
    electionMaxTicks: maxMs / tickMs,
  };
}

function preset(name: string): Readonly<Record<keyof TimingOptions, number>> {
  if (isPreset(name)) return TIMING_PRESETS[name];
  const names = Object.keys(TIMING_PRESETS).join(', ');
  return fail(`timing ${JSON.stringify(name)} is not a preset; there are ${names}`);
}

function isPreset(name: string): name is TimingPreset {
  return Object.hasOwn(TIMING_PRESETS, name);
}

function isTimingName(name: string): name is keyof TimingOptions {
  return Object.hasOwn(TIMING_PRESETS.fast, name);
}

/** Thirty days: anything longer is a unit mistaken for another. */
const MAX_MS = 30 * 24 * 60 * 60 * 1000;

function milliseconds(name: keyof TimingOptions, value: unknown, least = 1): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= MAX_MS) {
    return value;
  }
  return fail(`timing.${name} must be whole milliseconds from ${least} to ${MAX_MS}, not ${value}`);
}

function checkOrder(heartbeatMs: number, minMs: number, maxMs: number, delayMs: number): void {
  if (heartbeatMs >= minMs) {
    fail(
      `timing.heartbeatMs (${heartbeatMs}) must be less than timing.electionTimeoutMinMs (${minMs}), ` +
        `or followers stand for election between two heartbeats; ${3 * heartbeatMs} or more holds`,
    );
  }
  if (minMs >= maxMs) {
    fail(
      `timing.electionTimeoutMinMs (${minMs}) must be less than timing.electionTimeoutMaxMs (${maxMs}), ` +
        `or votes split again and again; ${2 * minMs} for the longest holds`,
    );
  }
  if (2 * delayMs >= minMs) {
    fail(
      `timing.networkDelayMs (${delayMs}) there and back must take less than ` +
        `timing.electionTimeoutMinMs (${minMs}), or no election ends in time`,
    );
  }
}

function checkTick(tickMs: number, heartbeatMs: number, minMs: number, maxMs: number): void {
  const common = commonDivisor(heartbeatMs, commonDivisor(minMs, maxMs));
  if (common % tickMs === 0) return;
  fail(
    `timing.tickMs (${tickMs}) must divide heartbeatMs (${heartbeatMs}), electionTimeoutMinMs ` +
      `(${minMs}) and electionTimeoutMaxMs (${maxMs}); ${defaultTickMs(heartbeatMs, minMs, maxMs)} does`,
  );
}

/** Fewer ticks a heartbeat than this, and the random part of an election timeout has few values. */
const TICKS_PER_HEARTBEAT = 5;

function defaultTickMs(heartbeatMs: number, minMs: number, maxMs: number): number {
  const common = commonDivisor(heartbeatMs, commonDivisor(minMs, maxMs));
  const parts = Math.ceil((TICKS_PER_HEARTBEAT * common) / heartbeatMs);
  for (let count = parts; count < common; count += 1) {
    if (common % count === 0) return common / count;
  }
  return 1;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

function fail(message: string): never {
  throw new QuorateError('ERR_CONFIG', { message });
}
