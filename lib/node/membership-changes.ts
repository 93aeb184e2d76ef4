import {
  incarnationOf,
  type MemberId,
  memberId,
  type NodeId,
  nodeIdOf,
  QuorateError,
  validateLeadership,
  validatePriority,
} from '../base/index.js';
import type {
  ChangeOptions,
  Clock,
  Member,
  MemberAddressOptions,
  Membership,
  MemberUpdateOptions,
} from '../interfaces/index.js';
import {
  type Configuration,
  type EntryName,
  type LeadershipChange,
  type LeadershipSettings,
  leadershipOf,
  type MembershipChange,
  membersOf,
  votersOf,
} from '../raft/index.js';
import type { Probe } from '../wire/index.js';
import type { GroupCalls } from './group-calls.js';
import { memberList, membershipVersion } from './node-status.js';
import type { WaitOptions } from './pending-calls.js';
import type { ConfigurationChange } from './pending-changes.js';

export interface MembershipChangesOptions {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly callTimeoutMs: number;
  readonly calls: GroupCalls;
  /** Has it committed, wherever the leader is. */
  readonly submit: (
    change: ConfigurationChange,
    expect: string | null,
    wait: WaitOptions,
  ) => Promise<void>;
  /** The configuration in force on this node. */
  readonly configuration: () => Configuration;
  /** Whether an entry is known here to be none that will ever be decided. */
  readonly isOvertaken: (entry: EntryName) => boolean;
  /** Asks a node, wherever it is, who it is. Null where there are no peers. */
  readonly introduce: ((id: NodeId, address: string | null) => Promise<Probe>) | null;
}

/** Between two looks, or two questions. */
const AGAIN_MS = 50;
/** How long a change that is decided is waited for on this node. */
const SEE_MS = 1000;

/** Changes of the members in the words of users: nodes instead of incarnations, calls that wait. */
export class MembershipChanges implements Membership {
  readonly #options: MembershipChangesOptions;

  constructor(options: MembershipChangesOptions) {
    this.#options = options;
  }

  list(): readonly Member[] {
    return memberList(this.#options.configuration());
  }

  get version(): string {
    return membershipVersion(this.#options.configuration());
  }

  async add(id: NodeId, options: MemberAddressOptions = {}): Promise<void> {
    const wait = this.#deadline(options);
    await this.#addLearner(id, options, wait);
  }

  async promote(id: NodeId, options: ChangeOptions = {}): Promise<void> {
    const wait = this.#deadline(options);
    const { learners, voters } = await this.#find(id, wait);
    const learner = learners[0];
    if (learner === undefined) throw notMember(id, voters.length > 0 ? 'is a voter' : null);
    // The same node under an earlier incarnation makes way: a node does not count twice.
    const member = voters[0];
    await this.#change(
      member === undefined
        ? { kind: 'promote', member: learner }
        : { kind: 'replace', member, by: learner },
      options,
      wait,
    );
  }

  async remove(id: NodeId, options: ChangeOptions = {}): Promise<void> {
    const wait = this.#deadline(options);
    const { learners, voters } = await this.#find(id, wait);
    const member = voters[0] ?? learners[0];
    if (member === undefined) throw notMember(id, null);
    await this.#change({ kind: 'remove', member }, options, wait);
  }

  async replace(id: NodeId, by: NodeId, options: MemberAddressOptions = {}): Promise<void> {
    const wait = this.#deadline(options);
    const { voters, learners } = await this.#find(id, wait);
    const old = voters[0] ?? (await this.#earlier(id, learners, wait));
    if (old === undefined) throw notMember(id, null);
    const found = await this.#find(by, wait);
    if (by !== id && found.voters.length > 0) throw notMember(by, 'is a voter already');
    const known = found.learners.find((member) => member !== old);
    const learner = known ?? (await this.#addLearner(by, options, wait));
    // What was expected was true of the first step, which has changed it.
    const rest = known === undefined ? { ...options, expect: undefined } : options;
    await this.#change({ kind: 'replace', member: old, by: learner }, rest, wait);
  }

  async update(id: NodeId, options: MemberUpdateOptions): Promise<void> {
    const { peerAddress, clientAddress, priority } = options;
    validatePriority(priority);
    const wait = this.#deadline(options);
    const { learners, voters } = await this.#find(id, wait);
    const member = voters[0] ?? learners[0];
    const known =
      member === undefined ? undefined : this.#options.configuration().addresses.get(member);
    if (member === undefined || known === undefined) throw notMember(id, null);
    const isMoved = peerAddress !== undefined || clientAddress !== undefined;
    if (isMoved || priority === undefined) {
      const addresses = { peer: peerAddress ?? known.peer, client: clientAddress ?? known.client };
      await this.#change({ kind: 'changeAddresses', member, addresses }, options, wait);
    }
    if (priority === undefined) return;
    const second = isMoved ? { ...options, expect: undefined } : options;
    await this.#change({ kind: 'changePriority', member, priority }, second, wait);
  }

  get leadership(): LeadershipSettings {
    return leadershipOf(this.#options.configuration());
  }

  async setLeadership(leadership: LeadershipChange, options: ChangeOptions = {}): Promise<void> {
    validateLeadership(leadership);
    const { leaderLeaseMs, closeHint } = leadership;
    const change = {
      kind: 'changeLeadership',
      leadership: { leaderLeaseMs, closeHint },
    } as const;
    await this.#change(change, options, this.#deadline(options));
  }

  /** Lets in whoever has shown itself. For the host: nobody waits for it. */
  async admit(probe: Probe): Promise<void> {
    await this.#propose(probe, this.#addressOf(probe), {}, this.#deadline({}));
  }

  /** Makes a learner a voter, in the place of an earlier incarnation of its node. For the learner itself. */
  async promoteMember(learner: MemberId): Promise<void> {
    const old = otherIncarnation(this.#options.configuration(), learner);
    const change: MembershipChange =
      old === null
        ? { kind: 'promote', member: learner }
        : { kind: 'replace', member: old, by: learner };
    await this.#change(change, {}, this.#deadline({}));
  }

  /**
   * Whether nobody has ever let that node in: it is new; or it holds what a leader sent that crashed before
   * the node's entry was decided, and by what is decided here that entry never will be. Its log is then
   * a follower's like any other, whose end the next leader overwrites.
   */
  mayBeLetIn({ hasLog, clusterId, undecided }: Probe): boolean {
    if (!hasLog) return true;
    const { configuration, isOvertaken } = this.#options;
    if (undecided === null || clusterId !== configuration().clusterId) return false;
    return undecided.index === 0 || isOvertaken(undecided);
  }

  /** Of two incarnations that learn, the one that does not answer to the name any more. */
  async #earlier(
    id: NodeId,
    learners: readonly MemberId[],
    wait: Deadline,
  ): Promise<MemberId | undefined> {
    if (learners.length < 2) return learners[0];
    const { incarnation } = await this.#introduce(id, null, wait);
    return learners.find((member) => incarnationOf(member) !== incarnation);
  }

  async #addLearner(id: NodeId, options: MemberAddressOptions, wait: Deadline): Promise<MemberId> {
    const probe = await this.#introduce(id, options.peerAddress ?? null, wait);
    if (!this.mayBeLetIn(probe)) throw notMember(id, 'holds a log already and cannot be added');
    return await this.#propose(probe, options.peerAddress ?? this.#addressOf(probe), options, wait);
  }

  async #propose(
    probe: Probe,
    peer: string,
    options: MemberAddressOptions,
    wait: Deadline,
  ): Promise<MemberId> {
    const member = memberId(probe.nodeId, probe.incarnation);
    const client = options.clientAddress ?? probe.clientAddress;
    const addresses = { peer, client };
    await this.#change({ kind: 'addLearner', member, addresses }, options, wait);
    return member;
  }

  #addressOf({ nodeId, members }: Probe): string {
    return members.find(({ id }) => id === nodeId)?.address ?? '';
  }

  /** Asks until the node answers or the time is over. */
  async #introduce(id: NodeId, address: string | null, wait: Deadline): Promise<Probe> {
    const { introduce, clock } = this.#options;
    if (introduce === null) {
      throw new QuorateError('ERR_CONFIG', { message: 'a node without transport has no peers' });
    }
    for (;;) {
      try {
        return await introduce(id, address);
      } catch (error) {
        if (!QuorateError.is(error) || clock.now() + AGAIN_MS >= wait.deadlineMs) throw error;
      }
      await this.#pause(wait);
    }
  }

  /** A node's members, as of everything that was decided before the call. */
  async #find(id: NodeId, wait: Deadline): Promise<Found> {
    await this.#options.calls.readBarrier(this.#left(wait));
    const configuration = this.#options.configuration();
    const isOf = (member: MemberId): boolean => nodeIdOf(member) === id;
    return {
      voters: votersOf(configuration).filter(isOf),
      learners: configuration.learners.filter(isOf),
    };
  }

  async #change(
    change: ConfigurationChange,
    options: ChangeOptions,
    wait: Deadline,
  ): Promise<void> {
    await this.#options.submit(change, options.expect ?? null, this.#left(wait));
    if (this.#leavesUs(change)) return;
    await this.#catchUp(wait);
    await this.#leaveJoint(wait);
  }

  /** Whether this node is not told any more what comes of it. */
  #leavesUs(change: ConfigurationChange): boolean {
    const isLeaving = change.kind === 'remove' || change.kind === 'replace';
    return isLeaving && change.member === this.#options.self;
  }

  /** What the caller asks next is asked of what it has changed: `list` and `version` are to show it. */
  async #catchUp(wait: Deadline): Promise<void> {
    const { signal, timeoutMs } = this.#left(wait);
    const options = { signal, timeoutMs: Math.min(timeoutMs, SEE_MS) };
    await this.#options.calls.readBarrier(options).catch((error: unknown) => {
      // It is decided all the same.
      if (!QuorateError.is(error)) throw error;
    });
  }

  /**
   * The change is decided; what is left is that this node sees the end of it. Not for long: whoever
   * leads may be looking for its next leader, or have left itself.
   */
  async #leaveJoint({ signal, deadlineMs }: Deadline): Promise<void> {
    const { clock, configuration, calls } = this.#options;
    const untilMs = Math.min(deadlineMs, clock.now() + SEE_MS);
    const isWaiting = (): boolean =>
      signal?.aborted !== true && clock.now() < untilMs && calls.isOpen;
    while (configuration().outgoing.length > 0 && isWaiting()) await this.#sleep();
  }

  #deadline({ signal, timeoutMs }: ChangeOptions): Deadline {
    const { clock, callTimeoutMs } = this.#options;
    return { signal, deadlineMs: clock.now() + (timeoutMs ?? callTimeoutMs) };
  }

  #left({ signal, deadlineMs }: Deadline): {
    readonly signal: AbortSignal | undefined;
    readonly timeoutMs: number;
  } {
    return { signal, timeoutMs: Math.max(1, deadlineMs - this.#options.clock.now()) };
  }

  async #pause({ signal }: Deadline): Promise<void> {
    this.#options.calls.checkOpen();
    if (signal?.aborted === true) {
      throw new QuorateError('ERR_ABORTED', {
        message: 'the caller gave up',
        cause: signal.reason,
      });
    }
    await this.#sleep();
  }

  async #sleep(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#options.clock.after(AGAIN_MS, resolve);
    });
  }
}

interface Deadline {
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
}

interface Found {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
}

/** Whether a configuration names another incarnation of the member's node. */
export function otherIncarnation(configuration: Configuration, member: MemberId): MemberId | null {
  const isOther = (other: MemberId): boolean =>
    nodeIdOf(other) === nodeIdOf(member) && incarnationOf(other) !== incarnationOf(member);
  return membersOf(configuration).find(isOther) ?? null;
}

function notMember(id: NodeId, why: string | null): QuorateError {
  return new QuorateError('ERR_MEMBERSHIP', { message: `${id} ${why ?? 'is not a member'}` });
}
