/**
 * A store that lives elsewhere, with the same interface as one inside this process.
 *
 *     KVStore ── KVRequest ──▶ RemoteBackend ── endpoint after endpoint ──▶ ServerConnection ──▶ Dialer
 *                                   ▲    deadline · back-off · hint            ids · hello
 *                                   └── only what did not happen, and reads, are asked again
 *
 * It holds no copy of any data and knows nothing of Raft: servers forward to the leader. What is in
 * doubt is reported as `'unknown'` and never repeated. This file alone knows of TCP.
 *
 * @module quorate/client
 */

import { tcpDialer } from '../../transports/tcp/index.js';
import { type Codec, type KVStore, utf8 } from '../store/index.js';
import { SystemClock } from '../timing/index.js';
import { type ClientOptions, connectWith } from './connect.js';

export type { ClientOptions } from './connect.js';

/**
 * Connects to the servers of a store. Resolves once one of them answers, and rejects when none does
 * within `callTimeoutMs`: ERR_UNREACHABLE, with what each of them said.
 *
 * Calls are retried within their deadline when they did not happen, at another server where that
 * helps; reads also when their connection is lost. A write whose outcome is unknown is not.
 * `status()` and `membership` are at most two seconds old while a server answers.
 */
export function connect(
  options: ClientOptions & { readonly values?: undefined },
): Promise<KVStore<string>>;
/** As above, for values that are not text. */
export function connect<V>(
  options: ClientOptions & { readonly values: Codec<V> },
): Promise<KVStore<V>>;
export function connect<V>(
  options: ClientOptions & { readonly values?: Codec<V> | undefined },
): Promise<KVStore<V> | KVStore<string>> {
  const defaultDialer = (): ReturnType<typeof tcpDialer> =>
    tcpDialer({ clock: options.clock ?? new SystemClock() });
  const { values } = options;
  if (values === undefined) return connectWith(defaultDialer, { ...options, values: utf8 });
  return connectWith(defaultDialer, { ...options, values });
}
