import { assert } from '../../../base/index.js';
import type { SeededRandom } from '../../seeded-random.js';

/** A change of a file that may not survive a power cut. */
interface Change {
  readonly offset: number;
  /** What is written; null for a change of the size alone. */
  bytes: Uint8Array | null;
  /** What the size becomes, where it is cut. */
  readonly sizeBytes: number | null;
  /** What stood there, and how long the file was, before. */
  before: Uint8Array;
  beforeBytes: number;
  /** Whether the call that made it has ended. */
  isDone: boolean;
  /** Whether it alone is known to be stored, whatever becomes of those before it. */
  isDurable: boolean;
  /** Whether a sync failed that should have stored it: no later one does. */
  isUnstorable: boolean;
}

/** A file, whatever its names are. */
export class Inode {
  #bytes = new Uint8Array(0);
  sizeBytes = 0;
  /** In order. Those that are known to be stored, with all before them, are forgotten. */
  changes: Change[] = [];
  /** What was overwritten lately, for a disk that gives back an older block. */
  readonly overwritten: { readonly offset: number; readonly bytes: Uint8Array }[] = [];

  read(offset: number, length: number): Uint8Array {
    const end = Math.min(this.sizeBytes, offset + length);
    return this.#bytes.slice(Math.min(offset, end), end);
  }

  get content(): Uint8Array {
    return this.#bytes.slice(0, this.sizeBytes);
  }

  write(offset: number, given: Uint8Array): Change {
    const bytes = new Uint8Array(given);
    const change = this.#begun(offset, offset + bytes.length, bytes, null);
    this.#put(offset, bytes);
    return change;
  }

  resize(sizeBytes: number): Change {
    const change = this.#begun(
      Math.min(sizeBytes, this.sizeBytes),
      this.sizeBytes,
      null,
      sizeBytes,
    );
    this.#resize(sizeBytes);
    return change;
  }

  /** What was asked for up to now, and is durable once a sync that begins now ends. */
  get unsynced(): readonly Change[] {
    return this.changes.filter((change) => change.isDone && !change.isUnstorable);
  }

  synced(changes: readonly Change[]): void {
    for (const change of changes) change.isDurable = true;
    this.#forget();
  }

  done(change: Change, isDurable: boolean): void {
    change.isDone = true;
    if (!isDurable) return;
    change.isDurable = true;
    this.#forget();
  }

  /** The sync of these failed: what the system still shows of them is not on the disk. */
  unstorable(changes: readonly Change[]): void {
    for (const change of changes) change.isUnstorable = true;
  }

  /** Changes what is stored, as damage does. */
  damage(offset: number, bytes: Uint8Array): void {
    this.#put(offset, bytes);
  }

  /**
   * Takes back every change that is not durable, and makes those again that `remains` gives something of:
   * the bytes of it that are there. Returns how many were lost in part or in full.
   */
  crash(remains: (change: Change) => Uint8Array | 'all' | null, areStored: boolean): number {
    const changes = this.changes;
    for (const change of changes.toReversed()) {
      if (change.beforeBytes < this.sizeBytes) this.#resize(change.beforeBytes);
      this.sizeBytes = change.beforeBytes;
      this.#put(change.offset, change.before);
      this.sizeBytes = change.beforeBytes;
    }
    this.changes = [];
    let lostCount = 0;
    for (const change of changes) {
      const left = change.isDurable ? 'all' : remains(change);
      if (left !== 'all') lostCount += 1;
      if (left === null) continue;
      this.#again(change, left, areStored);
    }
    if (areStored) this.changes = [];
    else this.#forget();
    return lostCount;
  }

  /** A copy of what is stored. */
  clone(): Inode {
    const copy = new Inode();
    copy.#put(0, this.content);
    copy.sizeBytes = this.sizeBytes;
    return copy;
  }

  #again(change: Change, left: Uint8Array | 'all', areStored: boolean): void {
    const { bytes, sizeBytes, offset, isDurable, isUnstorable } = change;
    let again: Change;
    if (bytes === null) again = this.resize(sizeBytes ?? 0);
    else again = this.write(offset, left === 'all' ? bytes : left);
    again.isDone = true;
    again.isDurable = isDurable || areStored;
    again.isUnstorable = isUnstorable;
  }

  #begun(from: number, to: number, bytes: Uint8Array | null, sizeBytes: number | null): Change {
    const before = this.read(from, to - from);
    const change = {
      ...{ offset: from, bytes, sizeBytes, before, beforeBytes: this.sizeBytes },
      ...{ isDone: false, isDurable: false, isUnstorable: false },
    };
    this.changes.push(change);
    return change;
  }

  #forget(): void {
    let count = 0;
    while (this.changes[count]?.isDurable === true) count += 1;
    for (const { offset, before } of this.changes.splice(0, count)) {
      if (before.length === 0) continue;
      this.overwritten.push({ offset, bytes: before });
      if (this.overwritten.length > MAX_OVERWRITTEN) this.overwritten.shift();
    }
  }

  #put(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, offset);
    this.sizeBytes = Math.max(this.sizeBytes, end);
  }

  #resize(sizeBytes: number): void {
    if (sizeBytes > this.sizeBytes)
      this.#put(this.sizeBytes, new Uint8Array(sizeBytes - this.sizeBytes));
    else this.#bytes.fill(0, sizeBytes, this.sizeBytes);
    this.sizeBytes = sizeBytes;
  }
}

const MAX_OVERWRITTEN = 32;

interface NameChange {
  readonly kind: 'create' | 'rename' | 'remove';
  readonly path: string;
  readonly to: string;
  readonly inode: Inode | null;
}

/** How a process ends: `kill` leaves what the system holds, `powerCut` only what is on the disk. */
export type Ending = 'kill' | 'powerCut';

/**
 * What is stored, over all starts of a node: contents that are durable once they are synced, names once
 * their folder is. At a power cut any part of what was not synced survives: of the names of each folder
 * those that were changed first, of contents any of the writes, each in full, torn or not at all.
 */
export class SimulatedDisk {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  readonly #changes = new Map<string, NameChange[]>();
  readonly #random: SeededRandom;
  /** Counts what power cuts and kills really took. */
  readonly lost = { writes: 0, torn: 0, names: 0 };

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  /** Sorted. */
  get paths(): readonly string[] {
    return [...this.#names.keys()].sort();
  }

  /** Of all files, in bytes. */
  get sizeBytes(): number {
    let sum = 0;
    for (const inode of this.#names.values()) sum += inode.sizeBytes;
    return sum;
  }

  at(path: string): Inode | null {
    return this.#names.get(path) ?? null;
  }

  create(path: string): Inode {
    const inode = new Inode();
    this.#name({ kind: 'create', path, to: path, inode });
    return inode;
  }

  rename(path: string, to: string): void {
    const inode = this.#names.get(path);
    assert(inode !== undefined, 'a file that is renamed is there');
    this.#name({ kind: 'rename', path, to, inode });
  }

  remove(path: string): void {
    if (this.#names.has(path)) this.#name({ kind: 'remove', path, to: path, inode: null });
  }

  /** The changes of names of a folder that are made durable by a sync that begins now. */
  unsyncedNames(folder: string): number {
    return this.#changes.get(folder)?.length ?? 0;
  }

  syncNames(folder: string, count: number): void {
    const changes = this.#changes.get(folder) ?? [];
    for (const change of changes.splice(0, count)) apply(this.#durableNames, change);
  }

  /** The process is gone. */
  crash(ending: Ending): void {
    const isPowerCut = ending === 'powerCut';
    if (isPowerCut) this.#crashNames();
    const style = this.#random.below(3);
    for (const path of this.paths) {
      const inode = this.#names.get(path);
      if (inode === undefined || inode.changes.length === 0) continue;
      inode.crash((change) => this.#remains(change, isPowerCut, style), isPowerCut);
    }
  }

  /** Everything, as it is now. */
  copy(): ReadonlyMap<string, Inode> {
    return new Map([...this.#names].map(([path, inode]) => [path, inode.clone()]));
  }

  /** Puts everything back to what a copy was made of, or to nothing. */
  replace(copy: ReadonlyMap<string, Inode>): void {
    this.#names = new Map([...copy].map(([path, inode]) => [path, inode.clone()]));
    this.#durableNames = new Map(this.#names);
    this.#changes.clear();
  }

  /** Deletes a file for good, as damage does. */
  lose(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  #name(change: NameChange): void {
    apply(this.#names, change);
    const folder = folderOf(change.path);
    let changes = this.#changes.get(folder);
    if (changes === undefined) {
      changes = [];
      this.#changes.set(folder, changes);
    }
    changes.push(change);
  }

  /** Of each folder the changes of names up to some point are there. */
  #crashNames(): void {
    for (const folder of [...this.#changes.keys()].sort()) {
      const changes = this.#changes.get(folder) ?? [];
      const kept = this.#random.below(changes.length + 1);
      this.lost.names += changes.length - kept;
      for (const change of changes.slice(0, kept)) apply(this.#durableNames, change);
    }
    this.#changes.clear();
    this.#names = new Map(this.#durableNames);
  }

  /** What is left of one write. `style`: nothing was lost of this disk's cache, everything, or anything. */
  #remains(change: Change, isPowerCut: boolean, style: number): Uint8Array | 'all' | null {
    const draw = this.#random.next();
    // What was handed over before a process is killed is the system's. The last call may be half done.
    if (!isPowerCut && change.isDone) return 'all';
    if (style === 0 && draw < 0.8) return 'all';
    if ((style === 1 && draw < 0.8) || draw < 0.3) {
      this.lost.writes += 1;
      return null;
    }
    if (draw < 0.6 || change.bytes === null) return 'all';
    this.lost.torn += 1;
    return draw < 0.8 ? this.#cut(change.bytes) : this.#blocks(change);
  }

  /** The first bytes. */
  #cut(bytes: Uint8Array): Uint8Array {
    return bytes.subarray(0, this.#random.below(bytes.length + 1));
  }

  /** Any of its blocks: disks do not write in order. A block is taken to be written from its start. */
  #blocks({ bytes, before, offset }: Change): Uint8Array {
    const mixed = new Uint8Array(bytes ?? before);
    for (let from = 0; from < mixed.length; from = next(offset, from)) {
      if (this.#random.chance(0.5)) continue;
      const to = Math.min(next(offset, from), mixed.length);
      const kept = from + this.#random.below(to - from + 1);
      mixed.fill(0, kept, to);
      mixed.set(before.subarray(kept, to), kept);
    }
    return mixed;
  }
}

const BLOCK_BYTES = 4096;

/** Where the next block of the file begins, counted from `offset`. */
function next(offset: number, from: number): number {
  return from + BLOCK_BYTES - ((offset + from) % BLOCK_BYTES);
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function apply(names: Map<string, Inode>, { kind, path, to, inode }: NameChange): void {
  if (kind !== 'create') names.delete(path);
  if (inode !== null) names.set(to, inode);
}
