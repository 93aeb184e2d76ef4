import { type GroupId, type NodeId, QuorateError, toHex, validateName } from '../base/index.js';
import type { Membership, NodeStatus } from '../interfaces/index.js';
import { type Configuration, votersOf } from '../raft/index.js';
import type { Probe } from '../wire/index.js';
import { nodeClosed, notOpen } from './faults.js';
import { Group, type GroupEnd } from './group.js';
import { HostedGroup } from './hosted-group.js';
import { checkUnused, loadGroup } from './loaded-group.js';
import { LoopDelays } from './loop-delays.js';
import { openRecovered } from './member-recovery.js';
import { NodeIdentity } from './node-identity.js';
import { memberList, nodeStatus } from './node-status.js';
import { type GroupSurroundings, groupOptions, type OpenGroupOptions } from './open-group.js';
import type { NodeSettings } from './options.js';
import { PeerLink } from './peer-link.js';
import { TickLoop } from './tick-loop.js';
import { noteOtherMembers } from './told-members.js';

/** How long closing waits for a disk that does not answer. */
const CLOSE_WAIT_MS = 5000;
/** How long a node that has failed keeps its connections: the time that a frame is on its way. */
const LAST_WORD_MS = 50;

/**
 * One node: it owns the transport, the storage engine, the tick loop and the address book, and serves
 * any number of groups with them.
 */
export class Host implements AsyncDisposable {
  readonly closed: Promise<GroupEnd>;
  readonly #settings: NodeSettings;
  readonly #identity: NodeIdentity;
  readonly #links: PeerLink | null;
  readonly #ticks: TickLoop;
  readonly #groups = new Map<GroupId, HostedGroup>();
  /** Also those that were closed since: storage is read once. */
  readonly #opened = new Set<GroupId>();
  readonly #busy = new Set<GroupId>();
  /** The cluster that this node founds: one, however many groups it founds at the same time. */
  #foundedId: string | null = null;
  #closing: Promise<void> | null = null;
  #ended: (end: GroupEnd) => void = () => {};

  private constructor(settings: NodeSettings, identity: NodeIdentity) {
    this.#settings = settings;
    this.#identity = identity;
    this.closed = new Promise((resolve) => {
      this.#ended = resolve;
    });
    const { clock, timing } = settings;
    this.#links = this.#newLinks();
    const delays = new LoopDelays(settings);
    this.#ticks = new TickLoop({
      clock,
      tickMs: timing.tickMs,
      maxHeldMs: timing.electionTimeoutMinMs / 2,
      onTick: () => this.#tick(),
      onDelayed: (heldMs) => delays.delayed(heldMs),
    });
  }

  /**
   * Resolves when the storage is open and the transport listens. What was opened is closed on failure;
   * what refused to open is left alone, because another node may be using it.
   */
  static async open(settings: NodeSettings): Promise<Host> {
    const { storage, clock, logger, random } = settings;
    const stored = await openRecovered(storage, { clock, logger, random });
    try {
      const host = new Host(settings, await NodeIdentity.of(settings, stored));
      await host.#start();
      return host;
    } catch (error) {
      await Promise.allSettled([storage.close()]);
      throw error;
    }
  }

  get id(): NodeId {
    return this.#settings.id;
  }

  get settings(): NodeSettings {
    return this.#settings;
  }

  /** Where peers reach this node, as the transport says; null without one, or without addresses. */
  get peerAddress(): string | null {
    return this.#links?.address ?? null;
  }

  /** Resolves when the group has recovered locally; a leader is not waited for. */
  async openGroup(open: OpenGroupOptions): Promise<Group> {
    const { id, machine } = open;
    validateName('group', id);
    this.#checkOpen();
    if (this.#opened.has(id)) {
      throw new QuorateError('ERR_CONFIG', {
        message: `the group ${id} was opened already; a group is opened once for each opened node`,
      });
    }
    this.#opened.add(id);
    const hasOthers = (known: Configuration | null): boolean => this.#hasOthers(known);
    const storage = this.#settings.storage.group(id);
    const found = await loadGroup(id, storage, machine, hasOthers);
    this.#checkOpen();
    if (this.#identity.stored.clusterId === null) checkUnused(found);
    const group = new Group(groupOptions(open, this.#surroundings(id)), found);
    this.#admit(group);
    return group;
  }

  /** Closes one group and leaves the others alone. Passed over when it is not open. */
  async closeGroup(id: GroupId): Promise<void> {
    const hosted = this.#groups.get(id);
    if (hosted === undefined) return;
    hosted.founding.stop();
    await hosted.group.handOver();
    this.#groups.delete(id);
    await this.#noLongerThan(CLOSE_WAIT_MS, hosted.group.close(null));
  }

  /** Who takes part in an open group, and how that is changed. */
  membership(group: Group): Membership {
    const hosted = this.#groups.get(group.id);
    if (hosted === undefined) throw nodeClosed();
    return hosted.changes;
  }

  status(group: Group): NodeStatus {
    const { nodeId, incarnation, clusterId } = this.#identity.stored;
    return nodeStatus(group.status(), {
      id: nodeId,
      incarnation,
      group: group.id,
      clusterId,
      pendingCalls: group.calls.size,
      snapshots: group.snapshots.kept,
    });
  }

  /** Settles every call, says goodbye to peers and gives the storage back. May be called twice. */
  close(): Promise<void> {
    return this.#end(null);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #newLinks(): PeerLink | null {
    const { transport, random } = this.#settings;
    if (transport === null) return null;
    return new PeerLink({
      settings: this.#settings,
      transport,
      identity: this.#identity.stored,
      instance: toHex(random.bytes(8)),
      group: (id) => this.#groups.get(id)?.group ?? null,
      answerProbe: (id, asking) => this.#answerProbe(id, asking),
      adopt: (clusterId) => this.#adopt(clusterId),
      onPeerConnected: () => {
        for (const { founding } of this.#groups.values()) founding.hurry();
      },
      onPeerLost: (peer, saidGoodbye) => {
        for (const { group } of this.#groups.values()) group.peerLost(peer, saidGoodbye);
      },
    });
  }

  async #start(): Promise<void> {
    await this.#links?.start();
    this.#ticks.start();
  }

  #surroundings(id: GroupId): GroupSurroundings {
    return {
      settings: this.#settings,
      links: this.#links,
      self: this.#identity.member,
      explainNoLeader: () => this.#explainNoLeader(id),
      onBusy: (busy) => this.#groupBusy(id, busy),
      onConfigured: (configuration) => this.#onConfigured(id, configuration),
      onFault: (error) => this.#onFault(id, error),
    };
  }

  #admit(group: Group): void {
    const hosted = new HostedGroup({
      group,
      settings: this.#settings,
      links: this.#links,
      identity: () => this.#identity.stored,
      isClosing: () => this.#closing !== null,
      found: (configuration) => this.#found(group, configuration),
    });
    this.#groups.set(group.id, hosted);
    const { configuration } = group.status();
    this.#links?.learn(group.id, configuration);
    if (group.isNew) return hosted.founding.hurry();
    noteOtherMembers(this.#settings, configuration);
    if (this.#isAlone(configuration)) group.campaign();
  }

  /** Nobody else could be leading: there is nothing to wait for. */
  #isAlone({ incoming, outgoing }: Configuration): boolean {
    return outgoing.length === 0 && incoming.length === 1 && incoming[0] === this.#identity.member;
  }

  /** Whether another could lead. Where the log does not say who votes, whoever opened this node does. */
  #hasOthers(known: Configuration | null): boolean {
    if (this.#links === null) return false;
    if (known !== null) return votersOf(known).some((voter) => voter !== this.#identity.member);
    const { members, join } = this.#settings;
    return join !== null || [...members.keys()].some((node) => node !== this.id);
  }

  #answerProbe(id: GroupId, asking: Probe): Probe {
    const hosted = this.#groups.get(id);
    if (hosted !== undefined) return hosted.answerProbe(asking);
    throw notOpen(this.id, id);
  }

  async #found(group: Group, members: Omit<Configuration, 'clusterId'>): Promise<void> {
    this.#foundedId ??= this.#identity.stored.clusterId ?? toHex(this.#settings.random.bytes(8));
    const clusterId = this.#foundedId;
    // Identity before log: with a log, and without the cluster it is of, a node is heard by nobody. An
    // identity without a log is a founding that was cut short, and is begun again.
    await this.#adopt(clusterId);
    await group.found({ ...members, clusterId });
    this.#settings.logger.info({ event: 'node.founded', clusterId, group: group.id }, 'Founded.');
  }

  async #adopt(clusterId: string): Promise<void> {
    await this.#identity.adopt(clusterId);
    this.#links?.setClusterId(clusterId);
  }

  #onConfigured(id: GroupId, configuration: Configuration): void {
    this.#links?.learn(id, configuration);
    const { events } = this.#settings;
    events.emit('raft.membershipChanged', () => {
      const members = memberList(configuration);
      const named = (role: string): readonly NodeId[] =>
        members.filter((member) => member.role === role).map((member) => member.id);
      return { nodeId: this.id, group: id, voters: named('voter'), learners: named('learner') };
    });
  }

  #tick(): void {
    for (const hosted of this.#groups.values()) hosted.tick();
  }

  #groupBusy(id: GroupId, busy: boolean): void {
    if (busy) this.#busy.add(id);
    else this.#busy.delete(id);
    this.#ticks.keepAlive(this.#busy.size > 0);
  }

  #explainNoLeader(id: GroupId): string {
    const waitingFor = this.#groups.get(id)?.founding.waitingFor ?? '';
    if (waitingFor !== '') return `; ${waitingFor}`;
    if (this.#groups.get(id)?.group.lacksState === true) {
      return `; this node has lost its snapshots and waits for a leader's${this.#links?.explain() ?? ''}`;
    }
    return this.#links?.explain() ?? '';
  }

  #onFault(id: GroupId, error: QuorateError): void {
    if (this.#closing !== null) return this.#closeFailed(error);
    const { events, logger } = this.#settings;
    logger.fatal({ event: 'raft.faulted', nodeId: this.id, group: id, error }, error.message);
    events.emit('raft.faulted', () => ({ nodeId: this.id, group: id, error }));
    // One engine and one process: what broke here cannot be trusted for the other groups either.
    void this.#end(error);
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw nodeClosed();
  }

  #end(cause: QuorateError | null): Promise<void> {
    this.#closing ??= this.#shutDown(cause);
    return this.#closing;
  }

  async #shutDown(cause: QuorateError | null): Promise<void> {
    const groups = [...this.#groups.values()];
    // A leader that leaves hands over first, so that nobody has to wait for an election.
    if (cause === null) await Promise.all(groups.map(({ group }) => group.handOver()));
    this.#ticks.stop();
    for (const { founding } of groups) founding.stop();
    const closing = groups.map(({ group }) => group.close(cause));
    const unlinked = this.#orReport(this.#unlink(cause));
    const stored = Promise.all(closing).then(() => this.#settings.storage.close());
    await this.#noLongerThan(CLOSE_WAIT_MS, Promise.all([unlinked, this.#orReport(stored)]));
    this.#ended({ cause });
  }

  async #unlink(cause: QuorateError | null): Promise<void> {
    // The last word of a leader that fails would be lost with its connections.
    if (cause !== null) await this.#pause(LAST_WORD_MS);
    await this.#links?.close();
  }

  #pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#settings.clock.after(waitMs, resolve);
    });
  }

  /** What fails while the node closes is told and stops nothing. */
  async #orReport(work: Promise<void> | undefined): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#closeFailed(error);
    }
  }

  #closeFailed(error: unknown): void {
    const fields = { event: 'node.closeFailed', nodeId: this.id, error };
    this.#settings.logger.error(fields, 'A part of the node did not close.');
  }

  /** A disk or socket that hangs does not keep the node from closing. */
  async #noLongerThan(waitMs: number, work: Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#settings.clock.after(waitMs, resolve);
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
