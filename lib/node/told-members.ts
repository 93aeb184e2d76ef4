import { nodeIdOf } from '../base/index.js';
import { type Configuration, membersOf } from '../raft/index.js';
import type { NodeSettings } from './options.js';

/**
 * The log says who the members are, and a list that says otherwise only says whom to dial. Whoever wrote
 * it is told so at each start. Where this node itself is, the others are told.
 */
export function noteOtherMembers(
  { id: self, members, logger }: NodeSettings,
  configuration: Configuration,
): void {
  // Without a list there is one of this node alone.
  if (members.size < 2) return;
  const held = new Map<string, string>();
  for (const member of membersOf(configuration)) {
    held.set(nodeIdOf(member), configuration.addresses.get(member)?.peer ?? '');
  }
  const given = named(members, self);
  if (held.size === 0 || given === named(held, self)) return;
  const fields = { event: 'node.membersIgnored', held: named(held, self), given };
  logger.warn(fields, 'The log says who the members are: the members that are given are ignored.');
}

function named(members: ReadonlyMap<string, string>, self: string): string {
  return [...members]
    .map(([id, address]) => (id === self || address === '' ? id : `${id}=${address}`))
    .sort()
    .join();
}
