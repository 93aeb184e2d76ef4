import { EMPTY_BYTES, type Entry, type LogIndex, QuorateError, type Term } from '../base/index.js';
import type { PendingCall } from './pending-calls.js';

/** A command on its way into the log, and who waits for its answer. */
export interface Proposal {
  readonly command: Uint8Array;
  readonly commandVersion: number;
  readonly call: PendingCall<Uint8Array>;
  /** Nothing was appended, because this node does not lead. */
  readonly onNotLeader: () => void;
}

interface Placed {
  readonly term: Term;
  readonly call: PendingCall<Uint8Array>;
  /** Another proposal that was placed at the same index in another term. */
  readonly next: Placed | null;
}

/**
 * Proposals that stand in the log. A proposal (term, index) outlives its leadership: it is settled
 * by what is *committed* at its index on this node. An overwrite that is not committed proves
 * nothing (Raft §5.4.2, Figure 8).
 */
export class PendingProposals {
  readonly #placed = new Map<LogIndex, Placed>();

  get size(): number {
    return this.#placed.size;
  }

  /** The proposals stand at `firstIndex` and after: from here on a failure means `'unknown'`. */
  place(proposals: readonly Pick<Proposal, 'call'>[], term: Term, firstIndex: LogIndex): void {
    let index = firstIndex;
    for (const { call } of proposals) {
      call.outcome = 'unknown';
      this.#placed.set(index, { term, call, next: this.#placed.get(index) ?? null });
      index += 1;
    }
  }

  /** `entry` is committed and applied here; `result` is the state machine's answer, null for none. */
  applied(entry: Entry, result: Uint8Array | null): void {
    if (this.#placed.size === 0) return;
    let placed = this.#placed.get(entry.index) ?? null;
    if (placed === null) return;
    this.#placed.delete(entry.index);
    for (; placed !== null; placed = placed.next) {
      // The machine is not asked about the members.
      if (placed.term === entry.term) placed.call.resolve(result ?? EMPTY_BYTES);
      else placed.call.fail(overwritten(entry));
    }
  }

  /** A snapshot stands for everything up to `index`: what was answered there is not known here. */
  covered(index: LogIndex): void {
    for (const [position, { call: first, next }] of this.#placed) {
      if (position > index) continue;
      this.#placed.delete(position);
      first.fail(unanswered());
      for (let placed = next; placed !== null; placed = placed.next) placed.call.fail(unanswered());
    }
  }

  /** Forgets calls that have settled otherwise: their time ran out, or they were aborted. */
  sweep(): void {
    for (const [index, placed] of this.#placed) {
      if (placed.call.isSettled && placed.next === null) this.#placed.delete(index);
    }
  }
}

function unanswered(): QuorateError {
  return new QuorateError('ERR_NOT_LEADER', {
    message: 'leadership changed, and a snapshot of the new leader does not hold the answer',
    outcome: 'unknown',
  });
}

function overwritten(entry: Entry): QuorateError {
  return new QuorateError('ERR_NOT_LEADER', {
    message: `leadership changed: the leader of term ${entry.term} committed something else there`,
  });
}
