import { assert, type NodeId, type QuorateError, unreachable } from '../base/index.js';
import type { NodeStatus } from '../interfaces/index.js';
import type { KVRequest, KVResponse, SavedPart } from '../store/types.js';
import {
  decodeWith,
  digitsOrNullIn,
  encodeWith,
  isUint32,
  malformed,
  nameIn,
  present,
} from './boundary.js';
import { failureFromWire, failureToWire } from './failure.js';
import { quorate } from './generated/quorate.js';
import {
  deleteFromWire,
  getFromWire,
  kvRequestToWire,
  kvResponseFromWire,
  kvResponseToWire,
  putFromWire,
  rangeFromWire,
  releaseFromWire,
} from './kv-request.js';
import {
  type LeadershipRequest,
  leadershipRequestFromWire,
  leadershipRequestToWire,
} from './leadership-change.js';
import {
  type MemberRequest,
  memberRequestFromWire,
  memberRequestToWire,
} from './member-request.js';
import { nodeStatusFromWire, nodeStatusToWire } from './node-status.js';
import { type SaveRequest, savedPartFromWire, savedPartToWire, saveFromWire } from './save.js';

/** What a client asks beside the requests of the store. */
export type ClientCall =
  | KVRequest
  | MemberRequest
  /** Hand leadership to `to`, or to whoever is most caught up. */
  | { readonly kind: 'transfer'; readonly to: NodeId | null }
  | SaveRequest
  | LeadershipRequest
  | { readonly kind: 'status' }
  | { readonly kind: 'ready' };

/** By the `kind` of the call; `conditionFailed` and `failure` answer any of them. */
export type ClientAnswer =
  | KVResponse
  | { readonly kind: 'status'; readonly status: NodeStatus }
  | { readonly kind: 'ready' }
  | { readonly kind: 'member' }
  | { readonly kind: 'leadership' }
  | { readonly kind: 'transfer'; readonly leader: NodeId }
  | { readonly kind: 'save'; readonly part: SavedPart }
  | { readonly kind: 'failure'; readonly error: QuorateError };

/** The first frame of a client is a `hello`, every other one a `request`. */
export type ClientFrame =
  | { readonly kind: 'hello'; readonly protocolVersion: number }
  | {
      readonly kind: 'request';
      /** Chosen by the client, unique among what waits on the connection. Unsigned 32-bit. */
      readonly id: number;
      /** How long the client still waits. Unsigned 32-bit. */
      readonly timeoutMs: number;
      readonly call: ClientCall;
    };

/** A server answers a hello by a `hello` or a `refusal`, after which it closes the connection. */
export type ServerFrame =
  | ({ readonly kind: 'hello' } & ServerHello)
  | { readonly kind: 'response'; readonly id: number; readonly answer: ClientAnswer }
  | { readonly kind: 'refusal'; readonly error: QuorateError };

export interface ServerHello {
  readonly protocolVersion: number;
  readonly nodeId: NodeId;
  /** Null until the node belongs to a cluster. */
  readonly clusterId: string | null;
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  /** Requests of one connection that may wait for an answer; further ones are ERR_BUSY. */
  readonly maxPendingCalls: number;
}

/** Raised only when older servers could not read what newer clients send, or the other way round. */
export const CLIENT_PROTOCOL_VERSION = 1;

export function encodeClientFrame(frame: ClientFrame): Uint8Array {
  if (frame.kind === 'hello') {
    const { protocolVersion } = frame;
    return encodeWith(quorate.v1.ClientFrame, { hello: { protocolVersion } });
  }
  const { id, timeoutMs, call } = frame;
  assert(isUint32(id), 'the id of a request is an unsigned 32-bit integer');
  assert(isUint32(timeoutMs), 'a timeout is an unsigned 32-bit integer');
  const request = { id, timeoutMs, ...callToWire(call) };
  return encodeWith(quorate.v1.ClientFrame, { request });
}

export function decodeClientFrame(bytes: Uint8Array): ClientFrame {
  return decodeWith(quorate.v1.ClientFrame, bytes, (wire) => {
    if (wire.hello) return { kind: 'hello', protocolVersion: wire.hello.protocolVersion ?? 0 };
    const request = present(wire.request, 'a frame known to this version');
    return {
      kind: 'request',
      id: request.id ?? 0,
      timeoutMs: request.timeoutMs ?? 0,
      call: callFromWire(request),
    };
  });
}

export function encodeServerFrame(frame: ServerFrame): Uint8Array {
  switch (frame.kind) {
    case 'hello': {
      const { kind: _, ...hello } = frame;
      return encodeWith(quorate.v1.ServerFrame, { hello });
    }
    case 'response': {
      const response = { id: frame.id, ...answerToWire(frame.answer) };
      return encodeWith(quorate.v1.ServerFrame, { response });
    }
    case 'refusal':
      return encodeWith(quorate.v1.ServerFrame, { refusal: failureToWire(frame.error) });
    default:
      return unreachable(frame);
  }
}

export function decodeServerFrame(bytes: Uint8Array): ServerFrame {
  return decodeWith(quorate.v1.ServerFrame, bytes, (wire) => {
    if (wire.hello) return { kind: 'hello', ...helloFromWire(wire.hello) };
    if (wire.refusal) return { kind: 'refusal', error: failureFromWire(wire.refusal) };
    const response = present(wire.response, 'a frame known to this version');
    return { kind: 'response', id: response.id ?? 0, answer: answerFromWire(response) };
  });
}

function helloFromWire(wire: quorate.v1.ServerHello.$Properties): ServerHello {
  return {
    protocolVersion: wire.protocolVersion ?? 0,
    nodeId: nameIn(wire.nodeId, 'a node id'),
    clusterId: digitsOrNullIn(wire.clusterId, 'a cluster id'),
    maxKeyBytes: wire.maxKeyBytes ?? 0,
    maxValueBytes: wire.maxValueBytes ?? 0,
    maxPendingCalls: wire.maxPendingCalls ?? 0,
  };
}

function callToWire(call: ClientCall): quorate.v1.ClientRequest.$Properties {
  switch (call.kind) {
    case 'status':
      return { status: {} };
    case 'ready':
      return { ready: {} };
    case 'member':
      return { member: memberRequestToWire(call) };
    case 'leadership':
      return { leadership: leadershipRequestToWire(call) };
    case 'save':
      return { save: { cursor: call.cursor } };
    case 'transfer':
      return { transfer: { to: call.to ?? '' } };
    default:
      return kvRequestToWire(call);
  }
}

function callFromWire(wire: quorate.v1.ClientRequest.$Properties): ClientCall {
  const kind = wire.call;
  switch (kind) {
    case undefined:
      throw malformed('a call is not known to this version');
    case 'get':
      return getFromWire(present(wire.get, kind));
    case 'put':
      return putFromWire(present(wire.put, kind));
    case 'delete':
      return deleteFromWire(present(wire.delete, kind));
    case 'range':
      return rangeFromWire(present(wire.range, kind));
    case 'release':
      return releaseFromWire(present(wire.release, kind));
    case 'status':
    case 'ready':
      return { kind };
    case 'member':
      return memberRequestFromWire(present(wire.member, kind));
    case 'leadership':
      return leadershipRequestFromWire(present(wire.leadership, kind));
    case 'save':
      return saveFromWire(present(wire.save, kind));
    case 'transfer': {
      const { to } = present(wire.transfer, kind);
      return { kind, to: (to ?? '') === '' ? null : nameIn(to, 'a node id') };
    }
    default:
      return unreachable(kind);
  }
}

function answerToWire(answer: ClientAnswer): quorate.v1.ClientResponse.$Properties {
  switch (answer.kind) {
    case 'status':
      return { status: nodeStatusToWire(answer.status) };
    case 'ready':
      return { ready: {} };
    case 'member':
      return { member: {} };
    case 'leadership':
      return { leadership: {} };
    case 'save':
      return { save: savedPartToWire(answer.part) };
    case 'transfer':
      return { transfer: { leader: answer.leader } };
    case 'failure':
      return { failure: failureToWire(answer.error) };
    default:
      return kvResponseToWire(answer);
  }
}

function answerFromWire(wire: quorate.v1.ClientResponse.$Properties): ClientAnswer {
  const kind = wire.answer;
  switch (kind) {
    case undefined:
      throw malformed('an answer is not known to this version');
    case 'status':
      return { kind, status: nodeStatusFromWire(present(wire.status, kind)) };
    case 'ready':
    case 'member':
    case 'leadership':
      return { kind };
    case 'transfer': {
      const { leader } = present(wire.transfer, kind);
      return { kind, leader: nameIn(leader, 'the id of a leader') };
    }
    case 'save':
      return { kind, part: savedPartFromWire(present(wire.save, kind)) };
    case 'failure':
      return { kind, error: failureFromWire(present(wire.failure, kind)) };
    default:
      return kvResponseFromWire(kind, wire);
  }
}
