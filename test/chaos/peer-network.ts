import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { decodeGreeting } from '../../lib/wire/index.js';
import { Flow } from './flow.js';
import { Link } from './link.js';

/**
 * The network between peers: in front of each node stands a proxy, at the address that the others are told.
 * Who dials is known by the greeting, so every pair of nodes has two links, one each way.
 *
 *     n1 ── dials ──▶ proxy of n2 ── Link n1→n2 ──▶ n2
 *                                 ◀── Link n2→n1 ──
 */
export class PeerNetwork {
  readonly #doors = new Map<string, Server>();
  readonly #connections = new Set<Connection>();
  readonly #links = new Map<string, Link>();
  readonly #dialerIn: (greeting: Uint8Array) => string;

  /** `dialerIn` reads the name of the one that dials from its greeting. */
  constructor(dialerIn = (greeting: Uint8Array): string => decodeGreeting(greeting).nodeId) {
    this.#dialerIn = dialerIn;
  }

  /** Puts a proxy in front of a node that listens at `port`. */
  async add(id: string, ports: { readonly proxy: number; readonly node: number }): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const inner = connect({
        port: ports.node,
        host: '127.0.0.1',
        allowHalfOpen: true,
        noDelay: true,
      });
      const connection = new Connection(this, id, socket, inner);
      this.#connections.add(connection);
      void connection.closed.then(() => this.#connections.delete(connection));
    });
    server.listen(ports.proxy, '127.0.0.1');
    await once(server, 'listening');
    this.#doors.set(id, server);
  }

  dialerIn(greeting: Uint8Array): string {
    return this.#dialerIn(greeting);
  }

  link(from: string, to: string): Link {
    const name = `${from} ${to}`;
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link = new Link();
    this.#links.set(name, link);
    return link;
  }

  /** Both links of each pair, one node from each side. */
  between(some: readonly string[], others: readonly string[]): readonly Link[] {
    return some.flatMap((a) => others.flatMap((b) => [this.link(a, b), this.link(b, a)]));
  }

  /**
   * Closes the connections of a pair on one side, and on the other `afterMs` later: meanwhile one of them
   * believes that it is connected. Answers how many there were.
   */
  closeSlowly(pair: readonly [string, string], afterMs: number): number {
    const affected = [...this.#connections].filter(({ dialer, listener }) => {
      return dialer !== null && pair.includes(dialer) && pair.includes(listener);
    });
    for (const connection of affected) connection.closeSlowly(pair[0], afterMs);
    return affected.length;
  }

  /** Pairs of nodes that are connected now. */
  get pairs(): readonly (readonly [string, string])[] {
    return [...this.#connections].flatMap(({ dialer, listener }) => {
      return dialer === null ? [] : [[dialer, listener] as const];
    });
  }

  /** Tears every connection. */
  async close(): Promise<void> {
    for (const server of this.#doors.values()) server.close();
    for (const connection of this.#connections) connection.destroy();
    await Promise.all([...this.#connections].map(({ closed }) => closed));
  }
}

class Connection {
  readonly listener: string;
  readonly closed: Promise<unknown>;
  /** Who dialed, once it has said so. */
  dialer: string | null = null;
  readonly #outer: Socket;
  readonly #inner: Socket;
  readonly #flows: readonly Flow[];

  constructor(network: PeerNetwork, listener: string, outer: Socket, inner: Socket) {
    this.listener = listener;
    this.#outer = outer;
    this.#inner = inner;
    const onReset = (): void => this.#reset();
    const there = new Flow({
      source: outer,
      target: inner,
      link: () => (this.dialer === null ? null : network.link(this.dialer, listener)),
      onGreeting: (payload) => {
        this.dialer = network.dialerIn(payload);
      },
      onReset,
    });
    const back = new Flow({
      source: inner,
      target: outer,
      link: () => (this.dialer === null ? null : network.link(listener, this.dialer)),
      onGreeting: () => {},
      onReset,
    });
    this.#flows = [there, back];
    this.closed = Promise.all(
      [outer, inner].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  }

  closeSlowly(first: string, afterMs: number): void {
    for (const flow of this.#flows) flow.mute();
    const [now, later] =
      first === this.listener ? [this.#inner, this.#outer] : [this.#outer, this.#inner];
    now.destroy();
    setTimeout(() => later.destroy(), afterMs);
  }

  destroy(): void {
    this.#outer.destroy();
    this.#inner.destroy();
  }

  #reset(): void {
    for (const flow of this.#flows) flow.mute();
    this.#outer.resetAndDestroy();
    this.#inner.resetAndDestroy();
  }
}
