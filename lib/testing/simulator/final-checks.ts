import type { KVStore } from '../../store/index.js';
import type { KVInput, KVOutput, Operation } from '../checkers/linearizability/index.js';
import type { Violations } from '../checkers/violation.js';

/** What a node holds at the end. */
export interface FinalState {
  readonly id: string;
  /** Of the last change. */
  readonly revision: number;
  /** Key to value, revision and version. */
  readonly entries: ReadonlyMap<
    string,
    readonly [value: string, revision: number, version: number]
  >;
}

/** What a node has applied, read from it alone. */
export async function stateOf(id: string, kv: KVStore): Promise<FinalState> {
  const entries = new Map<string, readonly [string, number, number]>();
  let cursor: string | undefined;
  let revision = 0;
  do {
    const options = {
      consistency: 'stale',
      limit: 1000,
      ...(cursor === undefined ? {} : { cursor }),
    } as const;
    const page = await kv.page(options);
    for (const { key, value, modRevision, version } of page.items) {
      entries.set(key, [value, modRevision, version]);
    }
    revision = page.revision;
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return { id, revision, entries };
}

/** All nodes hold the same. */
export function checkEqual(states: readonly FinalState[], violations: Violations): void {
  const [first, ...others] = states;
  if (first === undefined) return;
  const text = textOf(first);
  for (const other of others) {
    violations.expect(textOf(other) === text, () => {
      return `${other.id} ends with another state than ${first.id}: ${differenceOf(first, other)}`;
    });
  }
}

/**
 * What was acknowledged is there, unless somebody else changed the key later; nothing is there that nobody
 * put; no revision was told twice; and there are no more changes than clients can have made.
 */
export function checkPromises(
  operations: readonly Operation<KVInput, KVOutput>[],
  { id, revision, entries }: FinalState,
  violations: Violations,
): void {
  const revisions = new Map<number, string>();
  const possible = new Map<string, 'possible' | 'rejected'>();
  let changes = 0;
  let unknown = 0;
  for (const { input, outcome, ...rest } of operations) {
    if (input.kind === 'get') continue;
    if (input.kind === 'put') {
      possible.set(input.value, outcome === 'rejected' ? 'rejected' : 'possible');
    }
    if (outcome === 'unknown') unknown += 1;
    const output = 'output' in rest ? rest.output : null;
    if (output === null || (output.kind !== 'put' && output.kind !== 'delete')) continue;
    if (output.kind === 'delete' && !output.deleted) continue;
    changes += 1;
    const what = `${input.kind} of ${input.key}`;
    const other = revisions.get(output.revision);
    violations.expect(other === undefined, () => {
      return `revision ${output.revision} was told for a ${what}, and for a ${other}`;
    });
    revisions.set(output.revision, what);
    violations.expect(output.revision <= revision, () => {
      return `${id} ends at revision ${revision}, and a ${what} was acknowledged at ${output.revision}`;
    });
    const held = entries.get(input.key);
    if (input.kind === 'put' && held?.[1] === output.revision) {
      violations.expect(
        held[0] === input.value,
        () => `${id} holds another value than was put at ${output.revision}`,
      );
    }
    violations.expect(isNotLost(output, held), () => {
      return `${id} has lost a ${what} that was acknowledged at ${output.revision}`;
    });
  }
  for (const [key, [value]] of entries) {
    const put = possible.get(value);
    violations.expect(put === 'possible', () => {
      return `${id} holds ${JSON.stringify(value)} at ${key}, which ${put === undefined ? 'nobody put' : 'was rejected'}`;
    });
  }
  violations.expect(revision >= changes && revision <= changes + unknown, () => {
    return `${id} ends at revision ${revision} after ${changes} changes and ${unknown} of which nobody knows`;
  });
}

/** A key that is gone may have been deleted since: the history of the key decides that. */
function isNotLost(
  { kind, revision }: KVOutput & { readonly revision: number },
  held: readonly [string, number, number] | undefined,
): boolean {
  return held === undefined || (kind === 'put' ? held[1] >= revision : held[1] > revision);
}

function textOf({ revision, entries }: FinalState): string {
  return JSON.stringify([revision, [...entries]]);
}

function differenceOf(a: FinalState, b: FinalState): string {
  if (a.revision !== b.revision) return `revisions ${a.revision} and ${b.revision}`;
  for (const [key, entry] of a.entries) {
    const other = b.entries.get(key);
    if (JSON.stringify(other) !== JSON.stringify(entry)) {
      return `${key} is ${JSON.stringify(entry)} and ${JSON.stringify(other ?? null)}`;
    }
  }
  return `${a.entries.size} keys and ${b.entries.size}`;
}
