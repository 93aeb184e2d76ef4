import {
  type GroupId,
  incarnationOf,
  type MemberId,
  memberId,
  type NodeId,
  nodeIdOf,
  QuorateError,
  unreachable,
} from '../base/index.js';
import type { NetworkTransport, StoredIdentity, Timer } from '../interfaces/index.js';
import { Link, type PeerStatus, type Sender } from '../link/index.js';
import { count } from '../observe/index.js';
import type { Configuration, Message } from '../raft/index.js';
import {
  decodePeerAnswer,
  decodePeerCall,
  decodeProbe,
  decodeRaftMessage,
  decodeSnapshotChunk,
  decodeSnapshotRequest,
  encodePeerAnswer,
  encodePeerCall,
  encodeProbe,
  encodeRaftMessage,
  encodeSnapshotChunk,
  encodeSnapshotRequest,
  type PeerAnswer,
  type PeerCall,
  type Probe,
  type SnapshotChunk,
  type SnapshotRequest,
} from '../wire/index.js';
import { AddressBook } from './address-book.js';
import { notOpen, storageFailed } from './faults.js';
import type { Group } from './group.js';
import type { NodeSettings } from './options.js';
import type { WaitOptions } from './pending-calls.js';

export interface PeerLinkOptions {
  readonly settings: NodeSettings;
  readonly transport: NetworkTransport;
  readonly identity: StoredIdentity;
  readonly instance: string;
  readonly group: (id: string) => Group | null;
  /** Throws a QuorateError where the group is not open here. */
  readonly answerProbe: (group: string, asking: Probe) => Probe;
  /** Makes the cluster this node's own, durably. */
  readonly adopt: (clusterId: string) => Promise<void>;
  readonly onPeerConnected: () => void;
  /** The last connection to the peer is gone. */
  readonly onPeerLost: (peer: NodeId, saidGoodbye: boolean) => void;
}

/** How long a question before the cluster exists waits for its answer. */
const PROBE_TIMEOUT_MS = 1000;
/** How long one is dialled who is to be added, or was removed. */
const PASSING_MS = 10_000;

/** A node's side of the link: which channel carries what, who may be heard, and where everybody is. */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #link: Link;
  readonly #self: MemberId;
  #clusterId: string | null;
  #adopting = false;
  readonly #book: AddressBook;
  /** What the transport was told last. */
  #dialled: ReadonlyMap<NodeId, string> = new Map();
  /** Whom a node that joins asks. Where only the address is known it stands for the name. */
  readonly #seeds = new Map<NodeId, string>();
  #address: string | null = null;
  #toldMisdirected = false;
  #sweeping: Timer | null = null;
  #isClosed = false;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    const { settings, identity, transport, instance } = options;
    const { nodeId, incarnation, clusterId } = identity;
    const { limits, clock, timing, random, logger, events, members, join } = settings;
    this.#self = memberId(nodeId, incarnation);
    this.#clusterId = clusterId;
    for (const seed of join ?? []) this.#seeds.set(seed, seed.includes(':') ? seed : '');
    this.#book = new AddressBook({
      now: () => clock.now(),
      told: new Map([...this.#seeds, ...members]),
      passingMs: Math.max(PASSING_MS, 4 * timing.electionTimeoutMaxMs),
    });
    const listen = members.get(nodeId) ?? '';
    this.#link = new Link({
      transport,
      nodeId,
      incarnation,
      instance,
      clusterId,
      listen: listen === '' ? null : listen,
      limits,
      clock,
      random,
      logger,
      events,
      // The transport is in the middle of refusing the connection.
      onAnsweredAs: (seed, peer) => clock.soon(() => this.#nameSeed(seed, peer)),
      onPeerUnreachable: (peer) => clock.soon(() => this.#missed(peer)),
      onPeerConnected: () => options.onPeerConnected(),
      onPeerLost: (peer, reason) => options.onPeerLost(peer, reason === 'goodbye'),
    });
    this.#link.handle('raft', { receive: (sender, payload) => this.#onRaft(sender, payload) });
    this.#link.handle('kv', { request: (_, payload) => this.#onCall(payload) });
    this.#link.handle('snapshot', { request: (_, payload) => this.#onSnapshotRequest(payload) });
    this.#link.handle('admin', { request: (sender, payload) => this.#onProbe(sender, payload) });
  }

  get address(): string | null {
    return this.#address;
  }

  async start(): Promise<void> {
    const { address } = await this.#link.start();
    this.#address = address;
    this.#dial();
  }

  setClusterId(clusterId: string): void {
    this.#clusterId = clusterId;
    this.#link.setClusterId(clusterId);
  }

  /** Takes note of where the members of a group are. What the log says wins. */
  learn(group: GroupId, configuration: Configuration): void {
    this.#book.learn(group, configuration);
    this.#dial();
  }

  /** Those by whom this node joins, by their names where they are known. */
  get seeds(): readonly NodeId[] {
    return [...this.#seeds.keys()];
  }

  /** Dials a node where no configuration says that it is. */
  introduce(id: NodeId, address: string): void {
    this.#book.introduce(id, address);
    this.#dial();
  }

  /** Those that are connected, as they were last heard. */
  incarnations(): readonly MemberId[] {
    return this.#link
      .peers()
      .filter(({ connected }) => connected)
      .flatMap(({ id, incarnation }) => (incarnation === null ? [] : [memberId(id, incarnation)]));
  }

  /**
   * Best effort. False when it was certainly not sent. Entries travel on a lane of their own, so that
   * they do not delay heartbeats.
   */
  send(message: Message): boolean {
    const { clock, timing } = this.#options.settings;
    if (timing.networkDelayMs === 0) return this.#transmit(message);
    clock.after(timing.networkDelayMs, () => this.#transmit(message)).keepAlive(false);
    return true;
  }

  async ask(peer: NodeId, call: PeerCall, timeoutMs: number): Promise<PeerAnswer> {
    return decodePeerAnswer(
      await this.#link.request(peer, 'kv', encodePeerCall(call), { timeoutMs }),
    );
  }

  async pull(from: MemberId, request: SnapshotRequest, timeoutMs: number): Promise<SnapshotChunk> {
    const payload = encodeSnapshotRequest(request);
    return decodeSnapshotChunk(
      await this.#link.request(nodeIdOf(from), 'snapshot', payload, { timeoutMs }),
    );
  }

  async probe(peer: NodeId, own: Probe): Promise<Probe> {
    const options = { timeoutMs: PROBE_TIMEOUT_MS };
    return decodeProbe(await this.#link.request(peer, 'admin', encodeProbe(own), options));
  }

  /** Why the other members are not heard, in words; empty when there is nothing to say. */
  explain(): string {
    const others = this.#link.peers().map(describePeer);
    return others.length === 0 ? '' : `; ${others.join('; ')}`;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#sweeping?.cancel();
    return this.#link.close();
  }

  /** Somebody answers at an address that this node was told to join by. */
  #nameSeed(seed: NodeId, peer: NodeId): void {
    const address = this.#seeds.get(seed);
    if (address === undefined || seed === peer) return;
    this.#seeds.delete(seed);
    this.#seeds.set(peer, address);
    this.#book.rename(seed, peer, address);
    this.#dial();
  }

  /** Nobody answers there: perhaps elsewhere. */
  #missed(peer: NodeId): void {
    if (this.#book.missed(peer)) this.#dial();
  }

  /** Tells the transport of a book that has changed, and looks again when somebody's time is over. */
  #dial(): void {
    const { clock } = this.#options.settings;
    const dueMs = this.#book.nextMs;
    this.#sweeping?.cancel();
    if (dueMs !== null && !this.#isClosed) {
      this.#sweeping = clock.after(Math.max(1, dueMs - clock.now()), () => {
        this.#book.sweep();
        this.#dial();
      });
      this.#sweeping.keepAlive(false);
    }
    const book = this.#book.entries;
    if (this.#isClosed || isSameBook(book, this.#dialled)) return;
    this.#dialled = book;
    this.#link.setPeers(book);
  }

  #transmit(message: Message): boolean {
    const lane = message.kind === 'append' ? 'bulk' : 'control';
    return this.#link.send(nodeIdOf(message.to), 'raft', encodeRaftMessage(message), lane);
  }

  #onRaft(sender: Sender, payload: Uint8Array): void {
    const message = this.#decode(sender, payload);
    if (message === null) return;
    const from = memberId(sender.nodeId, sender.incarnation);
    // A member is a node *and* an incarnation: what is from or for another one is nobody's business here.
    if (message.from !== from || message.to !== this.#self) return this.#dropMisdirected(message);
    const group = this.#options.group(message.group);
    if (group === null) return;
    if (this.#clusterId === null) this.#adoptFrom(sender, group, message);
    else group.receive(message);
  }

  #decode(sender: Sender, payload: Uint8Array): Message | null {
    try {
      return decodeRaftMessage(payload);
    } catch (error) {
      const { logger } = this.#options.settings;
      const fields = { event: 'link.messageDropped', peer: sender.nodeId, error };
      logger.warn(fields, 'A message of a peer is malformed and was dropped.');
      return null;
    }
  }

  /** The first message that names this incarnation says which cluster it belongs to. */
  #adoptFrom({ clusterId }: Sender, group: Group, message: Message): void {
    if (clusterId === null || this.#adopting) return;
    this.#adopting = true;
    this.#options.adopt(clusterId).then(
      () => group.receive(message),
      (cause: unknown) => group.fault(storageFailed(cause)),
    );
  }

  #dropMisdirected(message: Message): void {
    count(this.#options.settings.metrics, 'quorate_messages_misdirected_total');
    if (this.#toldMisdirected) return;
    this.#toldMisdirected = true;
    const { kind, from, to } = message;
    const fields = { event: 'link.misdirected', kind, from, to, self: this.#self };
    const { logger } = this.#options.settings;
    logger.warn(
      fields,
      incarnationOf(to) === incarnationOf(this.#self)
        ? 'A message claims another sender than the one that sent it; such are dropped.'
        : 'A message is for another incarnation of this node; such are dropped.',
    );
  }

  async #onCall(payload: Uint8Array): Promise<Uint8Array> {
    const call = decodePeerCall(payload);
    const group = this.#options.group(call.group);
    if (group === null) throw notOpen(nodeIdOf(this.#self), call.group);
    const timeoutMs = Math.max(1, call.timeoutMs);
    return encodePeerAnswer(await serve(group, call, { timeoutMs }));
  }

  async #onSnapshotRequest(payload: Uint8Array): Promise<Uint8Array> {
    const request = decodeSnapshotRequest(payload);
    const group = this.#options.group(request.group);
    if (group === null) throw notOpen(nodeIdOf(this.#self), request.group);
    return encodeSnapshotChunk(await group.snapshots.serve(request));
  }

  async #onProbe(sender: Sender, payload: Uint8Array): Promise<Uint8Array> {
    const asking = decodeProbe(payload);
    if (asking.nodeId !== sender.nodeId || asking.incarnation !== sender.incarnation) {
      const message = `${sender.nodeId} asks in the name of ${asking.nodeId}`;
      throw new QuorateError('ERR_PROTOCOL', { message });
    }
    return encodeProbe(this.#options.answerProbe(asking.group, asking));
  }
}

/** Carries out what a peer forwarded. It is never forwarded again. */
async function serve(group: Group, call: PeerCall, wait: WaitOptions): Promise<PeerAnswer> {
  switch (call.kind) {
    case 'propose':
    case 'readIndex':
      return await group.calls.serve(call, wait);
    case 'transfer':
      return { kind: 'transfer', ...(await group.transfers.serve(call.to, wait)) };
    case 'changeMembership':
      await group.changes.serve(call.change, call.expect, wait);
      return { kind: 'changeMembership' };
    case 'changeLeadership': {
      const { kind, leadership, expect } = call;
      await group.changes.serve({ kind, leadership }, expect, wait);
      return { kind };
    }
    default:
      return unreachable(call);
  }
}

function describePeer({ id, address, connected, reason }: PeerStatus): string {
  const where = address === null || address === '' ? id : `${id} (${address})`;
  if (connected) return `${where}: connected, and does not lead`;
  return `${where}: ${reason ?? 'not connected'}`;
}

function isSameBook(a: ReadonlyMap<NodeId, string>, b: ReadonlyMap<NodeId, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [id, address] of a) if (b.get(id) !== address) return false;
  return true;
}
