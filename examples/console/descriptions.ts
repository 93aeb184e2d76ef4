import type { KeepingReason, Member, NodeStatus } from 'quorate/interfaces';
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
      ['role', describeRole(status)],
      ['leader', status.leader?.id ?? '-'],
      ['term', String(status.term)],
      ['cluster', status.clusterId ?? '-'],
      ['last index', String(status.lastIndex)],
      ['durable index', String(status.durableIndex)],
      ['commit index', String(status.commitIndex)],
      ['applied index', String(status.appliedIndex)],
      ['members', status.members.map(({ id }) => id).join(', ') || '-'],
      ...describeKept(status).map((line, i) => [i === 0 ? 'keeps' : '', line]),
    ],
    '',
  );
}

/** What a node is, and whether it takes part. */
export function describeRole({
  role,
  lacksState,
}: Pick<NodeStatus, 'role' | 'lacksState'>): string {
  return lacksState ? `${role}, waits for a snapshot` : role;
}

/** What a node keeps of its log and its snapshots, and why, a line each. */
export function describeKept({ kept, lastIndex }: NodeStatus): readonly string[] {
  const { firstIndex, logBytes, snapshots, reasons } = kept;
  const entryCount = lastIndex - firstIndex + 1;
  const sizes = snapshots.map(({ index, sizeBytes }) => `${index} (${sizeOf(sizeBytes)})`);
  return [
    `${entryCount} entries in memory (${sizeOf(logBytes)}); snapshots: ${sizes.join(', ') || 'none'}`,
    ...reasons.map((reason) => REASONS[reason.kind](reason)),
  ];
}

const REASONS: Record<KeepingReason['kind'], (reason: KeepingReason) => string> = {
  notInSnapshot: ({ index }) =>
    index === 0
      ? 'all entries: no snapshot was taken yet'
      : `entries after ${index}: they are in no snapshot yet`,
  trailingEntries: ({ index }) =>
    `entries from ${index} in memory: for members that are not far behind`,
  memberReceives: ({ index, member }) =>
    `the snapshot at ${index} and the entries after it: ${member} is receiving it`,
  olderSnapshot: ({ index }) =>
    `the snapshot at ${index} and the log on disk after it: should the newest be damaged`,
};

function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}

function memberRow(member: Member, leader: string | null): readonly string[] {
  const { id, role, peerAddress, clientAddress, priority } = member;
  const leads = id === leader ? 'yes' : '';
  return [id, role, peerAddress, clientAddress ?? '-', String(priority), leads];
}
