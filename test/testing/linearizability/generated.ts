import {
  History,
  type KVInput,
  type KVOutput,
  type Operation,
  type PendingCall,
  SeededRandom,
  type SeenEntry,
} from '../../../lib/testing/index.js';

/** A fault that a generated history has once, half way, where its answers show it. */
export type Fault = keyof typeof FAULTS;

export interface GeneratedOptions {
  readonly seed: number | string;
  readonly operations: number;
  readonly clients: number;
  /** Share of calls that are lost, before or after their effect. */
  readonly lost?: number;
  readonly keys?: number;
  /** Whether some writes have conditions. Default true. */
  readonly conditions?: boolean;
  readonly fault?: Fault;
}

interface Running {
  readonly client: string;
  readonly input: KVInput;
  readonly call: PendingCall<KVOutput>;
  output: KVOutput | null;
}

/**
 * The history of clients of a store that is right: calls begin, take effect and return in an order that
 * chance decides. Lost calls take effect later or never.
 */
export function generatedHistory(
  options: GeneratedOptions,
): readonly Operation<KVInput, KVOutput>[] {
  return new Generator(options).run();
}

class Generator {
  readonly #history = new History<KVInput, KVOutput>();
  readonly #options: Required<Omit<GeneratedOptions, 'fault'>>;
  readonly #fault: Fault | null;
  readonly #random: SeededRandom;
  readonly #running: (Running | null)[];
  readonly #ghosts: KVInput[] = [];
  readonly #held = new Map<string, SeenEntry>();
  #revision = 0;
  #values = 0;

  constructor({
    seed,
    operations,
    clients,
    lost = 0,
    keys = 1,
    fault,
    conditions = true,
  }: GeneratedOptions) {
    this.#options = { seed, operations, clients, lost, keys, conditions };
    this.#fault = fault ?? null;
    this.#random = new SeededRandom(seed);
    this.#running = Array.from({ length: clients }, () => null);
  }

  run(): readonly Operation<KVInput, KVOutput>[] {
    const { operations, clients } = this.#options;
    const half = this.#fault === null ? operations : operations / 2;
    while (this.#history.size < half) this.#advance(this.#random.below(clients));
    if (this.#fault !== null) this.#plant(FAULTS[this.#fault]);
    while (this.#history.size < operations) this.#advance(this.#random.below(clients));
    return this.#history.operations;
  }

  #advance(client: number): void {
    const running = this.#running[client] ?? null;
    if (running === null) {
      this.#running[client] = this.#begin(`c${client + 1}`);
    } else if (this.#random.chance(this.#options.lost)) {
      running.call.lose();
      if (running.output === null && this.#random.chance(0.5)) this.#ghosts.push(running.input);
      this.#running[client] = null;
    } else if (running.output === null) {
      running.output = this.#apply(running.input);
    } else {
      running.call.acknowledge(running.output);
      this.#running[client] = null;
    }
    if (this.#ghosts.length > 0 && this.#random.chance(0.02)) this.#apply(this.#ghosts.shift()!);
  }

  #begin(client: string): Running {
    const input = this.#input(`k${this.#random.below(this.#options.keys) + 1}`);
    return { client, input, call: this.#history.begin(client, input), output: null };
  }

  #input(key: string): KVInput {
    const kind = this.#random.below(20);
    if (kind < 9) return { kind: 'get', key, consistency: 'linearizable' };
    const current = this.#held.get(key)?.modRevision ?? 0;
    const isConditional = this.#random.chance(0.2) && this.#options.conditions;
    const ifRevision = isConditional ? current : null;
    if (kind === 9)
      return { kind: 'delete', key, ifRevision: ifRevision === 0 ? null : ifRevision };
    this.#values += 1;
    return { kind: 'put', key, value: `v${this.#values}`, ifRevision };
  }

  /** Calls one after the other, when nothing else is under way; what was lost may still take effect later. */
  #plant(fault: (store: PlantedStore) => void): void {
    while (this.#running.some((running) => running !== null)) {
      const client = this.#running.findIndex((running) => running !== null);
      this.#advance(client);
    }
    const key = 'k1';
    const call = (client: string, input: KVInput, output?: KVOutput): void => {
      this.#history.begin(client, input).acknowledge(output ?? this.#apply(input));
    };
    const put = (value: string): KVInput => ({ kind: 'put', key, value, ifRevision: null });
    fault({
      put: (value) => call('c1', put(value)),
      get: () => call('c2', { kind: 'get', key, consistency: 'linearizable' }),
      getOld: (entry) => {
        const input = { kind: 'get', key, consistency: 'linearizable' } as const;
        call('c3', input, { kind: 'entry', entry });
      },
      putNowhere: (value) => {
        call('c4', put(value), { kind: 'put', revision: this.#revision + 1, created: false });
      },
      again: (value) => this.#apply(put(value)),
      held: () => this.#held.get(key) ?? null,
    });
  }

  #apply(input: KVInput): KVOutput {
    const { key } = input;
    const old = this.#held.get(key) ?? null;
    if (input.kind === 'get') return { kind: 'entry', entry: old };
    if (input.ifRevision !== null && input.ifRevision !== (old?.modRevision ?? 0)) {
      return { kind: 'conditionFailed', entry: old };
    }
    if (input.kind === 'delete' && old === null) {
      return { kind: 'delete', revision: this.#revision, deleted: false };
    }
    this.#revision += 1;
    if (input.kind === 'delete') {
      this.#held.delete(key);
      return { kind: 'delete', revision: this.#revision, deleted: true };
    }
    this.#held.set(key, {
      value: input.value,
      createRevision: old?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (old?.version ?? 0) + 1,
    });
    return { kind: 'put', revision: this.#revision, created: old === null };
  }
}

interface PlantedStore {
  put(value: string): void;
  get(): void;
  /** A read that is answered by this. */
  getOld(entry: SeenEntry | null): void;
  /** A put that is acknowledged and does nothing. */
  putNowhere(value: string): void;
  /** A put of which no client knows. */
  again(value: string): void;
  held(): SeenEntry | null;
}

const FAULTS = {
  'stale read': (store) => {
    store.put('older');
    const older = store.held();
    store.put('newer');
    store.getOld(older);
  },
  'a read that goes back': (store) => {
    store.put('older');
    const older = store.held();
    store.put('newer');
    store.get();
    store.get();
    store.getOld(older);
  },
  'lost update': (store) => {
    store.put('older');
    store.putNowhere('newer');
    store.get();
  },
  'applied twice': (store) => {
    store.put('first');
    store.put('second');
    store.again('first');
    store.get();
  },
  'read from the future': (store) => {
    store.put('older');
    store.getOld({ value: 'newer', createRevision: 1, modRevision: 1e6, version: 2 });
    store.put('newer');
  },
} as const satisfies Record<string, (store: PlantedStore) => void>;

/** Every kind of fault. */
export const FAULT_NAMES = Object.keys(FAULTS) as readonly Fault[];
