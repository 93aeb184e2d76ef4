import {
  DEFAULT_PRIORITY,
  type GroupId,
  type Incarnation,
  incarnationOf,
  type MemberId,
  type NodeId,
  nodeIdOf,
} from '../base/index.js';
import type { Member, NodeStatus, SnapshotDescription } from '../interfaces/index.js';
import {
  type Configuration,
  configurationVersion,
  leadershipOf,
  membersOf,
  type RaftStatus,
  votersOf,
} from '../raft/index.js';
import { keptData } from './kept-data.js';

/** The members of a configuration, sorted by id. */
export function memberList(configuration: Configuration): readonly Member[] {
  const voters = new Set(votersOf(configuration));
  return membersOf(configuration)
    .map((member): Member => {
      const addresses = configuration.addresses.get(member);
      return {
        id: nodeIdOf(member),
        incarnation: incarnationOf(member),
        role: voters.has(member) ? 'voter' : 'learner',
        peerAddress: addresses?.peer ?? '',
        clientAddress: addresses?.client ?? null,
        priority: configuration.priorities?.get(member) ?? DEFAULT_PRIORITY,
      };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Names what `memberList` says; empty where nobody is a member. */
export function membershipVersion(configuration: Configuration): string {
  return membersOf(configuration).length === 0 ? '' : configurationVersion(configuration);
}

export interface NodeStatusParts {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly group: GroupId;
  readonly clusterId: string | null;
  readonly pendingCalls: number;
  readonly snapshots: readonly SnapshotDescription[];
}

/** What the core says of itself, in the words of users: nodes instead of members. */
export function nodeStatus(raft: RaftStatus, { snapshots, ...parts }: NodeStatusParts): NodeStatus {
  return {
    ...parts,
    role: raft.role,
    term: raft.term,
    votedFor: raft.votedFor === null ? null : nodeIdOf(raft.votedFor),
    leader: leaderOf(raft.configuration, raft.leader),
    lastIndex: raft.lastIndex,
    durableIndex: raft.durableIndex,
    commitIndex: raft.commitIndex,
    appliedIndex: raft.appliedIndex,
    lacksState: raft.lacksState,
    kept: keptData(raft, snapshots),
    members: memberList(raft.configuration),
    membershipVersion: membershipVersion(raft.configuration),
    leadership: leadershipOf(raft.configuration),
    progress: [...raft.progress].map(([member, { matchIndex, nextIndex }]) => ({
      id: nodeIdOf(member),
      matchIndex,
      nextIndex,
    })),
  };
}

function leaderOf(configuration: Configuration, leader: MemberId | null): NodeStatus['leader'] {
  if (leader === null) return null;
  const addresses = configuration.addresses.get(leader);
  return {
    id: nodeIdOf(leader),
    address: addresses?.peer ?? null,
    clientAddress: addresses?.client ?? null,
  };
}
