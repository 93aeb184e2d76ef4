import type { Clock, Logger, Timer } from '../../lib/interfaces/index.js';
import type { Health } from './health.js';
import type { TwinFile } from './twin-file.js';

/** Writes have fallen idle when none came for this long. With the two syncs it is well below 50 ms. */
const IDLE_MS = 20;

/** While writes never fall idle, the file is looked for this often. */
const LOOK_MS = 1000;

export interface MarkOptions<Position> {
  readonly clock: Clock;
  readonly health: Health;
  readonly logger: Logger;
  readonly file: TwinFile;
  readonly encode: (position: Position) => Uint8Array;
  readonly isSame: (a: Position, b: Position) => boolean;
  /** Until `begin`. */
  readonly initial: Position;
}

/**
 * How far the log is known to have been durable: a log that ends before its mark, or is another one
 * there, has lost entries that were acknowledged. The mark may lag behind the log, never lead it:
 *
 * - it is raised when writes fall idle, at compaction and at a clean close, never on the hot path;
 * - it is lowered, durably, before a truncation below it, and not raised until that is done.
 *
 * Counter-example without the second rule: the mark is at 10; entries from 5 on are replaced by one;
 * a crash follows. The log rightly ends at 5, and would be taken for damaged. (What is only ever
 * appended to needs no such rule: there, the mark is never lowered.)
 */
export class Mark<Position> {
  readonly #options: MarkOptions<Position>;
  /** Set before it is written, so that a cut meanwhile knows what it must lower. */
  #position: Position;
  /** The end of the durable log. */
  #last: Position;
  #lastWriteMs = 0;
  #lastLookMs = 0;
  #timer: Timer | null = null;
  #isHeld = false;
  #isStopped = false;
  /** The last write to the file that was asked for. They are made one after another. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: MarkOptions<Position>) {
    this.#options = options;
    this.#position = options.initial;
    this.#last = options.initial;
  }

  /** What the file holds once the writes that were asked for are done. */
  get position(): Position {
    return this.#position;
  }

  begin(position: Position, last: Position): void {
    this.#position = position;
    this.moved(last);
  }

  /** The durable log ends at `last` now. Writes the mark once no other write follows for a while. */
  moved(last: Position): void {
    this.#last = last;
    this.#lastWriteMs = this.#options.clock.now();
    if (this.#timer !== null || this.#isSame(last, this.#position)) return;
    this.#lastLookMs = this.#lastWriteMs;
    this.#arm(IDLE_MS);
  }

  /** Keeps the mark from rising by itself until `release`: the log is about to be cut. */
  hold(): void {
    this.#isHeld = true;
  }

  async lower(to: Position): Promise<void> {
    await this.#write(to);
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Marks all that is durable now. Resolves when the mark is, whoever asked for it. */
  async raise(): Promise<void> {
    await (this.#isSame(this.#last, this.#position) ? this.#writing : this.#write(this.#last));
  }

  /** No write begins by itself from now on. Resolves when none is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#writing.catch(() => {}); // Told to whoever asked for it.
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => this.#onTimer());
    this.#timer.keepAlive(false);
  }

  #onTimer(): void {
    this.#timer = null;
    const { clock, health, logger, file } = this.#options;
    if (health.failure !== null || this.#isSame(this.#last, this.#position)) return;
    const restMs = this.#lastWriteMs + IDLE_MS - clock.now();
    const isBusy = this.#isHeld || restMs > 0;
    if (isBusy) this.#arm(this.#isHeld ? IDLE_MS : restMs);
    if (isBusy && clock.now() - this.#lastLookMs < LOOK_MS) return;
    // The failure is final for the engine; whoever calls it next is told.
    (isBusy ? this.#look() : this.raise()).catch((error: unknown) => {
      logger.error(
        { event: 'storage.markFailed', path: file.path, error: String(error) },
        'the mark cannot be written',
      );
    });
  }

  /** The log is written by way of files that are open: those stay writable when the folder is gone. */
  async #look(): Promise<void> {
    const { health, clock, file } = this.#options;
    this.#lastLookMs = clock.now();
    await health.write(file.path, () => file.check());
  }

  #write(position: Position): Promise<void> {
    const { health, file, encode } = this.#options;
    this.#position = position;
    const before = this.#writing.catch(() => {});
    this.#writing = before.then(() => health.write(file.path, () => file.save(encode(position))));
    this.#writing.catch(() => {}); // Told to the caller.
    return this.#writing;
  }

  #isSame(a: Position, b: Position): boolean {
    return this.#options.isSame(a, b);
  }
}
