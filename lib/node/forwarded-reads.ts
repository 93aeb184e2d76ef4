import type { GroupId, LogIndex, MemberId, QuorateError } from '../base/index.js';
import type { Clock } from '../interfaces/index.js';
import type { PeerAnswer, PeerCall } from '../wire/index.js';
import type { PendingCall } from './pending-calls.js';
import type { PendingReads } from './pending-reads.js';

export interface ForwardedReadsOptions {
  readonly self: MemberId;
  readonly group: GroupId;
  readonly clock: Clock;
  /** Takes over what the leader gave an index. */
  readonly reads: PendingReads;
  readonly leader: () => MemberId | null;
  readonly appliedIndex: () => LogIndex;
  /** Asks the leader, until the deadline; rejects with QuorateError only. */
  readonly ask: (leader: MemberId, request: PeerCall, deadlineMs: number) => Promise<PeerAnswer>;
  /** Nobody was asked: the read is carried out again, a little later. */
  readonly again: (call: PendingCall<LogIndex>) => void;
  /** The question failed, and whether the read is worth another is not decided yet. */
  readonly failed: (call: PendingCall<LogIndex>, error: QuorateError) => void;
  /** There is something to flush: a turn is due. */
  readonly onWork: () => void;
}

/**
 * Reads of a member that does not lead: the reads of one turn ask the leader once for an index, and wait
 * until it is applied here.
 */
export class ForwardedReads {
  readonly #options: ForwardedReadsOptions;
  /** Reads of this turn, which share one question. */
  #queued: PendingCall<LogIndex>[] = [];
  /** Reads that the leader was asked about, by question. */
  readonly #asked = new Set<readonly PendingCall<LogIndex>[]>();

  constructor(options: ForwardedReadsOptions) {
    this.#options = options;
  }

  add(call: PendingCall<LogIndex>): void {
    this.#queued.push(call);
    this.#options.onWork();
  }

  /** Asks the leader once for all reads of this turn. */
  flush(): void {
    const calls = this.#queued.filter((call) => !call.isSettled);
    this.#queued = [];
    const { self, leader: whoLeads, again } = this.#options;
    const leader = whoLeads();
    if (calls.length === 0) return;
    if (leader !== null && leader !== self) return this.#askLeader(leader, calls);
    for (const call of calls) again(call);
  }

  /** What the old leader was asked is asked of the new one: its answer may never come. */
  leaderChanged(): void {
    const asked = [...this.#asked].flat();
    this.#asked.clear();
    for (const call of asked) this.#options.again(call);
  }

  #askLeader(leader: MemberId, calls: readonly PendingCall<LogIndex>[]): void {
    const { group, clock, reads, ask, failed, appliedIndex } = this.#options;
    const askedMs = clock.now();
    const deadlineMs = Math.max(...calls.map((call) => call.deadlineMs));
    this.#asked.add(calls);
    ask(leader, { kind: 'readIndex', group, timeoutMs: 0 }, deadlineMs).then(
      (answer) => {
        this.#asked.delete(calls);
        if (answer.kind !== 'readIndex') return;
        reads.await({ index: answer.index, askedMs, calls }, appliedIndex());
      },
      (error: QuorateError) => {
        // Where the leader changed meanwhile, they are on their way again.
        if (!this.#asked.delete(calls)) return;
        for (const call of calls) failed(call, error);
      },
    );
  }
}
