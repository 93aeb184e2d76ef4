import { assert, type Limits, type NodeId, QuorateError, toHex } from '../base/index.js';
import type {
  Clock,
  Dialer,
  EventBus,
  Logger,
  Membership,
  NodeStatus,
  Random,
  Timer,
  TransferResult,
} from '../interfaces/index.js';
import type { CallOptions, KVBackend, KVRequest, KVResponse, SavedPart } from '../store/index.js';
import type { ClientAnswer, ClientCall, LeadershipRequest, MemberRequest } from '../wire/index.js';
import { CallScope } from './call-scope.js';
import { Closing } from './closing.js';
import { addressOfCursor, cursorAt, cursorWithin } from './cursors.js';
import { Endpoints } from './endpoints.js';
import { RemoteMembership } from './remote-membership.js';
import { mayRetry, retryDelayMs, tellsToMoveOn } from './retries.js';
import { ServerConnection } from './server-connection.js';

export interface RemoteBackendOptions {
  readonly endpoints: readonly string[];
  readonly callTimeoutMs: number;
  readonly dialer: Dialer;
  readonly maxFrameBytes: number;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: EventBus;
}

/** How old `status()` gets while a server answers. */
const STATUS_INTERVAL_MS = 2000;
/** A server that does not say hello is given up early enough to try others within the same call. */
const MAX_CONNECT_TIMEOUT_MS = 3000;

/** The requests of a store, carried out by whichever server answers. */
export class RemoteBackend implements KVBackend {
  readonly id: NodeId;
  readonly closed: Promise<{ readonly cause: QuorateError | null }>;
  readonly membership: Membership = new RemoteMembership({
    status: () => this.#status,
    change: (request, options) => this.#changeMembers(request, options),
  });
  readonly #options: RemoteBackendOptions;
  readonly #endpoints: Endpoints;
  readonly #closing = new Closing();
  readonly #open = new Map<string, ServerConnection>();
  readonly #opening = new Map<string, Promise<ServerConnection>>();
  #pendingCalls = 0;
  #status: NodeStatus | null = null;
  /** Null until a server has said which. */
  #clusterId: string | null = null;
  #limits: { readonly maxKeyBytes: number; readonly maxValueBytes: number };
  #statusTimer: Timer | null = null;
  #onClosed: () => void = () => {};

  constructor(options: RemoteBackendOptions) {
    this.#options = options;
    this.#endpoints = new Endpoints(options.endpoints);
    this.#limits = options.limits;
    this.id = `client-${toHex(options.random.bytes(4))}`;
    this.closed = new Promise((resolve) => {
      this.#onClosed = () => resolve({ cause: null });
    });
  }

  get events(): EventBus {
    return this.#options.events;
  }

  get maxKeyBytes(): number {
    return this.#limits.maxKeyBytes;
  }

  get maxValueBytes(): number {
    return this.#limits.maxValueBytes;
  }

  /** Resolves once a server has said who it is and how it stands. */
  async start(): Promise<void> {
    await this.#refreshStatus({});
    this.#refreshLater();
  }

  async execute(request: KVRequest, options: CallOptions): Promise<KVResponse> {
    const answer = await this.#carryOut(request, options);
    assert(
      answer.kind !== 'status' &&
        answer.kind !== 'ready' &&
        answer.kind !== 'member' &&
        answer.kind !== 'leadership' &&
        answer.kind !== 'transfer' &&
        answer.kind !== 'save' &&
        answer.kind !== 'failure',
      'a request of the store has an answer of the store',
    );
    return answer;
  }

  async transferLeadership(to: NodeId | null, options: CallOptions): Promise<TransferResult> {
    const answer = await this.#ask({ kind: 'transfer', to }, options);
    assert(answer.kind === 'transfer', 'a transfer is answered by one');
    return { leader: answer.leader };
  }

  async savePart(cursor: string | null, options: CallOptions): Promise<SavedPart> {
    const answer =
      cursor === null
        ? await this.#ask({ kind: 'save', cursor }, options)
        : await this.#askAt(cursor, (within) => ({ kind: 'save', cursor: within }), options);
    assert(answer.kind === 'save', 'a part of a state is what was asked for');
    return answer.part;
  }

  status(): NodeStatus {
    assert(this.#status !== null, 'a client that was started has heard a status');
    return this.#status;
  }

  async ready(options: CallOptions): Promise<void> {
    await this.#ask({ kind: 'ready' }, options);
    await this.#refreshStatus(options);
  }

  async close(): Promise<void> {
    if (this.#closing.isOver) return;
    this.#statusTimer?.cancel();
    this.#closing.end();
    for (const connection of [...this.#open.values()]) connection.close();
    this.#onClosed();
  }

  #carryOut(request: KVRequest, options: CallOptions): Promise<ClientAnswer> {
    if (request.kind === 'release') return this.#release(request.cursor, options);
    if (request.kind !== 'range' || request.cursor === null) return this.#ask(request, options);
    return this.#askAt(request.cursor, (cursor) => ({ ...request, cursor }), options);
  }

  /** Asks the server that holds what the cursor stands for. */
  async #askAt(
    cursor: string,
    callWith: (within: string) => ClientCall,
    options: CallOptions,
  ): Promise<ClientAnswer> {
    const address = addressOfCursor(cursor);
    if (address !== null && this.#endpoints.has(address)) {
      return await this.#ask(callWith(cursorWithin(cursor)), options, address);
    }
    const message = 'the cursor was made by no server that is known here';
    throw new QuorateError('ERR_COMPACTED', { message });
  }

  /** Told once, and only to a server that listens: nobody waits for it. */
  async #release(cursor: string, options: CallOptions): Promise<ClientAnswer> {
    const connection = this.#open.get(addressOfCursor(cursor) ?? '');
    const { callTimeoutMs } = this.#options;
    const { timeoutMs = callTimeoutMs, signal } = options;
    const release = { kind: 'release', cursor: cursorWithin(cursor) } as const;
    await connection?.call(release, { timeoutMs, signal });
    return { kind: 'release' };
  }

  /** Counts the call and asks; at `pinned` only, where one server alone can answer. */
  async #ask(
    call: ClientCall,
    { timeoutMs = this.#options.callTimeoutMs, signal }: CallOptions,
    pinned: string | null = null,
  ): Promise<ClientAnswer> {
    const { clock, limits } = this.#options;
    if (this.#pendingCalls >= limits.maxPendingCalls) {
      const message = `${limits.maxPendingCalls} calls wait for answers`;
      throw new QuorateError('ERR_BUSY', { message });
    }
    const scope = new CallScope({ clock, timeoutMs, signal, closing: this.#closing });
    this.#pendingCalls += 1;
    try {
      return await this.#askUntilAnswered(call, scope, pinned);
    } finally {
      this.#pendingCalls -= 1;
    }
  }

  /** Asks one server after the other until one answers, or the call is over. */
  async #askUntilAnswered(
    call: ClientCall,
    scope: CallScope,
    pinned: string | null,
  ): Promise<ClientAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      const address = pinned ?? this.#endpoints.preferred;
      try {
        return await this.#askOnce(call, address, scope);
      } catch (error) {
        if (!QuorateError.is(error) || this.#closing.isOver) throw error;
        // Also where this call is over: the next one need not wait for the same silence.
        this.#chooseNext(address, error);
        if (!mayRetry(error, call)) throw error;
        const othersLeft = pinned === null && attempt < this.#endpoints.count;
        const movesOn = othersLeft && tellsToMoveOn(error);
        const delayMs = movesOn ? 0 : retryDelayMs(attempt, this.#options.random);
        // What the last attempt said tells more than "too late" would.
        if (delayMs >= scope.remainingMs) throw error;
        if (delayMs > 0) await scope.sleep(delayMs, error.reason);
        if (scope.remainingMs <= 0) throw error;
      }
    }
  }

  async #askOnce(call: ClientCall, address: string, scope: CallScope): Promise<ClientAnswer> {
    const connection = await this.#connectionTo(address, scope);
    scope.check(`${address} was reached too late`);
    const { remainingMs: timeoutMs, signal } = scope;
    const answer = await connection.call(call, { timeoutMs, signal });
    return answerAt(address, answer);
  }

  #chooseNext(address: string, error: QuorateError): void {
    const leaderId = error.leader?.id;
    const leader = this.#status?.members.find(({ id }) => id === leaderId);
    const hint = leader?.clientAddress ?? null;
    if (hint !== null && hint !== address) this.#endpoints.prefer(hint);
    else if (tellsToMoveOn(error)) this.#endpoints.avoid(address);
  }

  async #connectionTo(address: string, scope: CallScope): Promise<ServerConnection> {
    scope.check(this.#endpoints.describeFailures());
    const open = this.#open.get(address);
    if (open !== undefined) return open;
    let opening = this.#opening.get(address);
    if (opening === undefined) {
      opening = this.#openTo(address).finally(() => this.#opening.delete(address));
      // Whoever waits for it handles its failure; when nobody does any more, `failed` has noted it.
      opening.catch(() => {});
      this.#opening.set(address, opening);
    }
    return scope.wait(opening, this.#endpoints.describeFailures());
  }

  async #openTo(address: string): Promise<ServerConnection> {
    const { dialer, maxFrameBytes, callTimeoutMs, clock, random, logger } = this.#options;
    let connection: ServerConnection;
    try {
      connection = await ServerConnection.open({
        dialer,
        address,
        maxFrameBytes,
        connectTimeoutMs: Math.min(MAX_CONNECT_TIMEOUT_MS, callTimeoutMs / 3),
        closing: this.#closing,
        clock,
        random,
        logger,
        onLost: (lost, reason) => this.#onLost(lost, reason),
      });
    } catch (error) {
      if (!QuorateError.is(error) || error.code === 'ERR_CONFIG') throw error;
      this.#endpoints.failed(address, error.reason);
      const message = this.#endpoints.describeFailures();
      throw new QuorateError('ERR_UNREACHABLE', { message, cause: error });
    }
    // Either side may have ended it between the hello and this turn.
    if (this.#closing.isOver) connection.close();
    if (!connection.isOpen) {
      const message = this.#endpoints.describeFailures();
      throw new QuorateError('ERR_UNREACHABLE', { message });
    }
    this.#checkCluster(connection);
    this.#onOpened(connection);
    return connection;
  }

  /**
   * A client stays with the cluster that it reached first. Another one at the same addresses, restored or
   * recovered, has another history: its revisions and fencing tokens say nothing about the first one's.
   */
  #checkCluster(connection: ServerConnection): void {
    const { address, hello } = connection;
    this.#clusterId ??= hello.clusterId;
    if (hello.clusterId === null || hello.clusterId === this.#clusterId) return;
    connection.close();
    const reason = `belongs to cluster ${hello.clusterId}, and this client to ${this.#clusterId}`;
    this.#endpoints.failed(address, reason);
    const message = this.#endpoints.describeFailures();
    throw new QuorateError('ERR_UNREACHABLE', { message });
  }

  #onOpened(connection: ServerConnection): void {
    const { address, hello } = connection;
    this.#open.set(address, connection);
    this.#endpoints.reached(address);
    const { maxKeyBytes, maxValueBytes } = hello;
    this.#limits = { maxKeyBytes, maxValueBytes };
    this.events.emit('network.peerConnected', () => {
      return { nodeId: this.id, group: null, peer: hello.nodeId };
    });
  }

  #onLost(connection: ServerConnection, reason: string): void {
    const { address, hello } = connection;
    this.#open.delete(address);
    this.#endpoints.failed(address, reason);
    this.events.emit('network.peerLost', () => {
      return { nodeId: this.id, group: null, peer: hello.nodeId, reason };
    });
  }

  /** What the server tells of the members afterwards is what the caller goes on with. */
  async #changeMembers(
    request: MemberRequest | LeadershipRequest,
    options: CallOptions,
  ): Promise<void> {
    await this.#ask(request, options);
    const timeoutMs = Math.min(STATUS_INTERVAL_MS, this.#options.callTimeoutMs);
    await this.#refreshStatus({ timeoutMs }).catch((error: unknown) => this.#noStatus(error));
  }

  #noStatus(error: unknown): void {
    const fields = { event: 'client.statusUnknown', error };
    this.#options.logger.debug(fields, 'No server tells how it stands.');
  }

  async #refreshStatus(options: CallOptions): Promise<void> {
    const answer = await this.#ask({ kind: 'status' }, options);
    assert(answer.kind === 'status', 'a question about the status has a status as its answer');
    this.#status = answer.status;
    const addresses = answer.status.members.flatMap(({ clientAddress }) => clientAddress ?? []);
    this.#endpoints.learn(addresses);
    // A server without a leader keeps calls until their deadline, for one may come; another server
    // may have one now. A member that was cut off or lost its disk can be without for good.
    if (answer.status.leader === null) this.#endpoints.avoid(this.#endpoints.preferred);
  }

  #refreshLater(): void {
    if (this.#closing.isOver) return;
    this.#statusTimer = this.#options.clock.after(STATUS_INTERVAL_MS, () => {
      this.#refreshStatus({ timeoutMs: STATUS_INTERVAL_MS })
        .catch((error: unknown) => this.#noStatus(error))
        .finally(() => this.#refreshLater());
    });
    // It serves whoever uses the client; it is no reason to stay.
    this.#statusTimer.keepAlive(false);
  }
}

/** What a cursor stands for is held by this server and by no other. */
function answerAt(address: string, answer: ClientAnswer): ClientAnswer {
  if (answer.kind === 'range' && answer.cursor !== null) {
    return { ...answer, cursor: cursorAt(address, answer.cursor) };
  }
  if (answer.kind === 'save' && answer.part.cursor !== null) {
    const { part } = answer;
    return { kind: 'save', part: { ...part, cursor: cursorAt(address, answer.part.cursor) } };
  }
  return answer;
}
