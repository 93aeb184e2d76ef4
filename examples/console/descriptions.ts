import type { Member, NodeStatus } from 'quorate/interfaces';
import { columns } from '../cli/help.js';

/** The members as a table. */
export function describeMembers({ members, leader }: NodeStatus): string {
  if (members.length === 0) return 'no members yet: the cluster is not formed';
  const rows = members.map((member) => memberRow(member, leader?.id ?? null));
  return columns([['ID', 'ROLE', 'PEERS', 'CLIENTS', 'PRIORITY', 'LEADER'], ...rows], '');
}

/** Names the members as they are, for a change that expects them to be so. */
export function describeVersion({ membershipVersion }: NodeStatus): string {
  return `version ${membershipVersion}`;
}

/** Who leads, in one line. */
export function describeLeader({ leader }: Pick<NodeStatus, 'leader'>): string {
  if (leader === null) return 'no leader';
  return `${leader.id} peers=${leader.address ?? '-'} clients=${leader.clientAddress ?? '-'}`;
}

/** How one node stands, a fact a line. */
export function describeStatus(status: NodeStatus): string {
  return columns(
    [
      ['id', status.id],
      ['role', status.role],
      ['leader', status.leader?.id ?? '-'],
      ['term', String(status.term)],
      ['cluster', status.clusterId ?? '-'],
      ['last index', String(status.lastIndex)],
      ['durable index', String(status.durableIndex)],
      ['commit index', String(status.commitIndex)],
      ['applied index', String(status.appliedIndex)],
      ['members', status.members.map(({ id }) => id).join(', ') || '-'],
    ],
    '',
  );
}

function memberRow(member: Member, leader: string | null): readonly string[] {
  const { id, role, peerAddress, clientAddress, priority } = member;
  const leads = id === leader ? 'yes' : '';
  return [id, role, peerAddress, clientAddress ?? '-', String(priority), leads];
}
