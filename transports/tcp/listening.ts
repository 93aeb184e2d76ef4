import { createServer, type Server, type Socket } from 'node:net';
import { QuorateError } from '../../lib/base/index.js';
import { formatAddress, parseAddress } from './address.js';
import { describeError } from './frame-socket.js';

/** A server that listens. `address` names the port that the system picked. */
export interface Listening {
  readonly server: Server;
  readonly address: string;
}

/** Listens on `host:port`, or rejects with ERR_CONFIG in one line that names the address. */
export async function listen(
  address: string,
  onConnection: (socket: Socket) => void,
): Promise<Listening> {
  const endpoint = parseAddress(address);
  const server = createServer({ noDelay: true }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new QuorateError('ERR_CONFIG', {
          message: `cannot listen on ${address}: ${describeError(cause)}`,
          cause,
        }),
      );
    });
    server.listen(endpoint.port, endpoint.host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : endpoint.port;
  return { server, address: formatAddress({ host: endpoint.host, port }) };
}
