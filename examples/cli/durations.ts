import { UsageError } from './usage-error.js';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Reads `500ms`, `10s`, `2m` or `1h` as milliseconds above 0; a bare number counts seconds. */
export function parseDuration(text: string, source: string): number {
  const [, digits = '', unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const durationMs = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (digits !== '' && durationMs > 0) return durationMs;
  throw new UsageError(
    `${source} must be a duration such as 10s or 500ms, not ${JSON.stringify(text)}`,
  );
}
