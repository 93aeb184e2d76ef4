import {
  type LogIndex,
  type MemberId,
  type NodeId,
  nodeIdOf,
  QuorateError,
  type Term,
} from '../base/index.js';
import type { Clock } from '../interfaces/index.js';
import type { RejectionReason } from '../raft/index.js';
import type { PeerAnswer, PeerCall } from '../wire/index.js';
import { asRejected, isWorthRetrying, tooMuchUncommitted, withOutcome } from './faults.js';
import { ParkedCalls } from './parked-calls.js';
import {
  type OpenCall,
  type PendingCall,
  PendingCalls,
  type WaitOptions,
} from './pending-calls.js';
import { PendingProposals, type Proposal } from './pending-proposals.js';
import { PendingReads, type Read } from './pending-reads.js';

export interface GroupCallsOptions {
  readonly self: MemberId;
  readonly group: string;
  readonly clock: Clock;
  readonly callTimeoutMs: number;
  readonly maxPendingCalls: number;
  /** Longest command that is proposed; a longer one is ERR_TOO_LARGE. */
  readonly maxCommandBytes: number;
  /** Asks a peer; rejects with QuorateError only. Null where there are no peers. */
  readonly ask: ((peer: NodeId, call: PeerCall, timeoutMs: number) => Promise<PeerAnswer>) | null;
  /** Who leads, as far as this node knows. */
  readonly leader: () => MemberId | null;
  readonly appliedIndex: () => LogIndex;
  /** Why there is no leader, in words. */
  readonly explainNoLeader: () => string;
  /** There is something to take: a turn is due. */
  readonly onWork: () => void;
  readonly onBusy: (busy: boolean) => void;
}

/** How a call is carried out: here, where this member leads, or by asking the leader. */
export interface Route<T> {
  readonly request: PeerCall;
  /** `onNotLeader` is called where nothing was done, because this member leads no more. */
  readonly here: (call: PendingCall<T>, onNotLeader: () => void) => void;
  readonly answered: (call: PendingCall<T>, answer: PeerAnswer) => void;
}

/** What peers forward to the state machine. */
export type DataCall = PeerCall & { readonly kind: 'propose' | 'readIndex' };

/** The longest that a question between nodes can carry. */
const MAX_TIMEOUT_MS = 2 ** 32 - 1;

/**
 * The calls of one group that wait: those of this node's users, and those that peers have forwarded.
 * It knows where each of them is (queued, parked until there is a leader, asked of a peer, placed in
 * the log, waiting to be applied) and settles each once. The driver takes what is queued and tells
 * what became of it.
 */
export class GroupCalls {
  readonly #options: GroupCallsOptions;
  readonly #calls: PendingCalls;
  readonly #proposals = new PendingProposals();
  readonly #reads = new PendingReads();
  #queuedProposals: Proposal[] = [];
  #queuedReads: Read[] = [];
  #placing: readonly Proposal[] = [];
  /** Reads of a core's answer, by read id. */
  readonly #reading = new Map<number, readonly Read[]>();
  #nextReadId = 1;
  /** Reads of this turn that share one question to the leader. */
  #forwardedReads: PendingCall<LogIndex>[] = [];
  /** Reads that the leader was asked about, by question. */
  readonly #askedReads = new Set<readonly PendingCall<LogIndex>[]>();
  readonly #parked: ParkedCalls;
  #closed: QuorateError | null = null;
  #refusing: QuorateError | null = null;

  constructor(options: GroupCallsOptions) {
    this.#options = options;
    const { clock, callTimeoutMs, maxPendingCalls, onBusy } = options;
    this.#parked = new ParkedCalls(clock);
    this.#calls = new PendingCalls({
      clock,
      callTimeoutMs,
      maxPendingCalls,
      onBusy,
      explain: (call) => this.#timedOut(call),
    });
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Calls that wait for a leader to go to. */
  get parkedCount(): number {
    return this.#parked.size;
  }

  /** Proposes here or not at all: on a node that does not lead it rejects with ERR_NOT_LEADER. */
  propose(command: Uint8Array, commandVersion: number, wait: WaitOptions): Promise<Uint8Array> {
    return this.begin<Uint8Array>('propose', wait, (call) => {
      this.#checkSize(command);
      const onNotLeader = (): void => call.fail(this.notLeader());
      this.#queueProposal({ command, commandVersion, call, onNotLeader });
    });
  }

  /** Proposes wherever the leader is, one hop at most, and again while it was certainly rejected. */
  submit(command: Uint8Array, commandVersion: number, wait: WaitOptions): Promise<Uint8Array> {
    const { group } = this.#options;
    return this.route<Uint8Array>('submit', wait, {
      request: { kind: 'propose', group, command, commandVersion, timeoutMs: 0 },
      here: (call, onNotLeader) =>
        this.#queueProposal({ command, commandVersion, call, onNotLeader }),
      answered: (call, answer) => {
        if (answer.kind === 'propose') call.resolve(answer.result);
      },
    });
  }

  /** Carries a call out where the leader is, one hop at most, and again while it was certainly rejected. */
  route<T>(operation: string, wait: WaitOptions, route: Route<T>): Promise<T> {
    return this.begin<T>(operation, wait, (call) => {
      if (route.request.kind === 'propose') this.#checkSize(route.request.command);
      this.#route(call, route);
    });
  }

  /**
   * Resolves once this node has applied everything that was acknowledged before the call, with an
   * index up to which it surely has. A follower asks the leader, one hop.
   */
  readBarrier(wait: WaitOptions): Promise<LogIndex> {
    return this.begin<LogIndex>('read', wait, (call) => this.#routeRead(call));
  }

  /** Carries out what a peer forwarded. It is never forwarded again. */
  async serve(request: DataCall, wait: WaitOptions): Promise<PeerAnswer> {
    if (request.kind === 'propose') {
      const { command, commandVersion } = request;
      return { kind: 'propose', result: await this.propose(command, commandVersion, wait) };
    }
    const index = await this.begin<LogIndex>('read', wait, (call) => {
      this.#queueRead({ call, onNotLeader: () => call.fail(this.notLeader()) });
    });
    return { kind: 'readIndex', index };
  }

  /**
   * What is queued to be proposed, in parts of at most `maxBytes`, or of one command. Each is answered by
   * `placed` or `refused` before the next is asked for.
   */
  *takeProposals(maxBytes: number): Generator<readonly Proposal[], void, undefined> {
    const queued = this.#queuedProposals.filter(({ call }) => !call.isSettled);
    this.#queuedProposals = [];
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
    this.#proposals.place(this.#placing, term, firstIndex);
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
    const reads = this.#queuedReads.filter(({ call }) => !call.isSettled);
    this.#queuedReads = [];
    if (reads.length === 0) return null;
    const readId = this.#nextReadId;
    this.#nextReadId += 1;
    this.#reading.set(readId, reads);
    return readId;
  }

  readReady(readId: number, index: LogIndex): void {
    const calls = (this.#reading.get(readId) ?? []).map((read) => read.call);
    this.#reading.delete(readId);
    this.#reads.await(index, calls, this.#options.appliedIndex());
  }

  readRefused(readId: number): void {
    const reads = this.#reading.get(readId) ?? [];
    this.#reading.delete(readId);
    for (const { onNotLeader } of reads) onNotLeader();
  }

  /** Asks the leader once for all reads of this turn. */
  flushForwardedReads(): void {
    const calls = this.#forwardedReads.filter((call) => !call.isSettled);
    this.#forwardedReads = [];
    const leader = this.#options.leader();
    if (calls.length === 0) return;
    const again = (call: PendingCall<LogIndex>): void =>
      this.#parked.park(call, () => this.#routeRead(call));
    if (leader === null || leader === this.#options.self) {
      for (const call of calls) again(call);
      return;
    }
    const request: PeerCall = { kind: 'readIndex', group: this.#options.group, timeoutMs: 0 };
    this.#askedReads.add(calls);
    this.#ask(leader, request, Math.max(...calls.map((call) => call.deadlineMs))).then(
      (answer) => {
        this.#askedReads.delete(calls);
        if (answer.kind !== 'readIndex') return;
        this.#reads.await(answer.index, calls, this.#options.appliedIndex());
      },
      // A read that was lost on the way can be asked again: nothing happened.
      (error: QuorateError) => {
        if (!this.#askedReads.delete(calls)) return;
        for (const call of calls) this.#afterFailure(call, asRejected(error), () => again(call));
      },
    );
  }

  get proposals(): PendingProposals {
    return this.#proposals;
  }

  /** The state machine has applied everything up to `index`. */
  appliedThrough(index: LogIndex): void {
    this.#reads.applied(index);
  }

  /** There is another leader, or none: whoever waited for one tries again. */
  leaderChanged(): void {
    const asked = [...this.#askedReads].flat();
    this.#askedReads.clear();
    for (const call of asked) this.#parked.park(call, () => this.#routeRead(call));
    if (this.#options.leader() !== null) this.#parked.retryAll();
  }

  tick(): void {
    this.#calls.sweep();
    this.#proposals.sweep();
    this.#reads.sweep();
    this.#parked.sweep();
    if (this.#options.leader() !== null) this.#parked.retryDue();
  }

  /** Opens a call and lets `go` carry it out. What `go` throws, the call rejects with. */
  begin<T>(operation: string, wait: WaitOptions, go: (call: PendingCall<T>) => void): Promise<T> {
    const refused = this.#closed ?? this.#refusing;
    if (refused !== null) return Promise.reject(asRejected(refused));
    let call: PendingCall<T>;
    try {
      call = this.#calls.open<T>(operation, wait);
    } catch (error) {
      return Promise.reject(error);
    }
    try {
      go(call);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      call.fail(error);
    }
    return call.promise;
  }

  /** Why a call that only the leader takes is refused here. */
  notLeader(): QuorateError {
    const leader = this.#options.leader();
    const id = leader === null ? null : nodeIdOf(leader);
    return new QuorateError('ERR_NOT_LEADER', {
      message: `this node does not lead${id === null ? '' : `; ${id} does`}`,
      leader: id === null ? null : { id, address: null },
    });
  }

  /** Refuses everything to come; what waits goes on. */
  refuseNew(reason: QuorateError): void {
    this.#refusing ??= reason;
  }

  /** Settles everything that waits, and refuses everything to come. */
  close(reason: QuorateError): void {
    this.#closed ??= reason;
    this.#parked.clear();
    this.#calls.failAll(({ outcome }) => withOutcome(reason, outcome));
  }

  /** Throws why, once the group has stopped. For what need not wait. */
  checkOpen(): void {
    const refused = this.#closed ?? this.#refusing;
    if (refused !== null) throw asRejected(refused);
  }

  /** Has `go` called a little later, unless the call settles before. */
  park(call: OpenCall, go: () => void): void {
    this.#parked.park(call, go);
  }

  #route<T>(call: PendingCall<T>, route: Route<T>): void {
    const leader = this.#options.leader();
    const park = (): void => this.#parked.park(call, () => this.#route(call, route));
    if (leader === null) return park();
    if (leader === this.#options.self) return route.here(call, park);
    call.outcome = 'unknown';
    this.#ask(leader, route.request, call.deadlineMs).then(
      (answer) => route.answered(call, answer),
      (error: QuorateError) => this.#afterFailure(call, error, park),
    );
  }

  #routeRead(call: PendingCall<LogIndex>): void {
    const { self, onWork } = this.#options;
    const leader = this.#options.leader();
    const park = (): void => this.#parked.park(call, () => this.#routeRead(call));
    if (leader === null) return park();
    if (leader === self) return this.#queueRead({ call, onNotLeader: park });
    this.#forwardedReads.push(call);
    onWork();
  }

  #place(proposals: readonly Proposal[]): readonly Proposal[] {
    this.#placing = proposals;
    return proposals;
  }

  #queueProposal(proposal: Proposal): void {
    this.#queuedProposals.push(proposal);
    this.#options.onWork();
  }

  #queueRead(read: Read): void {
    this.#queuedReads.push(read);
    this.#options.onWork();
  }

  async #ask(leader: MemberId, request: PeerCall, deadlineMs: number): Promise<PeerAnswer> {
    const { ask, clock } = this.#options;
    const timeoutMs = Math.min(Math.max(1, Math.ceil(deadlineMs - clock.now())), MAX_TIMEOUT_MS);
    if (ask === null) throw this.notLeader();
    return await ask(nodeIdOf(leader), { ...request, timeoutMs }, timeoutMs);
  }

  /** Tries again what certainly did not happen; what may have happened is told to the caller. */
  #afterFailure<T>(call: PendingCall<T>, error: QuorateError, again: () => void): void {
    if (call.isSettled) return;
    if (!isWorthRetrying(error)) return call.fail(error);
    call.outcome = 'rejected';
    again();
  }

  #checkSize(command: Uint8Array): void {
    const { maxCommandBytes } = this.#options;
    if (command.length <= maxCommandBytes) return;
    throw new QuorateError('ERR_TOO_LARGE', {
      message: `the command has ${command.length} bytes; ${maxCommandBytes} is the limit`,
    });
  }

  #timedOut(call: OpenCall): QuorateError {
    const { outcome } = call;
    const seconds = ((this.#options.clock.now() - call.startedMs) / 1000).toFixed(1);
    if (this.#options.leader() === null && outcome === 'rejected') {
      return new QuorateError('ERR_NO_LEADER', {
        message: `no leader for ${seconds} s${this.#options.explainNoLeader()}`,
      });
    }
    return new QuorateError('ERR_TIMEOUT', {
      message: `no answer for ${seconds} s${call.waitsFor}`,
      outcome,
    });
  }
}
