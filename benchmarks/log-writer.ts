import type { GroupStorage, StorageEngine } from 'quorate/interfaces';
import { packEntries } from '../lib/base/index.js';
import { storageContext } from '../lib/testing/index.js';

export const BENCH_IDENTITY = {
  nodeId: 'n1',
  incarnation: '0123456789abcdef',
  clusterId: 'fedcba9876543210',
};

/** A log is compacted when as many bytes were appended, and keeps nothing. */
const COMPACT_BYTES = 64 * 2 ** 20;

/** Appends to the log of one group, in an engine that is opened for it. */
export class LogWriter {
  readonly #group: string;
  readonly #storage: GroupStorage;
  #lastIndex = 0;
  #appendedBytes = 0;

  private constructor(group: string, storage: GroupStorage) {
    this.#group = group;
    this.#storage = storage;
  }

  static async open(engine: StorageEngine, group = 'default'): Promise<LogWriter> {
    await engine.open(storageContext());
    await engine.initialise(BENCH_IDENTITY);
    return LogWriter.of(engine, group);
  }

  /** A group of an engine that is open, and has no log of it yet. */
  static async of(engine: StorageEngine, group: string): Promise<LogWriter> {
    const storage = engine.group(group);
    await storage.log.open();
    return new LogWriter(group, storage);
  }

  /** Gives what appends: the entries are packed before, as they are when they reach a disk. */
  prepare(payload: Uint8Array, count: number): () => Promise<void> {
    const position = { group: this.#group, term: 1, firstIndex: this.#lastIndex + 1, logTimeMs: 0 };
    const draft = { kind: 'command' as const, commandVersion: 1, payload };
    const entries = packEntries(
      position,
      Array.from({ length: count }, () => draft),
    );
    this.#lastIndex += count;
    this.#appendedBytes += count * payload.length;
    return () => this.#storage.log.append(entries);
  }

  /** Forgets all of the log, now and then. */
  async compact(): Promise<void> {
    if (this.#appendedBytes < COMPACT_BYTES) return;
    this.#appendedBytes = 0;
    await this.#storage.log.compact(this.#lastIndex, 1);
  }
}
