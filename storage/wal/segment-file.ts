import { constants } from 'node:fs';
import { flagsPath, isFlagTaken } from '../files/durable-flag.js';

/** The calls of `node:fs` that a thread of its own may make: each waits. */
export interface WaitingCalls {
  openSync(path: string, flags: number): number;
  readFileSync(path: string, encoding: 'latin1'): string;
  writeSync(fd: number, bytes: Uint8Array, at: number, length: number, offset: number): number;
  fdatasyncSync(fd: number): void;
  closeSync(fd: number): void;
}

/** A file that is there in its full size, written durably by a thread that has nothing else to do. */
export class SegmentFile {
  readonly #calls: WaitingCalls;
  readonly #fd: number;
  /** Every write is durable when it returns. */
  readonly #isDurable: boolean;

  private constructor(calls: WaitingCalls, fd: number, isDurable: boolean) {
    this.#calls = calls;
    this.#fd = fd;
    this.#isDurable = isDurable;
  }

  /** With a `flag` of 0, or one that the system ignores, a durable write is a write and a sync. */
  static open(calls: WaitingCalls, path: string, flag: number): SegmentFile {
    const fd = calls.openSync(path, constants.O_RDWR | flag);
    try {
      const isDurable = writesDurably(calls, fd, flag);
      // One or the other works here, or this fails: before anything is promised.
      if (!isDurable) calls.fdatasyncSync(fd);
      return new SegmentFile(calls, fd, isDurable);
    } catch (error) {
      calls.closeSync(fd);
      throw error;
    }
  }

  /** Durable when it returns. */
  write(offset: number, bytes: Uint8Array): void {
    let written = 0;
    while (written < bytes.length) {
      const rest = bytes.length - written;
      written += this.#calls.writeSync(this.#fd, bytes, written, rest, offset + written);
    }
    if (!this.#isDurable) this.#calls.fdatasyncSync(this.#fd);
  }

  close(): void {
    this.#calls.closeSync(this.#fd);
  }
}

function writesDurably(calls: WaitingCalls, fd: number, flag: number): boolean {
  if (flag === 0) return false;
  try {
    return isFlagTaken(calls.readFileSync(flagsPath(fd), 'latin1'), flag);
  } catch {
    return false; // Nothing is known, and each write is followed by a sync.
  }
}
