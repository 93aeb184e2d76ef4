import {
  type Limits,
  maxFrameBytes,
  type Outcome,
  QuorateError,
  unreachable,
} from '../base/index.js';
import type { ChangeOptions, FrameConnection, Logger, Membership } from '../interfaces/index.js';
import type { CallOptions, KVBackend, KVRequest, SavedPart } from '../store/index.js';
import {
  CLIENT_PROTOCOL_VERSION,
  type ClientAnswer,
  type ClientCall,
  type ClientFrame,
  decodeClientFrame,
  encodeServerFrame,
  type MemberRequest,
  type ServerFrame,
  type ServerHello,
} from '../wire/index.js';
import { validateRequest } from './request-validation.js';

export interface ClientSessionOptions {
  readonly connection: FrameConnection;
  readonly backend: KVBackend;
  readonly limits: Limits;
  readonly logger: Logger;
  /** Told why, when the connection is closed from here. */
  readonly onRefused: (reason: string) => void;
}

/** Why calls are aborted by the server itself. */
const CLOSING = new Error('the server is closing');

/** Calls of one connection that may wait for an answer: one client must not use up those of all. */
const MAX_CALLS_PER_CONNECTION = 1024;

/**
 * One client's connection: a hello, then calls that are carried out side by side and answered as
 * they are done. What a client must not send ends its connection and nobody else's.
 */
export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #maxFrameBytes: number;
  readonly #maxCalls: number;
  /** By the id of the call; aborted when the client is gone. */
  readonly #calls = new Map<number, AbortController>();
  /** Cursors of states that this client has not read to their end. */
  readonly #saves = new Set<string>();
  #greeted = false;
  #draining = false;
  #over = false;
  #onIdle: () => void = () => {};

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    this.#maxFrameBytes = maxFrameBytes(options.limits);
    this.#maxCalls = Math.min(MAX_CALLS_PER_CONNECTION, options.limits.maxPendingCalls);
  }

  onFrame(bytes: Uint8Array): void {
    if (this.#over) return;
    let frame: ClientFrame;
    try {
      frame = decodeClientFrame(bytes);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      this.#refuse(error);
      return;
    }
    if (frame.kind === 'hello') this.#onHello(frame.protocolVersion);
    else this.#onRequest(frame);
  }

  /** The client is gone: nobody waits for what is under way. */
  onClose(reason: string): void {
    this.#over = true;
    for (const call of this.#calls.values()) call.abort(new Error(`the client is gone: ${reason}`));
    this.#releaseSaves();
  }

  /** Refuses further calls, and resolves when those under way are answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#calls.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /**
   * Ends what is under way, after `drain`: each call is answered with what may be concluded. One that was
   * proposed nowhere can be made again at another server.
   */
  giveUp(): void {
    for (const call of this.#calls.values()) call.abort(CLOSING);
  }

  #onHello(protocolVersion: number): void {
    if (this.#greeted) {
      this.#refuse(protocolError('a second hello'));
      return;
    }
    if (protocolVersion !== CLIENT_PROTOCOL_VERSION) {
      const ours = `this server speaks ${CLIENT_PROTOCOL_VERSION}`;
      this.#refuse(protocolError(`client protocol version ${protocolVersion}; ${ours}`));
      return;
    }
    this.#greeted = true;
    try {
      this.#send({ kind: 'hello', ...this.#hello() });
    } catch (error) {
      this.#refuse(this.#failureOf(error));
    }
  }

  #hello(): ServerHello {
    const { backend } = this.#options;
    return {
      protocolVersion: CLIENT_PROTOCOL_VERSION,
      nodeId: backend.id,
      clusterId: backend.status().clusterId,
      maxKeyBytes: backend.maxKeyBytes,
      maxValueBytes: backend.maxValueBytes,
      maxPendingCalls: this.#maxCalls,
    };
  }

  #onRequest({ id, timeoutMs, call }: Extract<ClientFrame, { kind: 'request' }>): void {
    if (!this.#greeted) this.#refuse(protocolError('a request before the hello'));
    else if (this.#calls.has(id)) this.#refuse(protocolError('the id of a call under way'));
    else void this.#answer(id, call, timeoutMs);
  }

  /** Carries a call out and answers it. Never rejects. */
  async #answer(id: number, call: ClientCall, timeoutMs: number): Promise<void> {
    const controller = new AbortController();
    let answer: ClientAnswer;
    try {
      this.#admit();
      this.#calls.set(id, controller);
      answer = await this.#carryOut(call, Math.max(1, timeoutMs), controller.signal);
    } catch (error) {
      answer = { kind: 'failure', error: this.#failureOf(error) };
      // The client has not aborted it.
      if (controller.signal.reason === CLOSING) answer = closing(answer.error.outcome);
    }
    this.#calls.delete(id);
    if (!this.#over) this.#sendAnswer(id, answer);
    if (this.#calls.size === 0) this.#onIdle();
  }

  #admit(): void {
    if (this.#draining) {
      throw closing('rejected').error;
    }
    if (this.#calls.size >= this.#maxCalls) {
      const message = `${this.#maxCalls} calls of this connection wait for answers`;
      throw new QuorateError('ERR_BUSY', { message });
    }
  }

  async #carryOut(call: ClientCall, timeoutMs: number, signal: AbortSignal): Promise<ClientAnswer> {
    const { backend } = this.#options;
    switch (call.kind) {
      case 'status':
        return { kind: 'status', status: backend.status() };
      case 'ready':
        await backend.ready({ timeoutMs, signal });
        return { kind: 'ready' };
      case 'member':
        await changeMembers(backend.membership, call, { timeoutMs, signal });
        return { kind: 'member' };
      case 'leadership': {
        const expect = call.expect ?? undefined;
        await backend.membership.setLeadership(call.leadership, { timeoutMs, signal, expect });
        return { kind: 'leadership' };
      }
      case 'transfer': {
        const { leader } = await backend.transferLeadership(call.to, { timeoutMs, signal });
        return { kind: 'transfer', leader };
      }
      case 'save':
        return { kind: 'save', part: await this.#save(call.cursor, { timeoutMs, signal }) };
      case 'get':
      case 'put':
      case 'delete':
      case 'range':
      case 'release':
        return this.#execute(call, timeoutMs, signal);
      default:
        return unreachable(call);
    }
  }

  /** What is being saved is held for this client: it goes with the connection. */
  async #save(cursor: string | null, options: CallOptions): Promise<SavedPart> {
    if (cursor !== null) this.#saves.delete(cursor);
    const part = await this.#options.backend.savePart(cursor, options);
    if (part.cursor !== null) this.#saves.add(part.cursor);
    if (this.#over) this.#releaseSaves();
    return part;
  }

  #releaseSaves(): void {
    for (const cursor of this.#saves) {
      this.#options.backend.execute({ kind: 'release', cursor }, {}).catch((error: unknown) => {
        const fields = { event: 'server.saveNotReleased', error };
        this.#options.logger.debug(fields, 'A state that was being saved is dropped later.');
      });
    }
    this.#saves.clear();
  }

  async #execute(
    request: KVRequest,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ClientAnswer> {
    const { backend } = this.#options;
    // The store at the client has looked as well, but the client may be anybody's.
    validateRequest(request, backend);
    return backend.execute(request, { timeoutMs, signal });
  }

  #failureOf(error: unknown): QuorateError {
    if (QuorateError.is(error)) return error;
    const fields = { event: 'server.callFailed', error };
    this.#options.logger.error(fields, 'The store failed in a way that it must not.');
    // What failed says nothing about what was done before. Its text and stack are nobody else's.
    const message = 'the server failed while it carried out the call';
    return new QuorateError('ERR_CLOSED', { message, outcome: 'unknown' });
  }

  #sendAnswer(id: number, answer: ClientAnswer): void {
    const frame = encodeServerFrame({ kind: 'response', id, answer });
    if (frame.length <= this.#maxFrameBytes) {
      this.#sendBytes(frame);
      return;
    }
    const message = `the answer has ${frame.length} bytes; ask for fewer entries at once`;
    const error = new QuorateError('ERR_TOO_LARGE', { message });
    this.#send({ kind: 'response', id, answer: { kind: 'failure', error } });
  }

  #send(frame: ServerFrame): void {
    this.#sendBytes(encodeServerFrame(frame));
  }

  #sendBytes(frame: Uint8Array): void {
    if (this.#options.connection.send(frame)) return;
    // An answer that is left out would be waited for; a connection that ends is noticed.
    this.#end('the client does not read its answers');
  }

  #refuse(error: QuorateError): void {
    this.#options.connection.send(encodeServerFrame({ kind: 'refusal', error }));
    this.#end(error.reason);
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#releaseSaves();
    this.#options.onRefused(reason);
    this.#options.connection.close();
  }
}

async function changeMembers(
  membership: Membership,
  { action, id, by, peerAddress, clientAddress, expect, priority }: MemberRequest,
  wait: ChangeOptions,
): Promise<void> {
  const options = {
    ...wait,
    expect: expect ?? undefined,
    peerAddress: peerAddress ?? undefined,
    clientAddress: clientAddress ?? undefined,
    priority: priority ?? undefined,
  };
  if (action === 'replace') await membership.replace(id, by ?? id, options);
  else await membership[action](id, options);
}

function closing(outcome: Outcome): ClientAnswer & { readonly kind: 'failure' } {
  const message = 'the server is closing';
  return { kind: 'failure', error: new QuorateError('ERR_CLOSED', { message, outcome }) };
}

function protocolError(message: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message });
}
