import type { MemberId } from '../base/index.js';
import type { TransferRefusal } from './effects.js';
import type { Input } from './inputs.js';
import type { TimeoutNow } from './messages.js';
import { isVoter, votersOf } from './quorum.js';
import { becomeCandidate, becomeFollower } from './roles.js';
import { configurationOf, emit, type RaftState } from './state.js';
import { afterWrite } from './writes.js';

/**
 * Handing leadership on (Thesis §3.10): the leader takes no proposals any more, brings the chosen
 * member up to its own last entry, and tells it to stand at once.
 */

/** A transfer under way. */
export interface Transfer {
  /** Null where nobody asked for it but the priorities. */
  readonly transferId: number | null;
  readonly to: MemberId;
  elapsedTicks: number;
  /** Whether the chosen member was told to stand. It may do so long after this leader gave up. */
  isTold: boolean;
}

export function onTransfer(state: RaftState, input: Input & { kind: 'transferLeadership' }): void {
  const { transferId } = input;
  const to = input.to ?? mostCaughtUp(state);
  const refusal = to === null ? 'noTarget' : refusalOf(state, to);
  if (refusal !== null || to === null) {
    emit(state, { kind: 'transferRefused', transferId, reason: refusal ?? 'noTarget' });
    return;
  }
  beginTransfer(state, transferId, to);
}

/** Leader: takes no proposals any more, and tells `to` once it holds everything. */
export function beginTransfer(state: RaftState, transferId: number | null, to: MemberId): void {
  state.transfer = { transferId, to, elapsedTicks: 0, isTold: false };
}

/** Ends a leader's step: tells the chosen member, once it holds all that there is. */
export function advanceTransfer(state: RaftState): void {
  const { transfer } = state;
  if (transfer === null || transfer.isTold) return;
  if (state.progress.get(transfer.to)?.matchIndex !== state.log.lastIndex) return;
  transfer.isTold = true;
  tellToStand(state, transfer.to);
}

/** One tick of a leader. After an election timeout it goes on leading, if nobody else does. */
export function tickTransfer(state: RaftState): void {
  const { transfer } = state;
  if (transfer === null) return;
  transfer.elapsedTicks += 1;
  const { electionMaxTicks, heartbeatTicks } = state.options.timing;
  // A change that was under way when the transfer began may have removed it.
  if (!isVoterHere(state, transfer.to)) return refuseTransfer(state, 'noTarget');
  if (transfer.elapsedTicks >= electionMaxTicks) return refuseTransfer(state, 'tookTooLong');
  // What was told may be lost on the way; whoever stands already is in a later term and ignores it.
  if (transfer.isTold && transfer.elapsedTicks % heartbeatTicks === 0) {
    tellToStand(state, transfer.to);
  }
}

/** The transfer under way comes to nothing; proposals are taken again. */
export function refuseTransfer(state: RaftState, reason: TransferRefusal): void {
  const { transfer } = state;
  if (transfer === null) return;
  state.transfer = null;
  const { transferId } = transfer;
  if (transferId !== null) emit(state, { kind: 'transferRefused', transferId, reason });
}

/**
 * Leads no more, and follows nobody yet. The term is kept: what the leader acknowledged stays true.
 * Whoever is most caught up is told to stand, so that nobody has to find out by waiting.
 */
export function resign(state: RaftState): void {
  if (state.role !== 'leader') return;
  const to = mostCaughtUp(state);
  if (to !== null) tellToStand(state, to);
  becomeFollower(state, state.hardState.term, null);
}

/** The leader wants this member to lead: no pre-vote, no waiting. */
export function onTimeoutNow(state: RaftState, { from }: TimeoutNow): void {
  // A leader follows itself, so that this holds for it too.
  if (state.leader !== null && state.leader !== from) return;
  if (state.lacksState || !isVoter(configurationOf(state), state.options.self)) return;
  becomeCandidate(state);
  state.isTransferTarget = true;
  afterWrite(state, { kind: 'stand', term: state.hardState.term });
}

function refusalOf(state: RaftState, to: MemberId): TransferRefusal | null {
  if (state.role !== 'leader') return 'notLeader';
  if (state.transfer !== null) return 'underWay';
  if (to === state.options.self || !isVoterHere(state, to)) return 'noTarget';
  return isClose(state, to) ? null : 'lagging';
}

/** The voter that is nearest to the end of the log, of those that can be expected to answer. */
function mostCaughtUp(state: RaftState): MemberId | null {
  let best: MemberId | null = null;
  let bestIndex = -1;
  for (const member of votersOf(configurationOf(state))) {
    const matchIndex = state.progress.get(member)?.matchIndex ?? -1;
    if (matchIndex <= bestIndex || !isClose(state, member)) continue;
    best = member;
    bestIndex = matchIndex;
  }
  return best;
}

/**
 * Whether a member can be expected to reach the end of a log that grows no more: it answers, and what
 * it is known to lack fits into one window.
 */
export function isClose(state: RaftState, member: MemberId): boolean {
  const { timing, limits } = state.options;
  const progress = state.progress.get(member);
  if (progress === undefined || progress.quietTicks >= timing.electionMinTicks) return false;
  if (progress.mode === 'snapshot') return false;
  // A new leader has yet to learn where the logs of others end.
  if (progress.matchIndex === 0) return true;
  if (progress.matchIndex < state.log.firstIndex - 1) return false;
  let lackingBytes = 0;
  for (let index = progress.matchIndex + 1; index <= state.log.lastIndex; ) {
    const part = state.log.sliceBytes(index, limits.maxAppendBytes);
    for (const { sizeBytes } of part) lackingBytes += sizeBytes;
    if (lackingBytes > limits.maxInflightBytes) return false;
    index += part.length;
  }
  return true;
}

function isVoterHere(state: RaftState, member: MemberId): boolean {
  return isVoter(configurationOf(state), member);
}

function tellToStand(state: RaftState, to: MemberId): void {
  const { self, group } = state.options;
  state.isLeaseGone = true;
  const term = state.hardState.term;
  emit(state, { kind: 'send', message: { kind: 'timeoutNow', group, from: self, to, term } });
}
