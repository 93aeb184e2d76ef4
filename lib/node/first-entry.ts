import { type GroupId, packEntries } from '../base/index.js';
import type { GroupStorage } from '../interfaces/index.js';
import { type Configuration, encodeConfiguration } from '../raft/index.js';
import type { LoadedGroup } from './loaded-group.js';

/** The term of the entry that founds a group. The first election is for the one after. */
export const FOUNDING_TERM = 1;

/** Stores `configuration` as entry 1 of a new group. Resolves when it is durable, with what was stored. */
export async function storeFirstEntry(
  group: GroupId,
  storage: GroupStorage,
  configuration: Configuration,
): Promise<LoadedGroup> {
  const hardState = { term: FOUNDING_TERM, votedFor: null };
  const entries = packEntries({ group, term: FOUNDING_TERM, firstIndex: 1, logTimeMs: 0 }, [
    { kind: 'configuration', commandVersion: 0, payload: encodeConfiguration(configuration) },
  ]);
  // State first: a log without a term would be refused at the next start.
  await storage.state.save(hardState);
  await storage.log.append(entries);
  const compacted = { index: 0, term: 0, logTimeMs: 0 };
  return { hardState, compacted, configuration: null, entries };
}
