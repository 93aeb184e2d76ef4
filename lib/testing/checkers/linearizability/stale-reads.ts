import type { Revision } from '../../../store/index.js';
import { type Change, KVFacts, type KVOperation, type Sighting } from './kv-facts.js';
import type { KVInput } from './kv-model.js';
import { text } from './revisions.js';

type Read = Extract<KVInput, { readonly kind: 'get' }>;

/**
 * What `stale` reads promise, which linearizability says nothing of: a sentence for each breach. A read with
 * `minRevision` sees every change up to it, so that a session that hands on what it was told never goes back.
 * One with `maxStalenessMs` sees every change that was acknowledged longer ago, by the clock of the history.
 * That what they show was put at all is for `brokenRevisions`.
 */
export function brokenStaleReads(operations: readonly KVOperation[]): readonly string[] {
  const facts = new KVFacts(operations);
  return facts.sightings.flatMap((sighting) => {
    const { input } = sighting.operation;
    if (input.kind !== 'get' || input.consistency !== 'stale') return [];
    const missed = missedChange(sighting, input, facts);
    return missed === null ? [] : [`${text(sighting.operation)} misses ${text(missed.operation)}`];
  });
}

/** A change that the read had to see and does not show. */
function missedChange(sighting: Sighting, input: Read, facts: KVFacts): Change | null {
  const owed = facts
    .changesOf(sighting.key)
    .filter((change) => isOwed(change, input, sighting.operation.invokedMs));
  const last = owed.at(-1);
  return last === undefined || isSeen(last, sighting, facts) ? null : last;
}

function isOwed({ revision, operation }: Change, input: Read, invokedMs: number): boolean {
  if (revision <= (input.minRevision ?? 0)) return true;
  const { maxStalenessMs } = input;
  if (maxStalenessMs === undefined || operation.outcome !== 'acknowledged') return false;
  return operation.returnedMs < invokedMs - maxStalenessMs;
}

function isSeen(
  { revision, value }: Change,
  { key, entry, operation }: Sighting,
  facts: KVFacts,
): boolean {
  if (entry !== null) return entry.modRevision >= revision;
  return value === null || mayBeDeleted(key, revision, operation.returnedAt, facts);
}

/** Whether a deletion after that revision had begun by then. */
function mayBeDeleted(key: string, after: Revision, by: number, facts: KVFacts): boolean {
  const known = facts.changesOf(key).filter(({ revision }) => revision > after);
  return [...known, ...facts.unknownWritesOf(key)].some((write) => {
    return write.value === null && write.operation.invokedAt <= by;
  });
}
