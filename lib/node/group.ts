import {
  assert,
  type GroupId,
  type LogIndex,
  type MemberId,
  type NodeId,
  type QuorateError,
  unreachable,
} from '../base/index.js';
import {
  type Configuration,
  type Effect,
  type EntryName,
  type Input,
  type Message,
  Raft,
  type RaftStatus,
  type Role,
} from '../raft/index.js';
import type { Applier } from './applier.js';
import { asFault, nodeClosed, storageFailed } from './faults.js';
import { FOUNDING_TERM, storeFirstEntry } from './first-entry.js';
import type { GroupCalls } from './group-calls.js';
import type { GroupDisk } from './group-disk.js';
import type { GroupNews } from './group-news.js';
import type { GroupOptions } from './group-options.js';
import { groupParts } from './group-parts.js';
import type { GroupSnapshots } from './group-snapshots.js';
import { Inbox } from './inbox.js';
import type { FoundGroup, LoadedGroup } from './loaded-group.js';
import type { PendingChanges } from './pending-changes.js';
import { memberOf, type Transfers } from './transfers.js';

/** Why a group has ended: null when it was closed. */
export interface GroupEnd {
  readonly cause: QuorateError | null;
}

/**
 * Drives one member of one Raft group. It thinks nothing: inputs that were queued since the last turn
 * are stepped together, effects are carried out one line each, and what the disk or the network
 * completes comes back as another input.
 *
 *     receive, tick, written ─▶ inbox ─▶ Raft.step ─▶ write ─▶ GroupDisk ─▶ written
 *     proposals, reads ────────▲                  ├─▶ send
 *                                                 ├─▶ apply ─▶ Applier ─▶ answers
 */
export class Group {
  readonly calls: GroupCalls;
  readonly transfers: Transfers;
  readonly snapshots: GroupSnapshots;
  readonly changes: PendingChanges;
  /** Resolves when the group has stopped; never rejects. */
  readonly closed: Promise<GroupEnd>;
  readonly #options: GroupOptions;
  readonly #disk: GroupDisk;
  readonly #applier: Applier;
  readonly #news: GroupNews;
  readonly #inbox: Inbox;
  #raft: Raft;
  #stopped = false;
  #founding = false;
  #role: Role = 'follower';
  #leader: MemberId | null = null;
  #appliedIndex: LogIndex = 0;
  #ended: (end: GroupEnd) => void = () => {};

  constructor(options: GroupOptions, found: FoundGroup) {
    const { loaded } = found;
    this.#options = options;
    this.closed = new Promise((resolve) => {
      this.#ended = resolve;
    });
    this.#raft = this.#newRaft(loaded);
    // Where the state was lost nothing is applied, whatever the log begins after.
    this.#appliedIndex = this.#raft.appliedIndex;
    this.#inbox = new Inbox({ clock: options.clock, onTurn: () => this.#turn() });
    const parts = groupParts(options, found, {
      inbox: this.#inbox,
      raft: () => this.#raft,
      leader: () => this.#leader,
      appliedIndex: () => this.#appliedIndex,
      onRestored: (index) => this.#restored(index),
      onFailed: (error) => this.#fail(error),
    });
    this.calls = parts.calls;
    this.transfers = parts.transfers;
    this.snapshots = parts.snapshots;
    this.changes = parts.changes;
    this.#disk = parts.disk;
    this.#applier = parts.applier;
    this.#news = parts.news;
    this.#news.configured(this.#raft.status().configuration);
    if (loaded.lacksState === true) this.#news.stateLost(loaded.compacted.index);
  }

  get id(): GroupId {
    return this.#options.id;
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  /** Whom this member follows; itself when it leads. */
  get leader(): MemberId | null {
    return this.#leader;
  }

  /** Whether what is applied here is linearizable at this moment, without asking anybody. */
  holdsLease(): boolean {
    if (this.#stopped) return false;
    const index = this.#raft.leaseIndex(this.#options.clock.now());
    return index !== null && index <= this.#appliedIndex;
  }

  /**
   * How long ago it is, at most, that what is applied here was all that was acknowledged, in milliseconds.
   * The node's own clock alone decides, and the last question that a leader answered.
   */
  stalenessMs(): number {
    if (this.holdsLease()) return 0;
    return this.#options.clock.now() - this.calls.caughtUpMs;
  }

  status(): RaftStatus {
    return this.#raft.status();
  }

  /** Whether this member waits for a leader's snapshot, and knows nothing of what was applied before. */
  get lacksState(): boolean {
    return this.#raft.lacksState;
  }

  /** By which entry this member is a learner, where that may come to nothing; null where it is not, or is new. */
  get undecidedAdmission(): EntryName | null {
    return this.isNew ? null : this.#raft.undecidedAdmission;
  }

  /** Whether that entry is known here to be none that will ever be decided. */
  isOvertaken(entry: EntryName): boolean {
    return this.#raft.isOvertaken(entry);
  }

  /** Whether anything was ever stored or promised here. Term 1 alone is a founding that did not end. */
  get isNew(): boolean {
    const { lastIndex, term } = this.#raft.status();
    return lastIndex === 0 && term <= FOUNDING_TERM;
  }

  /**
   * Makes `configuration` entry 1 of the group, durably, and stands for election. Only for a group
   * that is new. What arrives meanwhile is dropped. A write that fails stops the group, and rejects.
   */
  async found(configuration: Configuration): Promise<void> {
    assert(this.isNew, 'only a new group is founded');
    this.#founding = true;
    const { id, storage } = this.#options;
    let stored: LoadedGroup;
    try {
      stored = await storeFirstEntry(id, storage, configuration);
    } catch (cause) {
      this.#fail(storageFailed(cause));
      throw storageFailed(cause);
    }
    if (this.#stopped) return;
    this.#raft = this.#newRaft(stored);
    this.#founding = false;
    this.#options.onConfigured(configuration);
    this.campaign();
  }

  receive(message: Message): void {
    // It could not keep its own vote: others are asked in their turn.
    if (this.#founding || (message.kind === 'timeoutNow' && this.#disk.isSlow)) return;
    this.#inbox.add({ kind: 'receive', message });
  }

  /** The last connection to a node is gone. */
  peerLost(peer: NodeId, saidGoodbye: boolean): void {
    const member = memberOf(this.#raft.status().configuration, peer);
    if (member !== null) this.#inbox.add({ kind: 'peerLost', member, saidGoodbye });
  }

  /**
   * Takes no calls any more, and resolves when another member leads, or is not going to soon. Where this
   * one does not lead, at once.
   */
  async handOver(): Promise<void> {
    if (this.#role !== 'leader' || this.#stopped) return this.calls.refuseNew(nodeClosed());
    await this.transfers.handOver(this.#options.handOverMs);
  }

  /** Stands for election without waiting for a timeout. */
  campaign(): void {
    this.#inbox.add({ kind: 'campaign' });
  }

  /** Time has passed. Input that is already waiting is stepped first. */
  tick(): void {
    if (this.#stopped) return;
    this.calls.tick();
    this.#disk.tick();
    const isDiskSlow = this.#disk.isSlow;
    const inputs: Input[] = [{ kind: 'tick', mayStand: !isDiskSlow }];
    if (this.#role === 'leader' && isDiskSlow) {
      this.#news.resigned(this.#disk.heldTicks);
      inputs.push({ kind: 'resign' });
    }
    this.#turn(inputs);
  }

  /**
   * Settles every call and waits for the write under way, if there is one. `cause` says why, where it
   * was not asked for. May be called twice.
   */
  async close(cause: QuorateError | null): Promise<void> {
    this.#stop(cause);
    await Promise.all([this.snapshots.stop(), this.#disk.stop()]);
  }

  #newRaft(loaded: LoadedGroup): Raft {
    const { self, id: group, timing, limits, random, checked } = this.#options;
    return new Raft({ self, group, timing, limits, random, checked, ...loaded });
  }

  /** Everything since the last turn: its writes become one write, its proposals one append. */
  #turn(inputs: readonly Input[] = []): void {
    if (this.#stopped) return;
    try {
      for (const input of [...this.#inbox.take(), ...inputs]) this.#step(input);
      this.#stepCalls();
      for (const input of this.#inbox.takeLast()) this.#step(input);
      this.#disk.start();
      this.#applySome();
    } catch (error) {
      this.#fail(asFault(error));
    }
  }

  #stepCalls(): void {
    const { maxAppendBytes, maxUncommittedBytes } = this.#options.limits;
    // An append at a time: the core looks at what is uncommitted before each, not once for them all.
    const maxBytes = Math.min(maxAppendBytes, maxUncommittedBytes);
    for (const proposals of this.calls.queued.takeProposals(maxBytes)) {
      const drafts = proposals.map(({ command, commandVersion }) => ({
        kind: 'command' as const,
        commandVersion,
        payload: command,
      }));
      this.#step({ kind: 'propose', proposalId: 0, drafts });
    }
    const readId = this.calls.queued.takeReads();
    if (readId !== null) this.#step({ kind: 'read', readId });
    this.calls.forwardedReads.flush();
  }

  #step(input: Input): void {
    for (const effect of this.#raft.step(input, this.#options.clock.now())) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'write':
        return this.#disk.add(effect);
      case 'send':
        return this.#send(effect.message);
      case 'apply':
        this.snapshots.handed(effect.entries);
        return this.#applier.add(effect.entries);
      case 'proposed':
        return this.calls.queued.placed(effect.term, effect.firstIndex);
      case 'proposalRejected':
        return this.calls.queued.refused(effect.reason);
      case 'readReady':
        return this.calls.queued.readReady(effect.readId, effect.index);
      case 'readRejected':
        return this.calls.queued.readRefused(effect.readId);
      case 'fetchSnapshot':
        return this.snapshots.fetch(effect);
      case 'takeSnapshot':
        return this.snapshots.want();
      case 'restore':
        this.#applier.hold();
        return this.snapshots.restore(effect);
      case 'changeAppended':
      case 'changeRejected':
        return this.changes.answered(effect);
      case 'transferRefused':
        return this.transfers.refused(effect.transferId, effect.reason);
      case 'configured':
        this.#news.configured(effect.configuration);
        return this.#options.onConfigured(effect.configuration);
      case 'became':
        return this.#became(effect);
      case 'electionTimedOut':
        return this.#news.electionTimedOut(this.#raft.status().term);
      case 'heartbeatTimedOut':
        return this.#news.heartbeatTimedOut();
      default:
        return unreachable(effect);
    }
  }

  #send(message: Message): void {
    const isSent = this.#options.send(message);
    if (!isSent && message.kind === 'timeoutNow') this.transfers.notSent();
  }

  #applySome(): void {
    const index = this.#applier.run();
    if (index !== null) this.#applied(index);
    this.snapshots.check();
  }

  #restored(index: LogIndex): void {
    if (this.#stopped) return;
    this.#applier.release();
    this.calls.proposals.covered(index);
    this.#applied(index);
    this.#inbox.schedule();
  }

  #applied(index: LogIndex): void {
    const entryCount = index - this.#appliedIndex;
    this.#appliedIndex = index;
    this.#step({ kind: 'applied', index });
    this.calls.appliedThrough(index);
    this.#news.applied(index, entryCount);
    if (!this.#applier.isIdle) this.#inbox.schedule();
  }

  #became({ role, term, leader }: Effect & { kind: 'became' }): void {
    const from = this.#role;
    const hadLeader = this.#leader;
    this.#role = role;
    this.#leader = leader;
    if (role !== from) this.#news.roleChanged(from, role, term);
    if (leader === hadLeader) return;
    this.calls.leaderChanged();
    if (leader !== null) this.transfers.led(leader);
    this.#news.leaderChanged(leader, term);
  }

  /** Stops the group: what it rests on has failed outside of it. */
  fault(error: QuorateError): void {
    this.#fail(error);
  }

  #fail(error: QuorateError): void {
    if (this.#stopped) return;
    this.#stop(error);
    this.#options.onFault(error);
  }

  /**
   * A leader that stops by itself tells the most caught-up voter to stand: that needs no disk, and nobody
   * has to wait for a timeout. Not after a mistake of our own, which the core may have made.
   */
  #tellSuccessor({ code }: QuorateError): void {
    if (code === 'ERR_INTERNAL') return;
    for (const effect of this.#raft.step({ kind: 'resign' }, this.#options.clock.now())) {
      if (effect.kind === 'send') this.#options.send(effect.message);
    }
  }

  #stop(cause: QuorateError | null): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (cause !== null) this.#tellSuccessor(cause);
    this.#inbox.stop();
    this.calls.close(cause ?? nodeClosed());
    this.#ended({ cause });
  }
}
