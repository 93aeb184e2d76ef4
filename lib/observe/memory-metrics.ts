import type { MetricLabels, Metrics } from '../interfaces/index.js';

/** What was observed under one name and set of labels. */
export interface Observations {
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/**
 * Metrics in memory, for tests and for whoever wants to look. Each name and set of labels is one
 * number, or one summary, so that memory grows with their number and not with time.
 */
export class MemoryMetrics implements Metrics {
  readonly #counts = new Map<string, number>();
  readonly #gauges = new Map<string, number>();
  readonly #observations = new Map<string, Observations>();

  count(name: string, labels: MetricLabels = {}, by = 1): void {
    const key = seriesKey(name, labels);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + by);
  }

  gauge(name: string, value: number, labels: MetricLabels = {}): void {
    this.#gauges.set(seriesKey(name, labels), value);
  }

  observe(name: string, value: number, labels: MetricLabels = {}): void {
    const key = seriesKey(name, labels);
    const known = this.#observations.get(key);
    this.#observations.set(key, {
      count: (known?.count ?? 0) + 1,
      sum: (known?.sum ?? 0) + value,
      min: Math.min(known?.min ?? value, value),
      max: Math.max(known?.max ?? value, value),
    });
  }

  /** What was counted: 0 where nothing was. */
  counted(name: string, labels: MetricLabels = {}): number {
    return this.#counts.get(seriesKey(name, labels)) ?? 0;
  }

  /** The last value of a gauge, or null. */
  gauged(name: string, labels: MetricLabels = {}): number | null {
    return this.#gauges.get(seriesKey(name, labels)) ?? null;
  }

  /** The summary of what was observed, or null. */
  observed(name: string, labels: MetricLabels = {}): Observations | null {
    return this.#observations.get(seriesKey(name, labels)) ?? null;
  }
}

/** The same whatever the order in which labels were written. */
function seriesKey(name: string, labels: MetricLabels): string {
  return JSON.stringify([name, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
