import { copyBytes } from '../../lib/base/index.js';
import type { Clock } from '../../lib/interfaces/index.js';
import type { Arrival } from './faults.js';

export interface PipeOptions {
  readonly clock: Clock;
  /** Bytes under way before `send` answers false. A frame into an empty pipe always fits. */
  readonly maxQueuedBytes: number;
  /** The arrivals of a frame: none loses it. */
  readonly fate: (frame: Uint8Array) => readonly Arrival[];
  /** Takes a frame that has arrived, unless its connection has ended meanwhile. */
  readonly arrive: (frame: Uint8Array) => void;
}

interface Queued {
  readonly frame: Uint8Array;
  readonly dueMs: number;
}

/** One lane of one connection, in one direction: a queue that empties in later turns. */
export class Pipe {
  readonly #options: PipeOptions;
  /** In the order of sending; `dueMs` never falls from one to the next. */
  #queue: Queued[] = [];
  /** Whether a wake-up for the head of the queue has been asked for. */
  #awaited = false;
  /** Bytes of every frame under way, those out of order included. */
  #queuedBytes = 0;
  #lastDueMs = Number.NEGATIVE_INFINITY;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  send(frame: Uint8Array): boolean {
    const { fate, clock, maxQueuedBytes } = this.#options;
    if (this.#queuedBytes > 0 && this.#queuedBytes + costOf(frame) > maxQueuedBytes) return false;
    for (const arrival of fate(frame)) {
      // A copy for each arrival: nobody shares memory with the sender, nor one arrival with another.
      const queued = { frame: copyBytes(frame), dueMs: clock.now() + arrival.delayMs };
      this.#queuedBytes += costOf(frame);
      if (arrival.ordered) this.#append(queued);
      else this.#later(arrival.delayMs, () => this.#arrive(queued.frame));
    }
    return true;
  }

  /** Lets go of the frames under way: nobody takes them any more. */
  close(): void {
    this.#queue = [];
  }

  #append({ frame, dueMs }: Queued): void {
    this.#lastDueMs = Math.max(this.#lastDueMs, dueMs);
    this.#queue.push({ frame, dueMs: this.#lastDueMs });
    this.#await();
  }

  #await(): void {
    const head = this.#queue[0];
    if (head === undefined || this.#awaited) return;
    this.#awaited = true;
    this.#later(head.dueMs - this.#options.clock.now(), () => this.#wake());
  }

  #wake(): void {
    this.#awaited = false;
    const now = this.#options.clock.now();
    let due = 0;
    while (due < this.#queue.length && (this.#queue[due]?.dueMs ?? 0) <= now) due += 1;
    for (const { frame } of this.#queue.splice(0, due)) this.#arrive(frame);
    this.#await();
  }

  #arrive(frame: Uint8Array): void {
    this.#queuedBytes -= costOf(frame);
    this.#options.arrive(frame);
  }

  #later(delayMs: number, fn: () => void): void {
    const { clock } = this.#options;
    if (delayMs <= 0) clock.soon(fn);
    else clock.after(delayMs, fn).keepAlive(false);
  }
}

/** An empty frame takes room too, or a queue of them would have no limit. */
function costOf(frame: Uint8Array): number {
  return FRAME_OVERHEAD_BYTES + frame.length;
}

const FRAME_OVERHEAD_BYTES = 16;
