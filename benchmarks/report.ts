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
  process.stdout.write(`${cells.join('  ').trimEnd()}\n`);
}
