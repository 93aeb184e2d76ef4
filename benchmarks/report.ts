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
