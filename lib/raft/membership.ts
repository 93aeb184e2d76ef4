import { assert, type Entry, type LogIndex } from '../base/index.js';
import { decodeConfiguration } from './configuration.js';
import { configurationOf, emit, type PlacedConfiguration, type RaftState } from './state.js';

/** A configuration takes effect when it is appended, not when it is committed (Raft §6). */
export function noteAppended(state: RaftState, entries: readonly Entry[]): void {
  const placed = placedConfigurations(entries);
  if (placed.length === 0) return;
  state.configurations = [...state.configurations, ...placed];
  emit(state, { kind: 'configured', configuration: configurationOf(state) });
}

/** A configuration that is truncated away was never in force: the one before it is again. */
export function noteTruncated(state: RaftState, index: LogIndex): void {
  const kept = state.configurations.filter((placed) => placed.index < index);
  if (kept.length === state.configurations.length) return;
  assert(kept.length > 0, 'the first configuration is committed or empty');
  state.configurations = kept;
  emit(state, { kind: 'configured', configuration: configurationOf(state) });
}

/** The configurations among entries, in order. A malformed one throws: it must not be passed over. */
export function placedConfigurations(entries: readonly Entry[]): readonly PlacedConfiguration[] {
  return entries
    .filter((entry) => entry.kind === 'configuration')
    .map((entry) => ({
      index: entry.index,
      configuration: decodeConfiguration(entry.payload),
    }));
}
