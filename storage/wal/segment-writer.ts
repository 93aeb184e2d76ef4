import { assert } from '../../lib/base/index.js';
import type { FileLayer, OpenFile } from '../../lib/interfaces/index.js';

/**
 * What stands between a stream and the disk: writes to one segment at a time, each durable when it
 * resolves. Calls never overlap. After a failure nothing is known of what was stored, and no call follows
 * but `close`.
 */
export interface SegmentWriter {
  /** Writes to the file at `path` from now on, which is there in its full size, and lets go of the last. */
  open(path: string): Promise<void>;
  /** Resolves when all of `bytes` is durable. They are the writer's until then. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Waits for a write under way. May be called twice. */
  close(): Promise<void>;
}

/** Writes from the thread that asks, by way of a file layer. */
export class FileSegmentWriter implements SegmentWriter {
  readonly #files: FileLayer;
  #file: OpenFile | null = null;

  constructor(files: FileLayer) {
    this.#files = files;
  }

  async open(path: string): Promise<void> {
    await this.close();
    this.#file = await this.#files.open(path, { create: false, durable: true });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    assert(this.#file !== null, 'a segment is open before it is written');
    await this.#file.writeDurably(offset, bytes);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}
