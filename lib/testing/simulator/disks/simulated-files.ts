import type { FileLayer, OpenFile, OpenOptions } from '../../../interfaces/index.js';
import type { Inode, SimulatedDisk } from './simulated-disk.js';

/** What a call asks of the disk itself, and not of what the system holds in memory. */
export type DiskCall = 'write' | 'sync' | 'syncFolder';

/** How a process reaches its disk. */
export interface DiskPort {
  /**
   * Is told of a call, whose bytes the system has by now, and says how long it takes. It may be the last that
   * the process does.
   */
  begin(call: DiskCall, path: string, sizeBytes: number): number;
  /** Whether a call of the process still comes through. */
  isOpen(): boolean;
  /** Whether a write that needs more room finds it. */
  hasRoom(sizeBytes: number): boolean;
  /** Whether the sync under way fails at its end. */
  fails(call: DiskCall, path: string): boolean;
  /** Runs `fn` after so long, by the clock of the world, unless the disk is gone by then. */
  after(delayMs: number, fn: () => void): void;
  /** Hands an end to the process. */
  deliver(fn: () => void): void;
  /** Is told when something is durable, before the process hears of it. */
  ended(call: DiskCall, path: string): void;
}

/** A file layer over a disk, for one start of a process. */
export class SimulatedFiles implements FileLayer {
  readonly #disk: SimulatedDisk;
  readonly #port: DiskPort;

  constructor(disk: SimulatedDisk, port: DiskPort) {
    this.#disk = disk;
    this.#port = port;
  }

  async lock(): Promise<{ release(): Promise<void> }> {
    return { release: async () => {} };
  }

  async makeFolder(): Promise<void> {}

  async list(folder: string): Promise<readonly string[]> {
    if (!this.#port.isOpen()) return await never();
    const names = new Set<string>();
    for (const path of this.#disk.paths) {
      if (!path.startsWith(`${folder}/`)) continue;
      const end = path.indexOf('/', folder.length + 1);
      names.add(path.slice(folder.length + 1, end === -1 ? undefined : end));
    }
    return [...names].sort();
  }

  async read(path: string): Promise<Uint8Array | null> {
    if (!this.#port.isOpen()) return await never();
    return this.#disk.at(path)?.content ?? null;
  }

  async open(path: string, { create }: OpenOptions): Promise<OpenFile> {
    if (!this.#port.isOpen()) return await never();
    let inode = this.#disk.at(path);
    if (inode === null) {
      if (!create) throw failure('ENOENT', `no such file or directory, open '${path}'`);
      if (!this.#port.hasRoom(1)) throw noSpace('open', path);
      inode = this.#disk.create(path);
    }
    return this.#opened(path, inode);
  }

  async rename(from: string, to: string): Promise<void> {
    if (!this.#port.isOpen()) return await never();
    if (this.#disk.at(from) === null) {
      throw failure('ENOENT', `no such file or directory, rename '${from}' -> '${to}'`);
    }
    this.#disk.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    if (!this.#port.isOpen()) return await never();
    this.#disk.remove(path);
  }

  async syncFolder(folder: string): Promise<void> {
    const count = this.#disk.unsyncedNames(folder);
    await this.#wait('syncFolder', folder, 0, () => this.#disk.syncNames(folder, count));
  }

  #opened(path: string, inode: Inode): OpenFile {
    const port = this.#port;
    return {
      sizeBytes: async () => (port.isOpen() ? inode.sizeBytes : await never()),
      read: async (offset, length, target) => {
        if (!port.isOpen()) return await never();
        const bytes = inode.read(offset, length);
        if (target === undefined) return bytes;
        target.set(bytes);
        return target.subarray(0, bytes.length);
      },
      write: async (offset, bytes) => {
        if (!port.isOpen()) return await never();
        this.#checkRoom(path, inode, offset + bytes.length);
        inode.done(inode.write(offset, bytes), false);
      },
      writeDurably: async (offset, bytes) => {
        if (!port.isOpen()) return await never();
        this.#checkRoom(path, inode, offset + bytes.length);
        const change = inode.write(offset, bytes);
        await this.#wait(
          'write',
          path,
          bytes.length,
          () => inode.done(change, true),
          () => inode.unstorable([change]),
        );
      },
      truncate: async (sizeBytes) => {
        if (!port.isOpen()) return await never();
        if (sizeBytes > inode.sizeBytes) this.#checkRoom(path, inode, sizeBytes);
        inode.done(inode.resize(sizeBytes), false);
      },
      sync: async () => {
        const changes = inode.unsynced;
        await this.#wait(
          'sync',
          path,
          0,
          () => inode.synced(changes),
          () => inode.unstorable(changes),
        );
      },
      close: async () => {},
    };
  }

  #checkRoom(path: string, inode: Inode, endBytes: number): void {
    const more = endBytes - inode.sizeBytes;
    if (more > 0 && !this.#port.hasRoom(more)) throw noSpace('write', path);
  }

  /** A call that takes its time: what it asked for is durable at its end, and not before. */
  #wait(
    call: DiskCall,
    path: string,
    sizeBytes: number,
    onDurable: () => void,
    onFailed: () => void = () => {},
  ): Promise<void> {
    const port = this.#port;
    return new Promise((resolve, reject) => {
      if (!port.isOpen()) return;
      const delayMs = port.begin(call, path, sizeBytes);
      if (!port.isOpen()) return;
      port.after(delayMs, () => {
        if (port.fails(call, path)) {
          onFailed();
          port.deliver(() => reject(failure('EIO', `i/o error, ${call} '${path}'`)));
          return;
        }
        onDurable();
        port.ended(call, path);
        port.deliver(resolve);
      });
    });
  }
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function noSpace(call: string, path: string): Error {
  return failure('ENOSPC', `no space left on device, ${call} '${path}'`);
}

/** What a process that is gone waits for. */
function never<T>(): Promise<T> {
  return new Promise(() => {});
}
