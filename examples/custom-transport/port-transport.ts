import type { MessagePort } from 'node:worker_threads';
import type { Lane, NetworkTransport, TransportContext } from 'quorate/interfaces';
import { QuorateError } from '../../lib/base/index.js';
import type { Letter } from './hub.js';

/** Frames between worker threads. A letter is cloned on its way, so that no memory is shared. */
export class PortTransport implements NetworkTransport {
  readonly #port: MessagePort;
  #context: TransportContext | null = null;
  #peers: ReadonlySet<string> = new Set();
  /** For each connected peer and lane, the bytes that it has not acknowledged yet. */
  readonly #underWay = new Map<string, Record<Lane, number>>();
  /** Whom an answer was given to that holds still: a `ready` from anybody else came too late. */
  readonly #answered = new Set<string>();

  constructor(port: MessagePort) {
    this.#port = port;
  }

  async start(context: TransportContext): Promise<{ readonly address: null }> {
    this.#post('join', context.self, context.self);
    const reply = await new Promise<Letter>((resolve) => this.#port.once('message', resolve));
    const message = `${context.self} is taken on this hub`;
    if (reply.kind !== 'joined') throw new QuorateError('ERR_CONFIG', { message });
    this.#context = context;
    this.#port.on('message', (letter: Letter) => this.#onLetter(letter, context));
    this.#dial(context);
    return { address: null };
  }

  send(to: string, frame: Uint8Array, lane: Lane): boolean {
    const queued = this.#underWay.get(to);
    if (this.#context === null || queued === undefined) return false;
    const sizeBytes = frame.length + 16;
    const isFull = queued[lane] > 0 && queued[lane] + sizeBytes > this.#context.maxQueuedBytes;
    if (isFull || frame.length > this.#context.maxFrameBytes) return false;
    queued[lane] += sizeBytes;
    this.#post('frame', this.#context.self, to, { lane, bytes: [frame], sizeBytes });
    return true;
  }

  setPeers(peers: ReadonlyMap<string, string>): void {
    const [dropped, context] = [[...this.#peers].filter((peer) => !peers.has(peer)), this.#context];
    this.#peers = new Set(peers.keys());
    for (const peer of dropped) {
      this.#answered.delete(peer);
      if (context === null || !this.#underWay.delete(peer)) continue;
      this.#post('bye', context.self, peer);
      context.clock.soon(() => this.#context?.handler.peerLost(peer, 'no longer a peer'));
    }
  }

  async close(): Promise<void> {
    for (const peer of this.#underWay.keys()) this.#post('bye', this.#context?.self ?? '', peer);
    this.#underWay.clear();
    this.#context = null;
    this.#port.close();
  }

  /** Greets whoever is not connected, again and again: a refusal may be withdrawn, a peer restart. */
  #dial(context: TransportContext): void {
    if (this.#context === null) return;
    for (const to of this.#peers) if (!this.#underWay.has(to)) this.#greet('hello', to, context);
    context.clock.after(20, () => this.#dial(context)).keepAlive(false);
  }

  #greet(kind: 'hello' | 'answer', to: string, { handler, self }: TransportContext): void {
    this.#post(kind, self, to, { bytes: [handler.greeting('control'), handler.greeting('bulk')] });
  }

  #onLetter({ kind, from, lane, bytes, sizeBytes }: Letter, context: TransportContext): void {
    const [{ handler, self }, queued] = [context, this.#underWay.get(from)];
    if (this.#context === null || from === self) return;
    const isGreeting = kind === 'hello' || kind === 'answer';
    if (isGreeting && !bytes.every((greeting) => handler.judge(greeting).accepted)) return;
    if (kind === 'hello') {
      this.#answered.add(from);
      this.#greet('answer', from, context);
    }
    if (kind === 'answer') this.#post('ready', self, from);
    const isAgreed = kind === 'answer' || (kind === 'ready' && this.#answered.delete(from));
    if (queued === undefined && isAgreed) {
      this.#underWay.set(from, { control: 0, bulk: 0 });
      handler.peerConnected(from);
    } else if (queued !== undefined && kind === 'frame') {
      this.#post('ack', self, from, { lane, sizeBytes });
      for (const frame of bytes) handler.receive(from, frame, lane);
    } else if (queued !== undefined && kind === 'ack') queued[lane] -= sizeBytes;
    else if (kind === 'bye' && this.#underWay.delete(from)) handler.peerLost(from, 'goodbye');
  }

  #post(kind: Letter['kind'], from: string, to: string, rest: Partial<Letter> = {}): void {
    this.#port.postMessage({ lane: 'control', bytes: [], sizeBytes: 0, ...rest, kind, from, to });
  }
}
