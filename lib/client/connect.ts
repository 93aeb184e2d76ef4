import { type Limits, maxFrameBytes, QuorateError, resolveLimits } from '../base/index.js';
import { EmitterEventBus } from '../events/index.js';
import type { Clock, Dialer, EventBus, Logger, Random } from '../interfaces/index.js';
import { silentLogger } from '../observe/index.js';
import { type Codec, createKVStore, type KVStore } from '../store/index.js';
import { SystemClock, systemRandom } from '../timing/index.js';
import { RemoteBackend } from './remote-backend.js';

/** How a client finds its servers. Only `endpoints` must be given. */
export interface ClientOptions {
  /** Client addresses of servers, `host:port`. One that answers is enough; dead ones do no harm. */
  readonly endpoints: readonly string[];
  /** Milliseconds until a call gives up, unless it is told otherwise. Default 10,000. */
  readonly callTimeoutMs?: number | undefined;
  /** How servers are reached. Default: framed TCP. */
  readonly dialer?: Dialer | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** Told when servers are reached and lost. Default: a bus of its own, as `store.events`. */
  readonly events?: EventBus | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Spreads attempts. Default: the machine's. */
  readonly random?: Random | undefined;
  /** `maxPendingCalls` is the client's own; sizes of keys and values are the server's. */
  readonly limits?: { readonly [K in keyof Limits]?: Limits[K] | undefined } | undefined;
}

/** Larger than any server's frames: how large they get is theirs to decide. */
const MAX_FRAME_BYTES = maxFrameBytes(resolveLimits({ maxValueBytes: 16 * 1024 * 1024 }));
const DEFAULT_CALL_TIMEOUT_MS = 10_000;

/** `connect` with the dialer that is used unless told otherwise. */
export async function connectWith<V>(
  defaultDialer: () => Dialer,
  options: ClientOptions & { readonly values: Codec<V> },
): Promise<KVStore<V>> {
  const { endpoints, callTimeoutMs = DEFAULT_CALL_TIMEOUT_MS, values } = options;
  validate(endpoints, callTimeoutMs);
  const logger = options.logger ?? silentLogger;
  const backend = new RemoteBackend({
    endpoints: [...new Set(endpoints)],
    callTimeoutMs,
    dialer: options.dialer ?? defaultDialer(),
    maxFrameBytes: MAX_FRAME_BYTES,
    limits: resolveLimits(options.limits),
    clock: options.clock ?? new SystemClock(),
    random: options.random ?? systemRandom,
    logger,
    events: options.events ?? defaultEvents(logger),
  });
  try {
    await backend.start();
  } catch (error) {
    await backend.close();
    throw error;
  }
  return createKVStore(backend, values);
}

function validate(endpoints: readonly string[], callTimeoutMs: number): void {
  if (!Array.isArray(endpoints) || endpoints.length === 0) {
    throw new QuorateError('ERR_CONFIG', {
      message: "endpoints must name at least one server, for example ['127.0.0.1:8001']",
    });
  }
  for (const endpoint of endpoints) {
    if (typeof endpoint === 'string' && endpoint !== '') continue;
    const message = `endpoint ${JSON.stringify(endpoint)} must be host:port`;
    throw new QuorateError('ERR_CONFIG', { message });
  }
  if (!(Number.isFinite(callTimeoutMs) && callTimeoutMs > 0)) {
    const message = `callTimeoutMs must be a number above 0, not ${callTimeoutMs}`;
    throw new QuorateError('ERR_CONFIG', { message });
  }
}

function defaultEvents(logger: Logger): EventBus {
  return new EmitterEventBus({
    onListenerError: (error, name) => {
      logger.error({ event: 'events.listenerFailed', name, error }, 'A listener threw.');
    },
    // A client has no node that could stop.
    onUnobservedFault: () => {},
  });
}
