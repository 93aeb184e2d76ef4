import { constants } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileLayer, OpenFile, OpenOptions } from '../../lib/interfaces/index.js';
import { durableFlag, flagsPath, isFlagTaken, THIS_SYSTEM } from './durable-flag.js';

const DURABLE_FLAG = durableFlag(THIS_SYSTEM);

/** The file system of the machine. */
export const nodeFiles: FileLayer = {
  async makeFolder(path) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    // Not `recursive`: with it, Node tries for ever where a file system refuses with ENOENT.
    if (parent !== path) await nodeFiles.makeFolder(parent);
    await mkdir(path).catch(async (error: unknown) => {
      if (!(await isFolder(path))) throw error;
    });
    await nodeFiles.syncFolder(parent);
  },
  async list(path) {
    const names = (await orNull(readdir(path))) ?? [];
    return names.sort();
  },
  async read(path) {
    return orNull(readFile(path));
  },
  open(path, options) {
    return openNodeFile(path, options, DURABLE_FLAG);
  },
  rename,
  async remove(path) {
    await rm(path, { force: true });
  },
  async syncFolder(path) {
    // Windows has no way to sync a folder; its names are durable with the file's own sync.
    if (process.platform === 'win32') return;
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/** Opens a file. With a `flag` of 0, or one that the system ignores, a durable write is a write and a sync. */
export async function openNodeFile(
  path: string,
  { create, durable = false, readOnly = false }: OpenOptions,
  flag: number,
): Promise<OpenFile> {
  const access = readOnly ? constants.O_RDONLY : constants.O_RDWR;
  const flags = access | (create ? constants.O_CREAT : 0);
  const handle = await open(path, durable ? flags | flag : flags);
  try {
    const isDurable = durable && (await writesDurably(handle, flag));
    // One or the other works here, or this fails: before anything is promised.
    if (durable && !isDurable) await handle.datasync();
    return new NodeFile(handle, { isDurable });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function writesDurably({ fd }: FileHandle, flag: number): Promise<boolean> {
  return isFlagTaken(await readFile(flagsPath(fd), 'latin1').catch(() => ''), flag);
}

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;
  /** Every write is durable when it returns. */
  readonly #isDurable: boolean;

  constructor(handle: FileHandle, { isDurable }: { readonly isDurable: boolean }) {
    this.#handle = handle;
    this.#isDurable = isDurable;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(
    offset: number,
    length: number,
    bytes: Uint8Array = new Uint8Array(length),
  ): Promise<Uint8Array> {
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(
        bytes,
        filled,
        length - filled,
        offset + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let written = 0;
    while (written < bytes.length) {
      const rest = bytes.length - written;
      written += (await this.#handle.write(bytes, written, rest, offset + written)).bytesWritten;
    }
  }

  async writeDurably(offset: number, bytes: Uint8Array): Promise<void> {
    await this.write(offset, bytes);
    if (!this.#isDurable) await this.#handle.datasync();
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes);
  }

  async sync(): Promise<void> {
    // A changed size counts as data: only times and the like are left out.
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Whether the folder is there. A file in its place is an error. */
async function isFolder(path: string): Promise<boolean> {
  const found = await orNull(stat(path));
  if (found !== null && !found.isDirectory()) throw new Error(`${path} is not a directory`);
  return found !== null;
}

async function orNull<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}
