import type { Clock, Logger } from '../../lib/interfaces/index.js';

const INTERVAL_MS = 1000;
const INTERVAL_BYTES = 256 * 1024 * 1024;

/** Says how far the reading of a large log is: every second, or every 256 MiB. */
export class Progress {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #startMs: number;
  #readBytes = 0;
  #saidMs: number;
  #saidBytes = 0;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
    this.#startMs = clock.now();
    this.#saidMs = this.#startMs;
  }

  add(bytes: number): void {
    this.#readBytes += bytes;
    const nowMs = this.#clock.now();
    const isDue = nowMs - this.#saidMs >= INTERVAL_MS;
    if (!isDue && this.#readBytes - this.#saidBytes < INTERVAL_BYTES) return;
    this.#saidMs = nowMs;
    this.#saidBytes = this.#readBytes;
    const fields = { event: 'storage.recovering', readBytes: this.#readBytes };
    this.#logger.info(fields, 'the log is being read');
  }

  /** Silent where nothing was said before. */
  finish(): void {
    if (this.#saidBytes === 0) return;
    const durationMs = Math.round(this.#clock.now() - this.#startMs);
    const fields = { event: 'storage.recovered', readBytes: this.#readBytes, durationMs };
    this.#logger.info(fields, 'the log is read');
  }
}
