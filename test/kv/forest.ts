import { encodeUtf8, toHex } from '../../lib/base/index.js';
import { RecordTree } from '../../lib/kv/machine/record-tree.js';
import { Records } from '../../lib/kv/machine/records.js';
import { RetiredSlots } from '../../lib/kv/machine/retired-slots.js';

/** A tree with its records, changed as the machine does. */
export class Forest {
  readonly records = new Records();
  readonly retired = new RetiredSlots(this.records);
  readonly tree = new RecordTree({
    records: this.records,
    isSeen: (since) => this.retired.isSeen(since),
  });
  revision = 0;

  put(i: number): void {
    const key = encodeUtf8(keyOf(i));
    this.revision += 1;
    const { revision } = this;
    const fields = { createRevision: revision, modRevision: revision, version: 1, lease: null };
    const slot = this.records.add({ key, value: key, ...fields });
    this.tree.put(this.tree.find(key), slot, revision);
  }

  delete(i: number): void {
    this.revision += 1;
    this.tree.delete(this.tree.find(encodeUtf8(keyOf(i))), this.revision);
  }

  keys(): string[] {
    const keys = [...this.tree.from(new Uint8Array())].map((slot) => this.records.key(slot));
    const reversed = [...this.tree.before(null)].map((slot) => toHex(this.records.key(slot)));
    const forward = keys.map(toHex);
    if (reversed.reverse().join() !== forward.join()) throw new Error('both ways are one order');
    return keys.map((key) => String.fromCharCode(...key));
  }
}

export function keyOf(i: number): string {
  return `key/${String(i).padStart(6, '0')}`;
}
