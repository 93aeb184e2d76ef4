import type { LogIndex, MemberId, QuorateError } from '../base/index.js';
import { membersOf, type Raft } from '../raft/index.js';
import { Applier } from './applier.js';
import { storageFailed } from './faults.js';
import { GroupCalls } from './group-calls.js';
import { GroupDisk } from './group-disk.js';
import { GroupNews } from './group-news.js';
import type { GroupOptions } from './group-options.js';
import { GroupSnapshots } from './group-snapshots.js';
import type { Inbox } from './inbox.js';
import { leaseMisfit } from './lease-fit.js';
import type { FoundGroup } from './loaded-group.js';
import { PendingChanges } from './pending-changes.js';
import { Transfers } from './transfers.js';

/** What the parts ask of the group that they belong to. */
export interface GroupCore {
  readonly inbox: Inbox;
  readonly raft: () => Raft;
  readonly leader: () => MemberId | null;
  readonly appliedIndex: () => LogIndex;
  /** A snapshot has taken the place of everything up to and including `index`. */
  readonly onRestored: (index: LogIndex) => void;
  readonly onFailed: (error: QuorateError) => void;
}

/** What carries out the effects of a core, and keeps the calls that wait for them. */
export interface GroupParts {
  readonly disk: GroupDisk;
  readonly applier: Applier;
  readonly snapshots: GroupSnapshots;
  readonly calls: GroupCalls;
  readonly transfers: Transfers;
  readonly changes: PendingChanges;
  readonly news: GroupNews;
}

/** Makes the parts of a group. Whatever they complete goes into its inbox. */
export function groupParts(options: GroupOptions, found: FoundGroup, core: GroupCore): GroupParts {
  const { id: group, self, clock, storage, machine, metrics, timing } = options;
  const { inbox, raft, leader, appliedIndex, onRestored, onFailed } = core;
  const disk = new GroupDisk({
    log: storage.log,
    state: storage.state,
    slowTicks: timing.electionMaxTicks,
    metrics,
    onWritten: (writeId) => inbox.add({ kind: 'written', writeId }),
    onFailed: (cause) => onFailed(storageFailed(cause)),
  });
  const calls = new GroupCalls({
    ...options.calls,
    self,
    group,
    clock,
    leader,
    isRemoved: () => isRemoved(raft(), self),
    appliedIndex,
    onWork: () => inbox.schedule(),
  });
  const transfers = new Transfers({
    self,
    group,
    calls,
    configuration: () => raft().status().configuration,
    begin: (transferId, to) => inbox.addLast({ kind: 'transferLeadership', transferId, to }),
  });
  const changes = new PendingChanges({
    group,
    calls,
    begin: (input) => inbox.add(input),
    objection: ({ leaderLeaseMs }) => leaseMisfit(leaderLeaseMs ?? null, timing),
  });
  const snapshots = new GroupSnapshots({
    ...options,
    group,
    storage: storage.snapshots,
    found: found.snapshots,
    unusable: found.unusable,
    raft,
    compact: (index, term) => disk.compact(index, term),
    enqueue: (input) => inbox.add(input),
    onRestored,
    onFailed,
  });
  const applier = new Applier({
    machine,
    clock,
    onApplied: (entry, result) => calls.proposals.applied(entry, result),
  });
  return { disk, applier, snapshots, calls, transfers, changes, news: new GroupNews(options) };
}

/** A node that was never a member knows of none, or has yet to receive the entry that makes it one. */
function isRemoved(raft: Raft, self: MemberId): boolean {
  const members = membersOf(raft.status().configuration);
  return members.length > 0 && !members.includes(self) && raft.undecidedAdmission === null;
}
