import type { Metrics } from '../interfaces/index.js';

/** Every metric that a node records, and what it counts. The one place that names them. */
export const METRICS = {
  quorate_log_writes_total: 'Durable writes of log entries; each is one sync.',
  quorate_log_entries_written_total: 'Entries in those writes.',
  quorate_entries_applied_total: 'Committed entries that the state machine has answered.',
  quorate_snapshots_sent_total:
    'Snapshots that a member began to receive from this node, from the first byte.',
  quorate_elections_total: 'Election timeouts after which this node stood.',
  quorate_messages_misdirected_total:
    'Raft messages from or for another incarnation, which were dropped.',
} as const;

export type MetricName = keyof typeof METRICS;

/** Counts by a name that is known. */
export function count(metrics: Metrics, name: MetricName, by = 1): void {
  metrics.count(name, undefined, by);
}
