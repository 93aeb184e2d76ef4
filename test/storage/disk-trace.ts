import { dirname } from 'node:path';
import type { FileLayer, OpenFile } from '../../lib/interfaces/index.js';
import { type Image, missing, namesIn, overwritten, resized } from './disk-image.js';

/** A file, whatever its names are. Its contents are never changed, only replaced by others. */
interface Inode {
  current: Uint8Array;
  durable: Uint8Array;
}

interface WriteEvent {
  readonly kind: 'write';
  readonly path: string;
  readonly inode: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Whether it is durable when it is done: it alone, not what was written before. */
  readonly isDurable: boolean;
}

type NameEvent =
  | { readonly kind: 'create'; readonly path: string; readonly inode: number }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string; readonly inode: number }
  | { readonly kind: 'remove'; readonly path: string };

/** One thing that was asked of a disk, in the order in which it was done. */
export type DiskEvent =
  | WriteEvent
  | NameEvent
  | { readonly kind: 'truncate'; readonly inode: number; readonly sizeBytes: number }
  | { readonly kind: 'sync'; readonly inode: number }
  | { readonly kind: 'syncFolder'; readonly path: string };

/** What of the contents that were not synced a power cut leaves. */
export type Left = 'none' | 'second half' | 'all';

/**
 * A disk that knows what is durable: contents once they are synced, names once their folder is. A write that
 * is durable by itself says nothing of what was written before it.
 */
export class TracedDisk {
  readonly #inodes: Inode[] = [];
  #names = new Map<string, number>();
  #durableNames = new Map<string, number>();
  /** Changes of names that are not durable, the oldest first. */
  #pending: NameEvent[] = [];

  constructor(image: Image = new Map()) {
    for (const [path, bytes] of image) {
      this.#names.set(path, this.#inodes.length);
      this.#inodes.push({ current: bytes, durable: bytes });
    }
    this.#durableNames = new Map(this.#names);
  }

  get paths(): Iterable<string> {
    return this.#names.keys();
  }

  inodeAt(path: string): number | null {
    return this.#names.get(path) ?? null;
  }

  /** One of its names; null where it has none. */
  pathOf(inode: number): string | null {
    for (const [path, named] of this.#names) if (named === inode) return path;
    return null;
  }

  content(inode: number): Uint8Array {
    return this.#inode(inode).current;
  }

  /** Number of the inode that a `create` event makes. */
  get nextInode(): number {
    return this.#inodes.length;
  }

  apply(event: DiskEvent): void {
    switch (event.kind) {
      case 'write':
        return this.#write(event);
      case 'truncate': {
        const inode = this.#inode(event.inode);
        inode.current = resized(inode.current, event.sizeBytes);
        return;
      }
      case 'sync': {
        const inode = this.#inode(event.inode);
        inode.durable = inode.current;
        return;
      }
      case 'syncFolder':
        return this.#syncFolder(event.path);
      case 'create':
        this.#inodes.push({ current: EMPTY, durable: EMPTY });
    }
    applyName(this.#names, event);
    this.#pending.push(event);
  }

  /** All of it. */
  get image(): Image {
    return this.#imageOf(this.#names, ({ current }) => current);
  }

  /**
   * What a start may find after a power cut: with the changes of names up to each of those that are not
   * durable, and with some of what was not synced. Those that are the same are given once.
   */
  *afterPowerCut(): Generator<{ readonly image: Image; readonly what: string }> {
    const seen = new Set<string>();
    for (const [count, names] of this.#possibleNames().entries()) {
      for (const left of ['none', 'second half', 'all'] as const) {
        const image = this.#imageOf(names, (inode) => remaining(inode, left));
        const key = [...image].map(([path, bytes]) => `${path} ${identityOf(bytes)}`).join('\n');
        if (seen.has(key)) continue;
        seen.add(key);
        yield { image, what: `${count} changes of names and of contents ${left} left` };
      }
    }
  }

  /**
   * What a start may find when the power is cut in the middle of `write`, of which `torn` makes what its
   * file holds out of what it held: with all else that was not durable, and with none of it.
   */
  *afterTorn(
    write: WriteEvent,
    torn: (content: Uint8Array) => Uint8Array,
  ): Generator<{ readonly image: Image; readonly what: string }> {
    const own = this.#inode(write.inode);
    const all = torn(own.current);
    const image = this.#imageOf(this.#names, (inode) => (inode === own ? all : inode.current));
    yield { image, what: 'all else is there' };
    const isNamed = [...this.#durableNames.values()].includes(write.inode);
    const isAllDurable =
      this.#pending.length === 0 && this.#inodes.every((one) => one.current === one.durable);
    if (isAllDurable || !isNamed) return;
    const alone = torn(own.durable);
    const least = this.#imageOf(this.#durableNames, (one) => (one === own ? alone : one.durable));
    yield { image: least, what: 'nothing else is there' };
  }

  #write({ inode: number, offset, bytes, isDurable }: WriteEvent): void {
    const inode = this.#inode(number);
    const wasDurable = inode.current === inode.durable;
    inode.current = overwritten(inode.current, offset, bytes);
    if (!isDurable) return;
    inode.durable = wasDurable ? inode.current : overwritten(inode.durable, offset, bytes);
  }

  #syncFolder(folder: string): void {
    const isInside = (event: NameEvent): boolean => dirname(event.path) === folder;
    for (const event of this.#pending.filter(isInside)) applyName(this.#durableNames, event);
    this.#pending = this.#pending.filter((event) => !isInside(event));
  }

  #possibleNames(): readonly ReadonlyMap<string, number>[] {
    const all: ReadonlyMap<string, number>[] = [this.#durableNames];
    let names = this.#durableNames;
    for (const event of this.#pending) {
      names = new Map(names);
      applyName(names, event);
      all.push(names);
    }
    return all;
  }

  #imageOf(
    names: ReadonlyMap<string, number>,
    content: (inode: Inode) => Uint8Array,
  ): Map<string, Uint8Array> {
    const image = new Map<string, Uint8Array>();
    for (const [path, inode] of names) image.set(path, content(this.#inode(inode)));
    return image;
  }

  #inode(number: number): Inode {
    const inode = this.#inodes[number];
    if (inode === undefined) throw new Error(`there is no inode ${number}`);
    return inode;
  }
}

/** A file layer over a disk, which keeps what was asked for. Nobody locks it. */
export class TracedFiles implements FileLayer {
  readonly events: DiskEvent[] = [];
  readonly #disk: TracedDisk;

  constructor(disk: TracedDisk) {
    this.#disk = disk;
  }

  async lock(): Promise<{ release(): Promise<void> }> {
    return { release: async () => {} };
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<readonly string[]> {
    return namesIn(this.#disk.paths, folder);
  }

  async read(path: string): Promise<Uint8Array | null> {
    const inode = this.#disk.inodeAt(path);
    return inode === null ? null : this.#disk.content(inode);
  }

  async open(path: string, { create }: { readonly create: boolean }): Promise<OpenFile> {
    let inode = this.#disk.inodeAt(path);
    if (inode === null) {
      if (!create) throw missing(path);
      inode = this.#disk.nextInode;
      this.#do({ kind: 'create', path, inode });
    }
    return this.#opened(path, inode);
  }

  async rename(path: string, to: string): Promise<void> {
    const inode = this.#disk.inodeAt(path);
    if (inode === null) throw missing(path);
    this.#do({ kind: 'rename', path, to, inode });
  }

  async remove(path: string): Promise<void> {
    if (this.#disk.inodeAt(path) !== null) this.#do({ kind: 'remove', path });
  }

  async syncFolder(path: string): Promise<void> {
    this.#do({ kind: 'syncFolder', path });
  }

  #opened(path: string, inode: number): OpenFile {
    const write = (offset: number, given: Uint8Array, isDurable: boolean): void => {
      const bytes = new Uint8Array(given);
      this.#do({ kind: 'write', path, inode, offset, bytes, isDurable });
    };
    const content = (): Uint8Array => this.#disk.content(inode);
    return {
      sizeBytes: async () => content().length,
      read: async (offset, length) => content().slice(offset, offset + length),
      write: async (offset, bytes) => write(offset, bytes, false),
      writeDurably: async (offset, bytes) => write(offset, bytes, true),
      truncate: async (sizeBytes) => this.#do({ kind: 'truncate', inode, sizeBytes }),
      sync: async () => this.#do({ kind: 'sync', inode }),
      close: async () => {},
    };
  }

  #do(event: DiskEvent): void {
    this.#disk.apply(event);
    this.events.push(event);
  }
}

const EMPTY = new Uint8Array(0);

function applyName(names: Map<string, number>, event: NameEvent): void {
  if (event.kind !== 'create') names.delete(event.path);
  if (event.kind === 'create') names.set(event.path, event.inode);
  if (event.kind === 'rename') names.set(event.to, event.inode);
}

/** The second half arrived and the first did not: disks do not write in order. */
function remaining({ current, durable }: Inode, left: Left): Uint8Array {
  if (left === 'none' || current === durable) return durable;
  if (left === 'all') return current;
  const half = Math.floor(current.length / 2);
  const mixed = new Uint8Array(current);
  mixed.fill(0, 0, half);
  mixed.set(durable.subarray(0, Math.min(half, durable.length)));
  return mixed;
}

const identities = new WeakMap<Uint8Array, number>();
let identityCount = 0;

/** Contents that are the same array have the same number. */
function identityOf(bytes: Uint8Array): number {
  let identity = identities.get(bytes);
  if (identity === undefined) {
    identityCount += 1;
    identity = identityCount;
    identities.set(bytes, identity);
  }
  return identity;
}
