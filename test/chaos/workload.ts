import { setTimeout as pass } from 'node:timers/promises';
import { connect } from '../../lib/client/index.js';
import { QuorateError } from '../../lib/index.js';
import type { KVEntry, KVStore } from '../../lib/store/index.js';
import {
  KVHistory,
  type RecordedStore,
  type SeededRandom,
  type SeenEntry,
} from '../../lib/testing/index.js';
import { Listings } from './listings.js';
import { chosenOf } from './scene.js';

export interface WorkloadOptions {
  /** Client addresses of the nodes that may be asked. */
  readonly endpoints: () => readonly string[];
  readonly random: SeededRandom;
  readonly clients: number;
  /** Clients beside them that read `stale`. */
  readonly staleReaders: number;
  /** Between two calls of one client, at most. */
  readonly pauseMs: number;
}

const KEYS = 4;
/** Then other keys: the history of one stays short enough to be searched. */
const EPOCH_MS = 15_000;
/** Calls of a client on one connection, at most. */
const CALLS_EACH = 150;
const LARGE_BYTES = 4096;
const STALE_TIMEOUT_MS = 500;
export const STALE_CLIENT = 'stale';

type Kind = 'get' | 'put' | 'conditional' | 'delete' | 'list' | 'once';
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['get', 30],
  ['put', 26],
  ['conditional', 16],
  ['once', 14],
  ['list', 8],
  ['delete', 6],
];

/** Clients, and everything that they asked and were told. */
export class Workload {
  readonly history = new KVHistory({ clock: performance });
  readonly listings = new Listings();
  /** By key, writes that were acknowledged and that nothing writes over. */
  readonly writtenOnce = new Map<string, string>();
  /** Failures by code and outcome. */
  readonly failures = new Map<string, number>();
  readonly #options: WorkloadOptions;
  readonly #keys = new Set<string>();
  readonly #running: Promise<void>[] = [];
  readonly #beganMs = performance.now();
  /** When the last call of a client was acknowledged. */
  #acknowledgedMs = 0;
  #acknowledged = 0;
  #longestPauseMs = 0;
  #pending = 0;
  #latestMs = Number.NEGATIVE_INFINITY;
  #isOver = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Keys that somebody may have written. */
  get keys(): readonly string[] {
    return [...this.#keys];
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Between two acknowledgements of whoever. */
  get longestPauseMs(): number {
    return this.#longestPauseMs;
  }

  /** How long after its deadline a call was settled, of the one that was the latest; negative: before it. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** Calls that are not settled. */
  get pending(): number {
    return this.#pending;
  }

  start(): void {
    const { clients, staleReaders, random } = this.#options;
    this.#acknowledgedMs = performance.now();
    for (let i = 1; i <= clients; i += 1) {
      this.#running.push(this.#client(`c${i}`, random.fork(`client ${i}`)));
    }
    for (let i = 1; i <= staleReaders; i += 1) {
      this.#running.push(this.#staleReader(`${STALE_CLIENT}${i}`, random.fork(`stale ${i}`)));
    }
  }

  /** No new calls. Answers whether those under way were settled within `deadlineMs`. */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#isOver = true;
    const all = Promise.all(this.#running).then(() => true);
    return await Promise.race([all, pass(deadlineMs, false, { ref: false })]);
  }

  /** Reads everything at once, as one more client. */
  async readAll(client: string, kv: KVStore): Promise<ReadonlyMap<string, KVEntry>> {
    const read = this.#beginReads(client, this.keys);
    const entries = new Map<string, KVEntry>();
    for await (const entry of kv.list({ timeoutMs: 30_000 })) entries.set(entry.key, entry);
    read.show(entries);
    return entries;
  }

  async #client(name: string, random: SeededRandom): Promise<void> {
    let count = 0;
    while (!this.#isOver) {
      // Every other connection is to one node alone, so that also those are asked that should not answer.
      const kv = await this.#connect(random, random.chance(0.5));
      if (kv === null) continue;
      const last = count + 1 + random.below(CALLS_EACH);
      let failed = 0;
      while (!this.#isOver && count < last && failed < 10) {
        count += 1;
        failed = (await this.#call(kv, name, count, random)) ? 0 : failed + 1;
        await pass(random.below(this.#options.pauseMs));
      }
      await kv.close();
    }
  }

  /** At once, not older than what it has seen itself, or not older than a moment. */
  async #staleReader(name: string, random: SeededRandom): Promise<void> {
    const consistency = 'stale';
    let minRevision = 0;
    while (!this.#isOver) {
      const kv = await this.#connect(random, true);
      if (kv === null) continue;
      const store = this.history.recorded(name, kv);
      for (let i = 0; !this.#isOver && i < CALLS_EACH; i += 1) {
        const key = this.#key(random);
        const freshness = chosenOf(random, [{}, { minRevision }, { maxStalenessMs: 200 }]);
        await this.#settled(name, STALE_TIMEOUT_MS, async (timeoutMs) => {
          const entry = await store.getEntry(key, { timeoutMs, consistency, ...freshness });
          minRevision = Math.max(minRevision, entry?.modRevision ?? 0);
        });
        await pass(random.below(this.#options.pauseMs));
      }
      await kv.close();
    }
  }

  async #connect(random: SeededRandom, isAlone: boolean): Promise<KVStore | null> {
    const all = this.#options.endpoints();
    if (all.length === 0) {
      await pass(50);
      return null;
    }
    const from = random.below(all.length);
    const endpoints = isAlone ? [all[from]!] : [...all.slice(from), ...all.slice(0, from)];
    try {
      return await connect({ endpoints, callTimeoutMs: 1000 });
    } catch (error) {
      this.#failed(error);
      await pass(50);
      return null;
    }
  }

  #call(kv: KVStore, client: string, count: number, random: SeededRandom): Promise<boolean> {
    const value = `${client}.${count}${random.chance(0.1) ? ' '.padEnd(LARGE_BYTES, 'v') : ''}`;
    const timeoutMs = 300 + random.below(2500);
    const key = this.#key(random);
    const store = this.history.recorded(client, kv);
    switch (chosenKind(random)) {
      case 'get': {
        const consistency = random.chance(0.3) ? 'leaderLease' : 'linearizable';
        return this.#settled(client, timeoutMs, async () => {
          await store.getEntry(key, { timeoutMs, consistency });
        });
      }
      case 'put':
        return this.#put(store, client, { key, value, timeoutMs });
      case 'conditional':
        return this.#conditional(store, client, { key, value, timeoutMs }, random);
      case 'delete':
        return this.#settled(client, timeoutMs, async () => {
          const { revision, deleted } = await store.delete(key, { timeoutMs });
          if (deleted) this.listings.changed({ key, revision });
        });
      case 'list':
        return this.#list(kv, client, timeoutMs);
      case 'once':
        return this.#once(store, client, { key: `once/${client}.${count}`, value, timeoutMs });
    }
  }

  #put(store: RecordedStore, client: string, put: Put): Promise<boolean> {
    const { key, value, ifRevision, timeoutMs } = put;
    this.#keys.add(key);
    return this.#settled(client, timeoutMs, async () => {
      const { revision } = await store.put(key, value, { ifRevision, timeoutMs });
      this.listings.changed({ key, revision });
    });
  }

  /** On what it has just seen, or on what it makes up. */
  async #conditional(
    store: RecordedStore,
    client: string,
    put: Put,
    random: SeededRandom,
  ): Promise<boolean> {
    const { key, timeoutMs } = put;
    let ifRevision = 0;
    if (random.chance(0.8)) {
      const isRead = await this.#settled(client, timeoutMs, async () => {
        ifRevision = (await store.getEntry(key, { timeoutMs }))?.modRevision ?? 0;
      });
      if (!isRead) return false;
    }
    return await this.#put(store, client, { ...put, ifRevision });
  }

  async #once(store: RecordedStore, client: string, put: Put): Promise<boolean> {
    const isDone = await this.#put(store, client, put);
    if (isDone) this.writtenOnce.set(put.key, put.value);
    return isDone;
  }

  /** All keys of the moment, as one read of each of them. */
  async #list(kv: KVStore, client: string, timeoutMs: number): Promise<boolean> {
    const prefix = this.#prefix;
    const keys = Array.from({ length: KEYS }, (_, i) => `${prefix}${i}`);
    const read = this.#beginReads(client, keys);
    const atLeast = this.listings.latest;
    return await this.#settled(client, timeoutMs, async () => {
      try {
        const { items, revision } = await kv.page({ prefix, timeoutMs });
        const entries = new Map(items.map((entry) => [entry.key, entry]));
        read.show(entries);
        this.listings.listed({ keys, entries, revision, atLeast });
      } finally {
        // Those that were not answered: a read that failed did nothing.
        read.giveUp();
      }
    });
  }

  #beginReads(client: string, keys: readonly string[]): PendingReads {
    const calls = keys.map((key) => {
      return this.history.begin(client, { kind: 'get', key, consistency: 'linearizable' });
    });
    return {
      show: (entries) => {
        for (const [i, key] of keys.entries()) {
          calls[i]!.acknowledge({ kind: 'entry', entry: seen(entries.get(key)) });
        }
      },
      giveUp: () => {
        for (const call of calls) call.reject();
      },
    };
  }

  /** Runs a call and notes how it failed, if so. A condition that does not hold is an answer. */
  async #settled(
    client: string,
    timeoutMs: number,
    run: (timeoutMs: number) => Promise<void>,
  ): Promise<boolean> {
    const beganMs = performance.now();
    this.#pending += 1;
    try {
      await run(timeoutMs);
      this.#noteAcknowledged(client);
      return true;
    } catch (error) {
      // What is not an error of the store is one of this program.
      if (!QuorateError.is(error)) throw error;
      const isAnswer = error.code === 'ERR_CONDITION';
      if (isAnswer) this.#noteAcknowledged(client);
      else this.#failed(error);
      return isAnswer;
    } finally {
      this.#pending -= 1;
      this.#latestMs = Math.max(this.#latestMs, performance.now() - beganMs - timeoutMs);
    }
  }

  #noteAcknowledged(client: string): void {
    if (client.startsWith(STALE_CLIENT)) return;
    const nowMs = performance.now();
    this.#longestPauseMs = Math.max(this.#longestPauseMs, nowMs - this.#acknowledgedMs);
    this.#acknowledgedMs = nowMs;
    this.#acknowledged += 1;
  }

  #failed(error: unknown): void {
    if (!QuorateError.is(error)) throw error;
    const what = `${error.code} ${error.outcome}`;
    this.failures.set(what, (this.failures.get(what) ?? 0) + 1);
  }

  get #prefix(): string {
    return `epoch${Math.floor((performance.now() - this.#beganMs) / EPOCH_MS)}/`;
  }

  #key(random: SeededRandom): string {
    return `${this.#prefix}${random.below(KEYS)}`;
  }
}

interface Put {
  readonly key: string;
  readonly value: string;
  readonly timeoutMs: number;
  readonly ifRevision?: number | undefined;
}

interface PendingReads {
  readonly show: (entries: ReadonlyMap<string, KVEntry>) => void;
  /** Of those that were not shown. */
  readonly giveUp: () => void;
}

function chosenKind(random: SeededRandom): Kind {
  let left = random.below(WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0));
  for (const [kind, weight] of WEIGHTS) {
    if (left < weight) return kind;
    left -= weight;
  }
  return 'get';
}

function seen(entry: KVEntry | undefined): SeenEntry | null {
  if (entry === undefined) return null;
  const { value, createRevision, modRevision, version } = entry;
  return { value, createRevision, modRevision, version };
}
