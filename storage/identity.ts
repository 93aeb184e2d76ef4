import { QuorateError } from '../lib/base/index.js';
import type { StoredIdentity } from '../lib/interfaces/index.js';

/** ERR_WRONG_CLUSTER unless `given` is `stored`, or fills in its cluster id. */
export function checkIdentity(stored: StoredIdentity, given: StoredIdentity): void {
  const isFilledIn = stored.clusterId === null || stored.clusterId === given.clusterId;
  if (stored.nodeId === given.nodeId && stored.incarnation === given.incarnation && isFilledIn)
    return;
  throw new QuorateError('ERR_WRONG_CLUSTER', {
    message: `the storage belongs to ${described(stored)}, not to ${described(given)}`,
  });
}

function described({ nodeId, incarnation, clusterId }: StoredIdentity): string {
  return `${nodeId}#${incarnation} of ${clusterId === null ? 'no cluster yet' : `cluster ${clusterId}`}`;
}
