import type { Revision } from '../../../store/index.js';
import { type Change, KVFacts, type KVOperation, type Sighting } from './kv-facts.js';
import { kvModel, type SeenEntry } from './kv-model.js';

/**
 * What revisions promise over all keys together, to `stale` reads as well: a sentence for each breach.
 *
 * - No two changes have the same revision.
 * - A change that begins when a revision is known to somebody takes a later one.
 * - An entry that is shown was put, with that revision, by a put that had begun.
 * - Its `version` counts the puts since it was created, and no deletion lies between.
 */
export function brokenRevisions(operations: readonly KVOperation[]): readonly string[] {
  const facts = new KVFacts(operations);
  const sources = new Map<Revision, Sighting>();
  return [
    ...sharedRevisions(facts.changes),
    ...revisionsThatGoBack(operations, facts.changes),
    ...facts.sightings.flatMap((sighting) => brokenSighting(sighting, facts, sources)),
  ];
}

function sharedRevisions(changes: readonly Change[]): readonly string[] {
  return changes.flatMap((change, position) => {
    const before = changes[position - 1];
    if (before?.revision !== change.revision) return [];
    return [`two changes have revision ${change.revision}: ${told(before)} and ${told(change)}`];
  });
}

/** Goes through returns and begins in order: `known` is the latest revision that anybody was told. */
function revisionsThatGoBack(
  operations: readonly KVOperation[],
  changes: readonly Change[],
): readonly string[] {
  const returns = operations
    .flatMap((operation) => {
      if (operation.outcome !== 'acknowledged') return [];
      return [{ operation, at: operation.returnedAt, revision: revisionIn(operation) }];
    })
    .sort((a, b) => a.at - b.at);
  const begins = [...changes].sort((a, b) => a.operation.invokedAt - b.operation.invokedAt);
  const broken: string[] = [];
  let known: { readonly revision: Revision; readonly operation: KVOperation } | null = null;
  let passed = 0;
  for (const change of begins) {
    for (let next = returns[passed]; next !== undefined; next = returns[passed]) {
      if (next.at >= change.operation.invokedAt) break;
      if (next.revision > (known?.revision ?? 0)) known = next;
      passed += 1;
    }
    if (known === null || change.revision > known.revision) continue;
    const earlier = `after ${text(known.operation)}`;
    broken.push(
      `revision ${change.revision} is not a later one: ${told(change)}, begun ${earlier}`,
    );
  }
  return broken;
}

/** The latest revision of the store that an answer tells of. */
function revisionIn({
  output,
}: Extract<KVOperation, { readonly outcome: 'acknowledged' }>): Revision {
  if (output.kind === 'put' || output.kind === 'delete') return output.revision;
  return output.entry?.modRevision ?? 0;
}

function brokenSighting(
  { key, entry, operation }: Sighting,
  facts: KVFacts,
  sources: Map<Revision, Sighting>,
): readonly string[] {
  if (entry === null) return [];
  const shown = text(operation);
  const { value, modRevision } = entry;
  const before = sources.get(modRevision);
  if (before === undefined) sources.set(modRevision, { key, entry, operation });
  else if (before.key !== key || JSON.stringify(before.entry) !== JSON.stringify(entry)) {
    return [`revision ${modRevision} is one entry: ${text(before.operation)}, but ${shown}`];
  }
  const change = facts.changeAt(modRevision);
  const begunPut = ({
    value: put,
    operation: by,
  }: Pick<Change, 'value' | 'operation'>): boolean => {
    return put === value && by.invokedAt <= operation.returnedAt;
  };
  const isPut =
    change === null
      ? facts.unknownWritesOf(key).some(begunPut)
      : change.key === key && begunPut(change);
  if (!isPut) return [`nobody had put ${JSON.stringify(value)} at ${modRevision}: ${shown}`];
  return brokenVersion(entry, key, facts).map((fact) => `${fact}: ${shown}`);
}

function brokenVersion(
  { createRevision, modRevision, version }: SeenEntry,
  key: string,
  facts: KVFacts,
): readonly string[] {
  if (version === 1 ? createRevision !== modRevision : createRevision >= modRevision) {
    return [`version ${version} does not fit its revisions ${createRevision} and ${modRevision}`];
  }
  const since = facts.changesOf(key).filter(({ revision }) => {
    return revision >= createRevision && revision <= modRevision;
  });
  if (since.some(({ value }) => value === null)) return ['a deletion lies between'];
  const unknown = facts.unknownWritesOf(key).filter(({ value }) => value !== null).length;
  if (version >= since.length && version <= since.length + unknown) return [];
  const most = unknown === 0 ? '' : ` to ${since.length + unknown}`;
  return [`version ${version} after ${since.length}${most} puts since it was created`];
}

function told({ operation }: Change): string {
  return text(operation);
}

/** Client, key and call, for a sentence. */
export function text(operation: KVOperation): string {
  const { client, input, outcome } = operation;
  const output = outcome === 'acknowledged' ? operation.output : undefined;
  const call = kvModel.describe?.(input, output) ?? '';
  return `${client} on ${JSON.stringify(input.key)}: ${call}`;
}
