import {
  type GroupId,
  InvariantViolation,
  type NodeId,
  type Outcome,
  QuorateError,
} from '../base/index.js';

/** A write failed: nothing that came after it may be relied on, so the node stops. */
export function storageFailed(cause: unknown): QuorateError {
  if (QuorateError.is(cause)) return cause;
  return new QuorateError('ERR_STORAGE', {
    message: `the storage failed: ${cause instanceof Error ? cause.message : String(cause)}`,
    outcome: 'unknown',
    cause,
  });
}

/** The group is not one of this node's, or not yet. */
export function notOpen(nodeId: NodeId, group: GroupId): QuorateError {
  return new QuorateError('ERR_UNREACHABLE', {
    message: `${nodeId} has not opened the group ${group}`,
  });
}

export function nodeClosed(): QuorateError {
  return new QuorateError('ERR_CLOSED', { message: 'the node is closed' });
}

/** Whatever stops a group, as an operating error. Our own mistakes keep their stack in `cause`. */
export function asFault(error: unknown): QuorateError {
  if (QuorateError.is(error)) return error;
  const what = error instanceof InvariantViolation ? error.message : String(error);
  return new QuorateError('ERR_INTERNAL', {
    message: `the node has stopped: ${what}`,
    outcome: 'unknown',
    cause: error,
  });
}

/** The same error for a call that certainly did not happen. */
export function asRejected(error: QuorateError): QuorateError {
  return withOutcome(error, 'rejected');
}

/** The same error, with what it means for one call. */
export function withOutcome(error: QuorateError, outcome: Outcome): QuorateError {
  if (error.outcome === outcome) return error;
  const { code, reason, leader, cause } = error;
  return new QuorateError(code, { message: reason, outcome, leader, cause });
}

/**
 * Codes of a peer that say: ask the leader, when there is one; a peer whose disk failed leads no more.
 * Anything else is for the caller to see.
 */
const RETRIED: ReadonlySet<string> = new Set([
  'ERR_NO_LEADER',
  'ERR_NOT_LEADER',
  'ERR_UNREACHABLE',
  'ERR_CLOSED',
  'ERR_STORAGE',
]);

/** Whether a call that was forwarded may be forwarded again. */
export function isWorthRetrying(error: QuorateError): boolean {
  return error.outcome === 'rejected' && RETRIED.has(error.code);
}

export function tooMuchUncommitted(): QuorateError {
  return new QuorateError('ERR_BUSY', {
    message: 'too many bytes wait to be committed (limits.maxUncommittedBytes)',
  });
}
