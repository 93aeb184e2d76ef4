import { assert, type NodeId, type Term } from '../../base/index.js';
import type { EventBus } from '../../interfaces/index.js';
import type { TestNode } from '../test-node.js';
import type { Workload } from './workload.js';

/** Watches that a term has one leader (Raft §5.2), and counts elections. */
export class Elections {
  readonly #leaders = new Map<Term, NodeId>();
  #won = 0;
  /** What should have been true, once it is not. */
  #conflict: string | null = null;

  constructor(events: EventBus) {
    events.on('raft.stateChanged', ({ nodeId, to, term }) => {
      if (to === 'leader') this.#onLeader(nodeId, term);
    });
  }

  /** How often a node became leader. */
  get won(): number {
    return this.#won;
  }

  /** Throws for a second leader of a term, once all is over: a listener cannot stop a node. */
  check(): void {
    assert(this.#conflict === null, this.#conflict ?? 'a term has one leader');
  }

  #onLeader(nodeId: NodeId, term: Term): void {
    const other = this.#leaders.get(term) ?? nodeId;
    if (other !== nodeId)
      this.#conflict ??= `term ${term} has one leader, not ${other} and ${nodeId}`;
    this.#leaders.set(term, nodeId);
    this.#won += 1;
  }
}

/**
 * The state of every node against what clients were told: what was acknowledged is there, nothing is
 * there that nobody put, and all nodes hold the same. Gives the state, for the trace.
 */
export async function checkStates(
  nodes: readonly TestNode[],
  { acknowledged, unknown }: Workload,
): Promise<string> {
  const states = await Promise.all(nodes.map(stateOf));
  const [first = ''] = states.map((state) => JSON.stringify(state));
  for (const [position, state] of states.entries()) {
    const id = nodes[position]?.id;
    const held = new Map(state.map(([key, value]) => [key, value]));
    assert(
      state.every(([, , , version]) => version === 1),
      'a put that was tried again had not happened',
    );
    for (const [key, value] of acknowledged) {
      assert(held.get(key) === value, `${id} holds ${key}, which was acknowledged`);
    }
    for (const [key, value] of held) {
      const put = acknowledged.get(key) ?? unknown.get(key);
      assert(put === value, `${id} holds nothing at ${key} that was not put`);
    }
    assert(JSON.stringify(state) === first, `${id} holds the same state as the others`);
    assert(nodes[position]?.status().pendingCalls === 0, `every call of ${id} has settled`);
  }
  return first;
}

/** Key, value, revision and version of everything that one node has applied. */
async function stateOf(node: TestNode): Promise<readonly [string, string, number, number][]> {
  const state: [string, string, number, number][] = [];
  for await (const { key, value, modRevision, version } of node.kv.list({ consistency: 'stale' })) {
    state.push([key, value, modRevision, version]);
  }
  return state;
}
