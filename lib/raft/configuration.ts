import {
  DEFAULT_PRIORITY,
  decodeUtf8,
  encodeUtf8,
  isPriority,
  MAX_LEADER_LEASE_MS,
  type MemberId,
  QuorateError,
} from '../base/index.js';
import type { Configuration, LeadershipSettings, MemberAddresses } from './types.js';

/** Nobody: the configuration of a member that was not told of any yet. It decides nothing. */
export const NO_CONFIGURATION: Configuration = {
  clusterId: '',
  incoming: [],
  outgoing: [],
  learners: [],
  addresses: new Map(),
};

/** No leases; a broken connection is a hint. */
export const DEFAULT_LEADERSHIP: LeadershipSettings = { leaderLeaseMs: null, closeHint: true };

export function leadershipOf({ leadership }: Configuration): LeadershipSettings {
  return leadership ?? DEFAULT_LEADERSHIP;
}

const VERSION = 1;

/**
 * The payload of a configuration entry: JSON, because it is rare, small, and read by people who look
 * into a damaged log. Members and keys are sorted, so that equal configurations are equal bytes.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { clusterId, incoming, outgoing, learners, addresses, leadership } = configuration;
  const priorities = [...(configuration.priorities ?? [])]
    .filter(([, priority]) => priority !== DEFAULT_PRIORITY)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return encodeUtf8(
    JSON.stringify({
      version: VERSION,
      clusterId,
      incoming: [...incoming].sort(),
      outgoing: [...outgoing].sort(),
      learners: [...learners].sort(),
      addresses: [...addresses]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([member, { peer, client }]) => [member, { peer, client }]),
      ...(priorities.length === 0 ? {} : { priorities }),
      ...(leadership === undefined ? {} : { leadership: ordered(leadership) }),
    }),
  );
}

/**
 * A token that names what a configuration says: 16 hexadecimal digits, equal on all members that have it
 * in force. Whoever expects one changes nothing else than what they have seen.
 */
export function configurationVersion(configuration: Configuration): string {
  const bytes = encodeConfiguration(configuration);
  return hash(bytes, 0x811c9dc5) + hash(bytes, 0x050c5d1f);
}

/** FNV-1a, from one of two starts, with a last mixing of its bits. */
function hash(bytes: Uint8Array, start: number): string {
  let value = start;
  for (const byte of bytes) value = Math.imul(value ^ byte, 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x85ebca6b);
  return ((value ^ (value >>> 13)) >>> 0).toString(16).padStart(8, '0');
}

/** Anything but a whole configuration of a known version is ERR_PROTOCOL. */
export function decodeConfiguration(payload: Uint8Array): Configuration {
  const value = parse(payload);
  if (!isRecord(value)) throw malformed('it is not an object');
  if (value['version'] !== VERSION)
    throw malformed(`version ${String(value['version'])} is not known`);
  const clusterId = value['clusterId'];
  if (typeof clusterId !== 'string') throw malformed('clusterId is not text');
  const configuration: Configuration = {
    clusterId,
    incoming: membersIn(value, 'incoming'),
    outgoing: membersIn(value, 'outgoing'),
    learners: membersIn(value, 'learners'),
    addresses: addressesIn(value),
    ...prioritiesIn(value),
    ...leadershipIn(value),
  };
  const { incoming, outgoing, learners, addresses } = configuration;
  const members = new Set([...incoming, ...outgoing, ...learners]);
  for (const member of members) {
    if (!addresses.has(member)) throw malformed(`${member} has no address`);
  }
  for (const member of addresses.keys()) {
    if (!members.has(member)) throw malformed(`${member} has an address and is no member`);
  }
  for (const member of configuration.priorities?.keys() ?? []) {
    if (!members.has(member)) throw malformed(`${member} has a priority and is no member`);
  }
  return configuration;
}

/** In the order that equal settings are equal bytes in. */
function ordered({ leaderLeaseMs, closeHint }: LeadershipSettings): LeadershipSettings {
  return { leaderLeaseMs, closeHint };
}

function leadershipIn(value: Record<string, unknown>): Pick<Configuration, 'leadership'> {
  const given = value['leadership'];
  if (given === undefined) return {};
  if (!isRecord(given)) throw malformed('leadership is not an object');
  const { leaderLeaseMs, closeHint } = given;
  if (typeof closeHint !== 'boolean') throw malformed('closeHint is neither true nor false');
  if (leaderLeaseMs === null) return { leadership: { leaderLeaseMs, closeHint } };
  if (typeof leaderLeaseMs !== 'number' || !Number.isSafeInteger(leaderLeaseMs)) {
    throw malformed('leaderLeaseMs is no whole number');
  }
  if (leaderLeaseMs <= 0 || leaderLeaseMs > MAX_LEADER_LEASE_MS) {
    throw malformed(`leaderLeaseMs is not from 1 to ${MAX_LEADER_LEASE_MS}`);
  }
  return { leadership: { leaderLeaseMs, closeHint } };
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decodeUtf8(payload));
  } catch (cause) {
    throw malformed('it is not JSON', cause);
  }
}

function membersIn(value: Record<string, unknown>, name: string): readonly MemberId[] {
  const list = value[name];
  if (!Array.isArray(list)) throw malformed(`${name} is not a list`);
  const members: MemberId[] = [];
  for (const member of list) {
    if (typeof member !== 'string' || member === '') throw malformed(`${name} holds no member id`);
    if (members.includes(member)) throw malformed(`${name} holds ${member} twice`);
    members.push(member);
  }
  return members;
}

function addressesIn(value: Record<string, unknown>): ReadonlyMap<MemberId, MemberAddresses> {
  const list = value['addresses'];
  if (!Array.isArray(list)) throw malformed('addresses is not a list');
  const addresses = new Map<MemberId, MemberAddresses>();
  for (const pair of list) {
    if (!Array.isArray(pair) || pair.length !== 2) throw malformed('addresses holds no pair');
    const member: unknown = pair[0];
    const given: unknown = pair[1];
    if (typeof member !== 'string' || !isRecord(given)) throw malformed('addresses holds no pair');
    const peer = given['peer'];
    const client = given['client'];
    if (typeof peer !== 'string') throw malformed(`${member} has no peer address`);
    if (typeof client !== 'string' && client !== null)
      throw malformed(`${member} has a bad client address`);
    addresses.set(member, { peer, client });
  }
  return addresses;
}

function prioritiesIn(value: Record<string, unknown>): Pick<Configuration, 'priorities'> {
  const list = value['priorities'];
  if (list === undefined) return {};
  if (!Array.isArray(list)) throw malformed('priorities is not a list');
  const priorities = new Map<MemberId, number>();
  for (const pair of list) {
    if (!Array.isArray(pair) || pair.length !== 2) throw malformed('priorities holds no pair');
    const member: unknown = pair[0];
    const priority: unknown = pair[1];
    if (typeof member !== 'string') throw malformed('priorities holds no pair');
    if (!isPriority(priority)) throw malformed(`${member} has a bad priority`);
    if (priorities.has(member)) throw malformed(`${member} has two priorities`);
    priorities.set(member, priority);
  }
  return { priorities };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string, cause?: unknown): QuorateError {
  return new QuorateError('ERR_PROTOCOL', {
    message: `malformed configuration: ${message}`,
    cause,
  });
}
