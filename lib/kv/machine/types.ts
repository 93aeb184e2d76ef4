/** A key and what it holds. All bytes are the holder's own. */
export interface StoredEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 1 <= createRevision <= modRevision <= the store's revision. */
  readonly createRevision: number;
  readonly modRevision: number;
  /** Writes since the key was made; 1 for the first. */
  readonly version: number;
  /** The lease that the key hangs on, or null. */
  readonly lease: string | null;
}

/** The key's `modRevision` must be this; 0: the key must not exist. */
export interface Condition {
  readonly modRevision: number;
}

/** What may be done to the store. */
export type KVCommand =
  | {
      readonly kind: 'put';
      readonly key: Uint8Array;
      readonly value: Uint8Array;
      readonly condition: Condition | null;
    }
  | { readonly kind: 'delete'; readonly key: Uint8Array; readonly condition: Condition | null };

/** Keys in [from, to), ordered as bytes. `to` null: to the end. */
export interface KeySpan {
  readonly from: Uint8Array;
  readonly to: Uint8Array | null;
}

/** What to read of a span. */
export interface RangeQuery extends KeySpan {
  /** At most this many entries. */
  readonly limit: number;
  /** Stops behind the entry that brings keys and values to this many bytes. */
  readonly maxBytes: number;
  /** From the last key to the first. */
  readonly reverse: boolean;
}

/** What was read, and what is left of the span: null when nothing is. */
export interface RangeResult {
  readonly entries: readonly StoredEntry[];
  readonly rest: KeySpan | null;
}

/** Reads of one state. */
export interface KVReads {
  /** Of the last change that the reads see; 0 before the first. */
  readonly revision: number;
  get(key: Uint8Array): StoredEntry | null;
  range(query: RangeQuery): RangeResult;
}

/** The store as it was at one revision, whatever is applied meanwhile. */
export interface KVView extends KVReads {
  /** Gives back what the view holds; it must not be read afterwards. May be called twice. */
  release(): void;
}
