import { EMPTY_BYTES, type NodeId, QuorateError } from '../base/index.js';
import type { EventBus, Membership, NodeStatus, TransferResult } from '../interfaces/index.js';
import { conditionOf, freshnessOf, limitOf, targetOf, validateCall } from './call-options.js';
import { decodeKey, encodeKey, encodePrefix, rangeOf } from './keys.js';
import type {
  CallOptions,
  Codec,
  DeleteOptions,
  DeleteResult,
  KVBackend,
  KVEntry,
  KVRequest,
  KVResponse,
  KVStore,
  ListOptions,
  Page,
  PageOptions,
  PutOptions,
  PutResult,
  RawEntry,
  ReadOptions,
} from './types.js';

/** Entries that `list` asks for at once. */
const LIST_STEP = 256;
const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;

/** The store over `backend`. Closing the store closes the backend. */
export function createKVStore<V>(backend: KVBackend, values: Codec<V>): KVStore<V> {
  return new BackedStore(backend, values, EMPTY_BYTES);
}

/**
 * What carries out the requests of `store`. A namespace, and a store that is not this library's, are
 * ERR_CONFIG: whoever serves a backend serves all of its keys.
 */
export function backendOf<V>(store: KVStore<V>): KVBackend {
  const backend = BackedStore.backendOf(store);
  if (backend !== null) return backend;
  throw new QuorateError('ERR_CONFIG', {
    message: 'pass the store that was opened, not a namespace',
  });
}

class BackedStore<V> implements KVStore<V> {
  readonly #backend: KVBackend;
  readonly #values: Codec<V>;
  /** Stands before every key; empty for the store itself. */
  readonly #prefix: Uint8Array;

  constructor(backend: KVBackend, values: Codec<V>, prefix: Uint8Array) {
    this.#backend = backend;
    this.#values = values;
    this.#prefix = prefix;
  }

  static backendOf(store: object): KVBackend | null {
    return #backend in store && store.#prefix.length === 0 ? store.#backend : null;
  }

  get id(): NodeId {
    return this.#backend.id;
  }

  get events(): EventBus {
    return this.#backend.events;
  }

  get membership(): Membership {
    return this.#backend.membership;
  }

  get closed(): Promise<{ readonly cause: QuorateError | null }> {
    return this.#backend.closed;
  }

  async get(key: string, options: ReadOptions = {}): Promise<V | null> {
    const entry = await this.#read(key, options);
    return entry === null ? null : this.#decodeValue(entry.value);
  }

  async getEntry(key: string, options: ReadOptions = {}): Promise<KVEntry<V> | null> {
    const entry = await this.#read(key, options);
    return entry === null ? null : this.#decode(entry);
  }

  async put(key: string, value: V, options: PutOptions = {}): Promise<PutResult> {
    const condition = conditionOf(options);
    const request: KVRequest = {
      kind: 'put',
      key: this.#encodeKey(key),
      value: this.#encodeValue(value),
      condition,
    };
    const response = await this.#execute(request, options);
    if (response.kind === 'conditionFailed') throw this.#conditionFailed(response.entry);
    if (response.kind !== 'put') throw unexpected(request, response);
    return { revision: response.revision, created: response.created };
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<DeleteResult> {
    const condition = conditionOf(options);
    const request: KVRequest = { kind: 'delete', key: this.#encodeKey(key), condition };
    const response = await this.#execute(request, options);
    if (response.kind === 'conditionFailed') throw this.#conditionFailed(response.entry);
    if (response.kind !== 'delete') throw unexpected(request, response);
    return { deleted: response.deleted, revision: response.revision };
  }

  list(options: ListOptions = {}): AsyncIterable<KVEntry<V>> {
    return { [Symbol.asyncIterator]: () => this.#entries(options) };
  }

  async page(options: PageOptions = {}): Promise<Page<V>> {
    const limit = limitOf(options, MAX_PAGE) ?? DEFAULT_PAGE;
    const { items, cursor, revision } = await this.#range(options, limit, options.cursor ?? null);
    return { items: items.map((item) => this.#decode(item)), cursor, revision };
  }

  namespace<W>(prefix: string, values: Codec<W>): KVStore<W> {
    const inner = encodePrefix(this.#prefix, prefix, this.#backend.maxKeyBytes);
    return new Namespace(this.#backend, values, inner);
  }

  async transferLeadership(to?: NodeId, options: CallOptions = {}): Promise<TransferResult> {
    validateCall(options);
    return await this.#backend.transferLeadership(targetOf(to), callOptions(options));
  }

  status(): NodeStatus {
    return this.#backend.status();
  }

  async ready(options: CallOptions = {}): Promise<void> {
    validateCall(options);
    await this.#backend.ready(callOptions(options));
  }

  async close(): Promise<void> {
    await this.#backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#entries(options: ListOptions): AsyncGenerator<KVEntry<V>, void, undefined> {
    let remaining = limitOf(options, Number.MAX_SAFE_INTEGER) ?? Number.POSITIVE_INFINITY;
    let cursor: string | null = null;
    try {
      do {
        const step = await this.#range(options, Math.min(remaining, LIST_STEP), cursor);
        cursor = step.cursor;
        for (const item of step.items) {
          validateCall(options);
          remaining -= 1;
          yield this.#decode(item);
          if (remaining <= 0) return;
        }
      } while (cursor !== null);
    } finally {
      if (cursor !== null) this.#release(cursor);
    }
  }

  /** Nobody waits for it: ending a loop early must not hang on a peer that is gone. */
  #release(cursor: string): void {
    this.#backend.execute({ kind: 'release', cursor }, {}).catch(() => {
      // Where the release does not arrive, the view falls to the limit on open views.
    });
  }

  async #read(key: string, options: ReadOptions): Promise<RawEntry | null> {
    const request: KVRequest = {
      kind: 'get',
      key: this.#encodeKey(key),
      ...freshnessOf(options),
    };
    const response = await this.#execute(request, options);
    if (response.kind !== 'get') throw unexpected(request, response);
    return response.entry;
  }

  async #range(
    options: ListOptions,
    limit: number,
    cursor: string | null,
  ): Promise<Extract<KVResponse, { kind: 'range' }>> {
    const request: KVRequest = {
      kind: 'range',
      ...rangeOf(this.#prefix, options, this.#backend.maxKeyBytes),
      limit,
      reverse: options.reverse ?? false,
      ...freshnessOf(options),
      cursor,
    };
    const response = await this.#execute(request, options);
    if (response.kind !== 'range') throw unexpected(request, response);
    return response;
  }

  async #execute(request: KVRequest, options: ReadOptions): Promise<KVResponse> {
    validateCall(options);
    return this.#backend.execute(request, callOptions(options));
  }

  #encodeKey(key: string): Uint8Array {
    return encodeKey(this.#prefix, key, this.#backend.maxKeyBytes);
  }

  #encodeValue(value: V): Uint8Array {
    const encoded = runCodec(() => this.#values.encode(value));
    if (!(encoded instanceof Uint8Array)) {
      throw new QuorateError('ERR_ENCODING', { message: 'the codec did not give a Uint8Array' });
    }
    const { maxValueBytes } = this.#backend;
    if (encoded.length > maxValueBytes) {
      throw new QuorateError('ERR_TOO_LARGE', {
        message: `the value has ${encoded.length} bytes; at most ${maxValueBytes} are allowed`,
      });
    }
    return encoded;
  }

  #decodeValue(value: Uint8Array): V {
    return runCodec(() => this.#values.decode(value));
  }

  #decode(entry: RawEntry): KVEntry<V> {
    const { createRevision, modRevision, version, lease } = entry;
    const key = decodeKey(this.#prefix, entry.key);
    return {
      key,
      value: this.#decodeValue(entry.value),
      createRevision,
      modRevision,
      version,
      lease,
    };
  }

  #conditionFailed(current: RawEntry | null): QuorateError {
    if (current === null) {
      return new QuorateError('ERR_CONDITION', { message: 'the key does not exist', entry: null });
    }
    const message = `the key stands at revision ${current.modRevision}`;
    try {
      return new QuorateError('ERR_CONDITION', { message, entry: this.#decode(current) });
    } catch (cause) {
      // The condition failed all the same; only the entry cannot be shown.
      return new QuorateError('ERR_CONDITION', { message, cause });
    }
  }
}

/** A store that was not opened and therefore is not closed. */
class Namespace<V> extends BackedStore<V> {
  override async close(): Promise<void> {}
}

function callOptions({ signal, timeoutMs }: CallOptions): CallOptions {
  return { signal, timeoutMs };
}

/** A codec may be the user's: whatever it throws is said to be a matter of encoding. */
function runCodec<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (QuorateError.is(cause)) throw cause;
    throw new QuorateError('ERR_ENCODING', { message: 'the codec refused the value', cause });
  }
}

function unexpected(request: KVRequest, response: KVResponse): QuorateError {
  return new QuorateError('ERR_PROTOCOL', {
    message: `${request.kind} was answered by ${response.kind}`,
    outcome: request.kind === 'put' || request.kind === 'delete' ? 'unknown' : 'rejected',
  });
}
