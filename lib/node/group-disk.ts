import type { Entry, LogIndex, Term } from '../base/index.js';
import { at } from '../base/index.js';
import type { LogStorage, Metrics, StateStorage } from '../interfaces/index.js';
import { count } from '../observe/index.js';
import type { Effect, HardState } from '../raft/index.js';

type Write = Effect & { readonly kind: 'write' };

export interface GroupDiskOptions {
  readonly log: LogStorage;
  readonly state: StateStorage;
  /** A write that takes as many ticks makes the disk a slow one. */
  readonly slowTicks: number;
  readonly metrics: Metrics;
  /** The write with this id, and all before it, are durable. */
  readonly onWritten: (writeId: number) => void;
  /** A write failed: nobody knows what is stored. Nothing is written any more. */
  readonly onFailed: (cause: unknown) => void;
}

/**
 * Group commit: one durable write at a time, and while it is under way everything that comes is
 * gathered into the next one. No timer decides how long to wait; the disk does.
 */
export class GroupDisk {
  readonly #options: GroupDiskOptions;
  #next: Write | null = null;
  #busy = false;
  #failed = false;
  #heldTicks = 0;
  #compaction: { readonly index: LogIndex; readonly term: Term } | null = null;
  #idle: (() => void)[] = [];

  constructor(options: GroupDiskOptions) {
    this.#options = options;
  }

  add(write: Write): void {
    this.#next = this.#next === null ? write : joinWrites(this.#next, write);
  }

  /** How many ticks the write under way has taken; 0 where none is. */
  get heldTicks(): number {
    return this.#heldTicks;
  }

  /**
   * A leader with such a disk acknowledges nothing that it applies itself; another may do better. Nor
   * does it stand: its vote would not be kept, and the terms it thought of would unseat that other one.
   */
  get isSlow(): boolean {
    return this.#heldTicks >= this.#options.slowTicks;
  }

  tick(): void {
    if (this.#busy) this.#heldTicks += 1;
  }

  /** Forgets the stored log up to and including `index`, after the write under way. */
  compact(index: LogIndex, term: Term): void {
    this.#compaction = { index, term };
    this.start();
  }

  /** Begins what was gathered, unless a write is under way. */
  start(): void {
    if (this.#busy || this.#failed) return;
    const compaction = this.#compaction;
    const write = this.#next;
    // Not behind the writes: under a steady load there is always another one.
    if (compaction !== null) {
      this.#compaction = null;
      this.#run(
        () => this.#options.log.compact(compaction.index, compaction.term),
        () => this.start(),
      );
    } else if (write !== null) {
      this.#next = null;
      this.#run(
        () => this.#persist(write),
        () => this.#options.onWritten(write.writeId),
      );
    }
  }

  #run(work: () => Promise<void>, next: () => void): void {
    this.#busy = true;
    work().then(
      () => {
        this.#done();
        next();
      },
      (cause: unknown) => {
        this.#failed = true;
        this.#done();
        this.#options.onFailed(cause);
      },
    );
  }

  /** Drops what was gathered and resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#failed = true;
    this.#next = null;
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** State before log: a log that is ahead of its term could acknowledge for a leader it has left. */
  async #persist({ hardState, reset, entries }: Write): Promise<void> {
    if (hardState !== null) await this.#options.state.save(hardState);
    if (reset !== undefined) await this.#options.log.reset(reset.index, reset.term);
    if (entries.length === 0) return;
    count(this.#options.metrics, 'quorate_log_writes_total');
    count(this.#options.metrics, 'quorate_log_entries_written_total', entries.length);
    await this.#options.log.append(entries);
  }

  #done(): void {
    this.#busy = false;
    this.#heldTicks = 0;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

/** Two writes in a row, as one: the later state, and the entries that stand after both. */
export function joinWrites(first: Write, second: Write): Write {
  const hardState: HardState | null = second.hardState ?? first.hardState;
  const { writeId, reset = first.reset } = second;
  // What was to be stored before the log is emptied need not be stored.
  const before = second.reset === undefined ? first.entries : [];
  const entries = joinEntries(before, second.entries);
  return {
    kind: 'write',
    writeId,
    hardState,
    ...(reset === undefined ? {} : { reset }),
    entries,
  };
}

function joinEntries(first: readonly Entry[], second: readonly Entry[]): readonly Entry[] {
  if (second.length === 0) return first;
  if (first.length === 0) return second;
  const kept = at(second, 0).index - at(first, 0).index;
  return [...(kept < first.length ? first.slice(0, Math.max(0, kept)) : first), ...second];
}
