import {
  assert,
  ByteReader,
  ByteWriter,
  type Incarnation,
  isIncarnation,
  QuorateError,
  toHex,
} from '../base/index.js';

/** What a frame is about: each channel has one handler, and payloads of its own. */
export type Channel = 'raft' | 'snapshot' | 'gossip' | 'kv' | 'actor' | 'admin';

/** `failure` is the answer to a request that was not carried out; its payload is a `Failure`. */
export type LinkFrameKind = 'oneWay' | 'request' | 'response' | 'failure';

/** Who sends a frame; beside its node id, which the transport vouches for. */
export interface LinkIdentity {
  /** 16 hexadecimal digits, not all zero; null until the node belongs to a cluster. */
  readonly clusterId: string | null;
  readonly incarnation: Incarnation;
  /** One start of a process: 16 hexadecimal digits. */
  readonly instance: string;
}

export interface LinkFrame {
  readonly channel: Channel;
  readonly kind: LinkFrameKind;
  /** A packed `LinkIdentity`, as `packLinkIdentity` makes it. */
  readonly identity: Uint8Array;
  /** Pairs an answer with its request, 0 for `oneWay`. An unsigned 32-bit integer. */
  readonly correlation: number;
  readonly payload: Uint8Array;
}

/** Raised only when older nodes could not read what newer ones send. */
export const PROTOCOL_VERSION = 1;

/*
 * Layout, integers little-endian:
 *
 *   0 u8 version (1) · 1 u8 channel · 2 u8 kind · 3 u8 flags (0) · 4 identity: cluster id,
 *   incarnation, instance, 8 bytes each · 28 u32 correlation · 32 payload
 */
export const LINK_HEADER_BYTES = 32;
const IDENTITY_BYTES = 24;
const NO_CLUSTER = '0'.repeat(16);

const CHANNELS: readonly Channel[] = ['raft', 'snapshot', 'gossip', 'kv', 'actor', 'admin'];
const KINDS: readonly LinkFrameKind[] = ['oneWay', 'request', 'response', 'failure'];

/** The part of the header that stays the same from frame to frame. */
export function packLinkIdentity(identity: LinkIdentity): Uint8Array {
  const { clusterId, incarnation, instance } = identity;
  assert(isIncarnation(incarnation), 'an incarnation is 16 hexadecimal digits');
  assert(isIncarnation(instance), 'an instance is 16 hexadecimal digits');
  assert(clusterId === null || isClusterId(clusterId), 'a cluster id is 16 digits, not all zero');
  const digits = (clusterId ?? NO_CLUSTER) + incarnation + instance;
  const packed = new Uint8Array(IDENTITY_BYTES);
  for (let i = 0; i < IDENTITY_BYTES; i += 1) {
    packed[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  }
  return packed;
}

export function unpackLinkIdentity(packed: Uint8Array): LinkIdentity {
  assert(packed.length === IDENTITY_BYTES, 'a packed identity is 24 bytes');
  const digits = toHex(packed);
  const clusterId = digits.slice(0, 16);
  return {
    clusterId: clusterId === NO_CLUSTER ? null : clusterId,
    incarnation: digits.slice(16, 32),
    instance: digits.slice(32),
  };
}

/** Whether `value` can stand in a header: 16 hexadecimal digits, not all zero. */
export function isClusterId(value: string): boolean {
  return isIncarnation(value) && value !== NO_CLUSTER;
}

export function packLinkFrame(frame: LinkFrame): Uint8Array {
  return new ByteWriter(LINK_HEADER_BYTES + frame.payload.length)
    .u8(PROTOCOL_VERSION)
    .u8(CHANNELS.indexOf(frame.channel))
    .u8(KINDS.indexOf(frame.kind))
    .u8(0)
    .bytes(frame.identity)
    .u32(frame.correlation)
    .bytes(frame.payload)
    .finish();
}

/** The parts of a frame, as views into it. Anything that this version does not send is ERR_PROTOCOL. */
export function unpackLinkFrame(bytes: Uint8Array): LinkFrame {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== PROTOCOL_VERSION) throw malformed(`protocol version ${version} is not known`);
  const channel = CHANNELS[reader.u8()];
  if (channel === undefined) throw malformed('its channel is not known to this version');
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw malformed('its kind is not known to this version');
  if (reader.u8() !== 0) throw malformed('its flags are not known to this version');
  const identity = reader.bytes(IDENTITY_BYTES);
  const correlation = reader.u32();
  if ((kind === 'oneWay') !== (correlation === 0)) throw malformed('its correlation does not fit');
  return { channel, kind, identity, correlation, payload: reader.bytes(reader.remaining) };
}

function malformed(fact: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed frame: ${fact}` });
}
