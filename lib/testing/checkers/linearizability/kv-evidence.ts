import type { Operation } from './history.js';
import type { KVInput, KVOutput, SeenEntry } from './kv-model.js';

type KVOperation = Operation<KVInput, KVOutput>;

/** When somebody had seen an entry. */
interface Sighting {
  readonly entry: SeenEntry;
  readonly returnedAt: number;
}

/** Stands for every value that nobody saw; should somebody have seen just this one, it is one of its kind. */
export const UNSEEN = '\u0000 nobody saw';

/**
 * What one key's history says of its unknown puts. Where a value is put once and somebody saw it, the put took
 * effect before that, and its revision is known. Where nobody saw it, it does not matter which value it was:
 * puts that nobody saw are all alike. Without this, hundreds of unknown puts are hundreds of candidates for
 * every place in the order.
 */
export function withEvidence(operations: readonly KVOperation[]): readonly KVOperation[] {
  const puts = new Map<string, number>();
  const sightings = new Map<string, Sighting>();
  for (const operation of operations) {
    if (operation.input.kind === 'put') count(puts, operation.input.value);
    if (operation.outcome !== 'acknowledged') continue;
    const { output, returnedAt } = operation;
    const entry =
      output.kind === 'entry' || output.kind === 'conditionFailed' ? output.entry : null;
    if (entry === null) continue;
    if (!sightings.has(entry.value)) sightings.set(entry.value, { entry, returnedAt });
  }
  return operations.map((operation) => {
    const { input, outcome } = operation;
    if (outcome !== 'unknown' || input.kind !== 'put') return operation;
    const sighting = sightings.get(input.value);
    if (sighting === undefined) return { ...operation, input: { ...input, value: UNSEEN } };
    return puts.get(input.value) === 1 ? asSeen(operation, sighting) : operation;
  });
}

function count(counts: Map<string, number>, value: string): void {
  counts.set(value, (counts.get(value) ?? 0) + 1);
}

/** Where the sighting came before the put, the search does not get past the sighting. */
function asSeen(put: KVOperation, { entry, returnedAt }: Sighting): KVOperation {
  const { client, input, invokedAt, invokedMs } = put;
  const output = { kind: 'put', revision: entry.modRevision, created: null } as const;
  const call = { client, input, invokedAt, invokedMs };
  return { ...call, outcome: 'acknowledged', output, returnedAt, returnedMs: invokedMs };
}
