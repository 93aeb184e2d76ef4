import type { LogIndex, Term } from '../base/index.js';
import type { Clock } from '../interfaces/index.js';
import type { RejectionReason } from '../raft/index.js';
import { tooMuchUncommitted } from './faults.js';
import type { PendingProposals, Proposal } from './pending-proposals.js';
import type { PendingReads, Read } from './pending-reads.js';

export interface QueuedCallsOptions {
  readonly clock: Clock;
  /** Takes over what was appended. */
  readonly proposals: PendingProposals;
  /** Takes over what was given an index. */
  readonly reads: PendingReads;
  readonly appliedIndex: () => LogIndex;
  /** There is something to take: a turn is due. */
  readonly onWork: () => void;
}

/**
 * Calls on their way to the core: those that wait for the next turn, and those that it has not answered
 * yet. The driver takes what is queued and tells what became of it.
 */
export class QueuedCalls {
  readonly #options: QueuedCallsOptions;
  #proposals: Proposal[] = [];
  #reads: Read[] = [];
  /** The part that the driver proposes at the moment. */
  #placing: readonly Proposal[] = [];
  /** Reads that the core was asked about, by read id. */
  readonly #asked = new Map<
    number,
    { readonly askedMs: number; readonly reads: readonly Read[] }
  >();
  #nextReadId = 1;

  constructor(options: QueuedCallsOptions) {
    this.#options = options;
  }

  propose(proposal: Proposal): void {
    this.#proposals.push(proposal);
    this.#options.onWork();
  }

  read(read: Read): void {
    this.#reads.push(read);
    this.#options.onWork();
  }

  /**
   * What is queued to be proposed, in parts of at most `maxBytes`, or of one command. Each is answered by
   * `placed` or `refused` before the next is asked for.
   */
  *takeProposals(maxBytes: number): Generator<readonly Proposal[], void, undefined> {
    const queued = this.#proposals.filter(({ call }) => !call.isSettled);
    this.#proposals = [];
    let from = 0;
    let bytes = 0;
    for (const [position, { command }] of queued.entries()) {
      bytes += command.length;
      if (position === from || bytes <= maxBytes) continue;
      yield this.#place(queued.slice(from, position));
      from = position;
      bytes = command.length;
    }
    if (from < queued.length) yield this.#place(queued.slice(from));
  }

  placed(term: Term, firstIndex: LogIndex): void {
    this.#options.proposals.place(this.#placing, term, firstIndex);
    this.#placing = [];
  }

  refused(reason: RejectionReason): void {
    const refused = this.#placing;
    this.#placing = [];
    for (const { call, onNotLeader } of refused) {
      if (reason === 'busy') call.fail(tooMuchUncommitted());
      else onNotLeader();
    }
  }

  /** An id for the reads that are queued, or null where none is. Answered by `readReady` or `readRefused`. */
  takeReads(): number | null {
    const reads = this.#reads.filter(({ call }) => !call.isSettled);
    this.#reads = [];
    if (reads.length === 0) return null;
    const readId = this.#nextReadId;
    this.#nextReadId += 1;
    this.#asked.set(readId, { askedMs: this.#options.clock.now(), reads });
    return readId;
  }

  readReady(readId: number, index: LogIndex): void {
    const asked = this.#asked.get(readId);
    this.#asked.delete(readId);
    if (asked === undefined) return;
    const calls = asked.reads.map((read) => read.call);
    const { reads, appliedIndex } = this.#options;
    reads.await({ index, askedMs: asked.askedMs, calls }, appliedIndex());
  }

  readRefused(readId: number): void {
    const asked = this.#asked.get(readId);
    this.#asked.delete(readId);
    for (const { onNotLeader } of asked?.reads ?? []) onNotLeader();
  }

  #place(proposals: readonly Proposal[]): readonly Proposal[] {
    this.#placing = proposals;
    return proposals;
  }
}
