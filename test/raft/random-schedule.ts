import type { Entry, MemberId } from '../../lib/base/index.js';
import { assert, at } from '../../lib/base/index.js';
import {
  type Configuration,
  type Effect,
  type LeadershipSettings,
  type MembershipChange,
  type Message,
  membersOf,
} from '../../lib/raft/index.js';
import { LEASE_CLOCK_BOUND } from '../../lib/raft/lease.js';
import { SeededRandom } from '../../lib/testing/seeded-random.js';
import { Member } from './harness.js';
import { configurationOf } from './notation.js';

/** What happened, counted, so that a test can say that it did. */
export type Sightings =
  | 'elections'
  | 'commits'
  | 'reads'
  | 'transfers'
  | 'truncations'
  | 'oldTermCommits'
  | 'lostWrites'
  | 'changes'
  | 'jointElections'
  | 'removedLeaders'
  | 'snapshots'
  | 'restores'
  | 'leaseReads'
  | 'leasesOn'
  | 'leasesOff'
  | 'lostStates'
  | 'keptTails'
  | 'wantedSnapshots';

interface Decided {
  readonly entry: Entry;
  /** The term of the leader that decided it. */
  readonly term: number;
}

/** What a member has shown since it started. */
interface Life {
  term: number;
  role: string;
  lastIndex: number;
  commitIndex: number;
  appliedCount: number;
  configuration: Configuration;
  /** The entry before its log, which a snapshot covers. */
  base: { readonly index: number; readonly term: number };
}

const CHANGES = ['addLearner', 'promote', 'promote', 'remove', 'replace'] as const;

const TIMING = { heartbeatTicks: 1, electionMinTicks: 4, electionMaxTicks: 8 };

/**
 * A few real members under a network that loses, repeats and reorders, disks that hang and members
 * that crash, all from one seed. After each step the promises of the paper are checked from outside:
 * from what members send, write and apply, never from what they believe.
 */
export class RandomSchedule {
  readonly #chance: SeededRandom;
  /** Of clocks and leases, apart: the rest of a schedule is the same with and without them. */
  readonly #timeChance: SeededRandom;
  /** Of snapshots that cannot be read any more. */
  readonly #damage: SeededRandom;
  readonly #configuration: Configuration;
  readonly #members: readonly Member[];
  readonly #down = new Set<MemberId>();
  readonly #cut = new Set<MemberId>();
  readonly #heldDisks = new Set<MemberId>();
  readonly #messages: Message[] = [];
  /** What each was asked to fetch last. */
  readonly #fetches = new Map<MemberId, { readonly from: MemberId; readonly id: string }>();
  readonly #seen = new Map<Sightings, number>();
  readonly #clocks = new Map<MemberId, { readonly rate: number; offsetMs: number }>();
  #trueMs = 0;
  #isFair = false;
  #nextId = 1;

  readonly #leaders = new Map<number, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  /** By `term/index`: the packed entry and the term before it. Two logs with both agree (Raft §5.3). */
  readonly #written = new Map<string, { readonly packed: Uint8Array; readonly prevTerm: number }>();
  readonly #decided: Decided[] = [];
  readonly #lives = new Map<MemberId, Life>();
  /** What was decided when each read began. */
  readonly #reads = new Map<number, number>();

  constructor(seed: string) {
    this.#chance = new SeededRandom(seed);
    this.#timeChance = this.#chance.fork('time');
    this.#damage = this.#chance.fork('damage');
    const setup = this.#chance.fork('setup');
    const founders = [
      configurationOf('abc'),
      configurationOf('abcd', 'e'),
      configurationOf('abcde'),
      configurationOf('abc', '', 'cde'),
      configurationOf('a', 'b'),
    ][setup.below(5)]!;
    const hasLeases = this.#timeChance.chance(0.5);
    this.#configuration = hasLeases ? { ...founders, leadership: this.#someLease() } : founders;
    const limits = {
      maxAppendBytes: 1 + setup.below(200),
      maxInflightAppends: 1 + setup.below(5),
      maxInflightBytes: 1 + setup.below(1000),
      maxUncommittedBytes: 200 + setup.below(4000),
      trailingEntries: 1 + setup.below(6),
      maxLogBytes: 300 + setup.below(4000),
    };
    // Everybody who is or may become a member.
    this.#members = [...'abcdefg'].map((id) => {
      const timeouts = this.#chance.fork(`timeouts of ${id}`);
      const random = (): number => timeouts.next();
      return new Member(id, { configuration: this.#configuration, timing: TIMING, limits, random });
    });
    for (const { id } of this.#members) {
      const isFast = this.#timeChance.chance(0.5);
      const rate = 1 + LEASE_CLOCK_BOUND * (isFast ? 1 : this.#timeChance.next());
      this.#clocks.set(id, { rate, offsetMs: 0 });
      this.#beginLife(id, 0);
    }
  }

  run(steps: number): ReadonlyMap<Sightings, number> {
    for (let i = 0; i < steps; i += 1) this.#act();
    this.#heal();
    return this.#seen;
  }

  #act(): void {
    // Now and then everybody stands still, while the time does not.
    this.#elapse(this.#timeChance.next() * (this.#timeChance.chance(0.0002) ? 400 : 0.15));
    if (this.#timeChance.chance(0.001)) this.#switchLeases();
    const member = at(this.#members, this.#chance.below(this.#members.length));
    const dice = this.#chance.next();
    if (this.#down.has(member.id)) {
      if (dice < 0.2) this.#down.delete(member.id);
    } else if (dice < 0.6) this.#deliverOne();
    else if (dice < 0.7) this.#perform(member, member.tick());
    else if (dice < 0.85) this.#finishOneWrite(member);
    else if (dice < 0.92) this.#perform(member, member.propose(this.#id(), `${this.#nextId}`));
    else if (dice < 0.95) this.#read(member);
    else if (dice < 0.97) toggle(this.#heldDisks, member.id, this.#chance.chance(0.15));
    else if (dice < 0.99) toggle(this.#cut, member.id, this.#chance.chance(0.15));
    else if (dice < 0.994) this.#crash(member);
    else if (dice < 0.995) this.#perform(member, member.campaign());
    else if (dice < 0.9985)
      this.#change(this.#chance.chance(0.9) ? this.#anyLeader(member) : member);
    else if (dice < 0.999) {
      const transferId = this.#id();
      this.#perform(member, member.step({ kind: 'transferLeadership', transferId, to: null }));
    } else if (dice < 0.9995) this.#losePeer(member);
    if (!this.#down.has(member.id)) this.#snapshot(member);
  }

  /** Every clock goes on at its own rate. */
  #elapse(ms: number): void {
    this.#trueMs += ms;
    for (const member of this.#members) {
      const { rate, offsetMs } = this.#clocks.get(member.id)!;
      member.nowMs = offsetMs + this.#trueMs * rate;
      if (!this.#down.has(member.id)) this.#readUnderLease(member);
    }
  }

  /** What a leader answers without asking anybody is what was decided until now (Thesis §6.4.1). */
  #readUnderLease(member: Member): void {
    const index = member.leaseIndex(member.nowMs);
    if (index === null) return;
    assert(index >= this.#decided.length, 'a read under a lease sees all that was decided');
    this.#sight('leaseReads');
  }

  #switchLeases(): void {
    const leader = this.#anyLeader(at(this.#members, 0));
    if (this.#down.has(leader.id)) return;
    const isOn = (leader.status.configuration.leadership?.leaderLeaseMs ?? null) !== null;
    const leadership = isOn ? { leaderLeaseMs: null, closeHint: true } : this.#someLease();
    const changeId = this.#id();
    const effects = leader.step({
      kind: 'changeLeadership',
      changeId,
      leadership,
      expect: null,
    });
    if (effects.some(({ kind }) => kind === 'changeAppended')) {
      this.#sight(isOn ? 'leasesOff' : 'leasesOn');
    }
    this.#perform(leader, effects);
  }

  #someLease(): LeadershipSettings {
    return { leaderLeaseMs: 40 + this.#timeChance.below(160), closeHint: true };
  }

  #anyLeader(other: Member): Member {
    const isUp = ({ id, status }: Member): boolean =>
      status.role === 'leader' && !this.#down.has(id);
    return this.#members.find(isUp) ?? other;
  }

  /** Asks for some change, sensible or not: what may not be is refused. */
  #change(leader: Member): void {
    const pick = (): MemberId => at(this.#members, this.#chance.below(this.#members.length)).id;
    const kind = at(CHANGES, this.#chance.below(CHANGES.length));
    const { configuration } = leader.status;
    const learner = at([...configuration.learners, pick()], 0);
    const member = kind === 'promote' ? learner : pick();
    const addresses = { peer: `${member}:${this.#id()}`, client: null };
    const change = { kind, member, by: learner, addresses } satisfies Record<
      keyof (MembershipChange & { readonly kind: 'replace' }) | 'addresses',
      unknown
    >;
    const effects = leader.change(this.#id(), change, null);
    if (effects.some((effect) => effect.kind === 'changeAppended')) this.#sight('changes');
    this.#perform(leader, effects);
  }

  /** One message, seldom the oldest; sometimes lost, sometimes not for the last time. */
  #deliverOne(): void {
    if (this.#messages.length === 0) return;
    const reorder = !this.#isFair && this.#chance.chance(0.3);
    const position = reorder ? this.#chance.below(this.#messages.length) : 0;
    const message = at(this.#messages, position);
    if (this.#isFair || !this.#chance.chance(0.07)) this.#messages.splice(position, 1);
    const isLost = this.#cut.has(message.from) !== this.#cut.has(message.to);
    const receiver = this.#members.find(({ id }) => id === message.to);
    if (receiver === undefined || this.#down.has(receiver.id)) return;
    if (!this.#isFair && (isLost || this.#chance.chance(0.05))) return;
    this.#perform(receiver, receiver.receive(message));
  }

  #finishOneWrite(member: Member): void {
    if (!this.#isFair && this.#heldDisks.has(member.id)) return;
    // Joined writes are reported once, by the last.
    const count = 1 + this.#chance.below(3);
    let last: number | null = null;
    for (let i = 0; i < count; i += 1) last = member.disk.finishOne()?.writeId ?? last;
    if (last !== null) this.#perform(member, member.step({ kind: 'written', writeId: last }));
  }

  /** Now and then a member stores what it has applied, or finishes what it fetches. */
  #snapshot(member: Member): void {
    if (this.#chance.chance(0.02)) this.#finishFetch(member);
    if (this.#chance.chance(0.002)) this.#takeSnapshot(member);
  }

  #takeSnapshot(member: Member): void {
    if (member.status.appliedIndex <= snapshotIndexOf(member)) return;
    this.#sight('snapshots');
    this.#perform(member, member.takeSnapshot(`s${this.#id()}`));
  }

  #finishFetch(member: Member): void {
    const fetch = this.#fetches.get(member.id);
    if (fetch === undefined || this.#down.has(fetch.from)) return;
    this.#fetches.delete(member.id);
    const source = at(
      this.#members,
      this.#members.findIndex(({ id }) => id === fetch.from),
    );
    const { snapshot } = source.disk;
    if (snapshot?.id !== fetch.id) {
      this.#perform(source, source.step({ kind: 'snapshotLost', snapshotId: fetch.id }));
    } else if (snapshot.position.index > snapshotIndexOf(member)) {
      const copy = `${fetch.id} from ${fetch.from}`;
      this.#perform(member, member.storeSnapshot(copy, snapshot.position));
    }
  }

  #read(member: Member): void {
    const id = this.#id();
    this.#reads.set(id, this.#decided.length);
    this.#perform(member, member.read(id));
  }

  #losePeer(member: Member): void {
    const lost = at(this.#members, this.#chance.below(this.#members.length)).id;
    const saidGoodbye = this.#chance.chance(0.5);
    this.#perform(member, member.step({ kind: 'peerLost', member: lost, saidGoodbye }));
  }

  #crash(member: Member): void {
    const pending = member.disk.pending.length;
    const reached = this.#chance.below(pending + 1);
    if (reached < pending) this.#sight('lostWrites');
    const term = member.disk.hardState?.term ?? 0;
    const snapshotIndex = snapshotIndexOf(member);
    if (snapshotIndex > 0 && this.#damage.chance(0.3)) {
      member.disk.loseSnapshot(snapshotIndex - this.#damage.below(Math.min(3, snapshotIndex)));
    }
    member.restart(reached, this.#chance.chance(0.5));
    assert(member.status.term >= term, 'a term that was saved survives a crash');
    if (member.status.lacksState) this.#sight('lostStates');
    this.#beginLife(member.id, member.status.term);
    this.#down.add(member.id);
    // The clock of a process begins anywhere.
    this.#clocks.get(member.id)!.offsetMs = this.#timeChance.next() * 1000 - this.#trueMs;
  }

  #beginLife(id: MemberId, term: number): void {
    const member = at(
      this.#members,
      this.#members.findIndex((one) => one.id === id),
    );
    const { lastIndex, commitIndex, appliedIndex, configuration } = member.status;
    const base = member.disk.base ?? { index: 0, term: 0 };
    const role = 'follower';
    const appliedCount = appliedIndex;
    this.#fetches.delete(id);
    this.#lives.set(id, { term, role, lastIndex, commitIndex, appliedCount, configuration, base });
  }

  #perform(member: Member, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.#onSend(effect.message);
      if (effect.kind === 'write') this.#onWrite(member, effect);
      if (effect.kind === 'fetchSnapshot') {
        this.#fetches.set(member.id, { from: effect.from, id: effect.snapshot.id });
      }
      if (effect.kind === 'readReady') this.#onReadReady(effect.readId, effect.index);
      if (effect.kind === 'takeSnapshot') this.#sight('wantedSnapshots');
    }
    this.#checkStatus(member);
    for (const effect of effects) {
      if (effect.kind === 'apply') this.#onApply(member, effect.entries);
      if (effect.kind === 'restore') this.#onRestore(member, effect.index);
      if (effect.kind === 'takeSnapshot') this.#takeSnapshot(member);
    }
  }

  #onSend(message: Message): void {
    this.#messages.push(message);
    const { kind, from, to, term } = message;
    if (kind === 'vote') this.#voted(from, from, term);
    if (kind === 'voteReply' && message.granted) this.#voted(from, to, term);
    if (kind === 'timeoutNow') this.#sight('transfers');
    if (kind === 'append' || kind === 'heartbeat') this.#leads(from, term);
  }

  /** One vote a term, whatever crashed in between (Raft §5.2). */
  #voted(voter: MemberId, candidate: MemberId, term: number): void {
    const key = `${voter} in ${term}`;
    assert((this.#votes.get(key) ?? candidate) === candidate, 'a member votes once a term');
    this.#votes.set(key, candidate);
    const stored = at(
      this.#members,
      this.#members.findIndex(({ id }) => id === voter),
    ).disk.hardState;
    const isStored =
      stored !== null &&
      (stored.term > term || (stored.term === term && stored.votedFor === candidate));
    assert(isStored, 'a vote is durable when it leaves');
  }

  /** Election Safety (Raft §5.2). */
  #leads(leader: MemberId, term: number): void {
    assert((this.#leaders.get(term) ?? leader) === leader, 'a term has one leader');
    this.#leaders.set(term, leader);
  }

  /** Log Matching (Raft §5.3), by induction over what is written after what. */
  #onWrite(member: Member, { reset, entries: added }: Effect & { readonly kind: 'write' }): void {
    const life = this.#lives.get(member.id)!;
    if (reset !== undefined) {
      life.base = reset;
      life.lastIndex = reset.index;
    }
    const first = added[0];
    if (first === undefined) return;
    if (first.index <= life.lastIndex) this.#sight('truncations');
    life.lastIndex = at(added, added.length - 1).index;
    const { base } = life;
    const before = entryAt(member.log, first.index - 1);
    let previous = before?.term ?? (first.index - 1 === base.index ? base.term : 0);
    for (const { term, index, packed } of added) {
      const known = this.#written.get(`${term}/${index}`);
      assert(
        known === undefined || equal(known.packed, packed),
        'a term and an index name one entry',
      );
      assert(
        known === undefined || known.prevTerm === previous,
        'logs that agree once agree before',
      );
      if (known === undefined)
        this.#written.set(`${term}/${index}`, { packed, prevTerm: previous });
      previous = term;
    }
  }

  /** A read sees what was decided before it began (Thesis §6.4). */
  #onReadReady(readId: number, index: number): void {
    assert(index >= this.#reads.get(readId)!, 'a read sees all that was decided when it began');
    this.#sight('reads');
  }

  #checkStatus(member: Member): void {
    const { term, role, commitIndex, durableIndex } = member.status;
    const life = this.#lives.get(member.id)!;
    assert(term >= life.term, 'the term never goes back');
    assert(commitIndex >= life.commitIndex, 'the commit index never goes back');
    const { log, base } = member.disk;
    const storedIndex = log.at(-1)?.index ?? base?.index ?? 0;
    const isStored = durableIndex <= Math.max(storedIndex, snapshotIndexOf(member));
    assert(isStored, 'what is called durable is on disk');
    if (life.role === 'leader' && role === 'follower' && life.term === term) {
      const { incoming } = member.status.configuration;
      if (!incoming.includes(member.id)) this.#sight('removedLeaders');
    }
    if (role === 'leader' && (life.role !== 'leader' || life.term !== term))
      this.#onElected(member, term);
    for (let index = life.commitIndex + 1; index <= commitIndex; index += 1) {
      const entry = entryAt(member.log, index);
      if (entry !== undefined) this.#onCommitted(member, entry, term);
      else assert(index <= this.#decided.length, 'a snapshot holds what was decided');
    }
    life.term = term;
    life.role = role;
    life.commitIndex = commitIndex;
    life.configuration = member.status.configuration;
  }

  /** Leader Completeness (Raft §5.4): a leader holds what earlier terms decided. */
  #onElected(member: Member, term: number): void {
    this.#leads(member.id, term);
    this.#sight('elections');
    if (member.status.configuration.outgoing.length > 0) this.#sight('jointElections');
    const { base } = this.#lives.get(member.id)!;
    this.#decided.forEach((decided, i) => {
      if (decided.term >= term || i < base.index) return;
      assert(
        entryAt(member.log, i + 1)?.term === decided.entry.term,
        'a leader holds what was decided before it',
      );
    });
  }

  #onCommitted(member: Member, entry: Entry, term: number): void {
    const known = this.#decided[entry.index - 1];
    if (known !== undefined) {
      assert(equal(known.entry.packed, entry.packed), 'what is decided never changes');
      return;
    }
    assert(this.#decided.length === entry.index - 1, 'entries are decided in order');
    assert(this.#isOnQuorum(member, entry), 'what is decided is on the disks of a quorum');
    this.#decided.push({ entry, term });
    this.#sight('commits');
    if (entry.term < term) this.#sight('oldTermCommits');
    // One whose own removal it was leads no more when the step is over.
    assert(this.#lives.get(member.id)!.role === 'leader', 'a leader is the first to know');
  }

  /** By the configuration that was in force when the step began: a step may append another. */
  #isOnQuorum(leader: Member, { index, packed }: Entry): boolean {
    const { incoming, outgoing } = this.#lives.get(leader.id)!.configuration;
    const holders = this.#members.filter(({ disk }) => {
      if (index <= (disk.base?.index ?? 0)) return true;
      const stored = entryAt(disk.log, index);
      return stored !== undefined && equal(stored.packed, packed);
    });
    return [incoming, outgoing].every(
      (voters) =>
        voters.length === 0 ||
        holders.filter(({ id }) => voters.includes(id)).length * 2 > voters.length,
    );
  }

  /** State Machine Safety (Raft §5.4.3): everybody applies the same, in order, each entry once. */
  #onApply(member: Member, entries: readonly Entry[]): void {
    const life = this.#lives.get(member.id)!;
    for (const { index, packed } of entries) {
      life.appliedCount += 1;
      assert(index === life.appliedCount, 'entries are applied in order, without a gap');
      assert(
        equal(at(this.#decided, index - 1).entry.packed, packed),
        'what is applied is decided',
      );
      const stored = entryAt(member.disk.log, index);
      assert(
        stored !== undefined && equal(stored.packed, packed),
        'what is applied is on disk here',
      );
    }
    this.#perform(member, member.step({ kind: 'applied', index: life.appliedCount }));
  }

  /** Only what was decided, and never back. */
  #onRestore(member: Member, index: number): void {
    const life = this.#lives.get(member.id)!;
    if (life.appliedCount === 0 && member.log.length > 0) this.#sight('keptTails');
    assert(index > life.appliedCount, 'a snapshot takes nothing back that was applied');
    assert(index <= this.#decided.length, 'a snapshot holds what was decided');
    assert(snapshotIndexOf(member) >= index, 'what is restored is durable here');
    life.appliedCount = index;
    this.#sight('restores');
    this.#perform(member, member.step({ kind: 'applied', index }));
  }

  /** With everything whole again a leader is found, a proposal decided, and all apply the same. */
  #heal(): void {
    this.#isFair = true;
    this.#down.clear();
    this.#cut.clear();
    this.#heldDisks.clear();
    // Where too many have lost their state nobody leads, until somebody repairs their disks.
    for (const member of this.#members.filter(({ status }) => status.lacksState)) {
      member.disk.snapshot = member.disk.unreadable;
      member.restart();
      this.#beginLife(member.id, member.status.term);
    }
    let wanted = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 300; round += 1) {
      this.#elapse(10);
      for (const member of this.#members) this.#perform(member, member.tick());
      for (let i = 0; i < 40; i += 1) {
        for (let count = this.#messages.length; count > 0; count -= 1) this.#deliverOne();
        for (const member of this.#members)
          while (member.disk.pending.length > 0) this.#finishOneWrite(member);
        for (const member of this.#members) this.#finishFetch(member);
      }
      const leader = this.#members.find(({ status }) => status.role === 'leader');
      if (wanted === Number.POSITIVE_INFINITY && leader !== undefined && round > 20) {
        const proposed = leader.propose(this.#id(), 'healed');
        this.#perform(leader, proposed);
        if (proposed.some(({ kind }) => kind === 'proposed')) wanted = leader.status.lastIndex;
      }
      if (leader === undefined) continue;
      const { configuration } = leader.status;
      if (configuration.outgoing.length > 0) continue;
      const members = new Set(membersOf(configuration));
      const isDone = ({ id, status }: Member): boolean =>
        !members.has(id) || status.appliedIndex >= wanted;
      if (this.#members.every(isDone)) return;
    }
    assert(false, 'a cluster that is whole again decides and applies');
  }

  #id(): number {
    this.#nextId += 1;
    return this.#nextId;
  }

  #sight(sight: Sightings): void {
    this.#seen.set(sight, (this.#seen.get(sight) ?? 0) + 1);
  }
}

function toggle(set: Set<MemberId>, id: MemberId, isIn: boolean): void {
  if (isIn) set.add(id);
  else set.delete(id);
}

function snapshotIndexOf({ disk }: Member): number {
  return disk.snapshot?.position.index ?? 0;
}

/** Logs have no gap, and may begin after a snapshot. */
function entryAt(log: readonly Entry[], index: number): Entry | undefined {
  const first = log[0];
  return first === undefined ? undefined : log[index - first.index];
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
