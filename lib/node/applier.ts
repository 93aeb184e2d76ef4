import { at, type Entry, type LogIndex, QuorateError } from '../base/index.js';
import type { Clock, CommittedCommand, StateMachine } from '../interfaces/index.js';

export interface ApplierOptions {
  readonly machine: StateMachine;
  readonly clock: Pick<Clock, 'now'>;
  /** Told in order, for every entry; `result` is null where the machine was not asked. */
  readonly onApplied: (entry: Entry, result: Uint8Array | null) => void;
}

/** Most entries that are applied between two looks at the clock. */
const MAX_SLICE_ENTRIES = 64;

/** How long a turn may apply before it lets the event loop go on. */
const MAX_HOLD_MS = 4;

/** Feeds committed entries to the state machine, in slices that do not hold the event loop. */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #queue: Entry[] = [];
  #position = 0;
  /** As many as the machine has lately shown to take in good time. */
  #sliceEntries = 1;
  #isHeld = false;

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  add(entries: readonly Entry[]): void {
    for (const entry of entries) this.#queue.push(entry);
  }

  /** Drops what waits, and applies nothing before `release`: a snapshot takes its place. */
  hold(): void {
    this.#queue.length = 0;
    this.#position = 0;
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Nothing can be applied now. */
  get isIdle(): boolean {
    return this.#isHeld || this.#position >= this.#queue.length;
  }

  /** Applies for a few milliseconds at most. Gives the last index applied, or null for none. */
  run(): LogIndex | null {
    if (this.isIdle) return null;
    let nowMs = this.#options.clock.now();
    const untilMs = nowMs + MAX_HOLD_MS;
    let last: LogIndex;
    do {
      const slice = this.#queue.slice(this.#position, this.#position + this.#sliceEntries);
      this.#apply(slice);
      this.#position += slice.length;
      last = at(slice, slice.length - 1).index;
      const begunMs = nowMs;
      nowMs = this.#options.clock.now();
      this.#adapt(nowMs - begunMs);
    } while (!this.isIdle && nowMs < untilMs);
    this.#compactQueue();
    return last;
  }

  /** Half the slice after one that took half the time of a turn, twice after one that took little. */
  #adapt(tookMs: number): void {
    if (tookMs > MAX_HOLD_MS / 2) this.#sliceEntries = Math.max(1, this.#sliceEntries >> 1);
    else if (tookMs < MAX_HOLD_MS / 4)
      this.#sliceEntries = Math.min(2 * this.#sliceEntries, MAX_SLICE_ENTRIES);
  }

  #apply(slice: readonly Entry[]): void {
    const commands: CommittedCommand[] = [];
    for (const entry of slice) {
      if (entry.kind !== 'command') continue;
      const { index, term, logTimeMs, commandVersion, payload: command } = entry;
      commands.push({ index, term, logTimeMs, commandVersion, command });
    }
    const results = this.#ask(commands);
    let next = 0;
    for (const entry of slice) {
      if (entry.kind !== 'command') {
        this.#options.onApplied(entry, null);
        continue;
      }
      this.#options.onApplied(entry, at(results, next));
      next += 1;
    }
  }

  #ask(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    if (commands.length === 0) return [];
    const first = at(commands, 0).index;
    let results: readonly Uint8Array[];
    try {
      results = this.#options.machine.apply(commands);
    } catch (cause) {
      throw new QuorateError('ERR_MACHINE', {
        message: `the state machine threw at or after entry ${first}: ${String(cause)}`,
        outcome: 'unknown',
        cause,
      });
    }
    if (results.length === commands.length) return results;
    throw new QuorateError('ERR_MACHINE', {
      message: `the state machine gave ${results.length} answers to ${commands.length} commands`,
      outcome: 'unknown',
    });
  }

  #compactQueue(): void {
    if (this.isIdle) this.#queue.length = 0;
    else this.#queue.splice(0, this.#position);
    this.#position = 0;
  }
}
