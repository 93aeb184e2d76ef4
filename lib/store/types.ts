import type { GroupId, LogIndex, NodeId, QuorateError, Term } from '../base/index.js';
import type { EventBus, Membership, NodeStatus, TransferResult } from '../interfaces/index.js';

/** Turns a value into bytes and back. Both sides throw ERR_ENCODING for what does not fit. */
export interface Codec<V> {
  /** The bytes of a value, the caller's own from here on. */
  encode(value: V): Uint8Array;
  /** `bytes` belong to the codec: they are not used by anyone else. */
  decode(bytes: Uint8Array): V;
}

/** Where a change stands in the history of the whole store: 1 for the first, one more for each. */
export type Revision = number;

/** One key and what it holds. */
export interface KVEntry<V = string> {
  readonly key: string;
  readonly value: V;
  /** Of the change that made the key. */
  readonly createRevision: Revision;
  /** Of the last change to the key. */
  readonly modRevision: Revision;
  /** How often the key was written since it was made; 1 for the first. */
  readonly version: number;
  /** The lease that the key hangs on, or null. */
  readonly lease: string | null;
}

/**
 * `linearizable`: sees every write acknowledged before the read began. `leaderLease`: the same, by a
 * leader that a quorum has promised to vote for nobody else for a while, without asking again; it rests
 * on clocks that run alike, to a tenth. Where no lease is held, or this node does not lead, it is
 * `linearizable`. `stale`: what this node has applied, at once and without asking anybody.
 */
export type Consistency = 'linearizable' | 'leaderLease' | 'stale';

/** How long a call waits, and who may end it. */
export interface CallOptions {
  /** Stops waiting. A write that was proposed may still happen. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call gives up; the node's `callTimeoutMs` unless told. */
  readonly timeoutMs?: number | undefined;
}

/** How fresh a read is. */
export interface ReadOptions extends CallOptions {
  /** Default `'linearizable'`. */
  readonly consistency?: Consistency | undefined;
  /**
   * With `stale`: the read sees at least this revision, and waits for it where this node has not
   * applied it yet, whether anybody leads or not. One that nobody has written yet is ERR_CONFIG.
   */
  readonly minRevision?: Revision | undefined;
  /**
   * With `stale`: the read sees everything that was acknowledged more than so many milliseconds before
   * the node answers; from 1 on. A node that cannot be sure of that asks the leader, as a linearizable
   * read does, and remembers the moment when it asked: reads after that are answered at once while they
   * allow as much. The read that asks is a linearizable one: should the answer take longer than that, it
   * sees what was acknowledged before it began. Without a leader it waits for one, until the call times
   * out (ERR_NO_LEADER).
   */
  readonly maxStalenessMs?: number | undefined;
}

/** At most one of the two. A condition that does not hold is ERR_CONDITION with the current entry. */
export interface PutOptions extends CallOptions {
  /** The key's `modRevision` must be this; 0 means that it must not exist. */
  readonly ifRevision?: Revision | undefined;
  /** The key must not exist. */
  readonly ifAbsent?: boolean | undefined;
}

/** A condition that does not hold is ERR_CONDITION with the current entry. */
export interface DeleteOptions extends CallOptions {
  /** The key's `modRevision` must be this. */
  readonly ifRevision?: Revision | undefined;
}

/** Which entries, and in which order. */
export interface ListOptions extends ReadOptions {
  /** Keys that begin with this. Excludes `from` and `to`. */
  readonly prefix?: string | undefined;
  /** Keys in [from, to), ordered by their UTF-8 bytes. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** At most this many. Default: all for `list`, 100 for `page`; at most 1,000 for `page`. */
  readonly limit?: number | undefined;
  /** From the last key to the first. Default false. */
  readonly reverse?: boolean | undefined;
}

/** Which entries, and where to go on. */
export interface PageOptions extends ListOptions {
  /** `cursor` of the page before. All pages show the same revision; one held too long is ERR_COMPACTED. */
  readonly cursor?: string | undefined;
}

/** A part of a listing. */
export interface Page<V> {
  readonly items: readonly KVEntry<V>[];
  /** For the next page, or null after the last. */
  readonly cursor: string | null;
  /** Of the store, when the first page was read. */
  readonly revision: Revision;
}

/** What a put came to. It is durable on a majority. */
export interface PutResult {
  readonly revision: Revision;
  /** Whether the key did not exist before. */
  readonly created: boolean;
}

/** What a deletion came to. It is durable on a majority. */
export interface DeleteResult {
  /** False when there was no such key; nothing was changed then. */
  readonly deleted: boolean;
  /** Of the deletion, or of the store where nothing was deleted. */
  readonly revision: Revision;
}

/**
 * A replicated, linearizable key-value store, on whichever side of a socket it is.
 *
 * Keys are text of 1 to 8,192 bytes of UTF-8. A write that resolved is durable on a majority. Every
 * call settles before its deadline; what its rejection means is said by the error's `outcome`.
 */
export interface KVStore<V = string> extends AsyncDisposable {
  /** The value, or null where there is none. */
  get(key: string, options?: ReadOptions): Promise<V | null>;
  /** The value with its revisions, or null where there is none. */
  getEntry(key: string, options?: ReadOptions): Promise<KVEntry<V> | null>;
  /**
   * Resolves once the value is durable on a majority and applied by the leader. Too large is ERR_TOO_LARGE,
   * before anything is sent.
   */
  put(key: string, value: V, options?: PutOptions): Promise<PutResult>;
  /** Resolves as `put` does, also when there was nothing to delete. */
  delete(key: string, options?: DeleteOptions): Promise<DeleteResult>;
  /**
   * Entries in order, all of one revision. Nothing is asked before the first `next`; `timeoutMs` counts
   * for each step anew, `signal` for all. Ending the iteration early releases what it held.
   */
  list(options?: ListOptions): AsyncIterable<KVEntry<V>>;
  /** One part of a listing, and the cursor of the next. */
  page(options?: PageOptions): Promise<Page<V>>;
  /**
   * The keys that begin with `prefix` and go on, named without it, with a codec of their own. Prefixes
   * count towards the length of keys. Closing a namespace closes nothing.
   */
  namespace<W>(prefix: string, values: Codec<W>): KVStore<W>;
  /** Of the node, or of the client. */
  readonly id: NodeId;
  readonly events: EventBus;
  readonly membership: Membership;
  /**
   * Hands leadership to the node `to`, or to the most caught-up voter. Resolves when it leads, or did
   * already; no write is lost by it, and none need fail. ERR_CONFIG where `to` is no voter, ERR_BUSY where
   * it is too far behind, ERR_TIMEOUT with outcome `'unknown'` where it did not take over within an election
   * timeout: then the old leader goes on, or the new one leads all the same.
   */
  transferLeadership(to?: NodeId, options?: CallOptions): Promise<TransferResult>;
  /** What the node says of itself and its group now. */
  status(): NodeStatus;
  /** Resolves when there is a leader and this node has caught up with it. */
  ready(options?: CallOptions): Promise<void>;
  /**
   * Resolves when the store is closed or has stopped by itself; never rejects. Where closing it closes a
   * node, the storage and the transport are given back by then.
   */
  readonly closed: Promise<{ readonly cause: QuorateError | null }>;
  /** Settles every pending call. May be called twice. */
  close(): Promise<void>;
}

/* What the store asks of whatever carries it out: the local node, or a connection to one. */

/** A condition on one key. `modRevision` 0: the key must not exist. */
export interface KeyCondition {
  readonly modRevision: Revision;
}

/** How fresh a read must be. The last two belong to `stale`. */
export interface Freshness {
  readonly consistency: Consistency;
  readonly minRevision?: Revision | undefined;
  /** From 1 to 2^32 - 1. */
  readonly maxStalenessMs?: number | undefined;
}

/** What a store asks of its backend. */
export type KVRequest =
  | (Freshness & { readonly kind: 'get'; readonly key: Uint8Array })
  | {
      readonly kind: 'put';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly condition: KeyCondition | null;
    }
  | { readonly kind: 'delete'; readonly key: Uint8Array; readonly condition: KeyCondition | null }
  | (Freshness & {
      /** The next entries of [from, to), or of the view that `cursor` names. */
      readonly kind: 'range';
      readonly from: Uint8Array;
      /** Null: to the end. */
      readonly to: Uint8Array | null;
      readonly limit: number;
      readonly reverse: boolean;
      readonly cursor: string | null;
    })
  /** Gives back what a cursor held. Unknown ones are passed over. */
  | { readonly kind: 'release'; readonly cursor: string };

/** A key and what it holds, in bytes. */
export interface RawEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  readonly lease: string | null;
}

/** Answers, by the `kind` of the request. A failed condition is an answer here; the store throws it. */
export type KVResponse =
  | { readonly kind: 'get'; readonly entry: RawEntry | null; readonly revision: Revision }
  | { readonly kind: 'put'; readonly revision: Revision; readonly created: boolean }
  | { readonly kind: 'delete'; readonly revision: Revision; readonly deleted: boolean }
  | { readonly kind: 'conditionFailed'; readonly entry: RawEntry | null }
  | {
      readonly kind: 'range';
      readonly items: readonly RawEntry[];
      readonly cursor: string | null;
      readonly revision: Revision;
    }
  | { readonly kind: 'release' };

/** A state that is being saved. */
export interface SavedState {
  readonly group: GroupId;
  /** The state holds everything up to and including this entry. */
  readonly index: LogIndex;
  readonly term: Term;
  /** `logTimeMs` of that entry. */
  readonly logTimeMs: number;
  /** The configuration in force there, as its entry's payload. */
  readonly configuration: Uint8Array;
  readonly revision: Revision;
  readonly keyCount: number;
}

/** A part of it. */
export interface SavedPart extends SavedState {
  readonly content: Uint8Array;
  /** For the next part, or null after the last. */
  readonly cursor: string | null;
}

/** Carries requests out. Rejects with `QuorateError` only. */
export interface KVBackend {
  readonly id: NodeId;
  readonly events: EventBus;
  readonly membership: Membership;
  readonly closed: Promise<{ readonly cause: QuorateError | null }>;
  /** Limits on sizes, checked by the store before anything is sent. */
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  /** Settles before the deadline of the call; its rejection says what may be concluded. */
  execute(request: KVRequest, options: CallOptions): Promise<KVResponse>;
  /**
   * The next part of the state that `cursor` names; with null, the first of the state as it is after the
   * call began. One that is not held any more is ERR_COMPACTED; what is not read to its end is released.
   */
  savePart(cursor: string | null, options: CallOptions): Promise<SavedPart>;
  /** As the store's; null for whoever is most caught up. */
  transferLeadership(to: NodeId | null, options: CallOptions): Promise<TransferResult>;
  /** As the store's. */
  status(): NodeStatus;
  /** As the store's. */
  ready(options: CallOptions): Promise<void>;
  /** As the store's. */
  close(): Promise<void>;
}
