import { type NodeId, QuorateError } from '../../lib/base/index.js';
import type { Clock, Lane, NetworkTransport, Random } from '../../lib/interfaces/index.js';
import { chanceStream } from './chance.js';
import { MemoryConnection } from './connection.js';
import { Cuts } from './cuts.js';
import { drawFate, type LinkFaults, validateFaults } from './faults.js';
import { MemoryTransport, type Switchboard } from './memory-transport.js';
import { Pipe } from './pipe.js';

/** How frames travel in a network in memory. */
export interface MemoryNetworkOptions {
  /** Carries every frame. Default: the clock of the sender's context. */
  readonly clock?: Clock | undefined;
  /** Decides every fault. Default: the random of the first context that a fault needs it from. */
  readonly random?: Random | undefined;
  /** Faults of every link from the start, as by `setFaults`. Default none. */
  readonly faults?: LinkFaults | undefined;
}

/**
 * The network and everything that can go wrong on it. A cut loses frames silently, those under way
 * included, and keeps the connection: both sides go on believing in it, and `send` answers true.
 */
export interface MemoryNetwork {
  /**
   * An end for the node `name`, which is also its address. A name whose transport was closed or
   * crashed may be taken again (a restart); starting a second one beside a running one is ERR_CONFIG.
   */
  transport(name: NodeId): NetworkTransport;
  /**
   * Replaces the faults of every link or, given names, of the links from and to them. The narrowest
   * setting counts, whole: from and to, then from, then to, then every link.
   */
  setFaults(
    faults: LinkFaults,
    link?: { from?: NodeId | undefined; to?: NodeId | undefined },
  ): void;
  /** Cuts both directions between two nodes. */
  cut(a: NodeId, b: NodeId): void;
  /** Cuts one direction: `to` does not hear `from`. */
  cutOneWay(from: NodeId, to: NodeId): void;
  /** Undoes `cut` and `cutOneWay` between two nodes. */
  restore(a: NodeId, b: NodeId): void;
  /** Cuts a node from all others, later ones included. */
  isolate(name: NodeId): void;
  /** Only nodes of the same group reach each other; those not named form one more group. Replaces an earlier split. */
  split(groups: readonly (readonly NodeId[])[]): void;
  /** Undoes every cut, isolation and split; faults stay. */
  heal(): void;
  /**
   * Breaks the connection of two nodes: frames under way are lost, both sides are told, and connect anew. False
   * where there is none.
   */
  reset(a: NodeId, b: NodeId): boolean;
  /** Takes a node off the network as if its process had died: no goodbye, no further handler calls. */
  crash(name: NodeId): void;
}

/** A network in memory. Deterministic where clock and random are. */
export function memoryNetwork(options: MemoryNetworkOptions = {}): MemoryNetwork {
  return new Network(options);
}

class Network implements MemoryNetwork, Switchboard {
  readonly #options: MemoryNetworkOptions;
  readonly #cuts = new Cuts();
  /** By `from>to`, where either may be empty for any. */
  readonly #faults = new Map<string, LinkFaults>();
  /** By `from>to`: outlives connections, so that a restart goes on drawing where it stopped. */
  readonly #chances = new Map<string, () => number>();
  readonly #running = new Map<NodeId, MemoryTransport>();
  readonly #reviews = new Set<MemoryTransport>();
  /** Ends whose other side went away while a cut kept the news from them. */
  #unaware: { readonly connection: MemoryConnection; readonly end: MemoryTransport }[] = [];
  #seed: Uint8Array | null = null;

  constructor(options: MemoryNetworkOptions) {
    this.#options = options;
    if (options.faults !== undefined) this.setFaults(options.faults);
  }

  transport(name: NodeId): NetworkTransport {
    return new MemoryTransport(name, this);
  }

  setFaults(
    faults: LinkFaults,
    { from = '', to = '' }: { from?: NodeId | undefined; to?: NodeId | undefined } = {},
  ): void {
    validateFaults(faults);
    this.#faults.set(`${from}>${to}`, faults);
  }

  cut(a: NodeId, b: NodeId): void {
    this.#cuts.cut(a, b);
    this.#cuts.cut(b, a);
  }

  cutOneWay(from: NodeId, to: NodeId): void {
    this.#cuts.cut(from, to);
  }

  restore(a: NodeId, b: NodeId): void {
    this.#cuts.restore(a, b);
    this.#cuts.restore(b, a);
    this.#afterHealing();
  }

  isolate(name: NodeId): void {
    this.#cuts.isolate(name);
  }

  split(groups: readonly (readonly NodeId[])[]): void {
    this.#cuts.split(groups);
    this.#afterHealing();
  }

  heal(): void {
    this.#cuts.heal();
    this.#afterHealing();
  }

  crash(name: NodeId): void {
    this.#running.get(name)?.shut('connection reset');
  }

  reset(a: NodeId, b: NodeId): boolean {
    const one = this.#running.get(a);
    const connection = one?.connectionTo(b) ?? null;
    if (one === undefined || connection === null || connection.endReason !== null) return false;
    connection.end(one, 'connection reset');
    for (const end of [one, connection.other(one)]) {
      this.#clockOf(end).soon(() => this.#tell(connection, end));
    }
    return true;
  }

  admit(transport: MemoryTransport): void {
    if (this.#running.has(transport.name)) {
      throw new QuorateError('ERR_CONFIG', {
        message: `${transport.name} is already running on this network`,
      });
    }
    this.#running.set(transport.name, transport);
  }

  leave(transport: MemoryTransport): void {
    this.#running.delete(transport.name);
  }

  review(transport: MemoryTransport): void {
    if (this.#reviews.has(transport)) return;
    this.#reviews.add(transport);
    this.#clockOf(transport).soon(() => {
      this.#reviews.delete(transport);
      for (const other of this.#all()) this.#connect(transport, other);
    });
  }

  sever(connection: MemoryConnection, from: MemoryTransport, reason: string): void {
    connection.end(from, reason);
    const end = connection.other(from);
    this.#clockOf(end).soon(() => this.#tell(connection, end));
  }

  /** Running transports by name, so that no order depends on who started first. */
  #all(): MemoryTransport[] {
    return [...this.#running.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #connect(one: MemoryTransport, another: MemoryTransport): void {
    if (one === another || !one.running || !another.running) return;
    const [a, b] = one.name < another.name ? [one, another] : [another, one];
    if (!a.knows(b.name) && !b.knows(a.name)) return;
    if (this.#isSeparated(a, b)) return;
    this.#dropEnded(a, b);
    if (!a.running || !b.running) return;
    if (a.connectionTo(b.name) !== null || b.connectionTo(a.name) !== null) return;
    const refusal = a.refusal(b) ?? b.refusal(a);
    if (refusal !== null) {
      a.context.logger.warn({ event: 'transport.refused', peer: b.name }, refusal);
      a.retryLater(b.name);
      a.context.handler.peerUnreachable?.(b.name, refusal);
      if (b.running) b.context.handler.peerUnreachable?.(a.name, refusal);
      return;
    }
    const connection = new MemoryConnection(a, b, (...ends) => this.#makePipe(...ends));
    a.attach(connection, b.name);
    // The first handler may have closed either side.
    if (!b.running) this.sever(connection, b, 'goodbye');
    else if (connection.endReason === null) b.attach(connection, a.name);
  }

  /** An end that still believes in a connection to an earlier start of the other hears of it now. */
  #dropEnded(a: MemoryTransport, b: MemoryTransport): void {
    for (const [end, peer] of [
      [a, b.name],
      [b, a.name],
    ] as const) {
      const old = end.connectionTo(peer);
      if (old !== null && old.endReason !== null) end.forget(old, old.endReason);
    }
  }

  #tell(connection: MemoryConnection, end: MemoryTransport): void {
    const from = connection.other(end);
    if (this.#cuts.isCut(from.name, end.name)) this.#unaware.push({ connection, end });
    else end.forget(connection, connection.endReason ?? 'goodbye');
  }

  #afterHealing(): void {
    const unaware = this.#unaware;
    this.#unaware = [];
    for (const { connection, end } of unaware) {
      this.#clockOf(end).soon(() => this.#tell(connection, end));
    }
    for (const transport of this.#all()) this.review(transport);
  }

  #isSeparated(a: MemoryTransport, b: MemoryTransport): boolean {
    return this.#cuts.isCut(a.name, b.name) || this.#cuts.isCut(b.name, a.name);
  }

  #makePipe(
    connection: MemoryConnection,
    from: MemoryTransport,
    to: MemoryTransport,
    lane: Lane,
  ): Pipe {
    const ends = { from: from.name, to: to.name, lane };
    const chance = this.#chanceOf(from, to);
    return new Pipe({
      clock: this.#clockOf(from),
      maxQueuedBytes: from.context.maxQueuedBytes,
      fate: (bytes) => {
        if (this.#cuts.isCut(from.name, to.name)) return [];
        const faults = this.#faultsOf(from.name, to.name);
        return drawFate(faults, { ...ends, bytes }, chance);
      },
      arrive: (frame) => {
        // A cut takes what is under way with it.
        if (!this.#cuts.isCut(from.name, to.name)) to.deliver(connection, frame, lane);
      },
    });
  }

  #faultsOf(from: NodeId, to: NodeId): LinkFaults | null {
    if (this.#faults.size === 0) return null;
    for (const key of [`${from}>${to}`, `${from}>`, `>${to}`, '>']) {
      const faults = this.#faults.get(key);
      if (faults !== undefined) return faults;
    }
    return null;
  }

  #chanceOf(from: MemoryTransport, to: MemoryTransport): () => number {
    return () => {
      const key = `${from.name}>${to.name}`;
      let chance = this.#chances.get(key);
      if (chance === undefined) {
        this.#seed ??= (this.#options.random ?? from.context.random).bytes(8);
        chance = chanceStream(this.#seed, key);
        this.#chances.set(key, chance);
      }
      return chance();
    };
  }

  #clockOf(transport: MemoryTransport): Clock {
    return this.#options.clock ?? transport.context.clock;
  }
}
