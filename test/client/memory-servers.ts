import { type Limits, QuorateError, resolveLimits } from '../../lib/base/index.js';
import type {
  Clock,
  Dialer,
  DialOptions,
  FrameConnection,
  Logger,
  NodeStatus,
} from '../../lib/interfaces/index.js';
import { ClientSession } from '../../lib/server/client-session.js';
import type { KVRequest, KVResponse } from '../../lib/store/index.js';
import { MapBackend } from '../store/map-backend.js';

/** A backend that can be told to hold or fail the next calls. */
export class ServedBackend extends MapBackend {
  readonly asked: KVRequest[] = [];
  readonly signals: AbortSignal[] = [];
  clusterId: string | null = '2'.repeat(16);
  clientAddresses: Readonly<Record<string, string | null>> = {};
  /** Called before each request is carried out; may throw, and may take as long as it wants. */
  before: (request: KVRequest) => void | Promise<void> = () => {};
  /** How often a listing repeats what it holds: a store with large answers. */
  repeatItems = 1;
  onReady: () => Promise<void> = async () => {};
  /** What its status says of the leader: itself, unless told. */
  leader: NodeStatus['leader'] = { id: 'n1', address: null, clientAddress: null };

  override async execute(
    request: KVRequest,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<KVResponse> {
    this.asked.push(request);
    if (options.signal !== undefined) this.signals.push(options.signal);
    await this.before(request);
    const response = await super.execute(request);
    if (response.kind !== 'range') return response;
    return {
      ...response,
      items: Array.from({ length: this.repeatItems }, () => response.items).flat(),
    };
  }

  override async ready(): Promise<void> {
    await this.onReady();
  }

  override status(): NodeStatus {
    return {
      id: 'n1',
      incarnation: '1'.repeat(16),
      group: 'default',
      clusterId: this.clusterId,
      role: 'leader',
      term: 1,
      votedFor: 'n1',
      leader: this.leader,
      lastIndex: 1,
      durableIndex: 1,
      commitIndex: 1,
      appliedIndex: 1,
      lacksState: false,
      kept: { firstIndex: 1, logBytes: 0, snapshots: [], reasons: [] },
      membershipVersion: '0123456789abcdef',
      leadership: { leaderLeaseMs: null, closeHint: true },
      members: Object.entries(this.clientAddresses).map(([id, clientAddress]) => ({
        id,
        incarnation: '1'.repeat(16),
        role: 'voter',
        peerAddress: 'peer:1',
        clientAddress,
        priority: 1,
      })),
      progress: [],
      pendingCalls: 0,
    };
  }
}

interface Line {
  readonly session: ClientSession;
  readonly client: DialOptions;
  closed: boolean;
}

/** Servers in this process, by address, and the dialer that reaches them. Frames arrive in a later turn. */
export class MemoryServers implements Dialer {
  readonly dialed: string[] = [];
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #backends = new Map<string, ServedBackend>();
  readonly #lines = new Map<string, Set<Line>>();
  /** Addresses that take a connection and say nothing. */
  readonly silent = new Set<string>();
  /** What a server says instead of its own answer. */
  reply: (frame: Uint8Array) => Uint8Array = (frame) => frame;
  /** Called right after a client was given a frame, before any promise settles. */
  afterFrame = (): void => {};
  /** Whether a server's frames still fit into the queue of the connection. */
  takesAnswers = true;
  limits: Partial<Limits> = {};

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  serve(address: string, backend: ServedBackend): void {
    this.#backends.set(address, backend);
  }

  /** Ends every connection of a server; with `refuse`, and lets nobody in any more. */
  cut(address: string, { refuse = false } = {}): void {
    if (refuse) this.#backends.delete(address);
    for (const line of this.#lines.get(address) ?? [])
      this.#close(address, line, 'connection reset');
  }

  connections(address: string): number {
    return this.#lines.get(address)?.size ?? 0;
  }

  sessionsOf(address: string): ClientSession[] {
    return [...(this.#lines.get(address) ?? [])].map(({ session }) => session);
  }

  async dial(address: string, client: DialOptions): Promise<FrameConnection> {
    this.dialed.push(address);
    if (this.silent.has(address))
      return { send: () => true, close: () => client.onClose('closed') };
    const backend = this.#backends.get(address);
    if (backend === undefined) {
      throw new QuorateError('ERR_UNREACHABLE', { message: `${address}: connection refused` });
    }
    const connection: FrameConnection = {
      send: (frame) => {
        if (line.closed || !this.takesAnswers) return false;
        const copy = this.reply(frame.slice());
        this.#clock.soon(() => {
          if (line.closed) return;
          client.onFrame(copy);
          this.afterFrame();
        });
        return true;
      },
      // What was sent before still arrives.
      close: () => this.#clock.soon(() => this.#close(address, line, 'goodbye')),
    };
    const session = new ClientSession({
      connection,
      backend,
      limits: resolveLimits(this.limits),
      logger: this.#logger,
      onRefused: () => {},
    });
    const line: Line = { session, client, closed: false };
    this.#lines.set(address, (this.#lines.get(address) ?? new Set()).add(line));
    return {
      send: (frame) => {
        if (line.closed) return false;
        const copy = frame.slice();
        this.#clock.soon(() => {
          if (!line.closed) session.onFrame(copy);
        });
        return true;
      },
      close: () => this.#close(address, line, 'closed'),
    };
  }

  #close(address: string, line: Line, reason: string): void {
    if (line.closed) return;
    line.closed = true;
    this.#lines.get(address)?.delete(line);
    line.session.onClose(reason);
    line.client.onClose(reason);
  }
}
