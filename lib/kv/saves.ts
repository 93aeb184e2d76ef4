import { concatBytes, QuorateError } from '../base/index.js';
import type { Clock, Timer } from '../interfaces/index.js';
import type { SavedPart, SavedState } from '../store/index.js';

export interface OpenSavesOptions {
  readonly clock: Clock;
  /** Content of one part, at most. */
  readonly maxPartBytes: number;
  /** Distinguishes this start of this node: a cursor of another one is never mistaken for ours. */
  readonly instance: string;
}

interface OpenSave {
  readonly id: number;
  readonly state: SavedState;
  readonly chunks: AsyncIterator<Uint8Array>;
  /** Read from `chunks`, and not handed out yet: less than a part and a chunk. */
  rest: Uint8Array;
  /** How many parts were handed out. */
  partCount: number;
  isReading: boolean;
  usedMs: number;
}

/** Saves at the same time. Each holds what is overwritten while it goes on. Further ones are ERR_BUSY. */
const MAX_OPEN_SAVES = 4;

/** One that nobody has read from for this long is dropped. */
const IDLE_MS = 60_000;

/**
 * States of the machine that are handed out a part at a time, when each is asked for: whoever reads
 * slowly, or not at all, has no bytes waiting for them. Dropped after a minute without a question.
 */
export class OpenSaves {
  readonly #options: OpenSavesOptions;
  readonly #saves = new Map<number, OpenSave>();
  #nextId = 1;
  #timer: Timer | null = null;

  constructor(options: OpenSavesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#saves.size;
  }

  /** ERR_BUSY while too many are open. To be called before the state is taken. */
  checkRoom(): void {
    if (this.#saves.size < MAX_OPEN_SAVES) return;
    throw new QuorateError('ERR_BUSY', { message: `${MAX_OPEN_SAVES} snapshots are being saved` });
  }

  /** The first part. `chunks` are taken over, and left early where nobody asks for the rest. */
  async begin(state: SavedState, chunks: AsyncIterable<Uint8Array>): Promise<SavedPart> {
    const id = this.#nextId;
    this.#nextId += 1;
    const save = {
      id,
      state,
      chunks: chunks[Symbol.asyncIterator](),
      rest: new Uint8Array(0),
      partCount: 0,
      isReading: false,
      usedMs: this.#options.clock.now(),
    };
    this.#saves.set(id, save);
    this.#arm();
    return await this.#part(save);
  }

  /** The part that a cursor stands for, once. One that is not held any more is ERR_COMPACTED. */
  async next(cursor: string): Promise<SavedPart> {
    const save = this.#find(cursor);
    if (save === null || save.isReading || cursor !== this.#cursor(save)) throw gone();
    return await this.#part(save);
  }

  /** Unknown cursors are passed over. */
  release(cursor: string): void {
    const save = this.#find(cursor);
    if (save !== null) this.#drop(save);
  }

  close(): void {
    for (const save of [...this.#saves.values()]) this.#drop(save);
  }

  async #part(save: OpenSave): Promise<SavedPart> {
    save.isReading = true;
    let isEnd: boolean;
    try {
      isEnd = await this.#fill(save);
    } catch (error) {
      this.#drop(save);
      throw error;
    }
    // Dropped while it was read: its end is where it was left, and not that of the state.
    if (!this.#saves.has(save.id)) throw gone();
    save.isReading = false;
    save.usedMs = this.#options.clock.now();
    const { maxPartBytes } = this.#options;
    const content = save.rest.subarray(0, maxPartBytes);
    save.rest = save.rest.subarray(content.length);
    save.partCount += 1;
    if (isEnd && save.rest.length === 0) {
      this.#drop(save);
      return { ...save.state, content, cursor: null };
    }
    return { ...save.state, content, cursor: this.#cursor(save) };
  }

  /** Reads on until a part is there. True at the end of the state. */
  async #fill(save: OpenSave): Promise<boolean> {
    const parts = [save.rest];
    let bytes = save.rest.length;
    let isEnd = false;
    // One more than a part: with exactly a part, nobody knows whether it is the last.
    while (bytes <= this.#options.maxPartBytes && !isEnd) {
      const step = await save.chunks.next();
      isEnd = step.done === true;
      if (step.done === true) break;
      parts.push(step.value);
      bytes += step.value.length;
    }
    save.rest = concatBytes(parts);
    return isEnd;
  }

  #cursor({ id, partCount }: OpenSave): string {
    return `${this.#options.instance}-s${id}-${partCount}`;
  }

  #find(cursor: string): OpenSave | null {
    const [instance, id = ''] = cursor.split('-');
    if (instance !== this.#options.instance || !id.startsWith('s')) return null;
    return this.#saves.get(Number(id.slice(1))) ?? null;
  }

  #drop(save: OpenSave): void {
    if (!this.#saves.delete(save.id)) return;
    // Gives the state back. It has nothing to wait for, and nobody waits for it.
    void save.chunks.return?.();
    if (this.#saves.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): void {
    if (this.#timer !== null || this.#saves.size === 0) return;
    this.#timer = this.#options.clock.after(IDLE_MS, () => {
      this.#timer = null;
      const before = this.#options.clock.now() - IDLE_MS;
      for (const save of [...this.#saves.values()]) if (save.usedMs <= before) this.#drop(save);
      this.#arm();
    });
    this.#timer.keepAlive(false);
  }
}

function gone(): QuorateError {
  return new QuorateError('ERR_COMPACTED', {
    message: 'the state that was being saved is no longer held; begin again',
  });
}
