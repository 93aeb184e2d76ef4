import { type MemoryNetwork, memoryNetwork } from '../../../transports/memory/index.js';
import {
  assert,
  type LogIndex,
  type MemberId,
  type NodeId,
  type QuorateError,
  type Term,
} from '../../base/index.js';
import type { EventBus, NodeStatus } from '../../interfaces/index.js';
import type { NodeOptions } from '../../node/index.js';
import { Elections } from '../checkers/elections.js';
import { Logs } from '../checkers/logs.js';
import { Violations } from '../checkers/violation.js';
import { Votes } from '../checkers/votes.js';
import type { SeededRandom } from '../seeded-random.js';
import type { VirtualClock } from '../virtual-clock.js';
import { Counts } from './counts.js';
import { DiskFaults } from './disks/disk-faults.js';
import type { Ending } from './disks/simulated-disk.js';
import type { DiskPort } from './disks/simulated-files.js';
import type { CrashPoint, Features } from './features.js';
import { entriesText, frameText } from './frame-text.js';
import { Links } from './links.js';
import type { StorageObserver } from './observed-storage.js';
import type { Process } from './process.js';
import { SimulatedNode } from './simulated-node.js';
import { hashOf, type Trace } from './trace.js';
import { Wire } from './wire.js';

export interface WorldOptions {
  readonly features: Features;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly trace: Trace;
}

/** What of a node outlives its starts. */
interface Seat {
  readonly node: SimulatedNode;
  readonly faults: DiskFaults;
  readonly points: ReadonlyMap<CrashPoint, SeededRandom>;
  /** Whom to ask to be let in; null for a founder. */
  join: readonly NodeId[] | null;
  /** Whether it is to run, as far as its owner is concerned. */
  isWanted: boolean;
  /** What its disk holds was changed behind its back since it was last known to be whole. */
  isDamaged: boolean;
  limits: Features['limits'];
  term: Term;
}

const RESTART_MS: readonly number[] = [3, 3, 50, 500, 3000, 15_000];

/**
 * The cluster under simulation, and whoever looks after it: nodes as in production, started again when
 * they end, with disks, a network and clocks of their own. Checkers look on.
 */
export class World {
  readonly features: Features;
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly links: Links;
  readonly trace: Trace;
  readonly counts = new Counts();
  readonly sometimes = new Map<string, number>();
  readonly violations = new Violations();
  readonly elections = new Elections(this.violations);
  readonly votes = new Votes(this.violations);
  readonly logs = new Logs(this.violations);
  readonly #random: SeededRandom;
  readonly #seats = new Map<NodeId, Seat>();
  #changing = 0;
  /** Whether anything may begin to go wrong now. */
  isFaulty = false;
  snapshots = 0;
  installs = 0;
  changes = 0;

  constructor({ features, clock, random, trace }: WorldOptions) {
    this.features = features;
    this.clock = clock;
    this.#random = random;
    this.trace = trace;
    this.network = memoryNetwork({ clock, random: random.fork('network') });
    this.links = new Links({
      ...{ network: this.network, clock, random: random.fork('links') },
      features: features.network,
      onHeld: () => this.counts.happen('held'),
    });
    for (let i = 1; i <= features.nodes + features.spares; i += 1) {
      this.#addSeat(`n${i}`, i <= features.nodes);
    }
  }

  /** All there are, running or not, spares among them. */
  get ids(): readonly NodeId[] {
    return [...this.#seats.keys()];
  }

  get founders(): readonly NodeId[] {
    return this.ids.slice(0, this.features.nodes);
  }

  /** Those that are to run. */
  get wanted(): readonly NodeId[] {
    return this.ids.filter((id) => this.#seat(id).isWanted);
  }

  get running(): readonly SimulatedNode[] {
    return [...this.#seats.values()].map(({ node }) => node).filter(({ kv }) => kv !== null);
  }

  node(id: NodeId): SimulatedNode {
    return this.#seat(id).node;
  }

  diskFaults(id: NodeId): DiskFaults {
    return this.#seat(id).faults;
  }

  isDamaged(id: NodeId): boolean {
    return this.#seat(id).isDamaged;
  }

  /** What is on its disk is not what it wrote: nothing may be concluded any more from what it has promised. */
  damaged(id: NodeId): void {
    const seat = this.#seat(id);
    seat.isDamaged = true;
    const { member } = seat.node;
    if (member === null) return;
    this.votes.forget(member);
    this.logs.forget(member);
  }

  /** Gives a node that does not run an empty disk. */
  wipe(id: NodeId): void {
    const seat = this.#seat(id);
    this.damaged(id);
    seat.isDamaged = false;
    seat.node.disk.replace(new Map());
  }

  setLimits(id: NodeId, limits: Features['limits']): void {
    this.#seat(id).limits = limits;
  }

  /** Lets a node take part, as a founder or asking others to be let in; or lets it go. */
  setWanted(id: NodeId, isWanted: boolean, join: readonly NodeId[] | null = null): void {
    const seat = this.#seat(id);
    seat.isWanted = isWanted;
    if (join !== null) seat.join = join;
  }

  start(id: NodeId): void {
    const { node, isWanted } = this.#seat(id);
    if (node.phase !== 'down' && node.phase !== 'refused') return;
    if (!isWanted) return;
    this.trace.say(`start ${id}`);
    node.start();
  }

  startLater(id: NodeId, delayMs: number): void {
    this.clock.after(delayMs, () => this.start(id));
  }

  /** How long it takes whoever looks after the node to start it again. */
  restartDelay(random: SeededRandom): number {
    return RESTART_MS[random.below(RESTART_MS.length)] ?? 0;
  }

  kill(id: NodeId, ending: Ending): boolean {
    const { node } = this.#seat(id);
    if (node.process === null) return false;
    this.trace.say(`${ending} ${id}`);
    node.kill(ending);
    this.network.crash(id);
    return true;
  }

  /** Members may be changed from now on; the returned function says that the call has ended. */
  changing(): () => void {
    this.#changing += 1;
    // Whoever was told that nobody knows may see it done later.
    return () =>
      void this.clock.after(2 * this.features.callTimeoutMs, () => (this.#changing -= 1));
  }

  /** What crashes took of disks, over all nodes. */
  get lost(): { readonly writes: number; readonly torn: number; readonly names: number } {
    const sum = { writes: 0, torn: 0, names: 0 };
    for (const { node } of this.#seats.values()) {
      sum.writes += node.disk.lost.writes;
      sum.torn += node.disk.lost.torn;
      sum.names += node.disk.lost.names;
    }
    return sum;
  }

  /** Notes that something happened that every long run should see. */
  sees(condition: string): void {
    this.sometimes.set(condition, (this.sometimes.get(condition) ?? 0) + 1);
  }

  /** The node that leads the highest term of those that say they lead. */
  leader(): { readonly node: SimulatedNode; readonly status: NodeStatus } | null {
    let found: { node: SimulatedNode; status: NodeStatus } | null = null;
    for (const node of this.running) {
      const status = node.status();
      if (status === null || status.role !== 'leader') continue;
      if (found === null || status.term > found.status.term) found = { node, status };
    }
    return found;
  }

  /**
   * Whether the cluster could lose what this node's disk holds: everybody else holds all of it, and nothing
   * about the members is on its way.
   */
  canLose(id: NodeId): boolean {
    const leader = this.leader();
    const { member } = this.#seat(id).node;
    if (leader === null || member === null || this.#changing > 0) return false;
    const { members } = leader.status;
    if (members.length < 3 || members.some(({ role }) => role !== 'voter')) return false;
    const own = this.logs.lastIndexOf(member);
    return members.every((voter) => {
      if (voter.id === id) return true;
      const seat = this.#seats.get(voter.id);
      if (seat === undefined || seat.isDamaged || seat.node.kv === null) return false;
      if (seat.node.member !== `${voter.id}#${voter.incarnation}`) return false;
      const durable = this.logs.durableIndexOf(seat.node.member);
      return durable >= own && durable >= this.logs.committedIndex;
    });
  }

  #addSeat(id: NodeId, isFounder: boolean): void {
    const random = this.#random.fork(`node ${id}`);
    const points = new Map<CrashPoint, SeededRandom>();
    const seat: Seat = {
      node: new SimulatedNode(id, {
        ...{ clock: this.clock, random },
        options: () => this.#optionsOf(id),
        storage: () => this.features,
        clockRate: () => this.#rateOf(random),
        transport: (process) => this.#transportOf(id, process),
        port: (process) => this.#portOf(id, process),
        observer: () => this.#observerOf(id),
        hear: (events) => this.#hear(id, events),
        started: () => this.trace.say(`started ${id}`),
        refused: (error) => this.#refused(id, error),
        faulted: (error) => this.#faulted(id, error),
        broken: (sentence) => this.violations.report(sentence),
      }),
      faults: new DiskFaults(random.fork('disk faults'), this.features.diskMs),
      points,
      join: null,
      isWanted: isFounder,
      isDamaged: false,
      limits: this.features.limits,
      term: 0,
    };
    this.#seats.set(id, seat);
  }

  #seat(id: NodeId): Seat {
    const seat = this.#seats.get(id);
    assert(seat !== undefined, 'a node of the simulation has a seat');
    return seat;
  }

  #rateOf(random: SeededRandom): number {
    const { clockDrift } = this.features;
    return 1 + Math.round((2 * random.next() - 1) * clockDrift * 10_000) / 10_000;
  }

  #optionsOf(id: NodeId): Partial<NodeOptions> {
    const { join, limits } = this.#seat(id);
    const { timing, callTimeoutMs } = this.features;
    const peers = join === null ? { members: this.founders } : { join };
    return { ...peers, timing, callTimeoutMs, limits };
  }

  #transportOf(id: NodeId, process: Process): Wire {
    const labels = new Map<NodeId, string>();
    return new Wire({
      inner: this.network.transport(id),
      self: id,
      process,
      fate: (from, to, lane, frame) => {
        let label = labels.get(to);
        if (label === undefined) {
          label = `${from}>${to}`;
          labels.set(to, label);
        }
        // A node has no link to itself, under whichever incarnation: the transport says so.
        const fate = to === id ? 'send' : this.links.fate(from, to, lane);
        this.trace.note(label, frame.length, fate === 'send' ? 0 : 1);
        this.trace.tell(() => frameText(frame));
        return fate;
      },
      onSent: () => this.#passed(id, 'frameSent'),
    });
  }

  #portOf(id: NodeId, process: Process): DiskPort {
    const { faults, node } = this.#seat(id);
    return {
      begin: (call, path, sizeBytes) => {
        this.trace.note(`${id} ${call}`, sizeBytes, hashOf(path));
        this.#passed(id, 'diskCall');
        return faults.latencyMs(call);
      },
      isOpen: () => !process.isDead,
      hasRoom: (sizeBytes) => faults.hasRoom(node.disk.sizeBytes, sizeBytes),
      fails: (call) => faults.fails(call),
      after: (delayMs, fn) => {
        this.clock.after(delayMs, () => {
          if (!process.isDead) fn();
        });
      },
      deliver: (fn) => process.deliver(fn),
      ended: () => this.#passed(id, 'diskDone'),
    };
  }

  #observerOf(id: NodeId): StorageObserver {
    const seat = this.#seat(id);
    const member = (): MemberId => {
      assert(seat.node.member !== null, 'a node has an identity before it stores anything');
      return seat.node.member;
    };
    return {
      identified: () => {},
      opened: (log) => this.logs.opened(member(), log),
      loaded: (state) => {
        seat.term = state?.term ?? 0;
        this.votes.loaded(member(), state);
      },
      saving: () => this.#passed(id, 'voteAsked'),
      saved: (state) => {
        seat.term = state.term;
        this.votes.saved(member(), state);
        this.#passed(id, 'voteStored');
      },
      appending: (entries) => {
        this.logs.appended(member(), entries);
        this.trace.tell(() => entriesText(id, entries));
        this.#passed(id, 'appendAsked');
      },
      appended: (index) => {
        this.logs.stored(member(), index);
        this.#passed(id, 'appendStored');
      },
      compacting: () => this.#passed(id, 'compactAsked'),
      compacted: (index, term) => {
        this.logs.compacted(member(), index, term);
        this.#passed(id, 'compactStored');
      },
      resetting: () => this.#passed(id, 'resetAsked'),
      reset: (index, term) => {
        this.logs.reset(member(), index, term);
        this.#passed(id, 'resetStored');
      },
      snapshotBegun: () => this.#passed(id, 'snapshotBegun'),
      snapshotCommitting: () => this.#passed(id, 'snapshotCommitting'),
      snapshotCommitted: ({ index, term }) => {
        this.logs.snapshotStored(member(), index, term);
        this.#passed(id, 'snapshotStored');
      },
      snapshotRemoving: () => this.#passed(id, 'snapshotRemoving'),
    };
  }

  #hear(id: NodeId, events: EventBus): void {
    const seat = this.#seat(id);
    const { process } = seat.node;
    const isDead = (): boolean => process?.isDead ?? true;
    events.on('raft.stateChanged', ({ to, term, from }) => {
      if (isDead()) return;
      this.trace.note(`${id} ${from}>${to}`, term);
      if (to === 'leader') this.#elected(seat, term);
      if (to === 'candidate') this.#passed(id, 'candidate');
    });
    events.on('raft.entriesCommitted', ({ index }) => {
      if (isDead()) return;
      this.#committed(seat, index);
    });
    events.on('raft.snapshotCreated', ({ index }) => {
      if (isDead()) return;
      this.snapshots += 1;
      this.trace.note(`${id} snapshot`, index);
    });
    events.on('raft.snapshotInstalled', ({ index }) => {
      if (isDead()) return;
      this.installs += 1;
      this.sees('a snapshot was installed');
      if (this.links.isCut) this.sees('a snapshot was installed during a split');
      this.trace.note(`${id} installed`, index);
      this.#passed(id, 'installed');
    });
    events.on('raft.membershipChanged', ({ voters, learners }) => {
      if (isDead()) return;
      this.trace.note(`${id} members`, voters.length, learners.length);
      this.#passed(id, 'configured');
    });
  }

  #elected(seat: Seat, term: Term): void {
    const { member, id } = seat.node;
    if (member === null) return;
    this.elections.elected(member, term);
    this.logs.elected(member, term);
    const { outgoing = [] } = this.logs.configurationOf(member) ?? {};
    if (outgoing.length > 0) this.sees('a leader was elected in a joint configuration');
    this.#passed(id, 'elected');
  }

  #committed(seat: Seat, index: LogIndex): void {
    const { member, id } = seat.node;
    if (member === null) return;
    this.trace.note(`${id} committed`, index);
    const before = this.logs.oldCommitted;
    this.logs.committed(member, index, seat.term);
    if (this.logs.oldCommitted > before)
      this.sees('a new leader committed an entry of an older term');
    this.#passed(id, 'applied');
  }

  /** A node is at a place where it may be killed. */
  #passed(id: NodeId, point: CrashPoint): void {
    const share = this.features.points[point];
    if (share === undefined || !this.isFaulty) return;
    const name = `${id} ${point}`;
    let random = this.#points.get(name);
    if (random === undefined) {
      random = this.#random.fork(`point ${name}`);
      this.#points.set(name, random);
    }
    if (!random.chance(share)) return;
    this.counts.ask(`at ${point}`);
    const ending = random.chance(0.5) ? 'kill' : 'powerCut';
    if (!this.kill(id, ending)) return;
    this.counts.happen(`at ${point}`);
    this.startLater(id, this.restartDelay(random));
  }

  readonly #points = new Map<string, SeededRandom>();

  #refused(id: NodeId, error: QuorateError): void {
    const seat = this.#seat(id);
    this.trace.say(`refused ${id} ${error.code}`);
    this.network.crash(id);
    if (error.code === 'ERR_CORRUPT' && seat.isDamaged) {
      this.counts.happen('refused');
      this.sees('a damaged disk was refused');
      return;
    }
    if (error.code === 'ERR_STORAGE' && seat.faults.hasHappened) {
      this.startLater(id, 1000);
      return;
    }
    this.violations.report(`${id} does not start: ${error.message}`);
  }

  #faulted(id: NodeId, error: QuorateError): void {
    const { faults, node } = this.#seat(id);
    this.trace.say(`faulted ${id} ${error.code}`);
    if (error.code !== 'ERR_STORAGE' || !faults.hasHappened) {
      const cause = error.cause instanceof Error ? `: ${error.cause.stack}` : '';
      this.violations.report(`${id} has stopped: ${error.message}${cause}`);
      return;
    }
    this.sees('a node stopped because of its disk');
    const { process } = node;
    // It closes by itself; whoever looks after it starts it again, or kills it where it hangs.
    this.clock.after(FAULT_RESTART_MS, () => {
      if (node.process === process) this.kill(id, 'kill');
      this.start(id);
    });
  }

  /** A node is down, and nobody is about to start it. */
  revive(id: NodeId): void {
    const seat = this.#seat(id);
    const { phase, refusal } = seat.node;
    if (phase === 'refused' && refusal?.code === 'ERR_CORRUPT') this.wipe(id);
    this.start(id);
  }

  memberOf(id: NodeId): MemberId | null {
    return this.#seat(id).node.member;
  }
}

const FAULT_RESTART_MS = 8000;
