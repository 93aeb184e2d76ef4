import { type CheckOptions, checkLinearizability, type LinearizabilityResult } from './check.js';
import type { KVOperation } from './kv-facts.js';
import { type KVInput, type KVOutput, kvModel } from './kv-model.js';
import { brokenRevisions } from './revisions.js';
import { brokenStaleReads } from './stale-reads.js';

/** What is known of a history of a `KVStore`. */
export interface KVResult extends LinearizabilityResult<KVInput, KVOutput> {
  /** What is wrong beyond single keys and linearizable calls, a sentence each. */
  readonly broken: readonly string[];
}

/**
 * Checks all that a `KVStore` promises its callers: each key is linearizable (`stale` reads apart), `stale`
 * reads are as fresh as they were asked to be, and revisions are one order of all changes. The store must be
 * empty of the keys when the history begins, and all that is written to them must be in it.
 */
export function checkKV(operations: readonly KVOperation[], options: CheckOptions = {}): KVResult {
  const linearizable = operations.filter(({ input }) => {
    return input.kind !== 'get' || input.consistency !== 'stale';
  });
  const result = checkLinearizability(kvModel, linearizable, options);
  const broken = [...brokenRevisions(operations), ...brokenStaleReads(operations)];
  return { ...result, verdict: broken.length > 0 ? 'violated' : result.verdict, broken };
}
