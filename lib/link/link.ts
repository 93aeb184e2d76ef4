import {
  assert,
  type Incarnation,
  isIncarnation,
  type Limits,
  maxFrameBytes,
  type NodeId,
  QuorateError,
  unreachable,
} from '../base/index.js';
import type {
  Clock,
  EventBus,
  Lane,
  Logger,
  NetworkTransport,
  Random,
  Verdict,
} from '../interfaces/index.js';
import {
  type Channel,
  decodeFailure,
  decodeGreeting,
  encodeGreeting,
  type Greeting,
  LINK_HEADER_BYTES,
  type LinkFrame,
  PROTOCOL_VERSION,
  packLinkFrame,
  packLinkIdentity,
  unpackLinkFrame,
} from '../wire/index.js';
import { type ChannelHandler, Channels, tooLarge } from './channels.js';
import {
  clusterFault,
  type DropReason,
  type Peer,
  type PeerStatus,
  PeerTable,
  type Sender,
} from './peers.js';
import { PendingRequests } from './pending-requests.js';

export interface LinkOptions {
  /** The link's own from here on: closing the link closes it. */
  readonly transport: NetworkTransport;
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** One start of this process: 16 hexadecimal digits. */
  readonly instance: string;
  /** Null until the node belongs to a cluster. */
  readonly clusterId: string | null;
  /** Where the transport listens; null for one without addresses. */
  readonly listen: string | null;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events?: EventBus | undefined;
  /** Whoever was dialled as `dialed` has another name. Called inside the transport's own work. */
  readonly onAnsweredAs?: ((dialed: NodeId, peer: NodeId) => void) | undefined;
  /** The last connection to a peer is gone; `'goodbye'` where it closed cleanly. Must not throw. */
  readonly onPeerLost?: ((peer: NodeId, reason: string) => void) | undefined;
  /** A dial came to nothing. Called inside the transport's own work. */
  readonly onPeerUnreachable?: ((peer: NodeId) => void) | undefined;
  /** Frames to and from `peer` can flow again. */
  readonly onPeerConnected?: ((peer: NodeId) => void) | undefined;
}

export interface RequestOptions {
  /** Milliseconds until the request gives up. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Of the request and of its answer. Default `'bulk'`. */
  readonly lane?: Lane | undefined;
}

/** Channels, requests and identity, once for every transport. `index.ts` has the picture. */
export class Link implements AsyncDisposable {
  readonly #options: LinkOptions;
  readonly #maxPayloadBytes: number;
  readonly #channels: Channels;
  readonly #peers = new PeerTable();
  readonly #pending: PendingRequests<Uint8Array>;
  #clusterId: string | null;
  #identity: Uint8Array;
  #closing: Promise<void> | null = null;

  constructor(options: LinkOptions) {
    const { nodeId, incarnation, instance, clusterId, limits, clock, random, logger } = options;
    assert(isIncarnation(incarnation), 'an incarnation is 16 hexadecimal digits');
    assert(nodeId !== '', 'a node has a name');
    this.#options = options;
    this.#maxPayloadBytes = maxFrameBytes(limits) - LINK_HEADER_BYTES;
    this.#channels = new Channels({
      nodeId,
      logger,
      maxPayloadBytes: this.#maxPayloadBytes,
      maxServedPerPeer: limits.maxPendingCalls,
      onUnhandled: (peer, channel) => this.#drop(peer, 'noHandler', `on channel ${channel}`),
    });
    this.#pending = new PendingRequests(clock, random);
    this.#clusterId = clusterId;
    this.#identity = packLinkIdentity({ clusterId, incarnation, instance });
  }

  /** Resolves when peers can reach this node. Called once; handlers and peers may be set before. */
  start(): Promise<{ readonly address: string | null }> {
    const { transport, nodeId, listen, limits, clock, random, logger } = this.#options;
    return transport.start({
      self: nodeId,
      listen,
      maxFrameBytes: maxFrameBytes(limits),
      maxQueuedBytes: limits.maxQueuedBytes,
      clock,
      random,
      logger,
      handler: {
        greeting: (lane) => this.#greeting(lane),
        judge: (greeting) => this.#judge(greeting),
        receive: (from, frame, lane) => this.#receive(from, frame, lane),
        peerConnected: (peer) => this.#onConnected(peer),
        peerLost: (peer, reason) => this.#onLost(peer, reason),
        peerAnsweredAs: (dialed, peer) => this.#options.onAnsweredAs?.(dialed, peer),
        peerUnreachable: (peer, reason) => {
          const known = this.#peers.get(peer);
          if (!known.connected) known.reason = reason;
          this.#options.onPeerUnreachable?.(peer);
        },
      },
    });
  }

  /** From now on every frame and greeting names the cluster. It is set once and never changes. */
  setClusterId(clusterId: string): void {
    assert(this.#clusterId === null || this.#clusterId === clusterId, 'a cluster is joined once');
    const { incarnation, instance } = this.#options;
    this.#clusterId = clusterId;
    this.#identity = packLinkIdentity({ clusterId, incarnation, instance });
  }

  /** Replaces the address book, name to address. This node's own name may be in it. */
  setPeers(peers: ReadonlyMap<NodeId, string>): void {
    this.#peers.setBook(peers);
    this.#options.transport.setPeers(peers);
  }

  /** One handler for each channel, set once. */
  handle(channel: Channel, handler: ChannelHandler): void {
    this.#channels.set(channel, handler);
  }

  /** Best effort. False when it was certainly not sent; true promises nothing. */
  send(to: NodeId, channel: Channel, payload: Uint8Array, lane: Lane): boolean {
    return this.#transmit(to, { channel, kind: 'oneWay', correlation: 0, payload }, lane);
  }

  /**
   * Sends a request and gives its answer. Rejects with outcome `'rejected'` when it was certainly not
   * sent, with `'unknown'` when it was and no answer came: too late, aborted, the peer lost, or the
   * link closed. A failure of the other side is rejected with as that side states it.
   */
  async request(
    to: NodeId,
    channel: Channel,
    payload: Uint8Array,
    { timeoutMs, signal, lane = 'bulk' }: RequestOptions,
  ): Promise<Uint8Array> {
    this.#validateRequest(payload, signal);
    const correlation = this.#pending.nextCorrelation();
    if (!this.#transmit(to, { channel, kind: 'request', correlation, payload }, lane)) {
      throw this.#notSent(to);
    }
    return this.#pending.wait(correlation, { to, channel, timeoutMs, signal });
  }

  /** What is known of every peer, sorted by name. */
  peers(): readonly PeerStatus[] {
    return this.#peers.statuses(this.#options.nodeId);
  }

  /** Settles every pending request and closes the transport. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#pending.close('the node was closed');
    await this.#options.transport.close();
  }

  #transmit(to: NodeId, frame: Omit<LinkFrame, 'identity'>, lane: Lane): boolean {
    if (this.#closing !== null || frame.payload.length > this.#maxPayloadBytes) return false;
    const bytes = packLinkFrame({ ...frame, identity: this.#identity });
    return this.#options.transport.send(to, bytes, lane);
  }

  #validateRequest(payload: Uint8Array, signal: AbortSignal | undefined): void {
    if (this.#closing !== null) {
      throw new QuorateError('ERR_CLOSED', { message: 'the node is closed' });
    }
    if (signal?.aborted === true) {
      throw new QuorateError('ERR_ABORTED', {
        message: 'the call was aborted',
        cause: signal.reason,
      });
    }
    const { maxPendingCalls } = this.#options.limits;
    if (this.#pending.count >= maxPendingCalls) {
      throw new QuorateError('ERR_BUSY', {
        message: `${maxPendingCalls} requests wait for answers`,
      });
    }
    if (payload.length > this.#maxPayloadBytes) {
      throw tooLarge(payload.length, this.#maxPayloadBytes, 'rejected');
    }
  }

  #notSent(to: NodeId): QuorateError {
    const { connected, reason } = this.#peers.get(to);
    const why = connected ? 'its queue is full' : (reason ?? 'not connected yet');
    return new QuorateError('ERR_UNREACHABLE', { message: `${to} cannot be reached: ${why}` });
  }

  #greeting(lane: Lane): Uint8Array {
    const { nodeId, incarnation, instance } = this.#options;
    const clusterId = this.#clusterId;
    const protocolVersion = PROTOCOL_VERSION;
    return encodeGreeting({ protocolVersion, clusterId, nodeId, incarnation, instance, lane });
  }

  #judge(bytes: Uint8Array): Verdict {
    let greeting: Greeting;
    try {
      greeting = decodeGreeting(bytes);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      return { accepted: false, reason: 'its greeting is malformed' };
    }
    const { nodeId, lane, protocolVersion, clusterId } = greeting;
    if (protocolVersion !== PROTOCOL_VERSION) {
      return { accepted: false, reason: `speaks protocol version ${protocolVersion}` };
    }
    if (nodeId === this.#options.nodeId) {
      return { accepted: false, reason: `answers as ${nodeId}, which is this node` };
    }
    const peer = this.#peers.get(nodeId);
    // The channel that is open to everybody: what is refused here has nothing to say.
    if (clusterFault(this.#clusterId, clusterId, 'admin') !== null) {
      peer.reason = `belongs to cluster ${clusterId}`;
      this.#drop(peer, 'wrongCluster', `${nodeId} ${peer.reason}`);
      return { accepted: false, reason: peer.reason };
    }
    peer.greet(greeting);
    return { accepted: true, peer: nodeId, lane };
  }

  #onConnected(id: NodeId): void {
    const peer = this.#peers.get(id);
    peer.connected = true;
    peer.reason = null;
    this.#options.onPeerConnected?.(id);
    const { nodeId, events } = this.#options;
    events?.emit('network.peerConnected', () => ({ nodeId, group: null, peer: id }));
  }

  #onLost(id: NodeId, reason: string): void {
    const peer = this.#peers.get(id);
    peer.connected = false;
    peer.reason = reason;
    this.#pending.failAllTo(id, reason);
    this.#options.onPeerLost?.(id, reason);
    const { nodeId, events } = this.#options;
    events?.emit('network.peerLost', () => ({ nodeId, group: null, peer: id, reason }));
  }

  #receive(from: NodeId, bytes: Uint8Array, lane: Lane): void {
    if (this.#closing !== null) return;
    const peer = this.#peers.get(from);
    let frame: LinkFrame;
    try {
      frame = unpackLinkFrame(bytes);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      this.#drop(peer, 'malformed', error.message);
      return;
    }
    const sender = peer.senderOf(frame.identity);
    const fault = this.#faultOf(peer, sender, frame, lane);
    if (fault !== null) this.#drop(peer, fault, `on channel ${frame.channel}`);
    else this.#dispatch(peer, sender, frame, lane);
  }

  #faultOf(peer: Peer, sender: Sender, frame: LinkFrame, lane: Lane): DropReason | null {
    const fault = clusterFault(this.#clusterId, sender.clusterId, frame.channel);
    if (fault !== null) return fault;
    return peer.isGreeted(sender, lane) ? null : 'wrongIncarnation';
  }

  #dispatch(peer: Peer, sender: Sender, frame: LinkFrame, lane: Lane): void {
    const { nodeId, events } = this.#options;
    const { channel, kind } = frame;
    events?.emit('network.messageReceived', () => {
      return { nodeId, group: null, from: peer.id, kind: channel };
    });
    switch (kind) {
      case 'oneWay':
        this.#channels.deliver(peer, sender, frame);
        break;
      case 'request':
        if (peer.seen.isFirst(sender.instance, frame.correlation)) {
          void this.#serve(peer, sender, frame, lane);
        } else this.#drop(peer, 'repeated', `on channel ${frame.channel}`);
        break;
      case 'response':
        this.#settle(peer, frame, frame.payload);
        break;
      case 'failure':
        this.#settle(peer, frame, failureIn(frame.payload));
        break;
      default:
        unreachable(kind);
    }
  }

  #settle(
    peer: Peer,
    { correlation, channel }: LinkFrame,
    answer: Uint8Array | QuorateError,
  ): void {
    if (this.#pending.settle(correlation, peer.id, channel, answer)) return;
    this.#drop(peer, 'lateAnswer', `on channel ${channel}`);
  }

  async #serve(peer: Peer, sender: Sender, frame: LinkFrame, lane: Lane): Promise<void> {
    const answer = await this.#channels.answer(peer, sender, frame);
    // Another start of the peer is not waiting for it, and could mistake it for an answer of its own.
    if (peer.instance !== sender.instance) return;
    const { channel, correlation } = frame;
    // Where the answer cannot be sent, the other side learns by its deadline that the outcome is unknown.
    this.#transmit(peer.id, { ...answer, channel, correlation }, lane);
  }

  #drop(peer: Peer, reason: DropReason, detail: string): void {
    if (!peer.drop(reason)) return;
    const fields = { event: 'link.frameDropped', peer: peer.id, reason, detail };
    const { logger } = this.#options;
    // The others are ordinary while nodes start, stop and join. A stranger has any number of names, and
    // would have as many lines; whoever is refused is in the transport's log.
    const isStrange =
      (reason === 'malformed' || reason === 'wrongCluster') && this.#peers.isInBook(peer.id);
    if (isStrange)
      logger.warn(fields, 'Frames of a peer are dropped; further ones are only counted.');
    else logger.debug(fields, 'Frames of a peer are dropped; further ones are only counted.');
  }
}

function failureIn(payload: Uint8Array): QuorateError {
  try {
    return decodeFailure(payload);
  } catch (cause) {
    const message = 'the other side failed in a way that this version does not understand';
    return new QuorateError('ERR_PROTOCOL', { message, outcome: 'unknown', cause });
  }
}
