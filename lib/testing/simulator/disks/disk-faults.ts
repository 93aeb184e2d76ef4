import type { SeededRandom } from '../../seeded-random.js';
import type { DiskCall } from './simulated-files.js';

/** What is wrong with a disk that is in use. */
export class DiskFaults {
  readonly #random: SeededRandom;
  readonly #diskMs: readonly [least: number, most: number];
  /** Times as long as usual. */
  slowness = 1;
  /** Calls that are made end only then, in milliseconds left. */
  hungMs: () => number = () => 0;
  /** The next sync fails. */
  failsNext = false;
  /** No file grows. */
  isFull = false;
  #hasHappened = false;
  #hits = 0;

  constructor(random: SeededRandom, diskMs: readonly [least: number, most: number]) {
    this.#random = random;
    this.#diskMs = diskMs;
  }

  /** Whether a fault was met since the disk was last well, so that a node may stop for it. */
  get hasHappened(): boolean {
    return this.#hasHappened;
  }

  /** How often a fault was met. */
  get hits(): number {
    return this.#hits;
  }

  /** How long a call takes. */
  latencyMs(_call: DiskCall): number {
    const [least, most] = this.#diskMs;
    const latencyMs = least + this.#random.next() * (most - least);
    const hungMs = this.hungMs();
    if (hungMs > 0) {
      this.#hits += 1;
      return hungMs + latencyMs;
    }
    if (this.slowness > 1) this.#hits += 1;
    return latencyMs * this.slowness;
  }

  fails(_call: DiskCall): boolean {
    if (!this.failsNext) return false;
    this.failsNext = false;
    this.#hit();
    return true;
  }

  hasRoom(_usedBytes: number, _moreBytes: number): boolean {
    if (!this.isFull) return true;
    this.#hit();
    return false;
  }

  heal(): void {
    this.slowness = 1;
    this.hungMs = () => 0;
    this.failsNext = false;
    this.isFull = false;
  }

  #hit(): void {
    this.#hasHappened = true;
    this.#hits += 1;
  }
}
