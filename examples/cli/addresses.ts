import { UsageError } from './usage-error.js';

/** Where to listen or connect. Port 0 lets the system pick one, where that makes sense. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** By convention of the two programs, clients are served this far above the port for peers. */
export const CLIENT_PORT_OFFSET = 1000;
export const MAX_PORT = 65535;

const LOOPBACK = '127.0.0.1';
const ADDRESS = /^(?:(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]\s/]+))?:)?(\d{1,6})$/;

/** Reads `host:port`, `:port` or `port`; without a host it is the loopback interface. */
export function parseEndpoint(text: string, source: string): Endpoint {
  const [, bracketed, plain, digits] = ADDRESS.exec(text) ?? [];
  const host = bracketed ?? plain ?? LOOPBACK;
  if (digits === undefined) {
    throw new UsageError(
      `${source} must be host:port, for example 127.0.0.1:7001, not ${JSON.stringify(text)}`,
    );
  }
  return { host, port: parsePort(digits, source) };
}

export function parsePort(text: string, source: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= MAX_PORT) return port;
  throw new UsageError(`${source}: port ${text} must be a number from 0 to ${MAX_PORT}`);
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where clients are served by convention, when peers meet at `peer`. */
export function clientEndpoint(peer: Endpoint, source: string): Endpoint {
  const port = peer.port + CLIENT_PORT_OFFSET;
  if (port <= MAX_PORT) return { ...peer, port };
  throw new UsageError(
    `${source}: peer port ${peer.port} puts the client port at ${port}, above ${MAX_PORT}; ` +
      `take a peer port up to ${MAX_PORT - CLIENT_PORT_OFFSET}`,
  );
}

/** One entry of `id=host:port,…` or of `host:port,…`. */
export interface ListedMember {
  /** As written, or null. */
  readonly id: string | null;
  readonly peer: Endpoint;
}

/** Reads a list of peer addresses, with ids or without. Ports are named, not picked. */
export function parseMemberList(text: string, source: string): readonly ListedMember[] {
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.at(-1) === '') entries.pop();
  if (entries.length === 0) {
    throw new UsageError(`${source} must list members, for example n1=127.0.0.1:7001`);
  }
  return entries.map((entry) => {
    const cut = entry.indexOf('=');
    const peer = parseEndpoint(entry.slice(cut + 1), source);
    if (peer.port === 0) throw new UsageError(`${source}: ${entry} must name a port, not 0`);
    return { id: cut < 0 ? null : entry.slice(0, cut), peer };
  });
}

export function isLoopback({ host }: Endpoint): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

export function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && plainHost(a) === plainHost(b);
}

function plainHost({ host }: Endpoint): string {
  return host === 'localhost' ? LOOPBACK : host.toLowerCase();
}
