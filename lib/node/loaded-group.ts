import { at, QuorateError } from '../base/index.js';
import type { GroupStorage, HardState } from '../interfaces/index.js';
import { decodeConfiguration, type RaftOptions } from '../raft/index.js';

/** What a member begins with: as its storage holds it. */
export type LoadedGroup = Pick<
  RaftOptions,
  'hardState' | 'compacted' | 'configuration' | 'entries'
>;

/** Reads one group from its storage. What contradicts itself is ERR_CORRUPT, and is not served from. */
export async function loadGroup(group: string, storage: GroupStorage): Promise<LoadedGroup> {
  const hardState = await storage.state.load();
  const { compacted, entries } = await storage.log.open();
  const lastTerm = entries.length === 0 ? compacted.term : at(entries, entries.length - 1).term;
  checkState(group, hardState, lastTerm);
  for (const entry of entries) {
    if (entry.group !== group) throw corrupt(group, `entry ${entry.index} is of "${entry.group}"`);
    if (entry.kind === 'configuration') checkConfiguration(group, entry.index, entry.payload);
  }
  return {
    hardState,
    compacted: { ...compacted, logTimeMs: 0 },
    configuration: null,
    entries,
  };
}

/** Schedule F7: a log whose term was never stored could be voted past twice. */
function checkState(group: string, hardState: HardState | null, lastTerm: number): void {
  const term = hardState?.term ?? 0;
  if (term >= lastTerm) return;
  throw corrupt(group, `the stored term is ${term}, and its log has an entry of term ${lastTerm}`);
}

function checkConfiguration(group: string, index: number, payload: Uint8Array): void {
  try {
    decodeConfiguration(payload);
  } catch (cause) {
    throw corrupt(group, `the configuration at entry ${index} is not readable`, cause);
  }
}

function corrupt(group: string, what: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_CORRUPT', { message: `group ${group}: ${what}`, cause });
}
