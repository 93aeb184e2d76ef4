import { at, type LogIndex, QuorateError } from '../base/index.js';
import type {
  Clock,
  EventBus,
  EventOrigin,
  Logger,
  SnapshotDescription,
  SnapshotDraft,
  SnapshotReader,
  SnapshotStorage,
  SnapshotWriter,
  StateMachine,
} from '../interfaces/index.js';
import { encodeConfiguration, type SnapshotPosition } from '../raft/index.js';

export interface SnapshotsOptions {
  readonly storage: SnapshotStorage;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventBus;
  readonly origin: EventOrigin;
  /** Committed ones that were found, newest first. */
  readonly found: readonly SnapshotDescription[];
  /** Ids of others that were found, and from which this node cannot go on. */
  readonly unusable: readonly string[];
  readonly limits: {
    readonly snapshotEntries: number;
    readonly snapshotBytes: number;
    readonly maxLogBytes: number;
  };
  /** Ids of snapshots that members are still receiving. */
  readonly offered: () => ReadonlySet<string>;
  readonly onTaken: (snapshot: SnapshotDescription) => void;
  /** These could not be read, and a later one than each is there: whoever receives one is to have that. */
  readonly onReplaced: (ids: readonly string[]) => void;
  /** A snapshot is about to be removed. */
  readonly onRemove: (id: string) => Promise<void>;
  /** The log on disk needs to reach back to here, and no further. */
  readonly compact: (index: LogIndex, term: number) => void;
}

/** Snapshots that stay: should the newest be damaged, the older one and the log do as well. */
const KEPT_COUNT = 2;

/** After a snapshot that failed, on a full disk say. */
const RETRY_MS = 10_000;

/**
 * Takes snapshots of the state machine while it goes on, and removes old ones.
 *
 *     applied enough ─▶ machine.snapshot() ─▶ chunk, turn, chunk, turn … ─▶ commit
 *                            a point in time         writes go on           │
 *                 compact the log on disk back to the older of two ◀────────┘
 *
 * One that fails is removed, told to the logger, and tried again later: the node goes on.
 */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** Newest first. */
  #kept: readonly SnapshotDescription[];
  #lastIndex: LogIndex;
  #bytes = 0;
  #isWanted = false;
  /** Damaged: others may still ask for them, and are given another once there is one. */
  #lost: string[] = [];
  /** Found or lost, and of no use. They stay until a durable snapshot has taken their place. */
  #unusable: string[];
  /** Nobody needs them any more. */
  #superseded: string[] = [];
  #working: Promise<void> | null = null;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#kept = options.found;
    this.#unusable = [...options.unusable];
    this.#lastIndex = options.found[0]?.index ?? 0;
  }

  /** Newest first. */
  get kept(): readonly SnapshotDescription[] {
    return this.#kept;
  }

  /** So many bytes of entries were handed to the state machine. */
  noteBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Takes one where it is time: called in the turn in which `position` was applied. */
  takeIfDue(logBytes: number, appliedIndex: LogIndex, position: () => SnapshotPosition): void {
    if (this.#working !== null || this.#isStopped) return;
    const old = this.#takeOld();
    if (old.length > 0) this.#work(this.#prune(old));
    if (appliedIndex <= this.#lastIndex || !this.#isDue(logBytes, appliedIndex)) return;
    if (this.#options.clock.now() < this.#retryAtMs) return;
    if (this.#working !== null) return;
    this.#isWanted = false;
    this.#bytes = 0;
    // Both are of this turn: what the snapshot says of itself is what it holds (schedule D15).
    const draft = draftOf(position());
    const chunks = this.#options.machine.snapshot();
    this.#work(this.#take(draft, chunks));
  }

  /** The next look finds one due. What is being taken now will do as well. */
  want(): void {
    if (this.#working === null) this.#isWanted = true;
  }

  /** A snapshot came from the leader, and is durable. */
  add(snapshot: SnapshotDescription): void {
    this.#kept = [snapshot, ...this.#kept].sort((a, b) => b.index - a.index);
    this.#lastIndex = Math.max(this.#lastIndex, snapshot.index);
    this.#superseded.push(...this.#unusable.splice(0));
  }

  /**
   * A snapshot turned out to be damaged: another is taken in its place. Until that is durable the file
   * stays: it may be all that whoever repairs this node can go by.
   */
  lose({ id, index }: SnapshotDescription, error: QuorateError): void {
    if (this.#lost.includes(id)) return;
    const fields = { event: 'raft.snapshotDamaged', id, error };
    this.#options.logger.error(fields, 'A snapshot is damaged: it is not sent any more.');
    this.#kept = this.#kept.filter((kept) => kept.id !== id);
    this.#lastIndex = this.#kept[0]?.index ?? 0;
    this.#lost.push(id);
    this.#isWanted = true;
    // Where nobody writes, the next one is long in coming.
    if (this.#lastIndex > index) this.#options.onReplaced([id]);
  }

  /** Gives up, and names, what neither this node nor a member that receives it needs any more. */
  #takeOld(): readonly string[] {
    const superseded = this.#superseded.splice(0);
    if (this.#kept.length <= KEPT_COUNT) return superseded;
    const offered = this.#options.offered();
    const isNeeded = ({ id }: SnapshotDescription, position: number): boolean =>
      position < KEPT_COUNT || offered.has(id);
    const old = this.#kept.filter((kept, position) => !isNeeded(kept, position));
    this.#kept = this.#kept.filter(isNeeded);
    return [...superseded, ...old.map(({ id }) => id)];
  }

  async #prune(old: readonly string[]): Promise<void> {
    for (const id of old) await this.#remove(id);
  }

  /** Stops taking one, and resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#working;
  }

  #work(work: Promise<void>): void {
    this.#working = work.finally(() => {
      this.#working = null;
    });
  }

  #isDue(logBytes: number, appliedIndex: LogIndex): boolean {
    const { snapshotEntries, snapshotBytes, maxLogBytes } = this.#options.limits;
    if (this.#isWanted || appliedIndex - this.#lastIndex >= snapshotEntries) return true;
    // At the limit of memory only a snapshot lets go of anything.
    return this.#bytes >= snapshotBytes || (logBytes > maxLogBytes && this.#bytes > 0);
  }

  async #take(draft: SnapshotDraft, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { logger, clock, events, origin, onTaken, onReplaced } = this.#options;
    const startedMs = clock.now();
    try {
      const taken = await this.#write(draft, chunks);
      if (taken === null) return;
      const lost = this.#lost.splice(0);
      this.#unusable.push(...lost);
      this.add(taken);
      const { index, sizeBytes } = taken;
      const told = { index, sizeBytes, durationMs: clock.now() - startedMs };
      logger.info({ event: 'raft.snapshotCreated', ...told }, 'A snapshot was taken.');
      events.emit('raft.snapshotCreated', () => ({ ...origin, ...told }));
      onTaken(taken);
      onReplaced(lost);
      this.#compactLog();
      await this.#prune(this.#takeOld());
    } catch (error) {
      this.#retryAtMs = clock.now() + RETRY_MS;
      this.#isWanted = true;
      const fields = { event: 'raft.snapshotFailed', index: draft.index, error };
      logger.error(fields, 'A snapshot could not be taken. The node goes on, and tries again.');
    }
  }

  /** Null when the node was closed meanwhile. */
  async #write(
    draft: SnapshotDraft,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<SnapshotDescription | null> {
    const writer = await this.#create(draft, chunks);
    try {
      for await (const chunk of chunks) {
        if (this.#isStopped) return null;
        await writer.write(chunk);
        // A storage that answers at once would hold the event loop for the whole of it.
        await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
      }
      return this.#isStopped ? null : await writer.commit();
    } finally {
      await writer.abort();
    }
  }

  async #create(draft: SnapshotDraft, chunks: AsyncIterable<Uint8Array>): Promise<SnapshotWriter> {
    try {
      return await this.#options.storage.create(draft);
    } catch (error) {
      // The machine holds on to the state until somebody has begun to read it, and has left.
      await chunks[Symbol.asyncIterator]().return?.();
      throw error;
    }
  }

  #compactLog(): void {
    if (this.#kept.length < KEPT_COUNT) return;
    const { index, term } = at(this.#kept, KEPT_COUNT - 1);
    this.#options.compact(index, term);
  }

  async #remove(id: string): Promise<void> {
    try {
      await this.#options.onRemove(id);
      await this.#options.storage.remove(id);
    } catch (error) {
      const fields = { event: 'raft.snapshotNotRemoved', id, error };
      this.#options.logger.error(fields, 'An old snapshot could not be removed.');
    }
  }
}

/**
 * Replaces the machine's state by a snapshot of this storage, a chunk a turn: a member answers heartbeats
 * meanwhile. Without a clock as fast as the storage reads, for a group that does not run yet.
 */
export async function restoreFrom(
  storage: Pick<SnapshotStorage, 'open'>,
  id: string,
  machine: StateMachine,
  clock: Clock | null,
): Promise<SnapshotDescription> {
  const reader = await storage.open(id);
  try {
    await machine.restore(chunksOf(reader, clock));
    return reader.description;
  } finally {
    await reader.close();
  }
}

/** Read in one go; a machine that takes a million keys in is asked for little at a time. */
const READ_BYTES = 1024 * 1024;
const RESTORED_BYTES = 64 * 1024;

/** The state of a snapshot, a little at a time. With a clock, a turn of the event loop lies between. */
export async function* chunksOf(
  reader: SnapshotReader,
  clock: Clock | null,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offset = 0;
  while (offset < reader.description.sizeBytes) {
    const region = await reader.read(offset, READ_BYTES);
    if (region.length === 0) {
      const message = `snapshot ${reader.description.id} ends before its size`;
      throw new QuorateError('ERR_CORRUPT', { message });
    }
    for (let start = 0; start < region.length; start += RESTORED_BYTES) {
      yield region.subarray(start, start + RESTORED_BYTES);
      if (clock !== null) await new Promise<void>((resolve) => clock.soon(resolve));
    }
    offset += region.length;
  }
}

/** What a snapshot that is taken at `position` says of itself. */
export function draftOf({
  index,
  term,
  logTimeMs,
  configuration,
}: SnapshotPosition): SnapshotDraft {
  return { index, term, logTimeMs, configuration: encodeConfiguration(configuration) };
}
