import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { SegmentFile, type WaitingCalls } from './segment-file.js';
import {
  ThreadControl,
  type ThreadFailure,
  type ThreadMessage,
  type ThreadStart,
} from './thread-control.js';

/** What the thread that writes does: answers one request after another, and sleeps between them. */
export class ThreadService {
  readonly #calls: WaitingCalls;
  readonly #control: ThreadControl;
  readonly #port: MessagePort;
  readonly #flag: number;
  #region = new Uint8Array(new SharedArrayBuffer(0));
  #file: SegmentFile | null = null;
  #isClosed = false;

  constructor(calls: WaitingCalls, { control, port, flag }: ThreadStart) {
    this.#calls = calls;
    this.#control = new ThreadControl(control);
    this.#port = port;
    this.#flag = flag;
  }

  /** Returns when it is asked to close. */
  run(): void {
    while (!this.#isClosed) {
      const write = this.#control.next();
      try {
        if (write === null) this.#receive();
        else this.#write(write.offset, write.length);
        this.#control.answer({ isFailed: false });
      } catch (error) {
        this.#port.postMessage(failureOf(error));
        this.#control.answer({ isFailed: true });
      }
    }
    this.#port.close();
  }

  #write(offset: number, length: number): void {
    if (this.#file === null) throw new Error('no segment is open');
    this.#file.write(offset, this.#region.subarray(0, length));
  }

  #receive(): void {
    const message: ThreadMessage = receiveMessageOnPort(this.#port)?.message;
    switch (message.kind) {
      case 'begin':
        return;
      case 'region':
        this.#region = new Uint8Array(message.region);
        return;
      case 'open':
        this.#closeFile();
        this.#file = SegmentFile.open(this.#calls, message.path, this.#flag);
        return;
      case 'close':
        this.#isClosed = true;
        this.#closeFile();
        return;
    }
  }

  #closeFile(): void {
    const file = this.#file;
    this.#file = null;
    file?.close();
  }
}

function failureOf(error: unknown): ThreadFailure {
  const message = error instanceof Error ? error.message : String(error);
  const { code, errno, syscall }: NodeJS.ErrnoException =
    error instanceof Error ? error : new Error(message);
  return { message, code, errno, syscall };
}
