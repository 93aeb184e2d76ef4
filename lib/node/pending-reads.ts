import type { LogIndex } from '../base/index.js';
import type { PendingCall } from './pending-calls.js';

/** A read that waits for leave, and what to do when this node does not lead. */
export interface Read {
  readonly call: PendingCall<LogIndex>;
  readonly onNotLeader: () => void;
}

interface Waiting {
  readonly index: LogIndex;
  readonly calls: readonly PendingCall<LogIndex>[];
}

/** Reads that know what they must see and wait until this node has applied it. */
export class PendingReads {
  #waiting: Waiting[] = [];

  /** Resolves the calls with `index`, now or once it is applied. */
  await(index: LogIndex, calls: readonly PendingCall<LogIndex>[], appliedIndex: LogIndex): void {
    if (index > appliedIndex) this.#waiting.push({ index, calls });
    else for (const call of calls) call.resolve(index);
  }

  applied(appliedIndex: LogIndex): void {
    if (this.#waiting.length === 0) return;
    const still: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (waiting.index > appliedIndex) still.push(waiting);
      else for (const call of waiting.calls) call.resolve(waiting.index);
    }
    this.#waiting = still;
  }

  /** Forgets reads whose callers have all given up. */
  sweep(): void {
    this.#waiting = this.#waiting.filter(({ calls }) => calls.some((call) => !call.isSettled));
  }
}
