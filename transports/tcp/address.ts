import { QuorateError } from '../../lib/base/index.js';

/** Where to connect or listen. */
export interface Endpoint {
  readonly host: string;
  /** 0 to 65,535; 0 lets the system pick one, where that makes sense. */
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/;

/** Reads `host:port`, or `[host]:port` for IPv6. Anything else is ERR_CONFIG. */
export function parseAddress(address: string): Endpoint {
  const [, bracketed, plain, digits] = ADDRESS.exec(address) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= 65535) return { host, port };
  throw new QuorateError('ERR_CONFIG', {
    message: `address ${JSON.stringify(address)} must be host:port, for example 127.0.0.1:7001`,
  });
}

export function formatAddress({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
