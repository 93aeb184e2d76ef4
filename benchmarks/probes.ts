import { type KVStore, QuorateError } from 'quorate';
import { connect } from 'quorate/client';
import type { Cluster } from './cluster.js';
import type { Ledger } from './ledger.js';
import { SteadyPuts } from './steady-puts.js';

/** Of each client: fine enough for times of tens of milliseconds. */
const PER_SECOND = 200;

/** Long enough for any election; what was sent to a member that fell silent is given up then. */
const TIMEOUT_MS = 2000;

export interface ProbesOptions {
  readonly cluster: Cluster;
  /** Members that are asked, each on a connection of its own that stands before it counts. */
  readonly through: readonly string[];
  readonly ledger: Ledger;
  /** The name of the next key. */
  readonly nextName: () => number;
}

/** Clients that keep trying, so that the first write that succeeds again is seen at once. */
export class Probes {
  readonly #options: ProbesOptions;
  readonly #clients: readonly KVStore[];

  private constructor(options: ProbesOptions, clients: readonly KVStore[]) {
    this.#options = options;
    this.#clients = clients;
  }

  static async connect(options: ProbesOptions): Promise<Probes> {
    const { cluster, through } = options;
    const addresses = through.map((id) => cluster.clientAddress(id));
    const clients = await Promise.all(addresses.map((one) => connect({ endpoints: [one] })));
    return new Probes(options, clients);
  }

  /**
   * Milliseconds from now until a write that began after now has succeeded; then `onWritten` is called. Ends
   * the probes.
   */
  async untilWritten(onWritten: () => void): Promise<number> {
    const beganMs = performance.now();
    let written = (_tookMs: number): void => {};
    const first = new Promise<number>((resolve) => {
      written = resolve;
    });
    const loads = this.#clients.map((client) => {
      return new SteadyPuts(PER_SECOND, async () => {
        if (await this.#put(client)) written(performance.now() - beganMs);
      });
    });
    const tookMs = await first;
    onWritten();
    // What still waits, for a member that fell silent say, is given up.
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(loads.map((load) => load.stop()));
    return tookMs;
  }

  async #put(client: KVStore): Promise<boolean> {
    const { ledger, nextName } = this.#options;
    const draft = ledger.draft(nextName());
    try {
      await client.put(draft.key, draft.value, { timeoutMs: TIMEOUT_MS });
      ledger.acknowledge(draft);
      return true;
    } catch (error) {
      // It was tried while nobody led; the next one is under way already.
      if (!QuorateError.is(error)) throw error;
      return false;
    }
  }
}
