import { noteHeard, tickCatchUp } from './catch-up.js';
import { onLeaderLost } from './election.js';
import { sendHeartbeats } from './heartbeat.js';
import type { Input } from './inputs.js';
import { noteLeasePromised } from './lease.js';
import type { HeartbeatReply } from './messages.js';
import { tickPriority } from './priority.js';
import { hasQuorum } from './quorum.js';
import { confirmReads } from './reads.js';
import { becomeFollower } from './roles.js';
import { offerNewest } from './snapshot.js';
import { configurationOf, emit, type RaftState } from './state.js';
import { refuseTransfer, tickTransfer } from './transfer.js';

/** A leader's pulse, and its doubt in itself (CheckQuorum, Thesis §6.2). */

export function tickLeader(state: RaftState): void {
  const { heartbeatTicks, electionMaxTicks } = state.options.timing;
  tickCatchUp(state);
  state.electionElapsedTicks += 1;
  if (state.electionElapsedTicks >= electionMaxTicks) {
    state.electionElapsedTicks = 0;
    if (!checkQuorum(state)) return;
  }
  for (const progress of state.progress.values()) progress.quietTicks += 1;
  tickTransfer(state);
  tickPriority(state);
  state.heartbeatElapsedTicks += 1;
  if (state.heartbeatElapsedTicks < heartbeatTicks) return;
  state.heartbeatElapsedTicks = 0;
  emit(state, { kind: 'heartbeatTimedOut' });
  sendHeartbeats(state);
}

export function onHeartbeatReply(state: RaftState, reply: HeartbeatReply): void {
  const progress = state.progress.get(reply.from);
  if (progress === undefined) return;
  noteHeard(state, progress);
  // What was sent may be lost: probe again, or ask whether the window arrived.
  progress.probing = false;
  if (progress.matchIndex < state.log.lastIndex) progress.checkDue = true;
  if (reply.lease !== undefined) noteLeasePromised(progress, reply.lease);
  if (reply.readRound <= progress.readRound) return;
  progress.readRound = reply.readRound;
  confirmReads(state);
}

/** A member that cannot be reached is handed nothing; one that said goodbye does not come back soon. */
export function onPeerLost(state: RaftState, input: Input & { kind: 'peerLost' }): void {
  const { member, saidGoodbye } = input;
  const progress = state.progress.get(member);
  if (progress !== undefined) {
    progress.quietTicks = state.options.timing.electionMaxTicks;
    if (state.transfer?.to === member) refuseTransfer(state, 'lagging');
  } else if (!saidGoodbye) onLeaderLost(state, member);
}

/** Steps down when no quorum was heard from for a whole election timeout. */
function checkQuorum(state: RaftState): boolean {
  const { self } = state.options;
  const heard = hasQuorum(
    configurationOf(state),
    (member) => member === self || state.progress.get(member)?.active === true,
  );
  for (const progress of state.progress.values()) {
    // Who is silent is no reason to keep an old snapshot, and the log after it.
    if (!progress.active) offerNewest(state, progress);
    progress.active = false;
  }
  if (!heard) becomeFollower(state, state.hardState.term, null);
  return heard;
}
