import {
  type Entry,
  type GroupId,
  type Incarnation,
  type LogIndex,
  type MemberId,
  memberId,
  type NodeId,
  nodeIdOf,
  packEntries,
  QuorateError,
  type Term,
  toHex,
} from '../base/index.js';
import type {
  GroupStorage,
  Random,
  StateMachine,
  StorageContext,
  StorageEngine,
  StoredIdentity,
} from '../interfaces/index.js';
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  membersOf,
} from '../raft/index.js';
import { type FoundGroup, loadGroup } from './loaded-group.js';
import { successorConfiguration } from './successor-configuration.js';

/** How one member is to go on alone. */
export interface RecoveryOptions {
  /** Of a node that is stopped: ERR_LOCKED where it runs. Closed on return, where it could be opened. */
  readonly storage: StorageEngine;
  /** False: nothing is changed, and what would be done is told. */
  readonly force: boolean;
}

/** What a recovery did, or would do. */
export interface MemberRecovery {
  readonly nodeId: NodeId;
  /** Whether it was done. */
  readonly isDone: boolean;
  /** Whether it had been begun before, and was cut short. */
  readonly isResumed: boolean;
  readonly formerClusterId: string;
  /** Null where nothing was done. */
  readonly clusterId: string | null;
  readonly incarnation: Incarnation | null;
  readonly groups: readonly RecoveredGroup[];
}

/** One group of a recovered member, as its storage holds it. */
export interface RecoveredGroup {
  readonly group: GroupId;
  /** The last entry that is durable here. All up to it is kept, committed or not. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Covered by a snapshot, so certainly committed. What is, between the two, nobody here knows. */
  readonly snapshotIndex: LogIndex;
  /** Nodes that are members no more. */
  readonly removed: readonly NodeId[];
}

/**
 * Makes a stopped member the only voter of a new cluster, for a cluster that lost its majority for good.
 *
 * Kept is everything that its log holds, also what was never committed; what only lost members held is
 * lost, acknowledged or not. The former members may come back: they are of another cluster, and this
 * one is another member, so neither side hears the other. The others join again, with new storage.
 *
 * Atomic: the new identity is one write. Before it nothing has changed; after it whoever opens the
 * storage next, a node or another recovery, finishes what is left to do in each group.
 */
export async function recoverMember(
  { storage, force }: RecoveryOptions,
  { random, ...context }: StorageContext & { readonly random: Random },
): Promise<MemberRecovery> {
  // What refuses to open is left alone: another node may be using it.
  const stored = await storage.open(context);
  try {
    if (stored === null) throw wrong('the storage holds no data');
    const { nodeId, clusterId, formerClusterId } = stored;
    if (clusterId === null) throw wrong(`${nodeId} belongs to no cluster yet`);
    const isResumed = formerClusterId !== undefined;
    const found = await groupsOf(storage);
    const former = formerClusterId ?? clusterId;
    const groups = found.map((group) => recoveredGroup(group, nodeId));
    if (!isResumed) checkLosses(found, stored);
    const report = { nodeId, isResumed, formerClusterId: former, groups };
    if (!force) return { ...report, isDone: false, clusterId: null, incarnation: null };
    const next = isResumed ? stored : successorOf(stored, clusterId, random);
    if (!isResumed) await storage.initialise(next);
    await finishGroups(storage, found, next);
    const { clusterId: own, incarnation } = next;
    return { ...report, isDone: true, clusterId: own, incarnation };
  } finally {
    await storage.close();
  }
}

/** Opens storage, and finishes a recovery that was cut short there before anybody reads it. */
export async function openRecovered(
  storage: StorageEngine,
  context: StorageContext,
): Promise<StoredIdentity | null> {
  const stored = await storage.open(context);
  if (stored?.formerClusterId === undefined) return stored;
  const fields = { event: 'node.recoveryFinished', nodeId: stored.nodeId };
  context.logger.warn(fields, 'A recovery of this member was cut short; it is finished now.');
  try {
    await finishGroups(storage, await groupsOf(storage), stored);
  } finally {
    // Logs are opened once: whoever opens them next begins anew.
    await storage.close();
  }
  return await storage.open(context);
}

/** A group with its storage, whose log is open. */
interface OpenedGroup {
  readonly id: GroupId;
  readonly storage: GroupStorage;
  readonly found: FoundGroup;
  readonly configuration: Configuration;
}

/** Every group that has members. ERR_CORRUPT where one of them is damaged: then nothing is changed. */
async function groupsOf(engine: StorageEngine): Promise<readonly OpenedGroup[]> {
  const opened: OpenedGroup[] = [];
  for (const id of await engine.groups()) {
    const storage = engine.group(id);
    const found = await loadGroup(id, storage, unread);
    const configuration = configurationOf(found);
    if (configuration !== null) opened.push({ id, storage, found, configuration });
  }
  return opened;
}

/** The configuration in force: the last one of the log, else that of its beginning. */
function configurationOf({ loaded }: FoundGroup): Configuration | null {
  const last = loaded.entries.findLast((entry) => entry.kind === 'configuration');
  return last === undefined ? loaded.configuration : decodeConfiguration(last.payload);
}

function recoveredGroup({ id, found, configuration }: OpenedGroup, self: NodeId): RecoveredGroup {
  const { index, term } = lastOf(found);
  const nodes = new Set(membersOf(configuration).map(nodeIdOf));
  nodes.delete(self);
  return {
    group: id,
    lastIndex: index,
    lastTerm: term,
    snapshotIndex: found.loaded.snapshot?.index ?? 0,
    removed: [...nodes].sort(),
  };
}

/** Refuses where there is nothing that was lost, or nothing to go on with. */
function checkLosses(
  groups: readonly OpenedGroup[],
  { nodeId, incarnation }: StoredIdentity,
): void {
  if (groups.length === 0) throw wrong(`${nodeId} holds no log`);
  const self = memberId(nodeId, incarnation);
  for (const { id, configuration } of groups) {
    if (!membersOf(configuration).includes(self)) {
      throw wrong(
        `${nodeId} is no member of group ${id}: it was removed, and its data is of before`,
      );
    }
  }
  if (groups.every(({ configuration }) => isAlone(configuration, self))) {
    throw wrong(`${nodeId} is the only member already: it needs no recovery`);
  }
}

function isAlone(configuration: Configuration, self: MemberId): boolean {
  return membersOf(configuration).every((member) => member === self);
}

/** Another member, of another cluster: neither hears, nor is heard by, those of the former one. */
function successorOf({ nodeId }: StoredIdentity, former: string, random: Random): StoredIdentity {
  const drawn = (): string => toHex(random.bytes(8));
  return { nodeId, incarnation: drawn(), clusterId: drawn(), formerClusterId: former };
}

/** Takes every group that is still of the former cluster out of it, then says that all are. */
async function finishGroups(
  engine: StorageEngine,
  groups: readonly OpenedGroup[],
  identity: StoredIdentity,
): Promise<void> {
  const { nodeId, incarnation, clusterId, formerClusterId } = identity;
  for (const group of groups) {
    if (group.configuration.clusterId === formerClusterId) await goOnAlone(group, identity);
  }
  await engine.initialise({ nodeId, incarnation, clusterId });
}

/**
 * Appends a configuration with this member alone, in a term of its own. It takes effect because it is
 * appended (Raft §6), and commits all before it once this member leads.
 */
async function goOnAlone(
  { id, storage, found, configuration }: OpenedGroup,
  { nodeId, incarnation, clusterId }: StoredIdentity,
): Promise<void> {
  const last = lastOf(found);
  // Above every term that this member has seen or voted in.
  const term = Math.max(last.term, found.loaded.hardState?.term ?? 0) + 1;
  const self = memberId(nodeId, incarnation);
  const old = membersOf(configuration).find((member) => nodeIdOf(member) === nodeId);
  const addresses = configuration.addresses.get(old ?? self) ?? { peer: '', client: null };
  const next = successorConfiguration(configuration, clusterId ?? '', new Map([[self, addresses]]));
  const payload = encodeConfiguration(next);
  const position = { group: id, term, firstIndex: last.index + 1, logTimeMs: last.logTimeMs };
  await storage.state.save({ term, votedFor: null });
  await storage.log.append(
    packEntries(position, [{ kind: 'configuration', commandVersion: 0, payload }]),
  );
}

function lastOf({ loaded }: FoundGroup): Pick<Entry, 'index' | 'term' | 'logTimeMs'> {
  return loaded.entries.at(-1) ?? loaded.compacted;
}

/** Reads a snapshot to its end, so that a damaged one is noticed, and keeps nothing. */
const unread: StateMachine = {
  apply: () => [],
  query: (query) => query,
  snapshot: async function* () {},
  restore: async (chunks) => {
    for await (const chunk of chunks) void chunk;
  },
};

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
