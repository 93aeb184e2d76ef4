import { createServer } from 'node:net';
import { CLIENT_PORT_OFFSET, clientEndpoint, type Endpoint, MAX_PORT } from '../cli/addresses.js';
import type { KVNodeSettings } from './settings.js';

/** Where a node listens, every port named. */
export interface NodePorts {
  readonly peer: Endpoint;
  readonly client: Endpoint;
}

const ATTEMPTS = 20;

/**
 * The ports of a node. Those that were left to the system are asked for and given back, so that they
 * can be told to others before the node listens; somebody else may take them in between.
 */
export async function choosePorts({ bind, clientPort }: KVNodeSettings): Promise<NodePorts> {
  const peer = bind.port === 0 ? await freePeer(bind.host, clientPort === null) : bind;
  if (clientPort === null) return { peer, client: clientEndpoint(peer, '--bind') };
  if (clientPort !== 0) return { peer, client: { ...bind, port: clientPort } };
  return { peer, client: { ...bind, port: await freePort(bind.host, 0) } };
}

/** A free port; where clients are to be served by convention, with the port for them free as well. */
export async function freePeer(host: string, isConventional = true): Promise<Endpoint> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort(host, 0);
    if (!isConventional) return { host, port };
    const client = port + CLIENT_PORT_OFFSET;
    if (client <= MAX_PORT && (await isFree(host, client))) return { host, port };
    if (attempt === ATTEMPTS) {
      throw new Error(
        `no port on ${host} with the port ${CLIENT_PORT_OFFSET} above it free as well`,
      );
    }
  }
}

async function isFree(host: string, port: number): Promise<boolean> {
  try {
    await freePort(host, port);
    return true;
  } catch {
    // Whatever stands in the way of listening stands in the way of this node as well.
    return false;
  }
}

function freePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, host, () => {
      const bound = server.address();
      const picked = typeof bound === 'object' && bound !== null ? bound.port : port;
      server.close(() => resolve(picked));
    });
  });
}
