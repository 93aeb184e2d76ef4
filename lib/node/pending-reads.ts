import type { LogIndex } from '../base/index.js';
import type { PendingCall } from './pending-calls.js';

/** A read that waits for leave, and what to do when this node does not lead. */
export interface Read {
  readonly call: PendingCall<LogIndex>;
  readonly onNotLeader: () => void;
}

/** The answer to one question, and the calls that asked it. */
export interface ReadAnswer {
  /** What a read must have applied to see all that was acknowledged before `askedMs`. */
  readonly index: LogIndex;
  /** When this node asked, by its own clock. */
  readonly askedMs: number;
  readonly calls: readonly PendingCall<LogIndex>[];
}

/** A read that may be content with less than an answer. */
interface Modest {
  readonly call: PendingCall<LogIndex>;
  readonly isEnough: () => boolean;
}

/** Reads that know what they must see and wait until this node has applied it. */
export class PendingReads {
  #waiting: ReadAnswer[] = [];
  #modest: Modest[] = [];
  #caughtUpMs = Number.NEGATIVE_INFINITY;

  /**
   * Everything that was acknowledged before this moment of this node's clock is applied here. It counts
   * from the question, not from the answer: what was acknowledged in between may be missing.
   */
  get caughtUpMs(): number {
    return this.#caughtUpMs;
  }

  /** Resolves the calls with the index, now or once it is applied. */
  await(answer: ReadAnswer, appliedIndex: LogIndex): void {
    if (answer.index > appliedIndex) this.#waiting.push(answer);
    else this.#settle(answer);
  }

  /** Resolves the call also when what is applied is enough for it, whoever leads. */
  awaitEnough(call: PendingCall<LogIndex>, isEnough: () => boolean): void {
    this.#modest.push({ call, isEnough });
  }

  applied(appliedIndex: LogIndex): void {
    if (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = waiting.filter(({ index }) => index > appliedIndex);
      for (const answer of waiting) if (answer.index <= appliedIndex) this.#settle(answer);
    }
    for (const { call, isEnough } of this.#modest) {
      if (!call.isSettled && isEnough()) call.resolve(appliedIndex);
    }
  }

  /** Forgets reads whose callers have all given up. */
  sweep(): void {
    this.#waiting = this.#waiting.filter(({ calls }) => calls.some((call) => !call.isSettled));
    this.#modest = this.#modest.filter(({ call }) => !call.isSettled);
  }

  #settle({ index, askedMs, calls }: ReadAnswer): void {
    this.#caughtUpMs = Math.max(this.#caughtUpMs, askedMs);
    for (const call of calls) call.resolve(index);
  }
}
