import type { Revision } from '../../../store/index.js';
import type { Operation } from './history.js';
import type { KVInput, KVOutput, SeenEntry } from './kv-model.js';

/** An operation of a recorded store. */
export type KVOperation = Operation<KVInput, KVOutput>;

/** A change that was acknowledged, and so has a revision. */
export interface Change {
  readonly key: string;
  readonly revision: Revision;
  /** Null for a deletion. */
  readonly value: string | null;
  readonly operation: KVOperation;
}

/** A read, or a failed condition, and what it was shown. */
export interface Sighting {
  readonly key: string;
  readonly entry: SeenEntry | null;
  readonly operation: Extract<KVOperation, { readonly outcome: 'acknowledged' }>;
}

/** A write of which nobody knows. */
export interface UnknownWrite {
  readonly key: string;
  /** Null for a deletion. */
  readonly value: string | null;
  readonly operation: KVOperation;
}

/** A history of a store, looked up in the ways in which its promises are put. */
export class KVFacts {
  /** By revision. */
  readonly changes: readonly Change[];
  readonly sightings: readonly Sighting[];
  readonly #changesOfKey: ReadonlyMap<string, readonly Change[]>;
  readonly #unknownOfKey: ReadonlyMap<string, readonly UnknownWrite[]>;
  readonly #byRevision: ReadonlyMap<Revision, Change>;

  constructor(operations: readonly KVOperation[]) {
    this.changes = operations.flatMap(changeOf).sort((a, b) => a.revision - b.revision);
    this.sightings = operations.flatMap(sightingOf);
    this.#changesOfKey = byKey(this.changes);
    this.#unknownOfKey = byKey(operations.flatMap(unknownWriteOf));
    this.#byRevision = new Map(this.changes.map((change) => [change.revision, change]));
  }

  changeAt(revision: Revision): Change | null {
    return this.#byRevision.get(revision) ?? null;
  }

  /** By revision. */
  changesOf(key: string): readonly Change[] {
    return this.#changesOfKey.get(key) ?? [];
  }

  unknownWritesOf(key: string): readonly UnknownWrite[] {
    return this.#unknownOfKey.get(key) ?? [];
  }
}

function changeOf(operation: KVOperation): readonly Change[] {
  if (operation.outcome !== 'acknowledged') return [];
  const { input, output } = operation;
  const { key } = input;
  if (output.kind === 'put' && input.kind === 'put') {
    return [{ key, revision: output.revision, value: input.value, operation }];
  }
  if (output.kind !== 'delete' || !output.deleted) return [];
  return [{ key, revision: output.revision, value: null, operation }];
}

function sightingOf(operation: KVOperation): readonly Sighting[] {
  if (operation.outcome !== 'acknowledged') return [];
  const { input, output } = operation;
  if (output.kind !== 'entry' && output.kind !== 'conditionFailed') return [];
  return [{ key: input.key, entry: output.entry, operation }];
}

function unknownWriteOf(operation: KVOperation): readonly UnknownWrite[] {
  const { input, outcome } = operation;
  if (outcome !== 'unknown' || input.kind === 'get') return [];
  return [{ key: input.key, value: input.kind === 'put' ? input.value : null, operation }];
}

function byKey<T extends { readonly key: string }>(
  facts: readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const found = new Map<string, T[]>();
  for (const fact of facts) {
    const own = found.get(fact.key);
    if (own === undefined) found.set(fact.key, [fact]);
    else own.push(fact);
  }
  return found;
}
