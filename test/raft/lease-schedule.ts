import { assert, at, type MemberId } from '../../lib/base/index.js';
import type { LeadershipSettings } from '../../lib/raft/index.js';
import { SeededRandom } from '../../lib/testing/seeded-random.js';
import { Cluster, Member } from './harness.js';
import { configurationOf } from './notation.js';

/** What happened, counted, so that a test can say that it did. */
export interface LeaseSightings {
  /** Reads that a lease answered. */
  reads: number;
  /** Those of a leader that was cut off. */
  readsAlone: number;
  /** Leaders that another one followed. */
  successions: number;
  transfers: number;
  /** How often leases were switched on, and off. */
  switches: number;
  /** Voters that somebody began to remove, leaders among them, while a lease went on. */
  removals: number;
}

const TIMING = { heartbeatTicks: 1, electionMinTicks: 2, electionMaxTicks: 6 };

/**
 * Members whose clocks run apart, and leaders that lose the others while they hold a lease: cut off,
 * stopped, told to hand over, or removed. The rest would elect another at the first moment, restart, and
 * decide things. At every moment a lease is asked for all that was decided anywhere until then.
 */
export class LeaseSchedule {
  readonly #chance: SeededRandom;
  readonly #cluster: Cluster;
  readonly #rates = new Map<MemberId, number>();
  readonly #cut = new Set<MemberId>();
  readonly #seen: LeaseSightings = {
    reads: 0,
    readsAlone: 0,
    successions: 0,
    transfers: 0,
    switches: 0,
    removals: 0,
  };
  #leaseMs: number;
  #decidedIndex = 0;
  #lastLeader: MemberId | null = null;

  /** The fastest clock runs at `1 + clockBound` of the slowest. */
  constructor(seed: string, clockBound: number) {
    this.#chance = new SeededRandom(seed);
    const ids = at(['ab', 'abc', 'abcd', 'abcde'], this.#chance.below(4));
    this.#leaseMs = 20 + this.#chance.below(200);
    const leadership = this.#chance.chance(0.7) ? this.#someLease() : undefined;
    const configuration = { ...configurationOf(ids), leadership };
    const members = [...ids].map((id) => {
      const timeouts = this.#chance.fork(`timeouts of ${id}`);
      const random = (): number => timeouts.next();
      return new Member(id, { configuration, timing: TIMING, random });
    });
    this.#cluster = new Cluster(members);
    for (const id of ids) {
      this.#rates.set(id, this.#chance.chance(0.5) ? 1 : 1 + clockBound);
    }
    this.#cluster.watch = (_, effects): void => {
      for (const effect of effects) {
        if (effect.kind !== 'apply') continue;
        this.#decidedIndex = Math.max(
          this.#decidedIndex,
          at(effect.entries, -1 + effect.entries.length).index,
        );
      }
    };
  }

  run(rounds: number): LeaseSightings {
    for (let round = 0; round < rounds; round += 1) {
      this.#becomeWhole();
      this.#disturb();
      // Until nobody is heeded as a leader any more, then closely until after the end of the promises.
      for (let i = 0; i < 6; i += 1) this.#goOn(this.#leaseMs / 10);
      for (let i = 0; i < 60; i += 1) this.#goOn(this.#leaseMs / 100);
    }
    return this.#seen;
  }

  /** Everybody hears everybody, until somebody leads and the others have promised. */
  #becomeWhole(): void {
    this.#cut.clear();
    for (let i = 0; i < 100; i += 1) {
      this.#elapse(this.#leaseMs / 20);
      for (const { id } of this.#members()) this.#cluster.step(id, { kind: 'tick' });
      this.#cluster.settle();
      if (i >= 10 && this.#leader() !== undefined) break;
    }
    const leader = this.#leader();
    assert(leader !== undefined, 'a cluster that is whole again finds a leader');
    if (this.#lastLeader !== null && this.#lastLeader !== leader.id) this.#seen.successions += 1;
    this.#lastLeader = leader.id;
    if (this.#chance.chance(0.2)) this.#switchLeases(leader);
    this.#cluster.step(leader.id, { kind: 'tick' });
    this.#cluster.deliver(() => this.#chance.chance(0.8));
    this.#cluster.deliver(() => this.#chance.chance(0.8));
  }

  /** The leader is lost to the others, in one of several ways; it may not know. */
  #disturb(): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const { id } = leader;
    if (this.#chance.chance(0.2)) this.#remove(leader);
    if (this.#chance.chance(0.2)) {
      this.#seen.transfers += 1;
      this.#cluster.step(id, { kind: 'transferLeadership', transferId: 1, to: null });
    }
    if (this.#chance.chance(0.9)) this.#cut.add(id);
    for (const { id: other } of this.#members()) {
      if (other === id) continue;
      // Who starts again has forgotten whom it follows, and what it promised.
      if (this.#chance.chance(0.4)) this.#cluster.restart(other);
      this.#cluster.step(other, { kind: 'peerLost', member: id, saidGoodbye: false });
    }
  }

  /** Begins to remove a voter, and comes as far with it as chance wants. */
  #remove({ id, status }: Member): void {
    const voters = status.configuration.incoming;
    if (voters.length === 1) return;
    this.#seen.removals += 1;
    const member = this.#chance.chance(0.5) ? id : at(voters, this.#chance.below(voters.length));
    const change = { kind: 'remove', member } as const;
    this.#cluster.step(id, { kind: 'changeMembership', changeId: 1, change, expect: null });
    for (let left = this.#chance.below(8); left > 0; left -= 1) {
      this.#cluster.perform(id, this.#cluster.member(id).propose(1, 'x'));
      this.#cluster.deliver(() => this.#chance.chance(0.9));
    }
  }

  #goOn(ms: number): void {
    this.#elapse(ms);
    for (const { id } of this.#members()) {
      // The loop of the one that is cut off stands still: it does not come to doubt itself.
      if (!this.#cut.has(id)) this.#cluster.step(id, { kind: 'tick' });
      if (this.#chance.chance(0.2)) this.#cluster.step(id, { kind: 'campaign' });
      const isLeader = this.#cluster.member(id).status.role === 'leader';
      if (isLeader) this.#cluster.perform(id, this.#cluster.member(id).propose(1, 'x'));
      this.#checkLease(id);
    }
    for (let i = 0; i < 3; i += 1) {
      this.#cluster.take(({ from, to }) => this.#cut.has(from) || this.#cut.has(to));
      this.#cluster.deliver(() => this.#chance.chance(0.7));
    }
    for (const { id } of this.#members()) this.#checkLease(id);
  }

  /** What a leader answers without asking is what was decided until now (Thesis §6.4.1). */
  #checkLease(id: MemberId): void {
    const member = this.#cluster.member(id);
    const index = member.leaseIndex(member.nowMs);
    if (index === null) return;
    assert(index >= this.#decidedIndex, 'a read under a lease sees all that was decided');
    this.#seen.reads += 1;
    if (this.#cut.has(id)) this.#seen.readsAlone += 1;
  }

  #switchLeases({ id, status }: Member): void {
    const isOn = (status.configuration.leadership?.leaderLeaseMs ?? null) !== null;
    const leadership = isOn ? { leaderLeaseMs: null, closeHint: true } : this.#someLease();
    this.#seen.switches += 1;
    this.#cluster.step(id, { kind: 'changeLeadership', changeId: 1, leadership, expect: null });
    if (this.#chance.chance(0.8)) this.#cluster.settle();
  }

  #someLease(): LeadershipSettings {
    return { leaderLeaseMs: this.#leaseMs, closeHint: true };
  }

  #elapse(ms: number): void {
    for (const member of this.#members()) member.nowMs += ms * this.#rates.get(member.id)!;
  }

  #members(): readonly Member[] {
    return [...this.#cluster.members.values()];
  }

  /** Of the latest term. */
  #leader(): Member | undefined {
    const leaders = this.#members().filter(({ status }) => status.role === 'leader');
    return leaders.sort((a, b) => b.status.term - a.status.term)[0];
  }
}
