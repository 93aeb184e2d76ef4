import { QuorateError } from './errors.js';

/** A Raft term: a safe integer, 0 before the first election. */
export type Term = number;

/** A position in the log: a safe integer; the first entry is 1, 0 means none. */
export type LogIndex = number;

/** A node's name, chosen by its operator: 1 to 64 of `A-Z a-z 0-9 _ . -`. */
export type NodeId = string;

/** 64 random bits as 16 hexadecimal digits, drawn when a node first writes its storage. */
export type Incarnation = string;

/**
 * One member of a group: `nodeId#incarnation`. A node whose disk was wiped comes back as another
 * member, which neither votes nor counts. The core treats it as an opaque name.
 */
export type MemberId = string;

/** A Raft group's name: 1 to 64 of `A-Z a-z 0-9 _ . -`. */
export type GroupId = string;

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const INCARNATION = /^[0-9a-f]{16}$/;

/** Throws ERR_CONFIG unless `name` is a valid node id or group id. */
export function validateName(what: string, name: string): void {
  if (typeof name === 'string' && NAME.test(name)) return;
  throw new QuorateError('ERR_CONFIG', {
    message: `${what} ${JSON.stringify(name)} must be 1 to 64 of A-Z a-z 0-9 _ . -`,
  });
}

export function isName(value: string): boolean {
  return NAME.test(value);
}

export function isIncarnation(value: string): boolean {
  return INCARNATION.test(value);
}

export function memberId(nodeId: NodeId, incarnation: Incarnation): MemberId {
  return `${nodeId}#${incarnation}`;
}

/** The node a member lives on: what stands before the `#`. */
export function nodeIdOf(member: MemberId): NodeId {
  const end = member.indexOf('#');
  return end < 0 ? member : member.slice(0, end);
}

/** The incarnation of a member: what stands after the `#`, empty where there is none. */
export function incarnationOf(member: MemberId): Incarnation {
  const end = member.indexOf('#');
  return end < 0 ? '' : member.slice(end + 1);
}
