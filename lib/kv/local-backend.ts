import {
  type Limits,
  maxFrameBytes,
  type NodeId,
  QuorateError,
  toHex,
  unreachable,
} from '../base/index.js';
import type { EventBus, Membership, NodeStatus, TransferResult } from '../interfaces/index.js';
import type { Group, GroupEnd, Host } from '../node/index.js';
import type { CallOptions, KVBackend, KVRequest, KVResponse, SavedPart } from '../store/index.js';
import type { KVStateMachine } from './kv-state-machine.js';
import {
  COMMAND_VERSION,
  decodeResult,
  encodeCommand,
  type KVCommand,
  type KVResult,
} from './machine/index.js';
import { OpenSaves } from './saves.js';
import { OpenViews } from './views.js';

export interface LocalBackendOptions {
  readonly host: Host;
  readonly group: Group;
  readonly machine: KVStateMachine;
  /** Closes the group, or the whole node where the store is all there is. */
  readonly close: () => Promise<void>;
  readonly closed: Promise<GroupEnd>;
}

/**
 * Keys and values of one page, at most, beside its last entry: with what a thousand entries take to
 * describe, an answer always fits a frame.
 */
const MAX_PAGE_BYTES = 16 * 1024;

/** Of a state that is being saved: few enough round trips, and far from what a frame holds. */
const MAX_PART_BYTES = 256 * 1024;
/** What a part says beside its content; a configuration is the longest of it. */
const PART_ALLOWANCE_BYTES = 32 * 1024;

function maxPartBytes(limits: Limits): number {
  return Math.min(MAX_PART_BYTES, maxFrameBytes(limits) - PART_ALLOWANCE_BYTES);
}

type ReadRequest = KVRequest & { readonly kind: 'get' | 'range' };

/** Carries requests out on this node: writes by way of the leader, reads from what is applied here. */
export class LocalBackend implements KVBackend {
  readonly #options: LocalBackendOptions;
  readonly #membership: Membership;
  readonly #views: OpenViews;
  readonly #saves: OpenSaves;

  constructor(options: LocalBackendOptions) {
    this.#options = options;
    this.#membership = options.host.membership(options.group);
    const { clock, random, limits } = options.host.settings;
    const instance = toHex(random.bytes(8));
    this.#views = new OpenViews({ clock, maxOpenViews: limits.maxOpenViews, instance });
    this.#saves = new OpenSaves({ clock, maxPartBytes: maxPartBytes(limits), instance });
  }

  get id(): NodeId {
    return this.#options.host.id;
  }

  get events(): EventBus {
    return this.#options.host.settings.events;
  }

  get membership(): Membership {
    return this.#membership;
  }

  get closed(): Promise<GroupEnd> {
    return this.#options.closed;
  }

  get maxKeyBytes(): number {
    return this.#options.host.settings.limits.maxKeyBytes;
  }

  get maxValueBytes(): number {
    return this.#options.host.settings.limits.maxValueBytes;
  }

  transferLeadership(to: NodeId | null, options: CallOptions): Promise<TransferResult> {
    return this.#options.group.transfers.transfer(to, options);
  }

  status(): NodeStatus {
    return this.#options.host.status(this.#options.group);
  }

  async ready(options: CallOptions): Promise<void> {
    await this.#options.group.calls.readBarrier(options);
  }

  async close(): Promise<void> {
    this.#views.close();
    this.#saves.close();
    await this.#options.close();
  }

  async savePart(cursor: string | null, options: CallOptions): Promise<SavedPart> {
    const { group, machine } = this.#options;
    group.calls.checkOpen();
    if (cursor !== null) return await this.#saves.next(cursor);
    this.#saves.checkRoom();
    await group.calls.readBarrier(options);
    group.calls.checkOpen();
    this.#saves.checkRoom();
    // All of one turn: what the state says of itself is what it holds (schedule D15).
    const { draft, chunks } = group.snapshots.capture();
    const { revision, size: keyCount } = machine.machine;
    return await this.#saves.begin({ ...draft, group: group.id, revision, keyCount }, chunks);
  }

  async execute(request: KVRequest, options: CallOptions): Promise<KVResponse> {
    const { events, clock, tracer } = this.#options.host.settings;
    const origin = { nodeId: this.id, group: this.#options.group.id };
    const operation = request.kind;
    const startedMs = clock.now();
    const span = tracer.start(`quorate.${operation}`, origin);
    events.emit('client.requestReceived', () => ({ ...origin, operation }));
    const completed = (code: string | null): void => {
      events.emit('client.requestCompleted', () => {
        return { ...origin, operation, durationMs: clock.now() - startedMs, code };
      });
    };
    try {
      const response = await this.#execute(request, options);
      completed(response.kind === 'conditionFailed' ? 'ERR_CONDITION' : null);
      span.end();
      return response;
    } catch (error) {
      completed(QuorateError.is(error) ? error.code : 'ERR_INTERNAL');
      span.end(error);
      throw error;
    }
  }

  async #execute(request: KVRequest, options: CallOptions): Promise<KVResponse> {
    const { machine } = this.#options.machine;
    // A machine that has stopped may have stopped in the middle of a change.
    this.#options.group.calls.checkOpen();
    switch (request.kind) {
      case 'put':
      case 'delete':
        return await this.#write(request, options);
      case 'get':
        // What may be read is read in the same turn: a lease could end in the next.
        if (!this.#mayRead(request)) await this.#catchUp(request, options);
        return { kind: 'get', entry: machine.get(request.key), revision: machine.revision };
      case 'range':
        if (request.cursor !== null) return this.#nextPage(request.cursor, request.limit);
        if (!this.#mayRead(request)) await this.#catchUp(request, options);
        return this.#firstPage(request);
      case 'release':
        this.#views.release(request.cursor);
        this.#saves.release(request.cursor);
        return { kind: 'release' };
      default:
        return unreachable(request);
    }
  }

  async #write(command: KVCommand, options: CallOptions): Promise<KVResponse> {
    const { calls } = this.#options.group;
    const packed = await calls.submit(encodeCommand(command), COMMAND_VERSION, options);
    const result = resultOf(packed);
    if (result.kind !== 'failed') return result;
    throw new QuorateError(result.code, { message: result.message });
  }

  /** Whether what is applied here is fresh enough now. */
  #mayRead({
    consistency,
    minRevision = 0,
    maxStalenessMs = Number.POSITIVE_INFINITY,
  }: ReadRequest): boolean {
    const { group, machine } = this.#options;
    switch (consistency) {
      case 'linearizable':
        return false;
      case 'leaderLease':
        return group.holdsLease();
      case 'stale':
        // A state that was lost is no old one: it is nothing.
        if (group.lacksState) return false;
        return machine.machine.revision >= minRevision && group.stalenessMs() <= maxStalenessMs;
      default:
        return unreachable(consistency);
    }
  }

  /** Asks the leader, and waits for what this node lacks. A stale read needs no more than it asks for. */
  async #catchUp(request: ReadRequest, options: CallOptions): Promise<void> {
    const { calls } = this.#options.group;
    const { consistency, minRevision = 0 } = request;
    const isEnough = consistency === 'stale' ? () => this.#mayRead(request) : undefined;
    await calls.readBarrier(options, isEnough);
    // It may have stopped in the turn that let this read pass.
    calls.checkOpen();
    const { revision } = this.#options.machine.machine;
    if (revision >= minRevision) return;
    throw new QuorateError('ERR_CONFIG', {
      message: `nobody has written revision ${minRevision} yet; the latest is ${revision}`,
    });
  }

  #firstPage(request: KVRequest & { kind: 'range' }): KVResponse {
    const { from, to, limit, reverse } = request;
    const view = this.#options.machine.machine.view();
    const { revision } = view;
    const { entries, rest } = view.range({ from, to, limit, reverse, maxBytes: MAX_PAGE_BYTES });
    if (rest !== null) {
      return {
        kind: 'range',
        items: entries,
        cursor: this.#views.hold(view, rest, reverse),
        revision,
      };
    }
    view.release();
    return { kind: 'range', items: entries, cursor: null, revision };
  }

  #nextPage(cursor: string, limit: number): KVResponse {
    const { view, rest, reverse } = this.#views.resume(cursor);
    const { revision } = view;
    const page = view.range({ ...rest, limit, reverse, maxBytes: MAX_PAGE_BYTES });
    const next = this.#views.advance(cursor, page.rest);
    return { kind: 'range', items: page.entries, cursor: next, revision };
  }
}

/** A leader of another version may answer what this one cannot read: it was carried out all the same. */
function resultOf(packed: Uint8Array): KVResult {
  try {
    return decodeResult(packed);
  } catch (cause) {
    if (!QuorateError.is(cause)) throw cause;
    const { code, reason: message } = cause;
    throw new QuorateError(code, { message, outcome: 'unknown', cause });
  }
}
