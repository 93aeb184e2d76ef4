import type { LogIndex } from '../base/index.js';
import type { LeaseStamp } from './messages.js';
import type { RaftLimits } from './options.js';
import type { SnapshotReference } from './types.js';

/**
 * How far the leader has brought one other member.
 *
 * `probe`: the leader does not know where the logs part, and sends one append at a time.
 * `replicate`: it knows, and sends ahead of the answers, up to a window.
 * `snapshot`: what comes next is compacted away, and nothing is sent but the offer of a snapshot.
 */
export interface Progress {
  mode: 'probe' | 'replicate' | 'snapshot';
  /** Snapshot: what is offered. Null in other modes. */
  snapshot: SnapshotReference | null;
  /** Known to be durable there and equal. 0 <= matchIndex < nextIndex. Never goes back in a term. */
  matchIndex: LogIndex;
  /** The next entry to send. nextIndex <= log.lastIndex + 1. */
  nextIndex: LogIndex;
  /** Probe and snapshot: one is under way, and no other is sent until it is answered or a heartbeat is. */
  probing: boolean;
  /** An append is due even with nothing to send: the answer tells whether earlier ones were lost. */
  checkDue: boolean;
  /** The highest commitIndex that was sent. */
  sentCommitIndex: LogIndex;
  /** Replicate: appends sent and not yet answered, oldest first. Last indexes rise. */
  readonly inflight: { readonly lastIndex: LogIndex; readonly bytes: number }[];
  /** The sum over `inflight`. */
  inflightBytes: number;
  /** Heard from since the last check of the quorum. */
  active: boolean;
  /** Which of the leader's ticks was the last before it was heard from; null for never. */
  heardTick: number | null;
  /** Ticks since it was heard from, or since this member leads. */
  quietTicks: number;
  /** The latest promise of a lease. */
  lease: LeaseStamp | null;
  /** The latest read round that this member has confirmed. */
  readRound: number;
}

/** What a new leader knows of another member: nothing (Raft §5.3). */
export function newProgress(lastIndex: LogIndex): Progress {
  return {
    mode: 'probe',
    snapshot: null,
    matchIndex: 0,
    nextIndex: lastIndex + 1,
    probing: false,
    checkDue: true,
    sentCommitIndex: 0,
    inflight: [],
    inflightBytes: 0,
    active: false,
    heardTick: null,
    quietTicks: 0,
    lease: null,
    readRound: 0,
  };
}

export function becomeProbe(progress: Progress, nextIndex: LogIndex): void {
  progress.mode = 'probe';
  progress.snapshot = null;
  progress.nextIndex = Math.max(nextIndex, progress.matchIndex + 1);
  progress.probing = false;
  progress.checkDue = true;
  progress.inflight.length = 0;
  progress.inflightBytes = 0;
}

export function becomeSnapshot(progress: Progress, snapshot: SnapshotReference): void {
  becomeProbe(progress, progress.nextIndex);
  progress.mode = 'snapshot';
  progress.snapshot = snapshot;
}

/** Takes note that everything up to `matchIndex` is durable there. False when that was known. */
export function noteAccepted(progress: Progress, matchIndex: LogIndex): boolean {
  releaseInflight(progress, matchIndex);
  const news = matchIndex > progress.matchIndex;
  progress.matchIndex = Math.max(progress.matchIndex, matchIndex);
  progress.nextIndex = Math.max(progress.nextIndex, matchIndex + 1);
  if (progress.snapshot !== null && matchIndex >= progress.snapshot.index) {
    becomeProbe(progress, progress.matchIndex + 1);
  }
  if (progress.mode === 'probe' && matchIndex === progress.matchIndex) {
    progress.mode = 'replicate';
    progress.nextIndex = progress.matchIndex + 1;
    progress.probing = false;
  }
  return news;
}

export function noteSent(progress: Progress, lastIndex: LogIndex, bytes: number): void {
  if (progress.mode === 'probe') {
    progress.probing = true;
    return;
  }
  progress.nextIndex = lastIndex + 1;
  if (bytes === 0) return;
  progress.inflight.push({ lastIndex, bytes });
  progress.inflightBytes += bytes;
}

export function isWindowFull(progress: Progress, limits: RaftLimits): boolean {
  return (
    progress.inflight.length >= limits.maxInflightAppends ||
    progress.inflightBytes >= limits.maxInflightBytes
  );
}

function releaseInflight(progress: Progress, matchIndex: LogIndex): void {
  let answered = 0;
  for (const sent of progress.inflight) {
    if (sent.lastIndex > matchIndex) break;
    progress.inflightBytes -= sent.bytes;
    answered += 1;
  }
  if (answered > 0) progress.inflight.splice(0, answered);
}
