import { type Entry, encodeUtf8, type MemberId } from '../../lib/base/index.js';
import {
  type Compacted,
  type Configuration,
  type Effect,
  type EntryName,
  type HardState,
  type Input,
  type MembershipChange,
  type Message,
  Raft,
  type RaftLimits,
  type RaftOptions,
  type RaftStatus,
  type RaftTiming,
  type SnapshotPosition,
} from '../../lib/raft/index.js';
import { configurationOf, entries, GROUP, lines } from './notation.js';

/*
 * Real members of the core, with a disk, a network and a clock that the test moves by hand. Nothing
 * happens that a test did not ask for: `Member` is one core beside its disk; `Cluster` carries
 * messages between several of them.
 */

export const TIMING: RaftTiming = { heartbeatTicks: 2, electionMinTicks: 10, electionMaxTicks: 20 };

export const LIMITS: RaftLimits = {
  maxAppendBytes: 64 * 1024,
  maxInflightAppends: 16,
  maxInflightBytes: 1024 * 1024,
  maxUncommittedBytes: 1024 * 1024,
  trailingEntries: 2,
  maxLogBytes: 1024 * 1024,
};

interface StoredSnapshot {
  readonly id: string;
  readonly position: SnapshotPosition;
}

export interface MemberOptions {
  /** One letter each. Default `abc`. */
  readonly voters?: string | undefined;
  /** Instead of `voters`. */
  readonly configuration?: Configuration | undefined;
  readonly term?: number | undefined;
  readonly votedFor?: MemberId | null | undefined;
  /** `1/1 1/2`, durable. */
  readonly log?: string | readonly Entry[] | undefined;
  readonly compacted?: Compacted | undefined;
  readonly timing?: RaftTiming | undefined;
  readonly limits?: Partial<RaftLimits> | undefined;
  /** Default: every election timeout is 15 ticks. */
  readonly random?: (() => number) | undefined;
}

type WriteEffect = Effect & { readonly kind: 'write' };

/** What one member has stored, and the writes that are on their way there. Outlives its member. */
export class Disk {
  hardState: HardState | null;
  log: readonly Entry[];
  readonly pending: WriteEffect[] = [];
  /** The position before the log; null until the log was emptied for a snapshot. */
  base: Compacted | null = null;
  /** The latest durable snapshot, by its name in this storage. */
  snapshot: StoredSnapshot | null = null;
  /** What `loseSnapshot` has made unreadable. */
  unreadable: StoredSnapshot | null = null;

  constructor(hardState: HardState | null, log: readonly Entry[]) {
    this.hardState = hardState;
    this.log = log;
  }

  /** Finishes the oldest write. False when there is none. */
  finishOne(): WriteEffect | null {
    const write = this.pending.shift();
    if (write === undefined) return null;
    if (write.hardState !== null) this.hardState = write.hardState;
    if (write.reset !== undefined) {
      this.base = { ...write.reset, logTimeMs: 0 };
      this.log = [];
    }
    this.log = replaceFrom(this.log, write.entries);
    return write;
  }

  /** The snapshot cannot be read any more. The log begins after `index`, up to which it stood for it. */
  loseSnapshot(index = this.snapshot?.position.index ?? 0): void {
    this.unreadable = this.snapshot;
    this.snapshot = null;
    const last = this.log.find((entry) => entry.index === index);
    if (last === undefined || index > (this.unreadable?.position.index ?? 0)) return;
    this.base = { index, term: last.term, logTimeMs: 0 };
    this.log = this.log.filter((entry) => entry.index > index);
  }

  /**
   * Loses the writes that are under way; what was stored stays. `reached` writes had reached the
   * disk, though nobody was told; with `torn`, of the one after those the hard state had.
   */
  crash(reached = 0, torn = false): void {
    for (let i = 0; i < reached; i += 1) this.finishOne();
    const next = this.pending[0];
    if (torn && next !== undefined && next.hardState !== null) this.hardState = next.hardState;
    this.pending.length = 0;
  }
}

/** One core beside its disk. Effects are returned; only writes are carried out, and only on demand. */
export class Member {
  readonly id: MemberId;
  readonly disk: Disk;
  /** What its writes have made of its log, on disk or on the way there. */
  log: readonly Entry[];
  nowMs = 0;
  readonly #options: MemberOptions;
  #raft: Raft;

  constructor(id: MemberId, options: MemberOptions = {}) {
    this.id = id;
    this.#options = options;
    const { term, votedFor, log = [] } = options;
    const hardState = term === undefined ? null : { term, votedFor: votedFor ?? null };
    this.disk = new Disk(hardState, typeof log === 'string' ? entries(log) : log);
    const { compacted, voters = 'abc', configuration = configurationOf(voters) } = options;
    // What begins in the middle begins with a snapshot.
    if (compacted !== undefined) {
      this.disk.base = compacted;
      this.disk.snapshot = { id: 'first', position: { ...compacted, configuration } };
    }
    this.log = this.disk.log;
    this.#raft = this.#start();
  }

  get status(): RaftStatus {
    return this.#raft.status();
  }

  get undecidedAdmission(): EntryName | null {
    return this.#raft.undecidedAdmission;
  }

  isOvertaken(entry: EntryName): boolean {
    return this.#raft.isOvertaken(entry);
  }

  leaseIndex(nowMs: number): number | null {
    return this.#raft.leaseIndex(nowMs);
  }

  step(input: Input): readonly Effect[] {
    const effects = this.#raft.step(input, this.nowMs);
    for (const effect of effects) {
      if (effect.kind !== 'write') continue;
      this.disk.pending.push(effect);
      if (effect.reset !== undefined) this.log = [];
      this.log = replaceFrom(this.log, effect.entries);
    }
    return effects;
  }

  /** All effects of `count` ticks. */
  tick(count = 1): readonly Effect[] {
    return Array.from({ length: count }, () => this.step({ kind: 'tick' })).flat();
  }

  receive(...messages: readonly Message[]): readonly Effect[] {
    return messages.flatMap((message) => this.step({ kind: 'receive', message }));
  }

  campaign(): readonly Effect[] {
    return this.step({ kind: 'campaign' });
  }

  propose(proposalId: number, ...commands: readonly string[]): readonly Effect[] {
    const drafts = commands.map((command) => {
      return { kind: 'command', commandVersion: 0, payload: encodeUtf8(command) } as const;
    });
    return this.step({ kind: 'propose', proposalId, drafts });
  }

  change(
    changeId: number,
    change: MembershipChange,
    expect: string | null = null,
  ): readonly Effect[] {
    return this.step({ kind: 'changeMembership', changeId, change, expect });
  }

  read(readId: number): readonly Effect[] {
    return this.step({ kind: 'read', readId });
  }

  /** Finishes the `count` oldest writes, one after the other. Default: those that are under way now. */
  finishWrites(count = this.disk.pending.length): readonly Effect[] {
    const effects: Effect[] = [];
    for (let i = 0; i < count; i += 1) {
      const write = this.disk.finishOne();
      if (write !== null) effects.push(...this.step({ kind: 'written', writeId: write.writeId }));
    }
    return effects;
  }

  /** Stores a snapshot of what is applied, and tells the core. */
  takeSnapshot(id: string): readonly Effect[] {
    const position = this.#raft.snapshotPosition();
    this.disk.snapshot = { id, position };
    const { index, term } = position;
    return this.step({ kind: 'snapshotTaken', snapshot: { id, index, term } });
  }

  /** Stores what another member took, and tells the core. */
  storeSnapshot(id: string, position: SnapshotPosition): readonly Effect[] {
    this.disk.snapshot = { id, position };
    return this.step({ kind: 'snapshotFetched', snapshotId: id, position });
  }

  /** Ends this life and begins the next from what the disk holds. */
  restart(reached = 0, torn = false): void {
    this.disk.crash(reached, torn);
    this.#finishInstall();
    this.log = this.disk.log;
    this.#raft = this.#start();
  }

  /** As a driver does at its start: a snapshot that the log does not lead to replaces the log. */
  #finishInstall(): void {
    const { snapshot, log } = this.disk;
    if (snapshot === null) return;
    const { index, term, logTimeMs } = snapshot.position;
    if (log.some((entry) => entry.index === index && entry.term === term)) return;
    if ((this.disk.base?.index ?? 0) === index) return;
    this.disk.base = { index, term, logTimeMs };
    this.disk.log = [];
  }

  #start(): Raft {
    const { limits } = this.#options;
    const { snapshot } = this.disk;
    return new Raft({
      self: this.id,
      group: GROUP,
      hardState: this.disk.hardState,
      snapshot: snapshot === null ? null : { id: snapshot.id, ...placeOf(snapshot.position) },
      ...this.#found(),
      timing: this.#options.timing ?? TIMING,
      limits: { ...LIMITS, ...limits },
      random: this.#options.random ?? ((): number => 0.5),
      checked: true,
    });
  }

  /** The log as a driver finds it: from a position whose configuration is known, where one is left. */
  #found(): Pick<RaftOptions, 'compacted' | 'configuration' | 'entries' | 'lacksState'> {
    const { voters = 'abc', configuration = configurationOf(voters) } = this.#options;
    const { base, snapshot, log } = this.disk;
    if (base === null || base.index === 0) {
      return { compacted: { index: 0, term: 0, logTimeMs: 0 }, configuration, entries: log };
    }
    if (snapshot === null) {
      return { compacted: base, configuration: null, entries: log, lacksState: true };
    }
    const { index, term, logTimeMs } = snapshot.position;
    return {
      compacted: { index, term, logTimeMs },
      configuration: snapshot.position.configuration,
      entries: log.filter((entry) => entry.index > index),
    };
  }
}

/** Members that hear of each other through messages that wait until the test delivers them. */
export class Cluster {
  readonly members = new Map<MemberId, Member>();
  /** Sent and not yet delivered, oldest first. */
  readonly messages: Message[] = [];
  /** Members whose writes stay under way until `finishWrites`. */
  readonly heldDisks = new Set<MemberId>();
  /** Indexes that each member was asked to apply, in this life. */
  readonly applied = new Map<MemberId, readonly Entry[]>();
  /** Every effect so far but sends and writes, as `a: line`. */
  readonly events: string[] = [];
  /** Sees all effects of every step, before they are carried out. */
  watch: ((id: MemberId, effects: readonly Effect[]) => void) | null = null;
  /** How many messages were sent so far. */
  sentCount = 0;
  readonly #down = new Set<MemberId>();

  constructor(members: readonly Member[]) {
    for (const member of members) this.add(member);
  }

  add(member: Member): void {
    this.members.set(member.id, member);
    this.applied.set(member.id, []);
  }

  member(id: MemberId): Member {
    return this.members.get(id)!;
  }

  /** Steps one member and carries out its effects; writes finish at once where the disk is not held. */
  step(id: MemberId, input: Input): readonly Effect[] {
    const effects = this.member(id).step(input);
    this.perform(id, effects);
    return effects;
  }

  /** Carries out effects that a member returned. */
  perform(id: MemberId, effects: readonly Effect[]): void {
    const member = this.member(id);
    this.watch?.(id, effects);
    for (const effect of effects) {
      if (effect.kind === 'send') {
        this.messages.push(effect.message);
        this.sentCount += 1;
      } else if (effect.kind === 'apply') {
        this.applied.set(id, [...this.applied.get(id)!, ...effect.entries]);
        const { index } = effect.entries.at(-1)!;
        this.perform(id, member.step({ kind: 'applied', index }));
      } else if (effect.kind === 'restore') {
        this.perform(id, member.step({ kind: 'applied', index: effect.index }));
      }
      if (effect.kind !== 'send' && effect.kind !== 'write') {
        this.events.push(...lines([effect]).map((line) => `${id}: ${line}`));
      }
    }
    if (!this.heldDisks.has(id)) this.finishWrites(id);
  }

  finishWrites(id: MemberId): void {
    const effects = this.member(id).finishWrites();
    if (effects.length > 0) this.perform(id, effects);
  }

  releaseDisk(id: MemberId): void {
    this.heldDisks.delete(id);
    this.finishWrites(id);
  }

  tick(id: MemberId, count = 1): void {
    for (let i = 0; i < count; i += 1) this.step(id, { kind: 'tick' });
  }

  /** Delivers, in order, the messages that wait now and that `which` picks. Others go on waiting. */
  deliver(which: (message: Message) => boolean = () => true): number {
    const picked = this.take(which);
    for (const message of picked) {
      if (!this.members.has(message.to) || this.#down.has(message.to)) continue;
      this.step(message.to, { kind: 'receive', message });
    }
    return picked.length;
  }

  /** Removes waiting messages, for the test to lose, to keep or to repeat. */
  take(which: (message: Message) => boolean = () => true): readonly Message[] {
    const picked = this.messages.filter(which);
    const left = this.messages.filter((message) => !which(message));
    this.messages.splice(0, this.messages.length, ...left);
    return picked;
  }

  /** Delivers until nothing is under way; what `cut` picks is lost. */
  settle(cut: (message: Message) => boolean = () => false): void {
    for (let i = 0; i < 10_000; i += 1) {
      this.take(cut);
      if (this.deliver() === 0) return;
    }
    throw new Error('the messages never settle');
  }

  /** `id` stands, and wins if it can: nobody else heard from a leader lately. What `cut` picks is lost. */
  elect(id: MemberId, cut?: (message: Message) => boolean): void {
    for (const [other, { status }] of this.members) {
      if (other !== id && status.role === 'follower') this.tick(other, TIMING.electionMinTicks);
    }
    this.take();
    this.step(id, { kind: 'campaign' });
    this.settle(cut);
  }

  /** Stops a member. Messages to it are lost, its unfinished writes with them. */
  crash(id: MemberId, reached = 0, torn = false): void {
    this.member(id).disk.crash(reached, torn);
    this.#down.add(id);
  }

  restart(id: MemberId): void {
    this.member(id).restart();
    this.applied.set(id, []);
    this.#down.delete(id);
  }

  isDown(id: MemberId): boolean {
    return this.#down.has(id);
  }
}

function placeOf({ index, term }: SnapshotPosition): { index: number; term: number } {
  return { index, term };
}

/** All messages to or from these members. */
export function touching(ids: string): (message: Message) => boolean {
  return ({ from, to }) => ids.includes(from) || ids.includes(to);
}

/** The log as `replace` leaves it: cut off at the first new entry, then followed by the new ones. */
function replaceFrom(log: readonly Entry[], added: readonly Entry[]): readonly Entry[] {
  const first = added[0];
  if (first === undefined) return log;
  return [...log.filter(({ index }) => index < first.index), ...added];
}
