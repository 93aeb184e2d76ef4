import {
  type Entry,
  type GroupId,
  type LogIndex,
  type MemberId,
  QuorateError,
} from '../base/index.js';
import type {
  Clock,
  EventBus,
  EventOrigin,
  Logger,
  Metrics,
  SnapshotDescription,
  SnapshotDraft,
  SnapshotStorage,
  StateMachine,
} from '../interfaces/index.js';
import {
  decodeConfiguration,
  type Effect,
  type Input,
  type Raft,
  type SnapshotReference,
} from '../raft/index.js';
import type { SnapshotChunk, SnapshotRequest } from '../wire/index.js';
import { asFault } from './faults.js';
import { type Pull, SnapshotFetcher, SnapshotServer } from './snapshot-transfer.js';
import { draftOf, restoreFrom, Snapshots, type SnapshotsOptions } from './snapshots.js';

export interface GroupSnapshotsOptions {
  readonly group: GroupId;
  readonly storage: SnapshotStorage;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly events: EventBus;
  readonly origin: EventOrigin;
  readonly limits: SnapshotsOptions['limits'];
  /** Committed ones that were found at the start, newest first. */
  readonly found: readonly SnapshotDescription[];
  readonly unusable: SnapshotsOptions['unusable'];
  /** Null for a node without peers. */
  readonly pull: Pull | null;
  readonly raft: () => Raft;
  readonly compact: SnapshotsOptions['compact'];
  readonly enqueue: (input: Input) => void;
  /** The state machine holds everything up to `index`. */
  readonly onRestored: (index: LogIndex) => void;
  readonly onFailed: (error: QuorateError) => void;
}

/** All that a group does about snapshots: takes, hands out, fetches and restores them. */
export class GroupSnapshots {
  readonly #options: GroupSnapshotsOptions;
  readonly #own: Snapshots;
  readonly #fetcher: SnapshotFetcher;
  readonly #server: SnapshotServer;
  #restoring: Promise<void> = Promise.resolve();
  #restores = 0;
  #isStopped = false;

  constructor(options: GroupSnapshotsOptions) {
    this.#options = options;
    const { storage, group, logger, metrics, clock, pull } = options;
    this.#own = new Snapshots({
      ...options,
      offered: () => this.#offered(),
      onTaken: (taken) => this.#taken(taken),
      onReplaced: (ids) => this.#replaced(ids),
      onRemove: (id) => this.#server.close(id),
    });
    this.#fetcher = new SnapshotFetcher({
      group,
      storage,
      logger,
      clock,
      pull: pull ?? unreachablePeer,
      onFetched: (snapshot) => this.#fetched(snapshot),
    });
    this.#server = new SnapshotServer({
      storage,
      metrics,
      find: (id) => this.#own.kept.find((kept) => kept.id === id) ?? null,
      onLost: (snapshot, error) => this.#own.lose(snapshot, error),
    });
  }

  /** Newest first. */
  get kept(): readonly SnapshotDescription[] {
    return this.#own.kept;
  }

  /** Entries were handed to the state machine. */
  handed(entries: readonly Entry[]): void {
    for (const { sizeBytes } of entries) this.#own.noteBytes(sizeBytes);
  }

  /** Takes a snapshot where one is due. Called between applies, when state and index agree. */
  check(): void {
    // What is being restored is of no index yet.
    if (this.#restores > 0) return;
    const raft = this.#options.raft();
    const { logBytes, appliedIndex } = raft;
    this.#own.takeIfDue(logBytes, appliedIndex, () => raft.snapshotPosition());
  }

  /**
   * The state as it is now, with what it says of itself. To be called between applies, as after a read
   * barrier; whoever takes the chunks leaves them, read or not. ERR_BUSY while another state is on its
   * way in, or the node stops.
   */
  capture(): { readonly draft: SnapshotDraft; readonly chunks: AsyncIterable<Uint8Array> } {
    const { raft, machine } = this.#options;
    if (this.#restores > 0 || this.#isStopped) {
      throw new QuorateError('ERR_BUSY', { message: 'a snapshot is being installed' });
    }
    return { draft: draftOf(raft().snapshotPosition()), chunks: machine.snapshot() };
  }

  /** Takes a snapshot soon, unless one is being taken: others need one now. */
  want(): void {
    this.#own.want();
  }

  /** Pulls what the leader offers; called again with every offer. */
  fetch({ from, snapshot }: { from: MemberId; snapshot: SnapshotReference }): void {
    if (!this.#isStopped) this.#fetcher.offer(from, snapshot);
  }

  serve(request: SnapshotRequest): Promise<SnapshotChunk> {
    return this.#server.serve(request);
  }

  /** Nothing may be applied until `onRestored`. One after the other, where a second one comes. */
  restore({ snapshotId, index }: Effect & { kind: 'restore' }): void {
    this.#restores += 1;
    this.#restoring = this.#restoring.then(() => this.#restore(snapshotId, index));
  }

  /** Resolves when nothing is under way. May be called twice. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#own.stop(), this.#fetcher.stop(), this.#restoring]);
    await this.#server.stop();
  }

  async #restore(id: string, index: LogIndex): Promise<void> {
    const { storage, machine, clock, logger, events, origin } = this.#options;
    try {
      const { sizeBytes } = await restoreFrom(storage, id, machine, clock);
      this.#restores -= 1;
      if (this.#isStopped) return;
      logger.info(
        { event: 'raft.snapshotInstalled', index, sizeBytes },
        'A snapshot was installed.',
      );
      events.emit('raft.snapshotInstalled', () => ({ ...origin, index, sizeBytes }));
      if (this.#restores === 0) this.#options.onRestored(index);
    } catch (error) {
      // The log has been given up for it: there is nothing else to go on from.
      if (!this.#isStopped) this.#options.onFailed(asFault(error));
    }
  }

  #taken({ id, index, term }: SnapshotDescription): void {
    this.#options.enqueue({ kind: 'snapshotTaken', snapshot: { id, index, term } });
  }

  #replaced(ids: readonly string[]): void {
    for (const snapshotId of ids) this.#options.enqueue({ kind: 'snapshotLost', snapshotId });
  }

  #fetched(snapshot: SnapshotDescription): void {
    this.#own.add(snapshot);
    const { id, index, term, logTimeMs } = snapshot;
    const configuration = decodeConfiguration(snapshot.configuration);
    const position = { index, term, logTimeMs, configuration };
    this.#options.enqueue({ kind: 'snapshotFetched', snapshotId: id, position });
  }

  /** Snapshots that members are receiving from this leader. */
  #offered(): ReadonlySet<string> {
    const offered = new Set<string>();
    for (const { snapshot } of this.#options.raft().status().progress.values()) {
      if (snapshot !== null) offered.add(snapshot.id);
    }
    return offered;
  }
}

async function unreachablePeer(from: MemberId): Promise<SnapshotChunk> {
  throw new QuorateError('ERR_UNREACHABLE', { message: `${from} cannot be reached` });
}
