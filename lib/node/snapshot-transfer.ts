import { at, concatBytes, type GroupId, type MemberId, QuorateError } from '../base/index.js';
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

/** Asks a member for a chunk; ERR_TIMEOUT where none comes in time. */
export type Pull = (
  from: MemberId,
  request: SnapshotRequest,
  timeoutMs: number,
) => Promise<SnapshotChunk>;

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
  /** As its chunks say; null before the first. */
  sizeBytes: number | null;
  /** How long a chunk is waited for. */
  timeoutMs: number;
  isUnderWay: boolean;
}

/** A chunk that was asked for. */
interface Asked {
  readonly offset: number;
  readonly askedMs: number;
  readonly answer: Promise<SnapshotChunk>;
}

/** After anything but a passing failure: a disk that is full stays so for a while. */
const RETRY_MS = 1000;

/**
 * Chunks that are asked for and not yet written: what they take is all the memory of a transfer. One
 * after the other would wait a round trip for each.
 */
const MAX_WINDOW = 8;

/** An answer that takes longer finds the line full: fewer are asked for, so that none is given up. */
const SLOW_ANSWER_MS = 500;

/** Frames that were dropped are asked for again soon; on a slow line a chunk alone may take longer. */
const FIRST_TIMEOUT_MS = 2000;
const MAX_TIMEOUT_MS = 16_000;

/** After these the same bytes can be asked for again: the leader's next offer goes on from there. */
const PASSING: ReadonlySet<string> = new Set(['ERR_UNREACHABLE', 'ERR_TIMEOUT', 'ERR_BUSY']);

/**
 * Pulls a snapshot from the leader into this node's storage, some chunks ahead of the one that is being
 * written, which are stored in their order: so much memory, whatever its size. An offer begins it; the same offer resumes it after a failure; another snapshot or
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
      this.#replace(newFetch(from, snapshot));
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
    const asked: Asked[] = [];
    try {
      await this.#receive(fetch, asked);
    } catch (error) {
      const { id, index } = fetch.snapshot;
      const fields = { event: 'raft.snapshotNotReceived', id, index, offset: fetch.offset, error };
      this.#options.logger.debug(fields, 'The snapshot of the leader could not be received.');
      // Anything else may have spoilt what was written: the next offer begins anew.
      if (!QuorateError.is(error) || !PASSING.has(error.code)) this.#forget(fetch);
      else if (error.code === 'ERR_TIMEOUT') {
        fetch.timeoutMs = Math.min(2 * fetch.timeoutMs, MAX_TIMEOUT_MS);
      }
    } finally {
      // Answers on their way are memory too: another window is opened when they have come or failed.
      await Promise.allSettled(asked.map(({ answer }) => answer));
      fetch.isUnderWay = false;
    }
  }

  /** Writes chunk after chunk until the snapshot is complete, or given up. */
  async #receive(fetch: Fetch, asked: Asked[]): Promise<void> {
    const { clock } = this.#options;
    let window = 1;
    while (this.#fetch === fetch) {
      this.#ask(fetch, asked, window);
      const { askedMs, answer } = at(asked, 0);
      const chunk = await answer;
      asked.shift();
      if (this.#fetch !== fetch) return;
      const isSlow = clock.now() - askedMs > SLOW_ANSWER_MS;
      window = isSlow ? Math.max(1, window >> 1) : Math.min(window + 1, MAX_WINDOW);
      if (await this.#store(fetch, chunk)) return;
    }
  }

  /** Asks for what comes next, up to the end of the snapshot, where that is known. */
  #ask(
    { from, snapshot, offset, sizeBytes, timeoutMs }: Fetch,
    asked: Asked[],
    window: number,
  ): void {
    const { group, clock, pull } = this.#options;
    const last = asked.at(-1);
    let next = last === undefined ? offset : last.offset + MAX_CHUNK_BYTES;
    while (asked.length < window && (asked.length === 0 || next < (sizeBytes ?? 0))) {
      const answer = pull(from, { group, snapshotId: snapshot.id, offset: next }, timeoutMs);
      // Whoever waits for it is told; where an earlier one has failed, nobody does.
      answer.catch(() => {});
      asked.push({ offset: next, askedMs: clock.now(), answer });
      next += MAX_CHUNK_BYTES;
    }
  }

  /** True when the snapshot is complete. */
  async #store(fetch: Fetch, chunk: SnapshotChunk): Promise<boolean> {
    checkChunk(chunk, fetch);
    fetch.sizeBytes = chunk.sizeBytes;
    fetch.writer ??= await this.#create(chunk);
    await fetch.writer.write(chunk.content);
    fetch.offset += chunk.content.length;
    if (fetch.offset < chunk.sizeBytes) return false;
    const stored = await fetch.writer.commit();
    if (this.#fetch === fetch) this.#fetch = null;
    this.#options.onFetched(stored);
    return true;
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

function newFetch(from: MemberId, snapshot: SnapshotReference): Fetch {
  const timeoutMs = FIRST_TIMEOUT_MS;
  return { from, snapshot, writer: null, offset: 0, sizeBytes: null, timeoutMs, isUnderWay: false };
}

/** What a peer says is believed as little as anything from outside. */
function checkChunk(chunk: SnapshotChunk, fetch: Fetch): void {
  const { index, term, sizeBytes, content, configuration } = chunk;
  const { snapshot, offset } = fetch;
  if (index !== snapshot.index || term !== snapshot.term) throw malformed('it is another snapshot');
  if (fetch.sizeBytes !== null && sizeBytes !== fetch.sizeBytes)
    throw malformed('its size changes');
  // What follows was asked for at the next full chunk.
  const expectedBytes = Math.min(MAX_CHUNK_BYTES, sizeBytes - offset);
  if (content.length !== expectedBytes) {
    throw malformed(`${content.length} bytes at ${offset} of ${sizeBytes}`);
  }
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
  readonly onLost: (snapshot: SnapshotDescription, error: QuorateError) => void;
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
      const { index, term, logTimeMs, configuration, sizeBytes } = snapshot;
      const content = await readWhole(
        reader,
        offset,
        Math.min(MAX_CHUNK_BYTES, sizeBytes - offset),
      );
      if (offset === 0) count(this.#options.metrics, 'quorate_snapshots_sent_total');
      return { index, term, logTimeMs, configuration, sizeBytes, content };
    } catch (error) {
      await this.close(snapshotId);
      if (QuorateError.is(error) && error.code === 'ERR_CORRUPT') {
        this.#options.onLost(snapshot, error);
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

/** So many bytes, none where that is not above 0: a storage may give less at a time. */
async function readWhole(
  reader: SnapshotReader,
  offset: number,
  maxBytes: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < maxBytes) {
    const part = await reader.read(offset + length, maxBytes - length);
    if (part.length === 0) break;
    parts.push(part);
    length += part.length;
  }
  return concatBytes(parts);
}

function gone(id: string): QuorateError {
  return new QuorateError('ERR_COMPACTED', { message: `snapshot ${id} is not there any more` });
}
