import type { Flag } from './flags.js';

/** The flags of a table, one a line, aligned. */
export function describeFlags(flags: readonly Flag[]): string {
  return columns(flags.map((flag) => [namesOf(flag), flag.help]));
}

/** Lines of cells, each column as wide as its widest cell. No blanks at the ends of lines. */
export function columns(rows: readonly (readonly string[])[], indent = '  '): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n');
}

function namesOf({ name, aliases = [], short, value }: Flag): string {
  const names = [name, ...aliases].map((long) => `--${long}`);
  if (short !== undefined) names.push(`-${short}`);
  return value === null ? names.join(', ') : `${names.join(', ')} ${value}`;
}
