import { bytes, type KVStore, openKVStore, QuorateError } from 'quorate';
import type { Logger } from 'quorate/interfaces';
import { type ClientServer, serveClients } from 'quorate/server';
import { tcpTransport } from 'quorate/transports/tcp';
import { CLIENT_PORT_OFFSET, formatEndpoint, isLoopback } from '../cli/addresses.js';
import { storageIn } from '../cli/storage.js';
import { choosePorts, type NodePorts } from './ports.js';
import type { KVNodeSettings } from './settings.js';

/** A store that runs, and the port on which it is served. */
export interface RunningNode {
  readonly kv: KVStore<Uint8Array>;
  readonly clients: ClientServer;
  /** As others are told. */
  readonly peerAddress: string;
  readonly clientAddress: string;
}

/** Opens the store, then the client port. What was opened is closed when the rest fails. */
export async function startNode(settings: KVNodeSettings, logger: Logger): Promise<RunningNode> {
  const ports = await choosePorts(settings);
  warn(settings, ports, logger);
  const advertised = settings.advertise ?? ports.peer;
  const peerAddress = formatEndpoint(advertised);
  const clientAddress = formatEndpoint(
    settings.advertiseClient ?? { host: advertised.host, port: ports.client.port },
  );
  const kv = await openStore({ settings, ports, peerAddress, clientAddress, logger });
  try {
    const listen = formatEndpoint(ports.client);
    const clients = await serveClients(kv, { listen, logger }).catch((error: unknown) => {
      throw explainPort(error, ports, 'client');
    });
    return { kv, clients, peerAddress, clientAddress };
  } catch (error) {
    await kv.close();
    throw error;
  }
}

/** Answers what is under way, then closes the store. */
export async function stopNode({ kv, clients }: RunningNode): Promise<void> {
  await clients.close();
  await kv.close();
}

interface StoreParts {
  readonly settings: KVNodeSettings;
  readonly ports: NodePorts;
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly logger: Logger;
}

async function openStore(parts: StoreParts): Promise<KVStore<Uint8Array>> {
  const { settings, ports, peerAddress, clientAddress, logger } = parts;
  const { id, cluster, join, dataDir, storage, timing, limits } = settings;
  const listed = (cluster ?? []).map(({ id: other, peer }) => [other, formatEndpoint(peer)]);
  try {
    return await openKVStore({
      id,
      ...(join === null
        ? { members: { ...Object.fromEntries(listed), [id]: peerAddress } }
        : { join: join.map(formatEndpoint), peerAddress }),
      transport: tcpTransport({ listen: formatEndpoint(ports.peer) }),
      storage: dataDir === null ? undefined : await storageIn(dataDir, storage),
      timing,
      limits,
      clientAddress,
      logger,
      values: bytes,
    });
  } catch (error) {
    throw explainPort(error, ports, 'peer');
  }
}

function warn({ dataDir }: KVNodeSettings, { peer, client }: NodePorts, logger: Logger): void {
  if (dataDir === null) {
    const fields = { event: 'kvnode.memoryOnly' };
    logger.warn(fields, 'NO --data-dir: EVERYTHING IS IN MEMORY AND IS LOST WHEN THIS NODE ENDS.');
  }
  if (isLoopback(peer)) return;
  const fields = {
    event: 'kvnode.open',
    peers: formatEndpoint(peer),
    clients: formatEndpoint(client),
  };
  logger.warn(
    fields,
    'Not bound to loopback, without a secret or TLS: whoever reaches these ports can read, change and disturb everything.',
  );
}

/** Ports of neighbours are the usual reason: the port is told with the one it belongs to. */
function explainPort(
  error: unknown,
  { peer, client }: NodePorts,
  wanted: keyof NodePorts,
): unknown {
  if (!QuorateError.is(error) || !isListenFailure(error)) return error;
  const { cause } = error;
  const isTaken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
  if (!isTaken) return new Error(error.reason, { cause: error });
  const below = peer.port - CLIENT_PORT_OFFSET;
  const hint =
    wanted === 'peer'
      ? `peer port ${peer.port} would be the client port of a node with peer port ${below}`
      : `client port ${client.port} belongs to peer port ${peer.port}; say --client-port for another`;
  return new Error(`${error.reason}; ${hint}`, { cause: error });
}

function isListenFailure({ code, cause }: QuorateError): boolean {
  return code === 'ERR_CONFIG' && cause instanceof Error && 'syscall' in cause;
}
