import { leaseStamp } from './lease.js';
import { emit, type RaftState } from './state.js';

/**
 * Tells every member that this leader lives, and asks them to confirm the latest read round. What a
 * heartbeat says is committed is never more than the receiver is known to hold.
 */
export function sendHeartbeats(state: RaftState): void {
  const { self, group } = state.options;
  const lease = leaseStamp(state);
  for (const [to, progress] of state.progress) {
    emit(state, {
      kind: 'send',
      message: {
        kind: 'heartbeat',
        group,
        from: self,
        to,
        term: state.hardState.term,
        commitIndex: Math.min(progress.matchIndex, state.commitIndex),
        readRound: state.readRounds.at(-1)?.round ?? 0,
        ...(lease === null ? {} : { lease }),
      },
    });
  }
}
