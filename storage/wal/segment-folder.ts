import { join } from 'node:path';
import type { FileLayer, Logger } from '../../lib/interfaces/index.js';
import { segmentName } from './segment-head.js';
import { writeZeros } from './zeros.js';

export interface SegmentFolderOptions {
  readonly files: FileLayer;
  readonly logger: Logger;
  /** Absolute, and there. */
  readonly path: string;
}

/** A file of zeros, durable but for its name. */
interface Spare {
  readonly path: string;
  readonly sizeBytes: number;
}

/** Removed at the next start, whatever has become of it. */
const SPARE_NAME = /^spare-\d+\.tmp$/;

export function isSpareName(name: string): boolean {
  return SPARE_NAME.test(name);
}

/**
 * The files of a stream's segments. A log that grows its file pays for it with every sync, so a segment
 * has its full size, in zeros, before it is one: one spare is prepared while the segment before it is
 * written, out of a segment that is not needed any more where there is one.
 */
export class SegmentFolder {
  readonly #options: SegmentFolderOptions;
  /** Prepared, or being prepared; null where it could not be. */
  #spare: Promise<Spare | null> | null = null;
  #spareCount = 0;
  #isStopped = false;

  constructor(options: SegmentFolderOptions) {
    this.#options = options;
  }

  path(sequence: number): string {
    return join(this.#options.path, segmentName(sequence));
  }

  /** Prepares a spare of this size, unless there is one. Nobody waits for it, and it may fail. */
  prepare(sizeBytes: number): void {
    if (this.#spare !== null || this.#isStopped) return;
    this.#spareFrom(this.#nextPath(), sizeBytes);
  }

  /**
   * Makes the file of a segment, of at least `sizeBytes`, which are zeros; gives its size. Durable, name
   * and all. Without a spare that is large enough it takes as long as writing the file does.
   */
  async create(sequence: number, sizeBytes: number): Promise<number> {
    const { files, path } = this.#options;
    const spare = await this.#spare;
    this.#spare = null;
    const isFit = spare !== null && spare.sizeBytes >= sizeBytes;
    if (spare !== null && !isFit) await files.remove(spare.path);
    const file = isFit ? spare : await this.#zeroed(this.#nextPath(), sizeBytes);
    await files.rename(file.path, this.path(sequence));
    await files.syncFolder(path);
    return file.sizeBytes;
  }

  /** Gives segments up that the mark does not name any more; one of them becomes the spare if there is none. */
  async release(sequences: readonly number[], sizeBytes: number): Promise<void> {
    const { files, path } = this.#options;
    for (const sequence of sequences) {
      if (this.#spare === null && !this.#isStopped) {
        const spare = this.#nextPath();
        // A crash may bring the old name back, over zeros: the mark says that nobody needs it.
        await files.rename(this.path(sequence), spare);
        this.#spareFrom(spare, sizeBytes);
      } else {
        await files.remove(this.path(sequence));
      }
    }
    await files.syncFolder(path);
  }

  /** No spare is begun from now on. Resolves when none is being prepared. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#spare;
  }

  #spareFrom(path: string, sizeBytes: number): void {
    const { files, logger } = this.#options;
    this.#spare = this.#zeroed(path, sizeBytes).catch(async (error: unknown) => {
      // Not a failure yet: nothing is stored in it, and whoever needs one tries again and is told.
      const fields = { event: 'storage.spareFailed', path, error: String(error) };
      logger.warn(fields, 'the next segment of the log cannot be prepared');
      await files.remove(path).catch(() => {});
      return null;
    });
  }

  async #zeroed(path: string, sizeBytes: number): Promise<Spare> {
    const file = await this.#options.files.open(path, { create: true });
    try {
      if ((await file.sizeBytes()) > sizeBytes) await file.truncate(sizeBytes);
      await writeZeros(file, 0, sizeBytes);
    } finally {
      await file.close();
    }
    return { path, sizeBytes };
  }

  #nextPath(): string {
    this.#spareCount += 1;
    return join(this.#options.path, `spare-${this.#spareCount}.tmp`);
  }
}
