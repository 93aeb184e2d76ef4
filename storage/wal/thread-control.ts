import type { MessagePort } from 'node:worker_threads';

/*
 * What the thread that asks and the thread that writes share, 32 bytes:
 *
 *   0 i32 number of the last request · 4 i32 number of the last answer · 8 i32 what is asked ·
 *   12 i32 length of a write · 16 f64 its offset · 24 i32 whether the last request failed
 *
 * One request at a time: the fields of a request are the asking side's until its number is stored, and the
 * other side's until the number of the answer is.
 */
const CONTROL_BYTES = 32;
const REQUEST = 0;
const ANSWER = 1;
const KIND = 2;
const LENGTH = 3;
const FAILED = 6;
const OFFSET = 2; // In steps of 8 bytes.

const WRITE_KIND = 1;
const MESSAGE_KIND = 2;

/** With what the thread begins. */
export interface ThreadStart {
  readonly control: SharedArrayBuffer;
  /** Messages of a request to the thread, and errors back. Read only when the numbers say that one is there. */
  readonly port: MessagePort;
  /** Makes writes durable by themselves; 0 where they are to be synced. */
  readonly flag: number;
}

/** A request that is made now and then. */
export type ThreadMessage =
  /** Does nothing: its answer says that the thread is there. */
  | { readonly kind: 'begin' }
  /** What is to be written is in there from now on. */
  | { readonly kind: 'region'; readonly region: SharedArrayBuffer }
  | { readonly kind: 'open'; readonly path: string }
  /** The last one. */
  | { readonly kind: 'close' };

/** An error of the system: errors lose their codes on the way between threads. */
export interface ThreadFailure {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
}

/** The first bytes of the region are to be written at `offset`, durably. */
export interface WriteRequest {
  readonly offset: number;
  readonly length: number;
}

/**
 * The numbers by which the two threads wake each other. Each is stored first and told of then, and the other
 * side may be quicker than that: it has seen the number, done its part and waits for the next one when it is
 * told of the last. So whoever is woken looks at the numbers, and waits on where they have not changed.
 */
export class ThreadControl {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #offsets: Float64Array<SharedArrayBuffer>;
  #isInterrupted = false;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(CONTROL_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#offsets = new Float64Array(buffer);
  }

  /**
   * Makes a request: a write, or null for the message that was posted before. Resolves when it is answered,
   * or when `interrupt` is called. Keeps no process alive.
   */
  async ask(write: WriteRequest | null): Promise<void> {
    const words = this.#words;
    const before = Atomics.load(words, ANSWER);
    words[KIND] = write === null ? MESSAGE_KIND : WRITE_KIND;
    words[LENGTH] = write?.length ?? 0;
    this.#offsets[OFFSET] = write?.offset ?? 0;
    words[FAILED] = 0;
    // Waits first and wakes then: both take a lock that a thread needs to wake up.
    let waiting = Atomics.waitAsync(words, ANSWER, before);
    Atomics.add(words, REQUEST, 1);
    Atomics.notify(words, REQUEST);
    while (waiting.async) {
      await waiting.value;
      if (this.#isInterrupted || Atomics.load(words, ANSWER) !== before) return;
      waiting = Atomics.waitAsync(words, ANSWER, before);
    }
  }

  /** Whether the last request is answered. */
  get isAnswered(): boolean {
    return Atomics.load(this.#words, ANSWER) === Atomics.load(this.#words, REQUEST);
  }

  /** Whether it failed. Known once it is answered. */
  get isFailed(): boolean {
    return this.#words[FAILED] === 1;
  }

  /** Ends the wait for an answer that does not come, and every later one. */
  interrupt(): void {
    this.#isInterrupted = true;
    Atomics.notify(this.#words, ANSWER);
  }

  /** Blocks until there is a request that is not answered; gives its write, or null for a message. */
  next(): WriteRequest | null {
    const words = this.#words;
    while (this.isAnswered) Atomics.wait(words, REQUEST, Atomics.load(words, ANSWER));
    if (words[KIND] === MESSAGE_KIND) return null;
    return { offset: this.#offsets[OFFSET] ?? 0, length: words[LENGTH] ?? 0 };
  }

  answer({ isFailed }: { readonly isFailed: boolean }): void {
    this.#words[FAILED] = isFailed ? 1 : 0;
    Atomics.add(this.#words, ANSWER, 1);
    Atomics.notify(this.#words, ANSWER);
  }
}
