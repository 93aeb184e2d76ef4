import { type NodeId, unreachable } from '../../lib/base/index.js';
import type { Lane } from '../../lib/interfaces/index.js';
import type { MemoryTransport } from './memory-transport.js';
import type { Pipe } from './pipe.js';

type MakePipe = (
  connection: MemoryConnection,
  from: MemoryTransport,
  to: MemoryTransport,
  lane: Lane,
) => Pipe;

interface Lanes {
  readonly control: Pipe;
  readonly bulk: Pipe;
}

/**
 * Two transports that have accepted each other's greeting. Frames belong to the connection they were
 * sent on and are lost with it, so nothing reaches a later start of the same name.
 */
export class MemoryConnection {
  readonly first: MemoryTransport;
  readonly second: MemoryTransport;
  readonly #fromFirst: Lanes;
  readonly #fromSecond: Lanes;
  #ended: { readonly by: MemoryTransport; readonly reason: string } | null = null;

  constructor(first: MemoryTransport, second: MemoryTransport, makePipe: MakePipe) {
    this.first = first;
    this.second = second;
    const lanes = (from: MemoryTransport, to: MemoryTransport): Lanes => ({
      control: makePipe(this, from, to, 'control'),
      bulk: makePipe(this, from, to, 'bulk'),
    });
    this.#fromFirst = lanes(first, second);
    this.#fromSecond = lanes(second, first);
  }

  /** Why the other side is gone, from the moment that one side ends the connection; else null. */
  get endReason(): string | null {
    return this.#ended?.reason ?? null;
  }

  other(end: MemoryTransport): MemoryTransport {
    return end === this.first ? this.second : this.first;
  }

  peerOf(end: MemoryTransport): NodeId {
    return this.other(end).name;
  }

  send(from: MemoryTransport, frame: Uint8Array, lane: Lane): boolean {
    const lanes = from === this.first ? this.#fromFirst : this.#fromSecond;
    // An end that has not heard yet that the other is gone sends into the void, as on a real network.
    if (this.#ended !== null) return this.#ended.by !== from;
    switch (lane) {
      case 'control':
        return lanes.control.send(frame);
      case 'bulk':
        return lanes.bulk.send(frame);
      default:
        return unreachable(lane);
    }
  }

  end(by: MemoryTransport, reason: string): void {
    this.#ended ??= { by, reason };
    for (const lanes of [this.#fromFirst, this.#fromSecond]) {
      lanes.control.close();
      lanes.bulk.close();
    }
  }
}
