import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Lane } from 'quorate/interfaces';

/** What travels between the transports, by way of the hub. */
export interface Letter {
  readonly kind:
    | 'join'
    | 'joined'
    | 'taken'
    | 'hello'
    | 'answer'
    | 'ready'
    | 'frame'
    | 'ack'
    | 'bye';
  readonly from: string;
  readonly to: string;
  readonly lane: Lane;
  /** The greetings of both lanes, or one frame. */
  readonly bytes: readonly Uint8Array[];
  /** What a frame, or its acknowledgement, counts for in the queue. */
  readonly sizeBytes: number;
}

/** Passes letters between the ports it has handed out; each port may live in a thread of its own. */
export class Hub {
  readonly #ports = new Map<string, MessagePort>();

  /** A port for one transport: transfer it to the worker that is to have it. */
  openPort(): MessagePort {
    const { port1: mine, port2: theirs } = new MessageChannel();
    let owner: string | null = null;
    mine.on('message', (letter: Letter) => {
      if (letter.kind === 'join') {
        const free = !this.#ports.has(letter.from);
        mine.postMessage({ ...letter, kind: free ? 'joined' : 'taken' });
        if (!free) return;
        owner = letter.from;
        this.#ports.set(owner, mine);
      } else if (owner !== null) {
        this.#ports.get(letter.to)?.postMessage(letter);
      }
    });
    mine.on('close', () => {
      if (owner !== null) this.#ports.delete(owner);
    });
    mine.unref();
    return theirs;
  }
}
