import type { FileLayer, OpenFile } from '../../lib/interfaces/index.js';

/** What is on a disk: contents by path. Never changed, so that images share what they have in common. */
export type Image = ReadonlyMap<string, Uint8Array>;

/** Files in memory that begin as an image. Nobody locks them. */
export class ImageFiles implements FileLayer {
  readonly #contents: Map<string, Uint8Array>;

  constructor(image: Image) {
    this.#contents = new Map(image);
  }

  get image(): Image {
    return new Map(this.#contents);
  }

  async lock(): Promise<{ release(): Promise<void> }> {
    return { release: async () => {} };
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<readonly string[]> {
    return namesIn(this.#contents.keys(), folder);
  }

  async read(path: string): Promise<Uint8Array | null> {
    return this.#contents.get(path) ?? null;
  }

  async open(path: string, { create }: { readonly create: boolean }): Promise<OpenFile> {
    if (!this.#contents.has(path)) {
      if (!create) throw missing(path);
      this.#put(path, new Uint8Array(0));
    }
    const content = (): Uint8Array => this.#contents.get(path) ?? new Uint8Array(0);
    const write = async (offset: number, bytes: Uint8Array): Promise<void> => {
      this.#put(path, overwritten(content(), offset, bytes));
    };
    return {
      sizeBytes: async () => content().length,
      read: async (offset, length) => content().slice(offset, offset + length),
      write,
      writeDurably: write,
      truncate: async (sizeBytes) => this.#put(path, resized(content(), sizeBytes)),
      sync: async () => {},
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    const content = this.#contents.get(from);
    if (content === undefined) throw missing(from);
    this.#contents.delete(from);
    this.#put(to, content);
  }

  async remove(path: string): Promise<void> {
    this.#contents.delete(path);
  }

  async syncFolder(): Promise<void> {}

  #put(path: string, content: Uint8Array): void {
    this.#contents.set(path, content);
  }
}

/** Names of files and folders in `folder`, sorted. */
export function namesIn(paths: Iterable<string>, folder: string): readonly string[] {
  const names = new Set<string>();
  for (const path of paths) {
    if (!path.startsWith(`${folder}/`)) continue;
    const end = path.indexOf('/', folder.length + 1);
    names.add(path.slice(folder.length + 1, end === -1 ? undefined : end));
  }
  return [...names].sort();
}

export function missing(path: string): Error {
  return Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' });
}

/** A copy of `content` with `bytes` from `offset` on, longer where they reach beyond its end. */
export function overwritten(content: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const result = resized(content, Math.max(content.length, offset + bytes.length));
  result.set(bytes, offset);
  return result;
}

/** A copy of exactly this size, with zeros where it is longer. */
export function resized(content: Uint8Array, sizeBytes: number): Uint8Array {
  const result = new Uint8Array(sizeBytes);
  result.set(content.subarray(0, sizeBytes));
  return result;
}

/** An image in which some files are others, or, where null, are missing. */
export function replaced(
  image: Image,
  changes: Readonly<Record<string, Uint8Array | null>>,
): Image {
  const result = new Map(image);
  for (const [path, content] of Object.entries(changes)) {
    if (content === null) result.delete(path);
    else result.set(path, content);
  }
  return result;
}
