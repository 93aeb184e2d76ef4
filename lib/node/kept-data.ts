import { nodeIdOf } from '../base/index.js';
import type { KeepingReason, KeptData, SnapshotDescription } from '../interfaces/index.js';
import type { RaftStatus } from '../raft/index.js';

/** What a member keeps, by its core and its snapshots, newest first, and why. */
export function keptData(
  { firstIndex, lastIndex, logBytes, progress }: RaftStatus,
  kept: readonly SnapshotDescription[],
): KeptData {
  const reasons: KeepingReason[] = [];
  const newestIndex = kept[0]?.index ?? 0;
  if (lastIndex > newestIndex) {
    reasons.push({ kind: 'notInSnapshot', index: newestIndex, member: null });
  }
  if (firstIndex <= newestIndex) {
    reasons.push({ kind: 'trailingEntries', index: firstIndex, member: null });
  }
  for (const [member, { snapshot }] of progress) {
    if (snapshot === null) continue;
    reasons.push({ kind: 'memberReceives', index: snapshot.index, member: nodeIdOf(member) });
  }
  const older = kept[1];
  if (older !== undefined) {
    reasons.push({ kind: 'olderSnapshot', index: older.index, member: null });
  }
  const snapshots = kept.map(({ index, sizeBytes }) => ({ index, sizeBytes }));
  return { firstIndex, logBytes, snapshots, reasons };
}
