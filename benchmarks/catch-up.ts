import { setTimeout as pass } from 'node:timers/promises';
import type { KVStore } from 'quorate';
import { connect } from 'quorate/client';
import { at } from '../lib/base/index.js';
import { Cluster } from './cluster.js';
import { Ledger } from './ledger.js';
import type { Look } from './orders.js';
import { claim, mib, print, printTarget } from './report.js';
import { SteadyLoad, type StepResult } from './steady-load.js';

export interface CatchUpOptions {
  /** Keys that are written again and again: the state stays as large as it is. */
  readonly keys: number;
  readonly valueBytes: number;
  /** Writes while the follower is away. */
  readonly writes: number;
  /** Two of these fit into the writes. */
  readonly snapshotEntries: number;
  /** Fewer than the writes, or the follower finds all it needs in the memory of the leader. */
  readonly trailingEntries: number;
  readonly maxLogBytes: number;
  /** Of the load that goes on while it catches up. */
  readonly perSecond: number;
}

export interface CatchUpResult {
  /** How long the writes took while the follower was away. */
  readonly writeMs: number;
  /** Snapshots that the leader took meanwhile. */
  readonly taken: number;
  /** Snapshots that the follower began to receive, and those it installed. */
  readonly sent: number;
  readonly installed: number;
  /** Until the follower served again, and from there until it had applied what was committed. */
  readonly startMs: number;
  readonly catchUpMs: number;
  /** Of the snapshot and of the entries after it. */
  readonly caughtUpBytes: number;
  /** Of the leader, garbage collected before, and the most that was seen afterwards, of either kind. */
  readonly before: Memory;
  readonly most: Memory;
  readonly load: StepResult;
  readonly lost: readonly string[];
}

interface Memory {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

const IN_FLIGHT = 256;

/** What an entry takes beside its value, about. */
const ENTRY_OVERHEAD_BYTES = 80;

const MIB = 2 ** 20;

/** A follower is away for many writes and comes back under load. */
export async function catchUpDrill(options: CatchUpOptions): Promise<CatchUpResult> {
  const { snapshotEntries, trailingEntries, maxLogBytes } = options;
  const limits = { snapshotEntries, trailingEntries, maxLogBytes };
  const cluster = await Cluster.start({ size: 3, limits });
  const clients: KVStore[] = [];
  try {
    for (let i = 0; i < 2; i += 1) clients.push(await connect({ endpoints: cluster.endpoints }));
    return await beAway(cluster, clients, options);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await cluster.dispose();
  }
}

async function beAway(
  cluster: Cluster,
  clients: readonly KVStore[],
  options: CatchUpOptions,
): Promise<CatchUpResult> {
  const { keys, valueBytes, writes, snapshotEntries, perSecond } = options;
  const ledger = new Ledger({ valueBytes });
  const overwriter = new Overwriter(at(clients, 0), ledger, keys);
  const leader = await cluster.leader();
  const follower = cluster.founders.find((id) => id !== leader) ?? '';
  // The state is complete, and the log as long as it gets with everybody there.
  await overwriter.write(keys + snapshotEntries);
  const before = await cluster.look(leader, { collect: true });
  const memory = new MemoryWatch(cluster, leader);
  await cluster.end(follower);
  const beganMs = performance.now();
  await overwriter.write(writes);
  const writeMs = performance.now() - beganMs;
  const away = await cluster.look(leader);

  // Keys of its own, beyond those that are overwritten.
  const load = new SteadyLoad({ clients, perSecond, ledger, firstName: keys });
  const startedMs = performance.now();
  await cluster.launch(follower);
  const servesMs = performance.now();
  const first = await cluster.look(follower);
  await cluster.caughtUp(follower, leader);
  const caughtUpMs = performance.now();
  const after = await cluster.look(follower);
  const loaded = await load.stop();
  const most = await memory.stop();
  // Whoever leads by now may not be the one that sent it.
  const senders = await Promise.all(cluster.running.map((id) => cluster.look(id)));
  const from = after.installed?.index ?? first.status.appliedIndex;
  const entryBytes = (after.status.appliedIndex - from) * (valueBytes + ENTRY_OVERHEAD_BYTES);
  return {
    writeMs,
    taken: counted(away, 'raft.snapshotCreated') - counted(before, 'raft.snapshotCreated'),
    sent: senders.reduce((sum, look) => sum + counted(look, 'quorate_snapshots_sent_total'), 0),
    installed: counted(after, 'raft.snapshotInstalled'),
    startMs: servesMs - startedMs,
    catchUpMs: caughtUpMs - servesMs,
    caughtUpBytes: (after.installed?.sizeBytes ?? 0) + entryBytes,
    before,
    most,
    load: loaded,
    lost: await ledger.lost(at(clients, 0)),
  };
}

/** Writes the same keys in turn, many at a time, each only when its last write is acknowledged. */
class Overwriter {
  readonly #kv: KVStore;
  readonly #ledger: Ledger;
  readonly #keys: number;
  #next = 0;

  constructor(kv: KVStore, ledger: Ledger, keys: number) {
    this.#kv = kv;
    this.#ledger = ledger;
    this.#keys = keys;
  }

  async write(count: number): Promise<void> {
    let left = count;
    const worker = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const draft = this.#ledger.draft(this.#next % this.#keys);
        this.#next += 1;
        await this.#kv.put(draft.key, draft.value);
        this.#ledger.acknowledge(draft);
      }
    };
    // Far fewer than there are keys: nobody comes round to a key that is being written.
    await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, this.#keys / 2) }, worker));
  }
}

/** Often enough to see what grows, and seldom enough: a collection of everything holds the leader. */
const LOOK_MS = 2000;

/** Looks at the memory of a member again and again, garbage collected, and keeps the most of it. */
class MemoryWatch {
  readonly #watching: Promise<Memory>;
  readonly #stopping: Promise<void>;
  #isOver = false;
  #onStop: () => void = () => {};

  constructor(cluster: Cluster, id: string) {
    this.#stopping = new Promise((resolve) => {
      this.#onStop = resolve;
    });
    this.#watching = this.#watch(cluster, id);
  }

  async stop(): Promise<Memory> {
    this.#isOver = true;
    this.#onStop();
    return await this.#watching;
  }

  async #watch(cluster: Cluster, id: string): Promise<Memory> {
    let most: Memory = { residentBytes: 0, heapBytes: 0 };
    while (!this.#isOver) {
      const { residentBytes, heapBytes } = await cluster.look(id, { collect: true });
      most = {
        residentBytes: Math.max(most.residentBytes, residentBytes),
        heapBytes: Math.max(most.heapBytes, heapBytes),
      };
      if (!this.#isOver) await Promise.race([pass(LOOK_MS), this.#stopping]);
    }
    return most;
  }
}

function counted({ counts }: Look, name: string): number {
  return new Map(counts).get(name) ?? 0;
}

/** `npm run bench -- catch-up` */
export async function catchUp(): Promise<void> {
  const options = {
    keys: 100_000,
    valueBytes: 256,
    writes: 100_000,
    snapshotEntries: 40_000,
    trailingEntries: 5000,
    maxLogBytes: 32 * MIB,
    perSecond: 500,
  };
  const { keys, valueBytes, writes, snapshotEntries, maxLogBytes, perSecond } = options;
  print(
    `catch-up: a follower is away for ${writes} writes of ${valueBytes} B to ${keys} keys, ` +
      `a snapshot every ${snapshotEntries}; then ${perSecond} puts a second go on`,
  );
  const result = await catchUpDrill(options);
  const { startMs, catchUpMs, caughtUpBytes, taken, sent, installed, load, lost } = result;
  const rate = Math.round((writes / result.writeMs) * 1000);
  print(`  while it is away: ${rate} writes a second, ${taken} snapshots taken by the leader`);
  print(
    `  it serves after ${startMs.toFixed(0)} ms and has caught up ${catchUpMs.toFixed(0)} ms later:`,
  );
  const perMs = caughtUpBytes / MIB / (catchUpMs / 1000);
  print(`  ${mib(caughtUpBytes)} in ${installed} snapshots and the log: ${perMs.toFixed(1)} MiB/s`);
  print(
    `  meanwhile ${load.acknowledged} puts, longest pause ${load.longestPauseMs.toFixed(0)} ms`,
  );
  printMemory('resident memory of the leader', 'residentBytes', result, maxLogBytes);
  printMemory('its heap and what it holds', 'heapBytes', result, maxLogBytes);
  printTarget('snapshots sent', String(sent), 'at most 2', sent <= 2);
  claim('every acknowledged write is there', lost.length === 0);
  claim('no call failed but by a retriable error', load.nonRetriable === 0);
}

function printMemory(
  what: string,
  kind: keyof Memory,
  { before, most }: CatchUpResult,
  maxLogBytes: number,
): void {
  const allowed = maxLogBytes + before[kind] / 2;
  const growth = most[kind] - before[kind];
  print(`  ${what}: ${mib(before[kind])} before, ${mib(most[kind])} at most`);
  printTarget('  growth', mib(growth), `at most ${mib(allowed)}`, growth <= allowed);
}
