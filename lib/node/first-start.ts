import type { NodeId } from '../base/index.js';
import type { Probe } from '../wire/index.js';

export type FirstStartDecision =
  /** All listed are here and new, and this node is the one to begin. */
  | { readonly kind: 'found' }
  /** Somebody holds the group already, or will found it: be silent until a leader calls. */
  | { readonly kind: 'waitForLeader'; readonly reason: string }
  /** Not all have answered as they should. */
  | { readonly kind: 'waitForMembers'; readonly reasons: readonly string[] };

/**
 * Decides whether a node without a log may found its group. Only the smallest id does, and only when
 * *all* listed members answer and none has a log. A majority of empty disks must not do:
 *
 *   1. n1 and n2 hold data. n1's disk is wiped, n2 is down.
 *   2. n3 starts for the first time. n1 and n3 are a majority, and both are empty.
 *   3. If they founded, what n1 and n2 had acknowledged would be lost.
 */
export function decideFirstStart(
  self: Probe,
  answers: ReadonlyMap<NodeId, Probe>,
): FirstStartDecision {
  if (self.joins) return { kind: 'waitForLeader', reason: whyNotIn(answers) };
  const ids = self.members.map((member) => member.id);
  const reports = ids.map((id) => (id === self.nodeId ? self : (answers.get(id) ?? id)));
  const holder = reports.find((report) => typeof report !== 'string' && report.hasLog);
  if (holder !== undefined && typeof holder !== 'string') {
    return { kind: 'waitForLeader', reason: `${holder.nodeId} holds this group already` };
  }
  const admitted = reports.find((report) => isAdmitted(self, report));
  if (admitted !== undefined && typeof admitted !== 'string') {
    return { kind: 'waitForLeader', reason: `${admitted.nodeId} belongs to a cluster already` };
  }
  const reasons = reports.flatMap((report) => objection(self, report));
  if (reasons.length > 0) return { kind: 'waitForMembers', reasons };
  const founder = [...ids].sort()[0];
  if (founder === self.nodeId) return { kind: 'found' };
  return { kind: 'waitForLeader', reason: `${founder} founds the group` };
}

/** A node that joins founds nothing, whoever answers. */
function whyNotIn(answers: ReadonlyMap<NodeId, Probe>): string {
  if (answers.size === 0) return 'nobody that it was told to join answers';
  const holder = [...answers.values()].find(({ hasLog }) => hasLog);
  return holder === undefined
    ? 'those it was told to join belong to no cluster yet'
    : `${holder.nodeId} has not let it in yet`;
}

/** Whether this node is new and the other one is not: then it waits until it is called. */
function isAdmitted(self: Probe, report: Probe | NodeId): boolean {
  return self.clusterId === null && typeof report !== 'string' && report.clusterId !== null;
}

/** Why this report stands in the way of founding, if it does. */
function objection(self: Probe, report: Probe | NodeId): readonly string[] {
  if (typeof report === 'string') return [`${report} does not answer`];
  const { nodeId, clusterName, clusterId, members } = report;
  if (clusterName !== self.clusterName) return [`${nodeId} is of cluster "${clusterName}"`];
  // One that is new does not stand in the way of a founder whose founding was cut short, nor of a
  // further group of a cluster.
  if (clusterId !== null && clusterId !== self.clusterId) {
    return [`${nodeId} belongs to another cluster`];
  }
  if (namesOf(members) === namesOf(self.members)) return [];
  return [`${nodeId} lists other members: ${namesOf(members)}`];
}

function namesOf(members: Probe['members']): string {
  return members
    .map((member) => member.id)
    .sort()
    .join(', ');
}
