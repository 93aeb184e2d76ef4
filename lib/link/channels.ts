import { assert, type NodeId, QuorateError } from '../base/index.js';
import type { Logger } from '../interfaces/index.js';
import { type Channel, encodeFailure, type LinkFrame, type LinkFrameKind } from '../wire/index.js';
import type { Peer, Sender } from './peers.js';

/** What one channel does with what arrives. `payload` is the handler's own memory. */
export interface ChannelHandler {
  /** A one-way frame. Called in the order of arrival; must not throw. */
  receive?(sender: Sender, payload: Uint8Array): void;
  /** The answer to a request. A `QuorateError` reaches the sender as it is. */
  request?(sender: Sender, payload: Uint8Array): Promise<Uint8Array>;
}

export interface ChannelsOptions {
  readonly nodeId: NodeId;
  readonly logger: Logger;
  readonly maxPayloadBytes: number;
  /** Requests of one peer that are carried out at once; further ones are ERR_BUSY. */
  readonly maxServedPerPeer: number;
  /** Told of a frame that nothing here handles. */
  readonly onUnhandled: (peer: Peer, channel: Channel) => void;
}

/** An answer, or a failure, to be sent back. */
export interface Answer {
  readonly kind: LinkFrameKind;
  readonly payload: Uint8Array;
}

/** Who handles which channel, and what is made of a handler that fails. */
export class Channels {
  readonly #options: ChannelsOptions;
  readonly #handlers = new Map<Channel, ChannelHandler>();

  constructor(options: ChannelsOptions) {
    this.#options = options;
  }

  set(channel: Channel, handler: ChannelHandler): void {
    assert(!this.#handlers.has(channel), 'a channel has one handler');
    this.#handlers.set(channel, handler);
  }

  deliver(peer: Peer, sender: Sender, { channel, payload }: LinkFrame): void {
    const handler = this.#handlers.get(channel);
    if (handler?.receive === undefined) {
      this.#options.onUnhandled(peer, channel);
      return;
    }
    try {
      handler.receive(sender, payload);
    } catch (error) {
      this.#logFailure(peer, channel, error);
    }
  }

  /** Carries a request out. Never rejects. */
  async answer(peer: Peer, sender: Sender, frame: LinkFrame): Promise<Answer> {
    peer.serving += 1;
    try {
      return { kind: 'response', payload: await this.#carryOut(peer, sender, frame) };
    } catch (error) {
      const failure = this.#failureOf(peer, frame.channel, error);
      return { kind: 'failure', payload: encodeFailure(failure) };
    } finally {
      peer.serving -= 1;
    }
  }

  async #carryOut(
    peer: Peer,
    sender: Sender,
    { channel, payload }: LinkFrame,
  ): Promise<Uint8Array> {
    const { nodeId, maxServedPerPeer, maxPayloadBytes, onUnhandled } = this.#options;
    if (peer.serving > maxServedPerPeer) {
      const message = `${nodeId} serves enough calls of ${peer.id}`;
      throw new QuorateError('ERR_BUSY', { message });
    }
    const handler = this.#handlers.get(channel);
    if (handler?.request === undefined) {
      onUnhandled(peer, channel);
      const message = `${nodeId} answers nothing on channel ${channel}`;
      throw new QuorateError('ERR_PROTOCOL', { message });
    }
    const answer = await handler.request(sender, payload);
    if (answer.length <= maxPayloadBytes) return answer;
    // It was carried out; only its answer is lost.
    throw tooLarge(answer.length, maxPayloadBytes, 'unknown');
  }

  #failureOf(peer: Peer, channel: Channel, error: unknown): QuorateError {
    if (QuorateError.is(error)) return error;
    this.#logFailure(peer, channel, error);
    // What failed says nothing about what was done before. Its text and stack are nobody else's.
    return new QuorateError('ERR_CLOSED', {
      message: `${this.#options.nodeId} failed while it carried out the call`,
      outcome: 'unknown',
    });
  }

  #logFailure(peer: Peer, channel: Channel, error: unknown): void {
    const fields = { event: 'link.handlerFailed', peer: peer.id, channel, error };
    this.#options.logger.error(fields, 'The handler of a channel threw.');
  }
}

/** A payload that does not fit a frame. */
export function tooLarge(
  lengthBytes: number,
  maxPayloadBytes: number,
  outcome: 'rejected' | 'unknown',
): QuorateError {
  const message = `${lengthBytes} bytes do not fit a frame of ${maxPayloadBytes}`;
  return new QuorateError('ERR_TOO_LARGE', { message, outcome });
}
