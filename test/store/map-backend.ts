import { compareBytes, copyBytes, QuorateError, toHex } from '../../lib/base/index.js';
import type { NodeStatus, TransferResult } from '../../lib/interfaces/index.js';
import {
  type KVBackend,
  type KVRequest,
  type KVResponse,
  ListedMembership,
  type RawEntry,
  type SavedPart,
} from '../../lib/store/index.js';

const SAVED = {
  group: 'default',
  index: 7,
  term: 2,
  logTimeMs: 5,
  configuration: new Uint8Array([1, 2, 3]),
};

/** The port in a few lines: a map, and views that are copies. */
export class MapBackend implements KVBackend {
  readonly id = 'n1';
  readonly events = { on: () => () => {}, emit: () => false };
  readonly membership = new ListedMembership(() => []);
  readonly maxKeyBytes = 64;
  readonly maxValueBytes = 100;
  readonly requests: KVRequest[] = [];
  /** Whom leadership was handed to; null for anybody. */
  readonly transfers: (string | null)[] = [];
  failReleases = false;
  isClosed = false;
  /** What a save hands out, and the cursors of those that were not read to their end. */
  parts: readonly Uint8Array[] = [];
  readonly saves = new Set<string>();
  readonly #entries = new Map<string, RawEntry>();
  readonly #views = new Map<string, { items: RawEntry[]; revision: number }>();
  readonly closed: Promise<{ cause: QuorateError | null }>;
  #resolveClosed: () => void = () => {};
  #revision = 0;
  #cursors = 0;

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = () => resolve({ cause: null });
    });
  }

  get openViews(): number {
    return this.#views.size;
  }

  async execute(request: KVRequest): Promise<KVResponse> {
    this.requests.push(request);
    switch (request.kind) {
      case 'get':
        return { kind: 'get', entry: this.#get(request.key), revision: this.#revision };
      case 'put': {
        const old = this.#get(request.key);
        if (this.#refuses(request.condition, old)) return { kind: 'conditionFailed', entry: old };
        this.#revision += 1;
        this.#entries.set(toHex(request.key), {
          key: request.key,
          value: request.value,
          createRevision: old?.createRevision ?? this.#revision,
          modRevision: this.#revision,
          version: (old?.version ?? 0) + 1,
          lease: null,
        });
        return { kind: 'put', revision: this.#revision, created: old === null };
      }
      case 'delete': {
        const old = this.#get(request.key);
        if (this.#refuses(request.condition, old)) return { kind: 'conditionFailed', entry: old };
        if (old !== null) this.#revision += 1;
        this.#entries.delete(toHex(request.key));
        return { kind: 'delete', revision: this.#revision, deleted: old !== null };
      }
      case 'range':
        return this.#range(request);
      case 'release':
        if (this.failReleases) throw new QuorateError('ERR_TIMEOUT', { message: 'lost' });
        this.#views.delete(request.cursor);
        this.saves.delete(request.cursor);
        return { kind: 'release' };
    }
  }

  async savePart(cursor: string | null): Promise<SavedPart> {
    if (cursor !== null && !this.saves.delete(cursor)) {
      throw new QuorateError('ERR_COMPACTED', { message: 'no such save' });
    }
    const number = cursor === null ? 0 : Number(cursor.split(' ')[1]) + 1;
    const next = number + 1 < this.parts.length ? `part ${number}` : null;
    if (next !== null) this.saves.add(next);
    const content = this.parts[number] ?? new Uint8Array(0);
    const keyCount = this.#entries.size;
    return { ...SAVED, revision: this.#revision, keyCount, content, cursor: next };
  }

  async transferLeadership(to: string | null): Promise<TransferResult> {
    this.transfers.push(to);
    return { leader: to ?? 'n2' };
  }

  status(): NodeStatus {
    throw new Error('not asked for here');
  }

  async ready(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
    this.#resolveClosed();
  }

  #get(key: Uint8Array): RawEntry | null {
    return this.#entries.get(toHex(key)) ?? null;
  }

  #refuses(condition: { modRevision: number } | null, old: RawEntry | null): boolean {
    return condition !== null && condition.modRevision !== (old?.modRevision ?? 0);
  }

  #range(request: Extract<KVRequest, { kind: 'range' }>): KVResponse {
    const { from, to, cursor, limit, reverse } = request;
    let view = cursor === null ? undefined : this.#views.get(cursor);
    if (cursor !== null) {
      if (view === undefined)
        throw new QuorateError('ERR_COMPACTED', { message: 'no such cursor' });
      this.#views.delete(cursor);
    }
    if (view === undefined) {
      const items = [...this.#entries.values()]
        .filter(({ key }) => compareBytes(key, from) >= 0)
        .filter(({ key }) => to === null || compareBytes(key, to) < 0)
        .sort((a, b) => compareBytes(a.key, b.key));
      view = { items: reverse ? items.reverse() : items, revision: this.#revision };
    }
    const items = view.items
      .splice(0, limit)
      .map((item) => ({ ...item, value: copyBytes(item.value) }));
    const { revision } = view;
    if (view.items.length === 0) return { kind: 'range', items, cursor: null, revision };
    this.#cursors += 1;
    this.#views.set(`${this.#cursors}`, view);
    return { kind: 'range', items, cursor: `${this.#cursors}`, revision };
  }
}
