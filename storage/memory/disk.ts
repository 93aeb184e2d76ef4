import { type GroupId, QuorateError } from '../../lib/base/index.js';
import type { Clock, StoredIdentity } from '../../lib/interfaces/index.js';
import { GroupContents } from './contents.js';

/** What a write to a memory disk is for, after the call that asked for it. */
export type DiskWriteKind =
  | 'initialise'
  | 'save'
  | 'append'
  | 'compact'
  | 'reset'
  | 'snapshot'
  | 'remove';

/** A write that is not durable yet. */
export interface DiskWrite {
  readonly kind: DiskWriteKind;
  /** Null for the identity, which belongs to no group. */
  readonly group: GroupId | null;
  /** Entries of an append, otherwise 0. */
  readonly entryCount: number;
}

/** Which writes a control is for. A field that is not given fits all. */
export interface DiskWriteMatch {
  readonly kind?: DiskWriteKind | undefined;
  readonly group?: GroupId | undefined;
}

/** Writes that are kept from completing. */
export interface DiskHold {
  /** Those that would have completed by now, oldest first. */
  readonly waiting: readonly DiskWrite[];
  /** Lets the oldest one complete, in a later turn. The hold stays. False when none waits. */
  releaseFirst(): boolean;
  /** Ends the hold: all that wait complete, each in a turn of its own. May be called twice. */
  release(): void;
}

/** How a disk in memory behaves. */
export interface MemoryDiskOptions {
  /** Milliseconds from a write to its completion, by the engine's clock. Default 0: the next turn. */
  readonly latencyMs?: number | ((write: DiskWrite) => number) | undefined;
}

/**
 * A disk in memory that outlives the engine that writes to it, so that a node of a test can be
 * stopped or crashed and started again on what it stored. A write is pending until it completes;
 * only then is it durable. Completion is always in a later turn, one write a turn.
 */
export interface MemoryDisk {
  /** Syncs so far. Writes that were asked for in the same turn share one. */
  readonly syncCount: number;
  /** Entries that the syncs so far were to make durable. */
  readonly syncedEntryCount: number;
  /** The most entries that shared one sync. */
  readonly largestSyncEntryCount: number;
  /** Writes that are not durable yet, oldest first. */
  readonly pending: readonly DiskWrite[];
  /** Keeps matching writes, those already under way too, from completing until it is released. */
  hold(match?: DiskWriteMatch): DiskHold;
  /**
   * Fails the next matching write with ERR_STORAGE. With `stored`, what it wrote is durable all the
   * same, as after an error that was reported too late. Every later call of that engine fails.
   */
  failNext(match?: DiskWriteMatch, options?: { readonly stored?: boolean | undefined }): void;
  /**
   * The process dies. Pending writes are dropped, or kept as far as `keep` says: in entries, from
   * the first, for an append; otherwise 0 for nothing or 1 for all. Calls under way and later ones of
   * the engine fail with ERR_STORAGE; another engine may open the disk at once.
   */
  crash(options?: { readonly keep?: ((write: DiskWrite) => number) | undefined }): void;
}

/** Makes an empty disk. */
export function memoryDisk(options: MemoryDiskOptions = {}): MemoryDisk {
  return new Disk(options);
}

/** A write with what it does. `apply` is given how many parts of it reach the disk, at least 1. */
export interface WriteRequest extends DiskWrite {
  readonly apply: (parts: number) => void;
}

interface PendingWrite extends WriteRequest {
  readonly session: DiskSession;
  readonly settle: (error: Error | null) => void;
}

interface Failure {
  readonly match: DiskWriteMatch;
  readonly stored: boolean;
}

/** The implementation behind `MemoryDisk`, with what the engine needs beside the controls. */
export class Disk implements MemoryDisk {
  identity: StoredIdentity | null = null;
  readonly groups = new Map<GroupId, GroupContents>();
  readonly #latencyMs: number | ((write: DiskWrite) => number);
  readonly #pending = new Set<PendingWrite>();
  readonly #holds = new Set<Hold>();
  readonly #failures: Failure[] = [];
  #session: DiskSession | null = null;
  /** Entries of the sync that writes of this turn join; null when the next write begins one. */
  #gathering: { entryCount: number } | null = null;
  #syncCount = 0;
  #syncedEntryCount = 0;
  #largestSyncEntryCount = 0;

  constructor(options: MemoryDiskOptions) {
    this.#latencyMs = options.latencyMs ?? 0;
  }

  get syncCount(): number {
    return this.#syncCount;
  }

  get syncedEntryCount(): number {
    return this.#syncedEntryCount;
  }

  get largestSyncEntryCount(): number {
    return this.#largestSyncEntryCount;
  }

  get pending(): readonly DiskWrite[] {
    return [...this.#pending];
  }

  hold(match: DiskWriteMatch = {}): DiskHold {
    const hold = new Hold(match, {
      resume: (write) => write.session.clock.soon(() => this.#due(write)),
      onRelease: (released) => this.#holds.delete(released),
    });
    this.#holds.add(hold);
    return hold;
  }

  failNext(
    match: DiskWriteMatch = {},
    options: { readonly stored?: boolean | undefined } = {},
  ): void {
    this.#failures.push({ match, stored: options.stored ?? false });
  }

  crash(options: { readonly keep?: ((write: DiskWrite) => number) | undefined } = {}): void {
    const session = this.#session;
    this.#session = null;
    if (session === null) return;
    session.fail('the disk crashed');
    const dropped = [...this.#pending];
    this.#pending.clear();
    this.#gathering = null;
    for (const write of dropped) {
      const parts = options.keep?.(write) ?? 0;
      if (parts > 0) write.apply(Math.min(parts, Math.max(write.entryCount, 1)));
      session.clock.soon(() => write.settle(session.failure));
    }
  }

  /** ERR_LOCKED while another engine uses the disk. */
  attach(clock: Clock): DiskSession {
    if (this.#session !== null) {
      throw new QuorateError('ERR_LOCKED', { message: 'another engine uses this memory disk' });
    }
    this.#session = new DiskSession(this, clock);
    return this.#session;
  }

  detach(session: DiskSession): void {
    if (this.#session === session) this.#session = null;
  }

  contentsOf(group: GroupId): GroupContents {
    let contents = this.groups.get(group);
    if (contents === undefined) {
      contents = new GroupContents(group);
      this.groups.set(group, contents);
    }
    return contents;
  }

  write(session: DiskSession, request: WriteRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null): void => (error === null ? resolve() : reject(error));
      const write: PendingWrite = { ...request, session, settle };
      this.#pending.add(write);
      this.#countSync(write);
      const latencyMs =
        typeof this.#latencyMs === 'number' ? this.#latencyMs : this.#latencyMs(request);
      if (latencyMs > 0) session.clock.after(latencyMs, () => this.#due(write));
      else session.clock.soon(() => this.#due(write));
    });
  }

  #countSync(write: PendingWrite): void {
    if (this.#gathering === null) {
      const sync = { entryCount: 0 };
      this.#gathering = sync;
      this.#syncCount += 1;
      write.session.clock.soon(() => {
        if (this.#gathering === sync) this.#gathering = null;
      });
    }
    this.#gathering.entryCount += write.entryCount;
    this.#syncedEntryCount += write.entryCount;
    this.#largestSyncEntryCount = Math.max(this.#largestSyncEntryCount, this.#gathering.entryCount);
  }

  #due(write: PendingWrite): void {
    if (!this.#pending.has(write)) return; // The disk crashed meanwhile.
    for (const hold of this.#holds) {
      if (hold.catches(write)) return;
    }
    this.#pending.delete(write);
    write.settle(this.#perform(write));
  }

  /** What the write's caller is told: null once it is durable. */
  #perform(write: PendingWrite): Error | null {
    const { session } = write;
    if (session.failure !== null) return session.failure;
    const at = this.#failures.findIndex(({ match }) => fits(match, write));
    const [failure] = at < 0 ? [] : this.#failures.splice(at, 1);
    if (failure === undefined || failure.stored) write.apply(Math.max(write.entryCount, 1));
    if (failure !== undefined) session.fail(`the ${write.kind} failed, as the test wanted`);
    return session.failure;
  }
}

/** One engine's use of a disk, from open to close or crash. */
export class DiskSession {
  readonly disk: Disk;
  readonly clock: Clock;
  #failure: QuorateError | null = null;
  #callsUnderWay = 0;
  #onIdle: (() => void) | null = null;

  constructor(disk: Disk, clock: Clock) {
    this.disk = disk;
    this.clock = clock;
  }

  /** Why every call fails from now on; null while the disk is good. */
  get failure(): QuorateError | null {
    return this.#failure;
  }

  fail(message: string): void {
    this.#failure ??= new QuorateError('ERR_STORAGE', { message, outcome: 'unknown' });
  }

  /** Every later call fails with ERR_CLOSED. */
  close(): void {
    this.#failure ??= new QuorateError('ERR_CLOSED', { message: 'the storage was closed' });
  }

  write(request: WriteRequest): Promise<void> {
    if (this.#failure !== null) return this.read(() => undefined);
    return this.#counted(this.disk.write(this, request));
  }

  /** Calls `fn` in a later turn, as if the disk had to be asked. */
  read<T>(fn: () => T): Promise<T> {
    return this.#counted(
      new Promise((resolve, reject) => {
        this.clock.soon(() => {
          if (this.#failure !== null) return reject(this.#failure);
          try {
            resolve(fn());
          } catch (error) {
            reject(error);
          }
        });
      }),
    );
  }

  /** Resolves once no call is under way. */
  async idle(): Promise<void> {
    while (this.#callsUnderWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  async #counted<T>(call: Promise<T>): Promise<T> {
    this.#callsUnderWay += 1;
    try {
      return await call;
    } finally {
      this.#callsUnderWay -= 1;
      if (this.#callsUnderWay === 0) this.#onIdle?.();
    }
  }
}

interface HoldActions {
  readonly resume: (write: PendingWrite) => void;
  readonly onRelease: (hold: Hold) => void;
}

class Hold implements DiskHold {
  readonly #match: DiskWriteMatch;
  readonly #actions: HoldActions;
  readonly #waiting: PendingWrite[] = [];
  /** Let go one by one: they pass although the hold stays. */
  readonly #released = new WeakSet<PendingWrite>();

  constructor(match: DiskWriteMatch, actions: HoldActions) {
    this.#match = match;
    this.#actions = actions;
  }

  get waiting(): readonly DiskWrite[] {
    return [...this.#waiting];
  }

  catches(write: PendingWrite): boolean {
    if (!fits(this.#match, write) || this.#released.has(write)) return false;
    this.#waiting.push(write);
    return true;
  }

  releaseFirst(): boolean {
    const write = this.#waiting.shift();
    if (write === undefined) return false;
    this.#released.add(write);
    this.#actions.resume(write);
    return true;
  }

  release(): void {
    this.#actions.onRelease(this);
    while (this.releaseFirst());
  }
}

function fits(match: DiskWriteMatch, write: DiskWrite): boolean {
  if (match.kind !== undefined && match.kind !== write.kind) return false;
  return match.group === undefined || match.group === write.group;
}
