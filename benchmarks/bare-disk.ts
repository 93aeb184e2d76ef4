import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const PIECE_BYTES = 2 ** 20;

/** A file of zeros to write over, durably, from front to back and again: what the disk itself can do. */
export class BareDisk {
  readonly #path: string;
  readonly #sizeBytes: number;
  readonly #fd: number;
  #handle: FileHandle | null = null;
  #offset = 0;

  constructor(path: string, sizeBytes: number) {
    this.#path = path;
    this.#sizeBytes = sizeBytes;
    const zeros = new Uint8Array(PIECE_BYTES);
    const fd = openSync(path, 'w');
    for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) writeSync(fd, zeros);
    fsyncSync(fd);
    closeSync(fd);
    this.#fd = openSync(path, constants.O_RDWR | constants.O_DSYNC);
  }

  /** Durable when it returns: no thread waits for another. */
  write(bytes: Uint8Array): void {
    const offset = this.#place(bytes.length);
    writeSync(this.#fd, bytes, 0, bytes.length, offset);
  }

  /** The same by way of Node's threads for files. */
  async writeShared(bytes: Uint8Array): Promise<void> {
    this.#handle ??= await open(this.#path, constants.O_RDWR | constants.O_DSYNC);
    const offset = this.#place(bytes.length);
    await this.#handle.write(bytes, 0, bytes.length, offset);
  }

  async close(): Promise<void> {
    closeSync(this.#fd);
    await this.#handle?.close();
  }

  #place(length: number): number {
    if (this.#offset + length > this.#sizeBytes) this.#offset = 0;
    const offset = this.#offset;
    this.#offset += length;
    return offset;
  }
}
