import {
  type GroupId,
  type LogIndex,
  type MemberId,
  type NodeId,
  nodeIdOf,
  QuorateError,
} from '../base/index.js';
import type { Clock } from '../interfaces/index.js';
import type { PeerAnswer, PeerCall } from '../wire/index.js';
import { asRejected, isWorthRetrying, withOutcome } from './faults.js';
import { ForwardedReads } from './forwarded-reads.js';
import { ParkedCalls } from './parked-calls.js';
import {
  type OpenCall,
  type PendingCall,
  PendingCalls,
  type WaitOptions,
} from './pending-calls.js';
import { PendingProposals } from './pending-proposals.js';
import { PendingReads } from './pending-reads.js';
import { QueuedCalls } from './queued-calls.js';

export interface GroupCallsOptions {
  readonly self: MemberId;
  readonly group: GroupId;
  readonly clock: Clock;
  readonly callTimeoutMs: number;
  readonly maxPendingCalls: number;
  readonly maxPendingBytes: number;
  /** Longest command that is proposed; a longer one is ERR_TOO_LARGE. */
  readonly maxCommandBytes: number;
  /** Asks a peer; rejects with QuorateError only. Null where there are no peers. */
  readonly ask: ((peer: NodeId, call: PeerCall, timeoutMs: number) => Promise<PeerAnswer>) | null;
  /** Who leads, as far as this node knows. */
  readonly leader: () => MemberId | null;
  /** Whether this node was a member and is none any more: no leader will come. */
  readonly isRemoved: () => boolean;
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
 * Each is carried out where the leader is, settles once, and stands meanwhile in one place:
 *
 *     ParkedCalls ──▶ QueuedCalls ──▶ the core ──▶ PendingProposals, PendingReads ──▶ settled
 *      no leader  └─▶ ForwardedReads, or a question to the leader ──▶ PendingReads ──▶ settled
 */
export class GroupCalls {
  /** What stands in the log and waits to be committed. */
  readonly proposals = new PendingProposals();
  readonly queued: QueuedCalls;
  readonly forwardedReads: ForwardedReads;
  readonly #options: GroupCallsOptions;
  readonly #calls: PendingCalls;
  readonly #reads = new PendingReads();
  readonly #parked: ParkedCalls;
  #closed: QuorateError | null = null;
  #refusing: QuorateError | null = null;

  constructor(options: GroupCallsOptions) {
    this.#options = options;
    const { clock, callTimeoutMs, maxPendingCalls, maxPendingBytes, onBusy } = options;
    const { self, group, leader, appliedIndex, onWork } = options;
    this.#parked = new ParkedCalls(clock);
    this.#calls = new PendingCalls({
      clock,
      callTimeoutMs,
      maxPendingCalls,
      maxPendingBytes,
      onBusy,
      explain: (call) => this.#timedOut(call),
    });
    this.queued = new QueuedCalls({
      clock,
      proposals: this.proposals,
      reads: this.#reads,
      appliedIndex,
      onWork,
    });
    const again = (call: PendingCall<LogIndex>): void => this.#parkRead(call);
    this.forwardedReads = new ForwardedReads({
      self,
      group,
      clock,
      reads: this.#reads,
      leader,
      appliedIndex,
      ask: (peer, request, deadlineMs) => this.#ask(peer, request, deadlineMs),
      again,
      // A read that was lost on the way can be asked again: nothing happened.
      failed: (call, error) => this.#afterFailure(call, asRejected(error), () => again(call)),
      onWork,
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
    const go = (call: PendingCall<Uint8Array>): void => {
      this.#checkSize(command);
      const onNotLeader = (): void => call.fail(this.notLeader());
      this.queued.propose({ command, commandVersion, call, onNotLeader });
    };
    return this.begin('propose', wait, go, command.length);
  }

  /** Proposes wherever the leader is, one hop at most, and again while it was certainly rejected. */
  submit(command: Uint8Array, commandVersion: number, wait: WaitOptions): Promise<Uint8Array> {
    const { group } = this.#options;
    return this.route<Uint8Array>('submit', wait, {
      request: { kind: 'propose', group, command, commandVersion, timeoutMs: 0 },
      here: (call, onNotLeader) =>
        this.queued.propose({ command, commandVersion, call, onNotLeader }),
      answered: (call, answer) => {
        if (answer.kind === 'propose') call.resolve(answer.result);
      },
    });
  }

  /** Carries a call out where the leader is, one hop at most, and again while it was certainly rejected. */
  route<T>(operation: string, wait: WaitOptions, route: Route<T>): Promise<T> {
    const { request } = route;
    if (request.kind !== 'propose') {
      return this.begin<T>(operation, wait, (call) => this.#route(call, route));
    }
    const go = (call: PendingCall<T>): void => {
      this.#checkSize(request.command);
      this.#route(call, route);
    };
    return this.begin(operation, wait, go, request.command.length);
  }

  /**
   * Resolves once this node has applied everything that was acknowledged before the call, with an
   * index up to which it surely has. A follower asks the leader, one hop. With `isEnough`, also as soon
   * as that holds of what is applied here, whoever leads.
   */
  readBarrier(wait: WaitOptions, isEnough?: () => boolean): Promise<LogIndex> {
    return this.begin<LogIndex>('read', wait, (call) => {
      if (isEnough !== undefined) this.#reads.awaitEnough(call, isEnough);
      this.#routeRead(call);
    });
  }

  /** Everything that was acknowledged before this moment of the node's clock is applied here. */
  get caughtUpMs(): number {
    return this.#reads.caughtUpMs;
  }

  /** Carries out what a peer forwarded. It is never forwarded again. */
  async serve(request: DataCall, wait: WaitOptions): Promise<PeerAnswer> {
    if (request.kind === 'propose') {
      const { command, commandVersion } = request;
      return { kind: 'propose', result: await this.propose(command, commandVersion, wait) };
    }
    const index = await this.begin<LogIndex>('read', wait, (call) => {
      this.queued.read({ call, onNotLeader: () => call.fail(this.notLeader()) });
    });
    return { kind: 'readIndex', index };
  }

  /** The state machine has applied everything up to `index`. */
  appliedThrough(index: LogIndex): void {
    this.#reads.applied(index);
  }

  /** There is another leader, or none: whoever waited for one tries again. */
  leaderChanged(): void {
    this.forwardedReads.leaderChanged();
    if (!this.#isWaitUseful()) this.#parked.retryAll();
  }

  tick(): void {
    this.#calls.sweep();
    this.proposals.sweep();
    this.#reads.sweep();
    this.#parked.sweep();
    if (!this.#isWaitUseful()) this.#parked.retryDue();
  }

  /**
   * Opens a call, which holds `bytes` while it waits, and lets `go` carry it out. What `go` throws, the
   * call rejects with.
   */
  begin<T>(
    operation: string,
    wait: WaitOptions,
    go: (call: PendingCall<T>) => void,
    bytes = 0,
  ): Promise<T> {
    const refused = this.#closed ?? this.#refusing;
    if (refused !== null) return Promise.reject(asRejected(refused));
    let call: PendingCall<T>;
    try {
      call = this.#calls.open<T>(operation, wait, bytes);
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

  /** Whether calls are taken. */
  get isOpen(): boolean {
    return this.#closed === null && this.#refusing === null;
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
    if (leader === null) return this.#options.isRemoved() ? call.fail(removed()) : park();
    if (leader === this.#options.self) return route.here(call, park);
    call.outcome = 'unknown';
    this.#ask(leader, route.request, call.deadlineMs).then(
      (answer) => route.answered(call, answer),
      (error: QuorateError) => this.#afterFailure(call, error, park),
    );
  }

  #routeRead(call: PendingCall<LogIndex>): void {
    const leader = this.#options.leader();
    if (leader === null) {
      return this.#options.isRemoved() ? call.fail(removed()) : this.#parkRead(call);
    }
    if (leader !== this.#options.self) return this.forwardedReads.add(call);
    this.queued.read({ call, onNotLeader: () => this.#parkRead(call) });
  }

  /** Whether a leader may come, for calls that have none. */
  #isWaitUseful(): boolean {
    return this.#options.leader() === null && !this.#options.isRemoved();
  }

  #parkRead(call: PendingCall<LogIndex>): void {
    this.#parked.park(call, () => this.#routeRead(call));
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

/** Who asks elsewhere may be answered; whoever waits here waits in vain. */
function removed(): QuorateError {
  const message = 'this node was removed from the group, and hears of no leader any more';
  return new QuorateError('ERR_NO_LEADER', { message });
}
