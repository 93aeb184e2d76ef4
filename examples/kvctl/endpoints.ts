import {
  clientEndpoint,
  formatEndpoint,
  parseEndpoint,
  parseMemberList,
} from '../cli/addresses.js';
import type { Setting, Settings } from '../cli/flags.js';
import { UsageError } from '../cli/usage-error.js';

const DEFAULT_CLUSTER: Setting = { text: '127.0.0.1:7001', source: '--cluster' };
const ENVIRONMENT_NAME = 'QUORATE_CTL_CLUSTER';

/** The client addresses to try: as given, or by convention above the peer addresses. */
export function clientAddresses(
  settings: Settings,
  environment: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  const endpoints = settings.get('endpoints');
  const cluster = settings.get('cluster');
  if (endpoints !== undefined && cluster !== undefined) {
    throw new UsageError(
      `${cluster.source} and ${endpoints.source} say the same in two ways; keep one`,
    );
  }
  if (endpoints !== undefined) return listed(endpoints);
  const around = environment[ENVIRONMENT_NAME];
  const fallback = around ? { text: around, source: ENVIRONMENT_NAME } : DEFAULT_CLUSTER;
  const { text, source } = cluster ?? fallback;
  return parseMemberList(text, source).map(({ peer }) =>
    formatEndpoint(clientEndpoint(peer, source)),
  );
}

function listed({ text, source }: Setting): readonly string[] {
  const entries = text.split(',').flatMap((entry) => entry.trim() || []);
  if (entries.length === 0) {
    throw new UsageError(`${source} must list client addresses, for example 127.0.0.1:8001`);
  }
  return entries.map((entry) => {
    if (entry.startsWith('https://')) {
      throw new UsageError(`${source}: ${entry}: TLS is not in this version; say http://`);
    }
    const plain = entry.replace(/^http:\/\//, '').replace(/\/$/, '');
    return formatEndpoint(parseEndpoint(plain, source));
  });
}
