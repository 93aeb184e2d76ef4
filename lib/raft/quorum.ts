import { at, type MemberId } from '../base/index.js';
import type { Configuration } from './types.js';

/**
 * The largest value that a quorum has reached: the one function behind elections, commits and reads,
 * so that they cannot disagree about what a quorum is. In a joint configuration both majorities must
 * have reached it (Raft §6). A configuration without voters never reaches anything above 0.
 */
export function quorumValue(
  configuration: Configuration,
  valueOf: (member: MemberId) => number,
): number {
  const { incoming, outgoing } = configuration;
  const reached = majorityValue(incoming, valueOf);
  return outgoing.length === 0 ? reached : Math.min(reached, majorityValue(outgoing, valueOf));
}

/** Whether a quorum consists of members for which `has` holds. */
export function hasQuorum(
  configuration: Configuration,
  has: (member: MemberId) => boolean,
): boolean {
  return quorumValue(configuration, (member) => (has(member) ? 1 : 0)) === 1;
}

/** How an election stands. Votes of those who are no voters do not count. */
export function electionResult(
  configuration: Configuration,
  votes: ReadonlyMap<MemberId, boolean>,
): 'won' | 'lost' | 'pending' {
  if (hasQuorum(configuration, (member) => votes.get(member) === true)) return 'won';
  if (hasQuorum(configuration, (member) => votes.get(member) !== false)) return 'pending';
  return 'lost';
}

export function isVoter(configuration: Configuration, member: MemberId): boolean {
  return configuration.incoming.includes(member) || configuration.outgoing.includes(member);
}

/** Every voter once, of both halves of a joint configuration. */
export function votersOf(configuration: Configuration): readonly MemberId[] {
  const { incoming, outgoing } = configuration;
  if (outgoing.length === 0) return incoming;
  return [...new Set([...incoming, ...outgoing])];
}

/** Everyone who is sent entries. */
export function membersOf(configuration: Configuration): readonly MemberId[] {
  return [...new Set([...votersOf(configuration), ...configuration.learners])];
}

/** The value that more than half have reached: of n values, the one ranked floor(n / 2) + 1 from above. */
function majorityValue(voters: readonly MemberId[], valueOf: (member: MemberId) => number): number {
  if (voters.length === 0) return 0;
  const values = voters.map(valueOf).sort((a, b) => b - a);
  return at(values, Math.floor(voters.length / 2));
}
