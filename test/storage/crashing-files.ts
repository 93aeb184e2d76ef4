import { dirname } from 'node:path';
import { InvariantViolation } from '../../lib/base/index.js';
import type { FileLayer, OpenFile } from '../../lib/interfaces/index.js';

interface Content {
  current: Uint8Array;
  durable: Uint8Array;
  /** Parts of `current` that no sync brings to the disk: their writing failed, and the system has said so. */
  unstored: { readonly from: number; readonly to: number }[];
}

/** What a power cut leaves of what was not synced. */
export type Remains = 'nothing' | 'half' | 'all';

export interface CutWrite {
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * Files in memory that know what is durable: contents once they are synced, names once their folder
 * is. Made to crash at the nth call: that write is cut in half, and every later call fails. Or made to fail
 * the nth write: what it wrote is read from then on, and is not stored.
 */
export class CrashingFiles implements FileLayer {
  readonly #names = new Map<string, Content>();
  readonly #durableNames = new Map<string, Content>();
  #callsLeft = Number.POSITIVE_INFINITY;
  #writesLeft = Number.POSITIVE_INFINITY;
  #keptBytes: number | null = null;
  #cutWrite: CutWrite | null = null;

  /** Cuts the power at the call after `calls` others. If it is a write, `keptBytes` of it, or half, arrive. */
  crashAfter(calls: number, keptBytes: number | null = null): void {
    this.#callsLeft = calls;
    this.#keptBytes = keptBytes;
  }

  /** Fails the write after `writes` others, and none after it. */
  failAfter(writes: number): void {
    this.#writesLeft = writes;
  }

  get hasFailed(): boolean {
    return this.#writesLeft < 0;
  }

  /** The write that the power was cut in; null where it was another call. */
  get cutWrite(): CutWrite | null {
    return this.#cutWrite;
  }

  get hasCrashed(): boolean {
    return this.#callsLeft < 0;
  }

  /** The disk as the next start finds it. */
  afterPowerCut(remains: Remains): CrashingFiles {
    const next = new CrashingFiles();
    for (const [path, content] of remains === 'nothing' ? this.#durableNames : this.#names) {
      const bytes = left(content, remains);
      const kept = { current: bytes, durable: new Uint8Array(bytes), unstored: [] };
      next.#names.set(path, kept);
      next.#durableNames.set(path, kept);
    }
    return next;
  }

  async makeFolder(): Promise<void> {
    this.#call();
  }

  async list(path: string): Promise<readonly string[]> {
    this.#call();
    const inside = [...this.#names.keys()].filter((name) => dirname(name) === path);
    return inside.map((name) => name.slice(path.length + 1)).sort();
  }

  async read(path: string): Promise<Uint8Array | null> {
    this.#call();
    const content = this.#names.get(path);
    return content === undefined ? null : new Uint8Array(content.current);
  }

  async open(path: string, { create }: { readonly create: boolean }): Promise<OpenFile> {
    this.#call();
    let content = this.#names.get(path);
    if (content === undefined) {
      if (!create) throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
      content = { current: new Uint8Array(0), durable: new Uint8Array(0), unstored: [] };
      this.#names.set(path, content);
    }
    return this.#opened(path, content);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#call();
    const content = this.#names.get(from);
    if (content === undefined) throw new InvariantViolation(`${from} does not exist`);
    this.#names.delete(from);
    this.#names.set(to, content);
  }

  async remove(path: string): Promise<void> {
    this.#call();
    this.#names.delete(path);
  }

  async syncFolder(folder: string): Promise<void> {
    this.#call();
    for (const path of this.#durableNames.keys()) {
      if (dirname(path) === folder && !this.#names.has(path)) this.#durableNames.delete(path);
    }
    for (const [path, content] of this.#names) {
      if (dirname(path) === folder) this.#durableNames.set(path, content);
    }
  }

  /** Changes a stored file in place, as damage does. */
  damage(path: string, change: (bytes: Uint8Array) => Uint8Array): void {
    const content = this.#names.get(path);
    if (content === undefined) throw new InvariantViolation(`${path} does not exist`);
    content.current = change(new Uint8Array(content.current));
    content.durable = new Uint8Array(content.current);
  }

  #call(): void {
    this.#callsLeft -= 1;
    if (this.#callsLeft < 0) throw new Error('the power is cut');
  }

  #opened(path: string, content: Content): OpenFile {
    const write = (offset: number, bytes: Uint8Array): void => {
      const size = Math.max(content.current.length, offset + bytes.length);
      const next = new Uint8Array(size);
      next.set(content.current);
      next.set(bytes, offset);
      content.current = next;
      const to = offset + bytes.length;
      content.unstored = content.unstored.flatMap((part) => without(part, offset, to));
      this.#writesLeft -= 1;
      if (this.#writesLeft !== -1) return;
      content.unstored.push({ from: offset, to });
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    };
    const call = (offset: number, bytes: Uint8Array): void => {
      if (this.#callsLeft === 0) {
        this.#cutWrite = { path, sizeBytes: bytes.length };
        write(offset, bytes.subarray(0, this.#keptBytes ?? bytes.length / 2));
      }
      this.#call();
      write(offset, bytes);
    };
    return {
      sizeBytes: async () => content.current.length,
      read: async (offset, length) => content.current.slice(offset, offset + length),
      write: async (offset, bytes) => call(offset, bytes),
      writeDurably: async (offset, bytes) => {
        call(offset, bytes);
        content.durable = synced(content);
      },
      truncate: async (size) => {
        this.#call();
        content.current = content.current.slice(0, size);
      },
      sync: async () => {
        this.#call();
        content.durable = synced(content);
      },
      close: async () => {},
    };
  }
}

function synced({ current, durable, unstored }: Content): Uint8Array {
  const stored = new Uint8Array(current);
  for (const { from, to } of unstored) {
    stored.fill(0, from, to);
    stored.set(durable.subarray(from, to), from);
  }
  return stored;
}

/** What is left of a part when [from, to) is taken away. */
function without(part: Content['unstored'][number], from: number, to: number): Content['unstored'] {
  const before = { from: part.from, to: Math.min(part.to, from) };
  const after = { from: Math.max(part.from, to), to: part.to };
  return [before, after].filter((one) => one.from < one.to);
}

function left({ current, durable }: Content, remains: Remains): Uint8Array {
  if (remains === 'nothing') return new Uint8Array(durable);
  if (remains === 'all') return new Uint8Array(current);
  // The second half arrived and the first did not: disks do not write in order.
  const half = Math.floor(current.length / 2);
  const mixed = new Uint8Array(current);
  mixed.set(durable.subarray(0, half));
  if (durable.length < half) mixed.fill(0, durable.length, half);
  return mixed;
}
