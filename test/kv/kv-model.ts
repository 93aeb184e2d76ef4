import { compareBytes, toHex } from '../../lib/base/index.js';
import type {
  KVCommand,
  KVResult,
  RangeQuery,
  RangeResult,
  StoredEntry,
} from '../../lib/kv/machine/index.js';

/** What the machine should be, in the plainest words: a map, sorted when asked. */
export class KVModel {
  revision = 0;
  #entries = new Map<string, StoredEntry>();

  apply(command: KVCommand): KVResult {
    const name = toHex(command.key);
    const old = this.#entries.get(name) ?? null;
    if (command.condition !== null && command.condition.modRevision !== (old?.modRevision ?? 0)) {
      return { kind: 'conditionFailed', entry: old };
    }
    if (command.kind === 'delete') {
      if (old === null) return { kind: 'delete', revision: this.revision, deleted: false };
      this.#entries.delete(name);
      this.revision += 1;
      return { kind: 'delete', revision: this.revision, deleted: true };
    }
    this.revision += 1;
    this.#entries.set(name, {
      key: command.key,
      value: command.value,
      createRevision: old?.createRevision ?? this.revision,
      modRevision: this.revision,
      version: (old?.version ?? 0) + 1,
      lease: null,
    });
    return { kind: 'put', revision: this.revision, created: old === null };
  }

  get(key: Uint8Array): StoredEntry | null {
    return this.#entries.get(toHex(key)) ?? null;
  }

  entries(): StoredEntry[] {
    return [...this.#entries.values()].sort((a, b) => compareBytes(a.key, b.key));
  }

  range({ from, to, limit, maxBytes, reverse }: RangeQuery): RangeResult['entries'] {
    const inside = this.entries()
      .filter(({ key }) => compareBytes(key, from) >= 0)
      .filter(({ key }) => to === null || compareBytes(key, to) < 0);
    if (reverse) inside.reverse();
    const taken: StoredEntry[] = [];
    let sizeBytes = 0;
    for (const entry of inside) {
      if (taken.length >= limit || sizeBytes >= maxBytes) break;
      sizeBytes += entry.key.length + entry.value.length;
      taken.push(entry);
    }
    return taken;
  }

  copy(): KVModel {
    const copy = new KVModel();
    copy.revision = this.revision;
    copy.#entries = new Map(this.#entries);
    return copy;
  }
}
