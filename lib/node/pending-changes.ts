import { EMPTY_BYTES, type GroupId, QuorateError, unreachable } from '../base/index.js';
import type {
  ChangeRejection,
  Effect,
  Input,
  LeadershipChange,
  MembershipChange,
} from '../raft/index.js';
import type { PeerCall } from '../wire/index.js';
import type { GroupCalls } from './group-calls.js';
import type { PendingCall, WaitOptions } from './pending-calls.js';

export interface PendingChangesOptions {
  readonly group: GroupId;
  readonly calls: GroupCalls;
  /** Asks the core. Answered by `answered`. */
  readonly begin: (
    input: Input & { readonly kind: 'changeMembership' | 'changeLeadership' },
  ) => void;
  /** Why a leader at this node's timing does not take such settings, in words; null where it does. */
  readonly objection: (leadership: LeadershipChange) => string | null;
}

/** What a configuration entry is appended for. */
export type ConfigurationChange =
  | MembershipChange
  | { readonly kind: 'changeLeadership'; readonly leadership: LeadershipChange };

/** A change of the configuration on its way into the log, and who waits for it. */
interface QueuedChange {
  readonly change: ConfigurationChange;
  readonly expect: string | null;
  readonly call: PendingCall<Uint8Array>;
  readonly onNotLeader: () => void;
  /** Nothing stands in the way but time. */
  readonly onTooEarly: () => void;
}

/** Calls that wait until a change of the configuration is committed. */
export class PendingChanges {
  readonly #options: PendingChangesOptions;
  readonly #pending = new Map<number, QueuedChange>();
  #nextId = 1;

  constructor(options: PendingChangesOptions) {
    this.#options = options;
  }

  /**
   * Changes it wherever the leader is: one hop at most. What is only too early (another change is under
   * way, a learner lags behind) is asked again until the deadline.
   */
  async change(
    change: ConfigurationChange,
    expect: string | null,
    wait: WaitOptions,
  ): Promise<void> {
    await this.#options.calls.route<Uint8Array>('change', wait, {
      request: this.#request(change, expect),
      here: (call, again) =>
        this.#begin({ change, expect, call, onNotLeader: again, onTooEarly: again }),
      answered: (call) => call.resolve(EMPTY_BYTES),
    });
  }

  /** Carries out what a peer forwarded. It is never forwarded again. */
  async serve(
    change: ConfigurationChange,
    expect: string | null,
    wait: WaitOptions,
  ): Promise<void> {
    const { calls } = this.#options;
    await calls.begin<Uint8Array>('change', wait, (call) => {
      const onNotLeader = (): void => call.fail(calls.notLeader());
      const onTooEarly = (): void => calls.park(call, begin);
      const begin = (): void => this.#begin({ change, expect, call, onNotLeader, onTooEarly });
      begin();
    });
  }

  /** A change that was appended waits for its commit like any proposal. */
  answered(effect: Effect & { readonly kind: 'changeAppended' | 'changeRejected' }): void {
    const change = this.#pending.get(effect.changeId);
    this.#pending.delete(effect.changeId);
    if (change === undefined) return;
    if (effect.kind === 'changeRejected') refuse(change, effect.reason);
    else this.#options.calls.proposals.place([change], effect.term, effect.index);
  }

  #request(change: ConfigurationChange, expect: string | null): PeerCall {
    const head = { group: this.#options.group, timeoutMs: 0, expect };
    if (change.kind !== 'changeLeadership') return { ...head, kind: 'changeMembership', change };
    return { ...head, kind: 'changeLeadership', leadership: change.leadership };
  }

  #begin(queued: QueuedChange): void {
    const { change, expect } = queued;
    const objection =
      change.kind === 'changeLeadership' ? this.#options.objection(change.leadership) : null;
    if (objection !== null) {
      queued.call.fail(new QuorateError('ERR_CONFIG', { message: objection }));
      return;
    }
    const changeId = this.#nextId;
    this.#nextId += 1;
    this.#pending.set(changeId, queued);
    if (change.kind !== 'changeLeadership') {
      return this.#options.begin({ kind: 'changeMembership', changeId, change, expect });
    }
    this.#options.begin({ ...change, changeId, expect });
  }
}

function refuse(
  { call, change, expect, onNotLeader, onTooEarly }: QueuedChange,
  reason: ChangeRejection,
) {
  const tooEarly = (why: string): void => {
    call.waitsFor = `; ${why}`;
    onTooEarly();
  };
  const wrong = (why: string): void => {
    call.fail(new QuorateError('ERR_MEMBERSHIP', { message: why }));
  };
  const member = change.kind === 'changeLeadership' ? 'nobody' : change.member;
  switch (reason) {
    case 'notLeader':
      return onNotLeader();
    case 'changeInFlight':
      return tooEarly('another change of the members is under way');
    case 'termNotCommitted':
      return tooEarly('the leader has committed nothing in its term yet');
    case 'transferring':
      return tooEarly('leadership is being handed over');
    case 'notCaughtUp':
      return tooEarly('the learner has not caught up');
    case 'versionMismatch':
      return call.fail(
        new QuorateError('ERR_CONDITION', {
          message: `the members have changed; version ${expect} was expected`,
        }),
      );
    case 'unknownMember':
      return wrong(`${member} is not a member`);
    case 'alreadyMember':
      return wrong(`${member} is a member already`);
    case 'notLearner':
      return wrong(`${member} is not a learner`);
    case 'noVoters':
      return wrong('the last voter is not removed');
    default:
      return unreachable(reason);
  }
}
