import type { Clock, Logger, Timer } from '../../lib/interfaces/index.js';
import type { Health } from './health.js';
import { encodeMark, type LogPosition } from './small-values.js';
import type { TwinFile } from './twin-file.js';

/** Writes have fallen idle when none came for this long. With the two syncs it is well below 50 ms. */
const IDLE_MS = 20;

export interface MarkOptions {
  readonly clock: Clock;
  readonly health: Health;
  readonly logger: Logger;
  readonly file: TwinFile;
}

/**
 * How far the log is known to have been durable: a log that ends before its mark, or is another one
 * there, has lost entries that were acknowledged. The mark may lag behind the log, never lead it:
 *
 * - it is raised when writes fall idle, at compaction and at a clean close, never on the hot path;
 * - it is lowered, durably, before a truncation below it, and not raised until that is done.
 *
 * Counter-example without the second rule: the mark is at 10; entries from 5 on are replaced by one;
 * a crash follows. The log rightly ends at 5, and would be taken for damaged.
 */
export class Mark {
  readonly #options: MarkOptions;
  /** Set before it is written, so that a cut meanwhile knows what it must lower. */
  #position: LogPosition = { index: 0, term: 0, chain: 0 };
  /** The end of the durable log. */
  #last: LogPosition = this.#position;
  #lastWriteMs = 0;
  #timer: Timer | null = null;
  #isHeld = false;
  #isStopped = false;
  /** Writes to the file, one after another. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: MarkOptions) {
    this.#options = options;
  }

  /** What the file holds once the writes that were asked for are done. */
  get position(): LogPosition {
    return this.#position;
  }

  begin(position: LogPosition, last: LogPosition): void {
    this.#position = position;
    this.moved(last);
  }

  /** The durable log ends at `last` now. Writes the mark once no other write follows for a while. */
  moved(last: LogPosition): void {
    this.#last = last;
    this.#lastWriteMs = this.#options.clock.now();
    if (this.#timer === null && !isSame(last, this.#position)) this.#arm(IDLE_MS);
  }

  /** Keeps the mark from rising by itself until `release`: the log is about to be cut. */
  hold(): void {
    this.#isHeld = true;
  }

  async lower(to: LogPosition): Promise<void> {
    await this.#write(to);
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Marks all that is durable now. */
  async raise(): Promise<void> {
    if (!isSame(this.#last, this.#position)) await this.#write(this.#last);
  }

  /** No write begins by itself from now on. Resolves when none is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#writing;
  }

  #arm(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => this.#onTimer());
    this.#timer.keepAlive(false);
  }

  #onTimer(): void {
    this.#timer = null;
    const { clock, health, logger, file } = this.#options;
    if (health.failure !== null || isSame(this.#last, this.#position)) return;
    const restMs = this.#lastWriteMs + IDLE_MS - clock.now();
    if (this.#isHeld || restMs > 0) return this.#arm(this.#isHeld ? IDLE_MS : restMs);
    // The failure is final for the engine; whoever calls it next is told.
    this.raise().catch((error: unknown) => {
      logger.error(
        { event: 'storage.markFailed', path: file.path, error: String(error) },
        'the mark cannot be written',
      );
    });
  }

  #write(position: LogPosition): Promise<void> {
    const { health, file } = this.#options;
    this.#position = position;
    const done = this.#writing.then(() =>
      health.write(file.path, () => file.save(encodeMark(position))),
    );
    this.#writing = done.catch(() => {}); // Told to the caller, below.
    return done;
  }
}

function isSame(a: LogPosition, b: LogPosition): boolean {
  return a.index === b.index && a.term === b.term && a.chain === b.chain;
}
