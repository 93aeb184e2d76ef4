import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  Worker,
} from 'node:worker_threads';
import { assert } from '../../lib/base/index.js';
import { durableFlag, THIS_SYSTEM } from '../files/index.js';
import { MAX_REUSED_BYTES, ReusedMemory } from './reused-memory.js';
import type { SegmentWriter } from './segment-writer.js';
import {
  ThreadControl,
  type ThreadFailure,
  type ThreadMessage,
  type ThreadStart,
  type WriteRequest,
} from './thread-control.js';

/** Starts a thread that serves what it is given. */
export type StartThread = (start: ThreadStart) => Worker;

/**
 * Writes from a thread of its own. On the threads that Node has for files, a write waits behind whatever the
 * process has them do: names to look up, passwords to hash, files to compress.
 *
 * The thread sleeps while nothing is written and keeps no process alive then. Where it ends, the write
 * under way fails, and every one after it.
 */
export class ThreadSegmentWriter implements SegmentWriter {
  readonly #control: ThreadControl;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #memory = new ReusedMemory((bytes) => this.#newRegion(bytes));
  /** The memory that the threads share, and whether the other one knows it. */
  #region = new SharedArrayBuffer(0);
  #isRegionKnown = true;
  /** Why nothing can be asked any more. */
  #death: Error | null = null;
  #underWay: Promise<void> = Promise.resolve();
  #closing: Promise<void> | null = null;

  private constructor(control: ThreadControl, port: MessagePort, worker: Worker) {
    this.#control = control;
    this.#port = port;
    this.#worker = worker;
    const died = (cause?: unknown): void => {
      const code = cause instanceof Error ? { cause } : {};
      this.#death ??= new Error('the thread that writes the log has ended', code);
      control.interrupt();
    };
    worker.on('error', died);
    worker.on('exit', () => died());
  }

  /** Resolves when the thread is there; rejects where it cannot be, as where its file is missing. */
  static async start(startThread: StartThread = startWriterThread): Promise<ThreadSegmentWriter> {
    const control = new ThreadControl();
    const { port1, port2 } = new MessageChannel();
    const flag = durableFlag(THIS_SYSTEM);
    const worker = startThread({ control: control.buffer, port: port2, flag });
    const writer = new ThreadSegmentWriter(control, port1, worker);
    try {
      await writer.#send({ kind: 'begin' });
      return writer;
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  async open(path: string): Promise<void> {
    await this.#send({ kind: 'open', path });
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += MAX_REUSED_BYTES) {
      const piece = bytes.subarray(at, at + MAX_REUSED_BYTES);
      // The one copy. To put a batch together in there would be slower: what is shared, and not aligned, is
      // copied byte by byte.
      this.#memory.take(piece.length).set(piece);
      await this.#writeRegion(offset + at, piece.length);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#underWay.catch(() => {}); // Whoever asked for it was told.
    try {
      if (this.#death === null) await this.#send({ kind: 'close' });
    } finally {
      this.#port.close();
      await this.#worker.terminate();
    }
  }

  #newRegion(bytes: number): Uint8Array {
    this.#region = new SharedArrayBuffer(bytes);
    this.#isRegionKnown = false;
    return new Uint8Array(this.#region);
  }

  /** Writes what stands at the beginning of the region. */
  async #writeRegion(offset: number, length: number): Promise<void> {
    if (!this.#isRegionKnown) {
      await this.#send({ kind: 'region', region: this.#region });
      this.#isRegionKnown = true;
    }
    await this.#ask({ offset, length });
  }

  #send(message: ThreadMessage): Promise<void> {
    this.#port.postMessage(message);
    return this.#ask(null);
  }

  #ask(write: WriteRequest | null): Promise<void> {
    this.#underWay = this.#answered(write);
    return this.#underWay;
  }

  async #answered(write: WriteRequest | null): Promise<void> {
    if (this.#death !== null) throw this.#death;
    assert(this.#control.isAnswered, 'one write is asked for at a time');
    this.#worker.ref();
    await this.#control.ask(write);
    this.#worker.unref();
    if (!this.#control.isAnswered) throw this.#death ?? new Error('the wait was interrupted');
    if (this.#control.isFailed) throw this.#failure();
  }

  #failure(): Error {
    const failure: ThreadFailure = receiveMessageOnPort(this.#port)?.message;
    const { message, ...codes } = failure;
    return Object.assign(new Error(message), codes);
  }
}

/** The file stands beside this one. A tool that bundles knows this form of the call, or loses the file. */
function startWriterThread(start: ThreadStart): Worker {
  return new Worker(new URL('./writer-thread.js', import.meta.url), threadOptions(start));
}

/** Nothing of how the process was started concerns the thread: no loaders, no modules loaded before it. */
export function threadOptions(start: ThreadStart): {
  readonly name: string;
  readonly workerData: ThreadStart;
  readonly transferList: MessagePort[];
  readonly execArgv: string[];
  readonly env: Record<string, string>;
} {
  return {
    name: 'quorate log',
    workerData: start,
    transferList: [start.port],
    execArgv: [],
    env: {},
  };
}
