import { copyBytes, type NodeId, QuorateError } from '../base/index.js';
import type {
  EventBus,
  Membership,
  NodeStatus,
  StateMachine,
  TransferResult,
} from '../interfaces/index.js';
import type { Group, GroupEnd } from './group.js';
import type { Host } from './host.js';
import type { WaitOptions } from './pending-calls.js';

export interface QueryOptions extends WaitOptions {
  /**
   * `linearizable` (the default) sees every command acknowledged before the query began; `leaderLease`
   * does too, by a promise of voters that rests on their clocks, and is `linearizable` where there is
   * none; `stale` sees what this node has applied, at once.
   */
  readonly consistency?: 'linearizable' | 'leaderLease' | 'stale' | undefined;
  /**
   * With `stale`: sees everything that was acknowledged more than so many milliseconds before, by asking
   * the leader where this node cannot be sure of that.
   */
  readonly maxStalenessMs?: number | undefined;
}

/** A node that replicates a state machine of one's own. */
export interface RaftNode extends AsyncDisposable {
  readonly id: NodeId;
  readonly events: EventBus;
  readonly membership: Membership;
  /**
   * Resolves with the machine's answer once the command is durable on a majority and applied here.
   * Only the leader accepts it: elsewhere ERR_NOT_LEADER, with a hint. ERR_TOO_LARGE above
   * `limits.maxValueBytes`.
   */
  propose(command: Uint8Array, options?: WaitOptions): Promise<Uint8Array>;
  /** Asks the machine of this node, whoever leads. A machine that throws is ERR_MACHINE. */
  query(query: Uint8Array, options?: QueryOptions): Promise<Uint8Array>;
  /**
   * Hands leadership to the node `to`, or to the most caught-up voter. Any node takes the call. Resolves
   * when the other leads, or did already. ERR_CONFIG where `to` is no voter, ERR_BUSY where it is too far
   * behind, ERR_TIMEOUT with outcome `'unknown'` where it did not take over within an election timeout.
   * Meanwhile nothing is lost: proposals are refused with ERR_NOT_LEADER, which stores and clients try
   * again by themselves.
   */
  transferLeadership(to?: NodeId, options?: WaitOptions): Promise<TransferResult>;
  /** What the node says of itself and its group now. */
  status(): NodeStatus;
  /** Resolves when there is a leader and this node has caught up with it. */
  ready(options?: WaitOptions): Promise<void>;
  /**
   * Resolves when the node is closed or has stopped by itself; never rejects. The storage and the
   * transport that were opened for it are given back by then.
   */
  readonly closed: Promise<GroupEnd>;
  /** Settles every pending call. May be called twice. */
  close(): Promise<void>;
}

export interface HostedRaftNodeOptions {
  readonly host: Host;
  readonly group: Group;
  readonly machine: StateMachine;
  readonly close: () => Promise<void>;
  readonly closed: Promise<GroupEnd>;
}

/** Layout of commands as users write them: theirs, so there is one. */
const USER_COMMAND_VERSION = 1;

/** A `RaftNode` on a group of a host. */
export class HostedRaftNode implements RaftNode {
  readonly #options: HostedRaftNodeOptions;
  readonly #membership: Membership;

  constructor(options: HostedRaftNodeOptions) {
    this.#options = options;
    this.#membership = options.host.membership(options.group);
  }

  get id(): NodeId {
    return this.#options.host.id;
  }

  get events(): EventBus {
    return this.#options.host.settings.events;
  }

  get membership(): Membership {
    return this.#membership;
  }

  get closed(): Promise<GroupEnd> {
    return this.#options.closed;
  }

  propose(command: Uint8Array, options: WaitOptions = {}): Promise<Uint8Array> {
    // It waits for the next turn, and the caller may write into these bytes before that.
    return this.#options.group.calls.propose(copyBytes(command), USER_COMMAND_VERSION, options);
  }

  async query(query: Uint8Array, options: QueryOptions = {}): Promise<Uint8Array> {
    const { group, machine } = this.#options;
    checkStaleness(options);
    if (!isFreshEnough(group, options)) await group.calls.readBarrier(options);
    // A machine that has stopped may have stopped in the middle of a change, also since the barrier.
    group.calls.checkOpen();
    try {
      return machine.query(query);
    } catch (cause) {
      const message = `the state machine threw on a query: ${String(cause)}`;
      throw new QuorateError('ERR_MACHINE', { message, cause });
    }
  }

  transferLeadership(to?: NodeId, options: WaitOptions = {}): Promise<TransferResult> {
    return this.#options.group.transfers.transfer(to ?? null, options);
  }

  status(): NodeStatus {
    return this.#options.host.status(this.#options.group);
  }

  async ready(options: WaitOptions = {}): Promise<void> {
    await this.#options.group.calls.readBarrier(options);
  }

  close(): Promise<void> {
    return this.#options.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Whether what is applied here may be seen without asking anybody. */
function isFreshEnough(group: Group, { consistency, maxStalenessMs }: QueryOptions): boolean {
  if (consistency === 'leaderLease') return group.holdsLease();
  // A state that was lost is no old one: it is nothing.
  if (consistency !== 'stale' || group.lacksState) return false;
  return maxStalenessMs === undefined || group.stalenessMs() <= maxStalenessMs;
}

function checkStaleness({ consistency, maxStalenessMs }: QueryOptions): void {
  if (maxStalenessMs === undefined) return;
  if (consistency === 'stale' && maxStalenessMs > 0) return;
  const message = "maxStalenessMs is a number above 0 and goes with consistency 'stale'";
  throw new QuorateError('ERR_CONFIG', { message });
}
