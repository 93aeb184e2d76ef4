import { type MemberId, nodeIdOf } from '../base/index.js';
import type { Configuration, MemberAddresses } from '../raft/index.js';

/**
 * What a configuration becomes in another cluster, whose voters these are and nobody else. The members
 * are others; what was said of their nodes stays.
 */
export function successorConfiguration(
  former: Configuration,
  clusterId: string,
  addresses: ReadonlyMap<MemberId, MemberAddresses>,
): Configuration {
  const members = [...addresses.keys()];
  const known = new Map<string, number>();
  for (const [member, priority] of former.priorities ?? []) known.set(nodeIdOf(member), priority);
  const priorities = new Map<MemberId, number>();
  for (const member of members) {
    const priority = known.get(nodeIdOf(member));
    if (priority !== undefined) priorities.set(member, priority);
  }
  return {
    ...former,
    clusterId,
    incoming: members,
    outgoing: [],
    learners: [],
    addresses,
    priorities,
  };
}
