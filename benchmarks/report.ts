import type { LoadResult } from './load.js';

/** One line of the table; `extra` stands at its end. */
export function printRow(what: string, inFlight: number, result: LoadResult, extra = ''): void {
  const perSecond = Math.round(result.operations / result.seconds);
  const cells = [
    what.padEnd(28),
    `${inFlight} in flight`.padStart(16),
    `${perSecond} puts/s`.padStart(16),
    `p50 ${result.p50Ms.toFixed(2)} ms`.padStart(14),
    `p99 ${result.p99Ms.toFixed(2)} ms`.padStart(14),
    extra,
  ];
  print(cells.join('  ').trimEnd());
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A figure beside what it is to be. Speed is told, and fails nothing. */
export function printTarget(what: string, figure: string, target: string, isMet: boolean): void {
  print(`  ${what.padEnd(34)} ${figure.padStart(12)}   target ${target}${isMet ? '' : ': MISSED'}`);
}

/** Something that may never be otherwise: a program in which one is broken ends with exit code 1. */
export function claim(what: string, holds: boolean): void {
  print(`  ${holds ? 'holds ' : 'BROKEN'} ${what}`);
  if (!holds) process.exitCode = 1;
}

/** The value that `share` of the sorted times do not pass. 0 where there are none. */
export function percentile(times: readonly number[], share: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
}

/** Percentiles of sorted times in milliseconds. */
export function distribution(times: readonly number[]): string {
  const at = (share: number): string => `${percentile(times, share).toFixed(0)} ms`;
  const parts = [`p50 ${at(0.5)}`, `p90 ${at(0.9)}`, `p95 ${at(0.95)}`, `p99 ${at(0.99)}`];
  return `${parts.join('  ')}  longest ${at(1)}`;
}

const BAR = 50;

/** How many of the times fall between one bound and the next. */
export function printHistogram(times: readonly number[], boundsMs: readonly number[]): void {
  const bounds = [...boundsMs, Number.POSITIVE_INFINITY];
  const most = Math.max(1, times.length);
  for (const [i, to] of bounds.entries()) {
    const from = bounds[i - 1] ?? 0;
    const count = times.filter((ms) => ms >= from && ms < to).length;
    const name = to === Number.POSITIVE_INFINITY ? `${from} ms or more` : `${from} to ${to} ms`;
    const bar = '#'.repeat(Math.ceil((count / most) * BAR));
    print(`  ${name.padStart(16)} ${String(count).padStart(5)} ${bar}`.trimEnd());
  }
}

/** One line of a table of unlike things. */
export function row(what: string, ...cells: readonly string[]): void {
  const line = what.padEnd(40) + cells.map((cell) => cell.padEnd(28)).join('');
  process.stdout.write(`${line.trimEnd()}\n`);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

export function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}

export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
