import { assert, unreachable } from '../base/index.js';
import type {
  Consistency,
  Freshness,
  KeyCondition,
  KVRequest,
  KVResponse,
} from '../store/types.js';
import {
  isSafeUnsigned,
  isUint32,
  malformed,
  ownBytes,
  present,
  safeInteger,
  textIn,
  textOrNullIn,
} from './boundary.js';
import type { quorate } from './generated/quorate.js';
import { rawEntryFromWire, rawEntryToWire } from './raw-entry.js';

type WireRequest = quorate.v1.ClientRequest.$Properties;
type WireResponse = quorate.v1.ClientResponse.$Properties;

/** In the order of the numbers on the wire. */
const CONSISTENCIES = [
  'linearizable',
  'stale',
  'leaderLease',
] as const satisfies readonly Consistency[];
const MAX_CURSOR_LENGTH = 256;

/** The member of `ClientRequest.call` that carries a request. */
export function kvRequestToWire(request: KVRequest): WireRequest {
  switch (request.kind) {
    case 'get':
      return { get: { key: request.key, ...freshnessToWire(request) } };
    case 'put': {
      const { key, value, condition } = request;
      return { put: { key, value, condition: conditionToWire(condition) } };
    }
    case 'delete':
      return { delete: { key: request.key, condition: conditionToWire(request.condition) } };
    case 'range': {
      const { from, to, limit, reverse, cursor } = request;
      assert(isUint32(limit), 'a limit is an unsigned 32-bit integer');
      return { range: { from, to, limit, reverse, cursor, ...freshnessToWire(request) } };
    }
    case 'release':
      return { release: { cursor: request.cursor } };
    default:
      return unreachable(request);
  }
}

export function getFromWire(wire: quorate.v1.GetRequest.$Properties): KVRequest {
  return {
    kind: 'get',
    key: ownBytes(wire.key),
    ...freshnessFromWire(wire),
  };
}

export function putFromWire(wire: quorate.v1.PutRequest.$Properties): KVRequest {
  return {
    kind: 'put',
    key: ownBytes(wire.key),
    value: ownBytes(wire.value),
    condition: conditionFromWire(wire.condition),
  };
}

export function deleteFromWire(wire: quorate.v1.DeleteRequest.$Properties): KVRequest {
  return {
    kind: 'delete',
    key: ownBytes(wire.key),
    condition: conditionFromWire(wire.condition),
  };
}

export function rangeFromWire(wire: quorate.v1.RangeRequest.$Properties): KVRequest {
  return {
    kind: 'range',
    from: ownBytes(wire.from),
    to: wire.to ? ownBytes(wire.to) : null,
    limit: wire.limit ?? 0,
    reverse: wire.reverse ?? false,
    ...freshnessFromWire(wire),
    cursor: textOrNullIn(wire.cursor, MAX_CURSOR_LENGTH, 'a cursor'),
  };
}

export function releaseFromWire(wire: quorate.v1.ReleaseRequest.$Properties): KVRequest {
  return { kind: 'release', cursor: textIn(wire.cursor, MAX_CURSOR_LENGTH, 'a cursor') };
}

/** The member of `ClientResponse.answer` that carries a response. */
export function kvResponseToWire(response: KVResponse): WireResponse {
  switch (response.kind) {
    case 'get': {
      const { entry, revision } = response;
      return { get: { entry: entry && rawEntryToWire(entry), revision } };
    }
    case 'put':
      return { put: { revision: response.revision, created: response.created } };
    case 'delete':
      return { delete: { revision: response.revision, deleted: response.deleted } };
    case 'conditionFailed':
      return { conditionFailed: { entry: response.entry && rawEntryToWire(response.entry) } };
    case 'range': {
      const { items, cursor, revision } = response;
      return { range: { items: items.map(rawEntryToWire), cursor, revision } };
    }
    case 'release':
      return { release: {} };
    default:
      return unreachable(response);
  }
}

/** The kinds of answer that are a `KVResponse`. */
export type KVAnswerKind = KVResponse['kind'];

export function kvResponseFromWire(kind: KVAnswerKind, wire: WireResponse): KVResponse {
  switch (kind) {
    case 'get': {
      const { entry, revision } = present(wire.get, kind);
      return {
        kind,
        entry: entry ? rawEntryFromWire(entry) : null,
        revision: safeInteger(revision),
      };
    }
    case 'put': {
      const { revision, created } = present(wire.put, kind);
      return { kind, revision: safeInteger(revision), created: created ?? false };
    }
    case 'delete': {
      const { revision, deleted } = present(wire.delete, kind);
      return { kind, revision: safeInteger(revision), deleted: deleted ?? false };
    }
    case 'conditionFailed': {
      const { entry } = present(wire.conditionFailed, kind);
      return { kind, entry: entry ? rawEntryFromWire(entry) : null };
    }
    case 'range': {
      const { items, cursor, revision } = present(wire.range, kind);
      return {
        kind,
        items: (items ?? []).map(rawEntryFromWire),
        cursor: textOrNullIn(cursor, MAX_CURSOR_LENGTH, 'a cursor'),
        revision: safeInteger(revision),
      };
    }
    case 'release':
      return { kind };
    default:
      return unreachable(kind);
  }
}

type WireFreshness = Pick<
  quorate.v1.GetRequest.$Properties,
  'consistency' | 'minRevision' | 'maxStalenessMs'
>;

function freshnessToWire({ consistency, minRevision, maxStalenessMs }: Freshness): WireFreshness {
  assert(isSafeUnsigned(minRevision ?? 0), 'a revision is a safe integer');
  assert(isUint32(maxStalenessMs ?? 0), 'a staleness is an unsigned 32-bit integer');
  return {
    consistency: CONSISTENCIES.indexOf(consistency) + 1,
    ...(minRevision === undefined ? {} : { minRevision }),
    ...(maxStalenessMs === undefined ? {} : { maxStalenessMs }),
  };
}

function freshnessFromWire({ consistency, minRevision, maxStalenessMs }: WireFreshness): Freshness {
  return {
    consistency: consistencyFromWire(consistency),
    ...(isGiven(minRevision) ? { minRevision: safeInteger(minRevision) } : {}),
    ...(isGiven(maxStalenessMs) ? { maxStalenessMs } : {}),
  };
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

function consistencyFromWire(value: number | null | undefined): Consistency {
  const consistency = CONSISTENCIES[(value ?? 0) - 1];
  if (consistency === undefined) throw malformed('a consistency is not known to this version');
  return consistency;
}

function conditionToWire(condition: KeyCondition | null): KeyCondition | null {
  if (condition === null) return null;
  assert(isSafeUnsigned(condition.modRevision), 'a revision is a safe integer');
  return { modRevision: condition.modRevision };
}

function conditionFromWire(
  wire: quorate.v1.KeyCondition.$Properties | null | undefined,
): KeyCondition | null {
  return wire ? { modRevision: safeInteger(wire.modRevision) } : null;
}
