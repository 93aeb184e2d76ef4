import {
  type GroupId,
  isName,
  type MemberId,
  type NodeId,
  nodeIdOf,
  QuorateError,
  unreachable,
} from '../base/index.js';
import type { TransferResult } from '../interfaces/index.js';
import { type Configuration, type TransferRefusal, votersOf } from '../raft/index.js';
import { nodeClosed } from './faults.js';
import type { GroupCalls } from './group-calls.js';
import type { PendingCall, WaitOptions } from './pending-calls.js';

export interface TransfersOptions {
  readonly self: MemberId;
  readonly group: GroupId;
  readonly calls: GroupCalls;
  readonly configuration: () => Configuration;
  /** Asks the core. Answered by `refused` or `led`. */
  readonly begin: (transferId: number, to: MemberId | null) => void;
}

interface PendingTransfer {
  readonly to: MemberId | null;
  readonly call: PendingCall<TransferResult>;
  readonly onNotLeader: () => void;
}

/** Calls that wait until another member leads. */
export class Transfers {
  readonly #options: TransfersOptions;
  readonly #pending = new Map<number, PendingTransfer>();
  #nextId = 1;

  constructor(options: TransfersOptions) {
    this.#options = options;
  }

  /**
   * Hands leadership to `to`, or to the most caught-up voter, wherever the leader is: one hop at most.
   * Resolves once this node, or the one that led, has heard of the new leader, or where `to` leads already.
   */
  transfer(to: NodeId | null, wait: WaitOptions): Promise<TransferResult> {
    const { calls, group } = this.#options;
    if (to !== null && !isName(to)) return Promise.reject(noVoter(to));
    return calls.route<TransferResult>('transfer', wait, {
      request: { kind: 'transfer', group, to, timeoutMs: 0 },
      here: (call, onNotLeader) => this.#begin(to, call, onNotLeader),
      answered: (call, answer) => {
        if (answer.kind === 'transfer') call.resolve({ leader: answer.leader });
      },
    });
  }

  /** Carries out what a peer forwarded. It is never forwarded again. */
  serve(to: NodeId | null, wait: WaitOptions): Promise<TransferResult> {
    const { calls } = this.#options;
    return calls.begin<TransferResult>('transfer', wait, (call) => {
      this.#begin(to, call, () => call.fail(calls.notLeader()));
    });
  }

  /** Resolves when another leads, or nobody else is going to within `timeoutMs`. */
  async handOver(timeoutMs: number): Promise<void> {
    const handedOver = this.serve(null, { timeoutMs });
    this.#options.calls.refuseNew(nodeClosed());
    try {
      await handedOver;
    } catch (error) {
      // Nobody took over in time. The others will notice, as they notice a leader that dies.
      if (!QuorateError.is(error)) throw error;
    }
  }

  refused(transferId: number, reason: TransferRefusal): void {
    const pending = this.#pending.get(transferId);
    if (pending === undefined) return;
    this.#pending.delete(transferId);
    const { self } = this.#options;
    if (reason === 'notLeader') pending.onNotLeader();
    else if (reason === 'noTarget' && pending.to === self) {
      // The leader itself was meant: whoever asks for what is so already, perhaps again, is content.
      pending.call.resolve({ leader: nodeIdOf(self) });
    } else pending.call.fail(refusal(reason, pending.to));
  }

  /** There is another leader, or this member has become it. */
  led(leader: MemberId): void {
    if (leader === this.#options.self) return;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { to, call } of pending) {
      if (to === null || to === leader) call.resolve({ leader: nodeIdOf(leader) });
      else call.fail(this.#options.calls.notLeader());
    }
  }

  /** The chosen member cannot even be told: nobody need wait for it. */
  notSent(): void {
    for (const transferId of [...this.#pending.keys()]) this.refused(transferId, 'lagging');
  }

  #begin(to: NodeId | null, call: PendingCall<TransferResult>, onNotLeader: () => void): void {
    const member = to === null ? null : memberOf(this.#options.configuration(), to);
    if (to !== null && member === null) return call.fail(noVoter(to));
    for (const [id, pending] of this.#pending) if (pending.call.isSettled) this.#pending.delete(id);
    const transferId = this.#nextId;
    this.#nextId += 1;
    this.#pending.set(transferId, { to: member, call, onNotLeader });
    this.#options.begin(transferId, member);
  }
}

/** The voter that is this node, or null. */
export function memberOf(configuration: Configuration, node: NodeId): MemberId | null {
  return votersOf(configuration).find((member) => nodeIdOf(member) === node) ?? null;
}

function noVoter(node: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message: `${node} is no voter of this group` });
}

function refusal(reason: Exclude<TransferRefusal, 'notLeader'>, to: MemberId | null): QuorateError {
  const whom = to === null ? 'any other voter' : nodeIdOf(to);
  switch (reason) {
    case 'underWay':
      return new QuorateError('ERR_BUSY', { message: 'leadership is being handed over already' });
    case 'noTarget':
      if (to === null) return new QuorateError('ERR_BUSY', { message: 'no other voter is near' });
      return new QuorateError('ERR_CONFIG', {
        message: `leadership is handed to another voter, which ${whom} is not`,
      });
    case 'lagging':
      return new QuorateError('ERR_BUSY', {
        message: `${whom} was not heard from lately, or is too far behind to lead`,
      });
    case 'tookTooLong':
      return new QuorateError('ERR_TIMEOUT', {
        message: `${whom} did not take over within an election timeout`,
        outcome: 'unknown',
      });
    default:
      return unreachable(reason);
  }
}
