import { at, QuorateError } from '../../base/index.js';
import type { Clock } from '../../interfaces/index.js';
import type { SeededRandom } from '../seeded-random.js';
import type { TestNode } from '../test-node.js';
import type { Trace } from './trace.js';

export interface WorkloadOptions {
  readonly nodes: readonly TestNode[];
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly trace: Trace;
  /** Puts in all, each of a key of its own. */
  readonly puts: number;
  readonly clients: number;
}

/** Between a refusal and the next try. */
const RETRY_MS = 20;
/** The longest pause between two puts of a client. */
const PAUSE_MS = 5;

/** Clients that put one key after the other through whichever node, and remember what they were told. */
export class Workload {
  /** Key to value of every put that was acknowledged. */
  readonly acknowledged = new Map<string, string>();
  /** Key to value of every put of which nobody knows. */
  readonly unknown = new Map<string, string>();
  readonly #options: WorkloadOptions;
  #begun = 0;
  #milestone: { readonly puts: number; readonly resolve: () => void } | null = null;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Resolves when every put has come to its end. */
  async run(): Promise<void> {
    const { clients, random } = this.#options;
    const names = Array.from({ length: clients }, (_, position) => `client-${position + 1}`);
    await Promise.all(names.map((name) => this.#client(name, random.fork(name))));
    this.#milestone?.resolve();
  }

  /** Resolves the moment that so many puts are acknowledged, or that all have ended. One at a time. */
  reached(puts: number): Promise<void> {
    if (this.acknowledged.size >= puts || this.#begun >= this.#options.puts)
      return Promise.resolve();
    return new Promise((resolve) => {
      this.#milestone = { puts, resolve };
    });
  }

  async #client(name: string, random: SeededRandom): Promise<void> {
    const { puts } = this.#options;
    while (this.#begun < puts) {
      this.#begun += 1;
      const key = `put/${String(this.#begun).padStart(6, '0')}`;
      await this.#put(key, `${name} ${random.below(1_000_000)}`, random);
      await this.#sleep(random.next() * PAUSE_MS);
    }
  }

  /** Puts until it is acknowledged or unknown: what was rejected may be tried again. */
  async #put(key: string, value: string, random: SeededRandom): Promise<void> {
    const { nodes, clock, trace } = this.#options;
    for (;;) {
      const node = at(nodes, random.below(nodes.length));
      try {
        const { revision } = await node.kv.put(key, value);
        trace.add(clock.now(), `${key} is revision ${revision}`);
        this.acknowledged.set(key, value);
        if (this.acknowledged.size >= (this.#milestone?.puts ?? Number.POSITIVE_INFINITY))
          this.#milestone?.resolve();
        return;
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
        trace.add(clock.now(), `${key} ${error.code} ${error.outcome}`);
        if (error.outcome === 'unknown') {
          this.unknown.set(key, value);
          return;
        }
      }
      await this.#sleep(RETRY_MS);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.after(ms, resolve);
    });
  }
}
