/**
 * Counters, gauges and histograms, shaped like Prometheus. Called from hot paths: implementations
 * keep it cheap and never throw. A name is used with one kind and one set of labels only.
 */
export interface Metrics {
  /** Adds `by`, 1 unless told, to a number that only grows. */
  count(name: string, labels?: MetricLabels, by?: number): void;
  /** Sets a number that goes up and down. */
  gauge(name: string, value: number, labels?: MetricLabels): void;
  /** Records one observation, in the unit that the name ends in. */
  observe(name: string, value: number, labels?: MetricLabels): void;
}

/** Names and values of labels; few values for each name. */
export type MetricLabels = Readonly<Record<string, string>>;
