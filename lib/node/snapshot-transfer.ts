import { type GroupId, type MemberId, QuorateError } from '../base/index.js';
import type {
  Clock,
  Logger,
  Metrics,
  SnapshotDescription,
  SnapshotReader,
  SnapshotStorage,
  SnapshotWriter,
} from '../interfaces/index.js';
import { count } from '../observe/index.js';
import { decodeConfiguration, type SnapshotReference } from '../raft/index.js';
import { MAX_CHUNK_BYTES, type SnapshotChunk, type SnapshotRequest } from '../wire/index.js';

export type Pull = (from: MemberId, request: SnapshotRequest) => Promise<SnapshotChunk>;

export interface SnapshotFetcherOptions {
  readonly group: GroupId;
  readonly storage: SnapshotStorage;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly pull: Pull;
  /** The snapshot is durable here. */
  readonly onFetched: (snapshot: SnapshotDescription) => void;
}

interface Fetch {
  readonly from: MemberId;
  readonly snapshot: SnapshotReference;
  writer: SnapshotWriter | null;
  /** How much of it was written. */
  offset: number;
  isUnderWay: boolean;
}

/** After anything but a passing failure: a disk that is full stays so for a while. */
const RETRY_MS = 1000;

/** After these the same bytes can be asked for again: the leader's next offer goes on from there. */
const PASSING: ReadonlySet<string> = new Set(['ERR_UNREACHABLE', 'ERR_TIMEOUT', 'ERR_BUSY']);

/**
 * Pulls a snapshot from the leader, a chunk at a time, into this node's storage: one chunk of memory,
 * whatever its size. An offer begins it; the same offer resumes it after a failure; another snapshot or
 * another leader begins at offset 0, so that bytes of two are never mixed (schedule D9).
 */
export class SnapshotFetcher {
  readonly #options: SnapshotFetcherOptions;
  #fetch: Fetch | null = null;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  /** Calls of the storage, one after the other. */
  #tail: Promise<void> = Promise.resolve();

  constructor(options: SnapshotFetcherOptions) {
    this.#options = options;
  }

  /** What is being received, and how much of it is there; null for nothing. */
  get progress(): { readonly from: MemberId; readonly offset: number } | null {
    return this.#fetch;
  }

  offer(from: MemberId, snapshot: SnapshotReference): void {
    if (this.#options.clock.now() < this.#retryAtMs) return;
    const current = this.#fetch;
    if (current === null || current.from !== from || current.snapshot.id !== snapshot.id) {
      this.#replace({ from, snapshot, writer: null, offset: 0, isUnderWay: false });
    }
    const fetch = this.#fetch;
    if (fetch === null || fetch.isUnderWay) return;
    fetch.isUnderWay = true;
    this.#tail = this.#tail.then(() => this.#run(fetch));
  }

  /** Gives up what is being received and resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#replace(null);
    await this.#tail;
  }

  #replace(fetch: Fetch | null): void {
    const old = this.#fetch;
    this.#fetch = fetch;
    if (old !== null) this.#tail = this.#tail.then(() => this.#abort(old));
  }

  async #run(fetch: Fetch): Promise<void> {
    try {
      let isMore = true;
      while (isMore && this.#fetch === fetch) isMore = await this.#next(fetch);
    } catch (error) {
      const { id, index } = fetch.snapshot;
      const fields = { event: 'raft.snapshotNotReceived', id, index, offset: fetch.offset, error };
      this.#options.logger.debug(fields, 'The snapshot of the leader could not be received.');
      // Anything else may have spoilt what was written: the next offer begins anew.
      if (!QuorateError.is(error) || !PASSING.has(error.code)) this.#forget(fetch);
    } finally {
      fetch.isUnderWay = false;
    }
  }

  /** Writes the next chunk. False when the snapshot is complete. */
  async #next(fetch: Fetch): Promise<boolean> {
    const { group, pull } = this.#options;
    const { from, snapshot, offset } = fetch;
    const chunk = await pull(from, { group, snapshotId: snapshot.id, offset });
    if (this.#fetch !== fetch) return false;
    checkChunk(chunk, fetch);
    fetch.writer ??= await this.#create(chunk);
    await fetch.writer.write(chunk.content);
    fetch.offset += chunk.content.length;
    if (fetch.offset < chunk.sizeBytes) return true;
    const stored = await fetch.writer.commit();
    if (this.#fetch === fetch) this.#fetch = null;
    this.#options.onFetched(stored);
    return false;
  }

  #create({ index, term, logTimeMs, configuration }: SnapshotChunk): Promise<SnapshotWriter> {
    return this.#options.storage.create({ index, term, logTimeMs, configuration });
  }

  #forget(fetch: Fetch): void {
    this.#retryAtMs = this.#options.clock.now() + RETRY_MS;
    if (this.#fetch === fetch) this.#replace(null);
  }

  async #abort({ writer, snapshot }: Fetch): Promise<void> {
    try {
      await writer?.abort();
    } catch (error) {
      const fields = { event: 'raft.snapshotNotRemoved', id: snapshot.id, error };
      this.#options.logger.error(fields, 'A part of a snapshot could not be removed.');
    }
  }
}

/** What a peer says is believed as little as anything from outside. */
function checkChunk(chunk: SnapshotChunk, { snapshot, offset }: Fetch): void {
  const { index, term, sizeBytes, content, configuration } = chunk;
  if (index !== snapshot.index || term !== snapshot.term) throw malformed('it is another snapshot');
  if (offset + content.length > sizeBytes) throw malformed('it is longer than its size');
  if (content.length === 0 && offset < sizeBytes) throw malformed('it ends before its size');
  if (offset === 0) decodeConfiguration(configuration);
}

function malformed(what: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed snapshot: ${what}` });
}

export interface SnapshotServerOptions {
  readonly storage: SnapshotStorage;
  readonly metrics: Metrics;
  readonly find: (id: string) => SnapshotDescription | null;
  /** It cannot be read: it must not be offered any more. */
  readonly onLost: (snapshot: SnapshotDescription, error: QuorateError) => Promise<void>;
}

/** Snapshots that are read at the same time: members that fell behind at different times. */
const MAX_READERS = 4;

/** Hands out chunks of this node's snapshots. What is damaged is never sent (fault B15). */
export class SnapshotServer {
  readonly #options: SnapshotServerOptions;
  /** Open ones, the one used longest ago first. */
  readonly #readers = new Map<string, Promise<SnapshotReader>>();

  constructor(options: SnapshotServerOptions) {
    this.#options = options;
  }

  /** ERR_COMPACTED for a snapshot that is not there any more. */
  async serve({ snapshotId, offset }: SnapshotRequest): Promise<SnapshotChunk> {
    const snapshot = this.#options.find(snapshotId);
    if (snapshot === null) throw gone(snapshotId);
    try {
      const reader = await this.#reader(snapshotId);
      const content = await reader.read(offset, MAX_CHUNK_BYTES);
      if (offset === 0) count(this.#options.metrics, 'quorate_snapshots_sent_total');
      const { index, term, logTimeMs, configuration, sizeBytes } = snapshot;
      return { index, term, logTimeMs, configuration, sizeBytes, content };
    } catch (error) {
      await this.close(snapshotId);
      if (QuorateError.is(error) && error.code === 'ERR_CORRUPT') {
        await this.#options.onLost(snapshot, error);
        throw gone(snapshotId);
      }
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const id of [...this.#readers.keys()]) await this.close(id);
  }

  #reader(id: string): Promise<SnapshotReader> {
    const reader = this.#readers.get(id) ?? this.#options.storage.open(id);
    this.#readers.delete(id);
    this.#readers.set(id, reader);
    const [oldest] = this.#readers.keys();
    if (this.#readers.size > MAX_READERS && oldest !== undefined) void this.close(oldest);
    return reader;
  }

  /** So that the space of a snapshot that is removed is given back. */
  async close(id: string): Promise<void> {
    const reader = this.#readers.get(id);
    this.#readers.delete(id);
    // One that did not open has failed the request that asked for it.
    await reader?.then((open) => open.close()).catch(() => {});
  }
}

function gone(id: string): QuorateError {
  return new QuorateError('ERR_COMPACTED', { message: `snapshot ${id} is not there any more` });
}
