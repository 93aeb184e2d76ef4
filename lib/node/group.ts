import {
  assert,
  type GroupId,
  type LogIndex,
  type MemberId,
  type NodeId,
  packEntries,
  type QuorateError,
  unreachable,
} from '../base/index.js';
import {
  type Configuration,
  type Effect,
  encodeConfiguration,
  type Input,
  type Message,
  Raft,
  type RaftStatus,
  type Role,
} from '../raft/index.js';
import { Applier } from './applier.js';
import { asFault, nodeClosed, storageFailed } from './faults.js';
import { GroupCalls } from './group-calls.js';
import { GroupDisk } from './group-disk.js';
import { GroupNews } from './group-news.js';
import type { GroupOptions } from './group-options.js';
import { GroupSnapshots } from './group-snapshots.js';
import type { FoundGroup, LoadedGroup } from './loaded-group.js';
import { PendingChanges } from './pending-changes.js';
import { memberOf, Transfers } from './transfers.js';

/** Why a group has ended: null when it was closed. */
export interface GroupEnd {
  readonly cause: QuorateError | null;
}

/** The term of the entry that founds a group. The first election is for the one after. */
const FOUNDING_TERM = 1;

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
  #raft: Raft;
  #inbox: Input[] = [];
  /** What comes after the proposals of the turn, so that it does not refuse them. */
  #lastInputs: Input[] = [];
  #turnIsDue = false;
  #stopped = false;
  #founding = false;
  #role: Role = 'follower';
  #leader: MemberId | null = null;
  #appliedIndex: LogIndex = 0;
  #ended: (end: GroupEnd) => void = () => {};

  constructor(options: GroupOptions, { loaded, snapshots: found }: FoundGroup) {
    this.#options = options;
    const { clock, storage, machine } = options;
    this.closed = new Promise((resolve) => {
      this.#ended = resolve;
    });
    this.#news = new GroupNews(options);
    this.#raft = this.#newRaft(loaded);
    this.#appliedIndex = loaded.snapshot?.index ?? loaded.compacted.index;
    this.#disk = new GroupDisk({
      log: storage.log,
      state: storage.state,
      metrics: options.metrics,
      onWritten: (writeId) => this.#enqueue({ kind: 'written', writeId }),
      onFailed: (cause) => this.#fail(storageFailed(cause)),
    });
    this.calls = new GroupCalls({
      ...options.calls,
      self: options.self,
      group: options.id,
      clock,
      leader: () => this.#leader,
      appliedIndex: () => this.#appliedIndex,
      onWork: () => this.#schedule(),
    });
    this.transfers = new Transfers({
      self: options.self,
      group: options.id,
      calls: this.calls,
      configuration: () => this.#raft.status().configuration,
      begin: (transferId, to) => {
        this.#lastInputs.push({ kind: 'transferLeadership', transferId, to });
        this.#schedule();
      },
    });
    this.changes = new PendingChanges({
      group: options.id,
      calls: this.calls,
      begin: (input) => this.#enqueue(input),
    });
    this.snapshots = new GroupSnapshots({
      ...options,
      group: options.id,
      storage: storage.snapshots,
      found,
      raft: () => this.#raft,
      compact: (index, term) => this.#disk.compact(index, term),
      enqueue: (input) => this.#enqueue(input),
      onRestored: (index) => this.#restored(index),
      onFailed: (error) => this.#fail(error),
    });
    this.#applier = new Applier({
      machine,
      clock,
      onApplied: (entry, result) => this.calls.proposals.applied(entry, result),
    });
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

  status(): RaftStatus {
    return this.#raft.status();
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
    const hardState = { term: FOUNDING_TERM, votedFor: null };
    const entries = packEntries({ group: id, term: FOUNDING_TERM, firstIndex: 1, logTimeMs: 0 }, [
      { kind: 'configuration', commandVersion: 0, payload: encodeConfiguration(configuration) },
    ]);
    try {
      // State first: a log without a term would be refused at the next start.
      await storage.state.save(hardState);
      await storage.log.append(entries);
    } catch (cause) {
      this.#fail(storageFailed(cause));
      throw storageFailed(cause);
    }
    if (this.#stopped) return;
    const compacted = { index: 0, term: 0, logTimeMs: 0 };
    this.#raft = this.#newRaft({ hardState, compacted, configuration: null, entries });
    this.#founding = false;
    this.#options.onConfigured(configuration);
    this.campaign();
  }

  receive(message: Message): void {
    // It could not keep its own vote: others are asked in their turn.
    if (this.#founding || (message.kind === 'timeoutNow' && this.#isDiskSlow())) return;
    this.#enqueue({ kind: 'receive', message });
  }

  /** The last connection to a node is gone. */
  peerLost(peer: NodeId, saidGoodbye: boolean): void {
    const member = memberOf(this.#raft.status().configuration, peer);
    if (member !== null) this.#enqueue({ kind: 'peerLost', member, saidGoodbye });
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
    this.#enqueue({ kind: 'campaign' });
  }

  /** Time has passed. Input that is already waiting is stepped first. */
  tick(): void {
    if (this.#stopped) return;
    this.calls.tick();
    this.#disk.tick();
    const isDiskSlow = this.#isDiskSlow();
    this.#inbox.push({ kind: 'tick', mayStand: !isDiskSlow });
    if (this.#role === 'leader' && isDiskSlow) this.#resign();
    this.#turn();
  }

  /**
   * Settles every call and waits for the write under way, if there is one. `cause` says why, where it
   * was not asked for. May be called twice.
   */
  async close(cause: QuorateError | null): Promise<void> {
    this.#stop(cause);
    await Promise.all([this.snapshots.stop(), this.#disk.stop()]);
  }

  /**
   * A leader with such a disk acknowledges nothing that it applies itself; another may do better. Nor
   * does it stand: its vote would not be kept, and the terms it thought of would unseat that other one.
   */
  #isDiskSlow(): boolean {
    return this.#disk.heldTicks >= this.#options.timing.electionMaxTicks;
  }

  #resign(): void {
    this.#news.resigned(this.#disk.heldTicks);
    this.#inbox.push({ kind: 'resign' });
  }

  #newRaft(loaded: LoadedGroup): Raft {
    const { self, id: group, timing, limits, random, checked } = this.#options;
    return new Raft({ self, group, timing, limits, random, checked, ...loaded });
  }

  #enqueue(input: Input): void {
    if (this.#stopped) return;
    this.#inbox.push(input);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#turnIsDue || this.#stopped) return;
    this.#turnIsDue = true;
    this.#options.clock.soon(() => {
      this.#turnIsDue = false;
      this.#turn();
    });
  }

  /** Everything since the last turn: its writes become one write, its proposals one append. */
  #turn(): void {
    if (this.#stopped) return;
    try {
      for (const input of this.#inbox.splice(0)) this.#step(input);
      this.#stepCalls();
      for (const input of this.#lastInputs.splice(0)) this.#step(input);
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
      case 'restore':
        this.#applier.hold();
        return this.snapshots.restore(effect);
      case 'changeAppended':
      case 'changeRejected':
        return this.changes.answered(effect);
      case 'transferRefused':
        return this.transfers.refused(effect.transferId, effect.reason);
      case 'configured':
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
    this.#schedule();
  }

  #applied(index: LogIndex): void {
    const entryCount = index - this.#appliedIndex;
    this.#appliedIndex = index;
    this.#step({ kind: 'applied', index });
    this.calls.appliedThrough(index);
    this.#news.applied(index, entryCount);
    if (!this.#applier.isIdle) this.#schedule();
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

  #stop(cause: QuorateError | null): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#inbox = [];
    this.calls.close(cause ?? nodeClosed());
    this.#ended({ cause });
  }
}
