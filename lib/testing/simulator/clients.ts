import { assert, type ErrorCode, QuorateError, unreachable } from '../../base/index.js';
import type { Consistency, KVEntry, KVStore } from '../../store/index.js';
import type {
  History,
  KVInput,
  KVOutput,
  PendingCall,
  SeenEntry,
} from '../checkers/linearizability/index.js';
import type { SeededRandom } from '../seeded-random.js';
import type { VirtualClock } from '../virtual-clock.js';
import { type Features, OPERATION_KINDS, type OperationKind } from './features.js';
import type { Process } from './process.js';
import type { Trace } from './trace.js';

/** A node as clients reach it. */
export interface ReachableNode {
  readonly kv: KVStore;
  readonly process: Process;
}

export interface ClientsOptions {
  readonly features: Features;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly history: History<KVInput, KVOutput>;
  /** Those that run. */
  readonly nodes: () => readonly ReachableNode[];
  /** Something was answered that cannot be. */
  readonly broken: (sentence: string) => void;
}

/** What became of the calls. */
export interface CallCounts {
  acknowledged: number;
  rejected: number;
  unknown: number;
  /** Under way now. */
  pending: number;
}

/** Why calls failed, and how often. */
export type FailureCounts = Map<ErrorCode, number>;

/** Nobody waits for a client longer than this between two calls. */
const MAX_PAUSE_MS = 5000;

/** Clients that call whichever node runs, one call at a time each, and write down what they are told. */
export class Clients {
  readonly counts: CallCounts = { acknowledged: 0, rejected: 0, unknown: 0, pending: 0 };
  readonly failures: FailureCounts = new Map();
  readonly #options: ClientsOptions;
  /** The revision that somebody saw last at a key: what a conditional write hopes for. */
  readonly #seen = new Map<string, number>();
  #values = 0;
  #isStopped = false;

  constructor(options: ClientsOptions) {
    this.#options = options;
  }

  /** Resolves when every client has stopped, after `stop`. */
  async run(): Promise<void> {
    const { features, random } = this.#options;
    const names = Array.from({ length: features.clients }, (_, position) => `c${position + 1}`);
    await Promise.all(names.map((name) => this.#client(name, random.fork(name))));
  }

  /** Calls under way are waited for; none is begun. */
  stop(): void {
    this.#isStopped = true;
  }

  async #client(name: string, random: SeededRandom): Promise<void> {
    const { features } = this.#options;
    const meanMs = (1000 * features.clients) / features.operationsPerSecond;
    while (!this.#isStopped) {
      await this.#sleep(Math.min(MAX_PAUSE_MS, 2 * meanMs * random.next()));
      const nodes = this.#options.nodes();
      const draw = random.next();
      const kind = this.#kindOf(random);
      const key = `k${random.below(features.keys)}`;
      const node = nodes[Math.floor(draw * nodes.length)];
      if (node !== undefined && !this.#isStopped) await this.#one(name, kind, key, node);
    }
  }

  #kindOf(random: SeededRandom): OperationKind {
    const { operations } = this.#options.features;
    const total = OPERATION_KINDS.reduce((sum, kind) => sum + operations[kind], 0);
    let draw = random.next() * total;
    for (const kind of OPERATION_KINDS) {
      draw -= operations[kind];
      if (draw < 0) return kind;
    }
    return 'put';
  }

  async #one(
    client: string,
    kind: OperationKind,
    key: string,
    { kv, process }: ReachableNode,
  ): Promise<void> {
    const { trace } = this.#options;
    const call = this.#callOf(client, kind, key);
    this.counts.pending += 1;
    const recorded = call.inputs.map((input) => this.#options.history.begin(client, input));
    try {
      // The call reaches the process when it goes on; nobody answers once it is gone.
      const answer = new Promise<readonly KVOutput[] | null>((resolve, reject) => {
        process.deliver(() => call.run(kv).then(resolve, reject));
        void process.killed.then(() => resolve(null));
      });
      const outputs = await answer;
      if (outputs === null) this.#lost(recorded, `${client} ${kind} lost`);
      else this.#answered(recorded, outputs, `${client} ${kind}`);
    } catch (error) {
      this.#failed(recorded, error, `${client} ${kind}`);
    }
    this.counts.pending -= 1;
    trace.note(client, this.counts.acknowledged, this.counts.unknown);
  }

  #answered(
    recorded: readonly PendingCall<KVOutput>[],
    outputs: readonly KVOutput[],
    what: string,
  ): void {
    this.counts.acknowledged += 1;
    for (const [position, output] of outputs.entries()) recorded[position]?.acknowledge(output);
    this.#options.trace.tell(() => `${what} ${JSON.stringify(outputs)}`);
  }

  #lost(recorded: readonly PendingCall<KVOutput>[], what: string): void {
    this.counts.unknown += 1;
    for (const one of recorded) one.lose();
    this.#options.trace.tell(() => what);
  }

  #failed(recorded: readonly PendingCall<KVOutput>[], error: unknown, what: string): void {
    if (!QuorateError.is(error)) {
      this.#options.broken(`${what} failed with ${String(error)}`);
      return;
    }
    this.failures.set(error.code, (this.failures.get(error.code) ?? 0) + 1);
    if (!EXPECTED_CODES.has(error.code)) {
      this.#options.broken(`${what} failed with ${error.message}`);
    }
    if (error.outcome === 'unknown') return this.#lost(recorded, `${what} ${error.code} unknown`);
    this.counts.rejected += 1;
    for (const one of recorded) one.reject();
    this.#options.trace.tell(() => `${what} ${error.code} rejected`);
  }

  #callOf(client: string, kind: OperationKind, key: string): Call {
    const ifRevision = this.#seen.get(key) ?? 0;
    switch (kind) {
      case 'put':
        return this.#put(client, key, null);
      case 'putIf':
        return this.#put(client, key, ifRevision);
      case 'putAbsent':
        return this.#put(client, key, 0);
      case 'delete':
        return this.#delete(key, null);
      case 'deleteIf':
        return this.#delete(key, ifRevision === 0 ? null : ifRevision);
      case 'get':
        return this.#get(key, 'linearizable');
      case 'leaseGet':
        return this.#get(key, 'leaderLease');
      case 'staleGet':
        return this.#get(key, 'stale');
      case 'list':
        return this.#list();
      default:
        return unreachable(kind);
    }
  }

  #put(client: string, key: string, ifRevision: number | null): Call {
    this.#values += 1;
    const value = `${client}.${this.#values}`.padEnd(this.#options.features.valueBytes, '.');
    return {
      inputs: [{ kind: 'put', key, value, ifRevision }],
      run: (kv) =>
        this.#orCondition(key, async () => {
          const put = kv.put(key, value, ifRevision === null ? {} : { ifRevision });
          const { revision, created } = await put;
          this.#seen.set(key, revision);
          return { kind: 'put', revision, created };
        }),
    };
  }

  #delete(key: string, ifRevision: number | null): Call {
    return {
      inputs: [{ kind: 'delete', key, ifRevision }],
      run: (kv) =>
        this.#orCondition(key, async () => {
          const options = ifRevision === null ? {} : { ifRevision };
          const { revision, deleted } = await kv.delete(key, options);
          this.#seen.delete(key);
          return { kind: 'delete', revision, deleted };
        }),
    };
  }

  #get(key: string, consistency: Consistency): Call {
    return {
      inputs: [{ kind: 'get', key, consistency }],
      run: async (kv) => {
        const entry = await kv.getEntry(key, { consistency });
        if (entry !== null && consistency !== 'stale') this.#seen.set(key, entry.modRevision);
        return [{ kind: 'entry', entry: seenOf(entry) }];
      },
    };
  }

  /** All keys at one revision: a read of each of them. */
  #list(): Call {
    const keys = Array.from({ length: this.#options.features.keys }, (_, i) => `k${i}`);
    return {
      inputs: keys.map((key) => ({ kind: 'get', key, consistency: 'linearizable' })),
      run: async (kv) => {
        const found = new Map<string, KVEntry>();
        for await (const entry of kv.list({ prefix: 'k' })) found.set(entry.key, entry);
        return keys.map((key) => ({ kind: 'entry', entry: seenOf(found.get(key) ?? null) }));
      },
    };
  }

  /** A condition that does not hold is an answer. */
  async #orCondition(key: string, write: () => Promise<KVOutput>): Promise<readonly KVOutput[]> {
    try {
      return [await write()];
    } catch (error) {
      if (!QuorateError.is(error) || error.code !== 'ERR_CONDITION') throw error;
      const entry = entryOf(error.entry);
      if (entry === null) this.#seen.delete(key);
      else this.#seen.set(key, entry.modRevision);
      return [{ kind: 'conditionFailed', entry }];
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(ms, resolve);
    });
  }
}

interface Call {
  readonly inputs: readonly KVInput[];
  run(kv: KVStore): Promise<readonly KVOutput[]>;
}

/** How a call may fail while the world misbehaves. */
const EXPECTED_CODES: ReadonlySet<ErrorCode> = new Set([
  'ERR_TIMEOUT',
  'ERR_NO_LEADER',
  'ERR_NOT_LEADER',
  'ERR_UNREACHABLE',
  'ERR_BUSY',
  'ERR_CLOSED',
  'ERR_STORAGE',
  'ERR_COMPACTED',
  'ERR_WRONG_CLUSTER',
]);

function seenOf(entry: KVEntry | null): SeenEntry | null {
  if (entry === null) return null;
  const { value, createRevision, modRevision, version } = entry;
  return { value, createRevision, modRevision, version };
}

/** The entry of a failed condition, which its error carries as it is. */
function entryOf(value: unknown): SeenEntry | null {
  if (value === null) return null;
  assert(typeof value === 'object' && value !== undefined, 'a failed condition shows an entry');
  const held = new Map(Object.entries(value));
  const number = (name: string): number => Number(held.get(name));
  return {
    value: String(held.get('value')),
    createRevision: number('createRevision'),
    modRevision: number('modRevision'),
    version: number('version'),
  };
}
