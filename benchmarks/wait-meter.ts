import { readFileSync } from 'node:fs';
import { distribution, percentile, print, printTarget } from './report.js';

/** A time, and how long the processes that it depends on had to wait for a processor meanwhile. */
export interface MeteredTime {
  readonly tookMs: number;
  /** The longest of any of them. */
  readonly waitedMs: number;
}

/** Of a time, what it may consist of waiting for a processor and still say something about the program. */
const MAX_WAITED_SHARE = 0.1;

/** Below this there is no telling. */
const MIN_UNDISTURBED = 5;

/** What a share of the times is not to pass. */
export interface ShareTarget {
  readonly share: number;
  readonly targetMs: number;
}

/** All times, and beside their targets those in which other programs of the machine played no part. */
export function printMetered(
  what: string,
  times: readonly MeteredTime[],
  targets: readonly ShareTarget[],
): void {
  print(`  ${what.padEnd(22)} ${distribution(sorted(times))}`);
  const undisturbed = sorted(
    times.filter(({ tookMs, waitedMs }) => waitedMs <= tookMs * MAX_WAITED_SHARE),
  );
  const among = `${undisturbed.length} of ${times.length} times no process that matters waited`;
  print(`  ${among} for a processor for more than a tenth of the time; of these`);
  if (undisturbed.length < MIN_UNDISTURBED) {
    print('  too few to say anything: processors are scarce on this machine now');
    return;
  }
  print(`  ${what.padEnd(22)} ${distribution(undisturbed)}`);
  for (const { share, targetMs } of targets) {
    const ms = percentile(undisturbed, share);
    const name = `p${share * 100}`;
    printTarget(name, `${ms.toFixed(0)} ms`, `under ${targetMs} ms`, ms < targetMs);
  }
}

export function sorted(times: readonly MeteredTime[]): readonly number[] {
  return times.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
}

/**
 * How long processes are ready to run without a processor, as Linux says of their main threads; 0 where
 * nobody says. Begins at once; this process is one of them.
 */
export class WaitMeter {
  readonly #before: ReadonlyMap<number, number>;
  #waitedMs = 0;

  constructor(processIds: readonly number[]) {
    this.#before = new Map([process.pid, ...processIds].map((id) => [id, waitedMsOf(id)]));
  }

  /** Until `stop`. */
  get waitedMs(): number {
    return this.#waitedMs;
  }

  stop(): void {
    const waited = [...this.#before].map(([id, before]) => waitedMsOf(id) - before);
    this.#waitedMs = waited.reduce((most, ms) => Math.max(most, ms), 0);
  }
}

function waitedMsOf(processId: number): number {
  try {
    const [, waitedNs = '0'] = readFileSync(`/proc/${processId}/schedstat`, 'utf8').split(' ');
    return Number(waitedNs) / 1e6;
  } catch {
    // Another system, or a process that is gone.
    return 0;
  }
}
