import { assert, type MemberId, unreachable } from '../base/index.js';
import { isCaughtUp } from './catch-up.js';
import { configurationVersion, encodeConfiguration, leadershipOf } from './configuration.js';
import type { ChangeRejection } from './effects.js';
import type { ChangeLeadership, Input, MembershipChange } from './inputs.js';
import { forgetRemoved, isLeaving } from './membership.js';
import { membersOf } from './quorum.js';
import { appendOwn } from './replication.js';
import { configurationOf, emit, inForce, type RaftState } from './state.js';
import { resign } from './transfer.js';
import type { Configuration } from './types.js';

/** Changes of the members, by joint consensus (Raft §6), one at a time. */

export function onChangeMembership(
  state: RaftState,
  { changeId, change, expect }: Input & { kind: 'changeMembership' },
): void {
  const next = objection(state, expect) ?? changed(state, change);
  if (typeof next === 'string') {
    emit(state, { kind: 'changeRejected', changeId, reason: next });
    return;
  }
  appendConfiguration(state, next);
  const { lastIndex: index } = state.log;
  emit(state, { kind: 'changeAppended', changeId, term: state.hardState.term, index });
}

/** Leader: how the group keeps its leader is a part of the configuration, and changes as that does. */
export function onChangeLeadership(
  state: RaftState,
  { changeId, leadership, expect }: ChangeLeadership,
): void {
  const reason = objection(state, expect);
  if (reason !== null) {
    emit(state, { kind: 'changeRejected', changeId, reason });
    return;
  }
  const current = leadershipOf(configurationOf(state));
  const { leaderLeaseMs = current.leaderLeaseMs, closeHint = current.closeHint } = leadership;
  appendConfiguration(state, {
    ...configurationOf(state),
    leadership: { leaderLeaseMs, closeHint },
  });
  const { lastIndex: index } = state.log;
  emit(state, { kind: 'changeAppended', changeId, term: state.hardState.term, index });
}

/**
 * Leader, before a step is written: leaves a joint configuration as soon as it is committed, whoever
 * entered it. No user has to ask, and no leader can forget: it stands in its log.
 */
export function leaveJoint(state: RaftState): void {
  const { index, configuration } = inForce(state);
  if (configuration.outgoing.length === 0 || index > state.commitIndex) return;
  // A step that commits has appended nothing.
  if (!hasOwnTermCommitted(state)) return;
  appendConfiguration(state, { ...configuration, outgoing: [] });
}

/**
 * Leader, after everybody was sent what is committed: lets go of members whose removal is. One that has
 * removed itself leads until then, without counting itself (Raft §6), and until what it had taken before
 * is committed too: nobody is going to tell it what became of that. Then it hands over, so that nobody
 * has to find out by waiting.
 */
export function settleRemovals(state: RaftState): void {
  forgetRemoved(state);
  if (isLeaving(state) && state.commitIndex === state.log.lastIndex) resign(state);
}

function objection(state: RaftState, expect: string | null): ChangeRejection | null {
  if (state.role !== 'leader') return 'notLeader';
  if (state.transfer !== null || isLeaving(state)) return 'transferring';
  const { index, configuration } = inForce(state);
  if (expect !== null && expect !== configurationVersion(configuration)) return 'versionMismatch';
  // A predecessor's change may be committed by others without this leader knowing. Until an entry of
  // this term is committed, a change of ours could decide beside it, with no member in common.
  if (!hasOwnTermCommitted(state)) return 'termNotCommitted';
  if (index > state.commitIndex) return 'changeInFlight';
  assert(configuration.outgoing.length === 0, 'a joint configuration is left as it is committed');
  return null;
}

function hasOwnTermCommitted(state: RaftState): boolean {
  return state.commitIndex >= state.termStartIndex;
}

/** What the change makes of the configuration in force, which is no joint one. */
function changed(state: RaftState, change: MembershipChange): Configuration | ChangeRejection {
  const current = configurationOf(state);
  const { incoming, learners } = current;
  const isKnown = membersOf(current).includes(change.member);
  if (change.kind === 'addLearner') {
    if (isKnown) return 'alreadyMember';
    const addresses = new Map(current.addresses).set(change.member, change.addresses);
    return { ...current, learners: [...learners, change.member], addresses };
  }
  if (!isKnown) return 'unknownMember';
  switch (change.kind) {
    case 'changeAddresses': {
      const addresses = new Map(current.addresses).set(change.member, change.addresses);
      return { ...current, addresses };
    }
    case 'changePriority': {
      const priorities = new Map(current.priorities).set(change.member, change.priority);
      return { ...current, priorities };
    }
    case 'promote':
      return promoted(state, change.member, incoming);
    case 'replace':
      return replaced(state, change.member, change.by);
    case 'remove':
      return removed(current, change.member);
    default:
      return unreachable(change);
  }
}

function promoted(
  state: RaftState,
  learner: MemberId,
  others: readonly MemberId[],
): Configuration | ChangeRejection {
  const current = configurationOf(state);
  if (!current.learners.includes(learner)) return 'notLearner';
  if (!isCaughtUp(state, learner)) return 'notCaughtUp';
  return {
    ...current,
    incoming: [...others, learner],
    outgoing: current.incoming,
    learners: without(current.learners, learner),
  };
}

function replaced(state: RaftState, old: MemberId, by: MemberId): Configuration | ChangeRejection {
  const current = configurationOf(state);
  if (!membersOf(current).includes(by)) return 'unknownMember';
  if (!current.learners.includes(by)) return 'notLearner';
  if (current.learners.includes(old)) return removed(current, old);
  const next = promoted(state, by, without(current.incoming, old));
  const priority = current.priorities?.get(old);
  if (typeof next === 'string' || priority === undefined) return next;
  // Whoever takes the place of a member takes its priority too.
  return { ...next, priorities: new Map(current.priorities).set(by, priority) };
}

function removed(current: Configuration, member: MemberId): Configuration | ChangeRejection {
  if (current.learners.includes(member)) {
    return { ...current, learners: without(current.learners, member) };
  }
  const incoming = without(current.incoming, member);
  if (incoming.length === 0) return 'noVoters';
  return { ...current, incoming, outgoing: current.incoming };
}

/** Appends it with the addresses and priorities of its members, and of nobody else. */
function appendConfiguration(state: RaftState, configuration: Configuration): void {
  const members = new Set(membersOf(configuration));
  const ofMembers = <T>(map: ReadonlyMap<MemberId, T> = new Map()): ReadonlyMap<MemberId, T> =>
    new Map([...map].filter(([member]) => members.has(member)));
  const addresses = ofMembers(configuration.addresses);
  const priorities = ofMembers(configuration.priorities);
  const payload = encodeConfiguration({ ...configuration, addresses, priorities });
  appendOwn(state, [{ kind: 'configuration', commandVersion: 0, payload }]);
}

function without(members: readonly MemberId[], member: MemberId): readonly MemberId[] {
  return members.filter((other) => other !== member);
}
