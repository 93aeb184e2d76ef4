import { QuorateError } from '../lib/base/index.js';
import type { StoredIdentity } from '../lib/interfaces/index.js';

/**
 * ERR_WRONG_CLUSTER unless `given` is `stored`, fills in its cluster id, or begins or ends a recovery
 * of it.
 */
export function checkIdentity(stored: StoredIdentity, given: StoredIdentity): void {
  if (mayFollow(stored, given)) return;
  throw new QuorateError('ERR_WRONG_CLUSTER', {
    message: `the storage belongs to ${described(stored)}, not to ${described(given)}`,
  });
}

/** Whether a directory that belongs to `stored` may come to belong to `given`. */
export function mayFollow(stored: StoredIdentity, given: StoredIdentity): boolean {
  return stored.nodeId === given.nodeId && (isSame(stored, given) || isRecovery(stored, given));
}

/** Whether both say the same, so that nothing needs to be written. */
export function isSameIdentity(a: StoredIdentity, b: StoredIdentity): boolean {
  return (
    a.nodeId === b.nodeId &&
    a.incarnation === b.incarnation &&
    a.clusterId === b.clusterId &&
    a.formerClusterId === b.formerClusterId
  );
}

/** A copy that shares nothing with what the caller may change. */
export function copyIdentity(identity: StoredIdentity): StoredIdentity {
  const { nodeId, incarnation, clusterId, formerClusterId } = identity;
  const former = formerClusterId === undefined ? {} : { formerClusterId };
  return { nodeId, incarnation, clusterId, ...former };
}

/** The same member, in the same cluster or in its first. A recovery that is over is forgotten. */
function isSame(stored: StoredIdentity, given: StoredIdentity): boolean {
  const isFilledIn = stored.clusterId === null || stored.clusterId === given.clusterId;
  const { formerClusterId = stored.formerClusterId } = given;
  return (
    stored.incarnation === given.incarnation &&
    isFilledIn &&
    formerClusterId === stored.formerClusterId
  );
}

function isRecovery(
  stored: StoredIdentity,
  { clusterId, formerClusterId }: StoredIdentity,
): boolean {
  if (stored.formerClusterId !== undefined || formerClusterId === undefined) return false;
  return (
    formerClusterId === stored.clusterId && clusterId !== null && clusterId !== formerClusterId
  );
}

function described({ nodeId, incarnation, clusterId }: StoredIdentity): string {
  return `${nodeId}#${incarnation} of ${clusterId === null ? 'no cluster yet' : `cluster ${clusterId}`}`;
}
