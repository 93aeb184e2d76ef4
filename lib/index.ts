/**
 * Quorate: a replicated, linearizable key-value store inside a Node.js application.
 *
 * This is the composition root of the package: it puts the system's clock and chance, and storage in
 * memory, in place of what was not given. Nothing native is loaded and no port is opened by importing
 * it.
 *
 * @module quorate
 */
import { memoryStorage } from '../storage/memory/index.js';
import type {
  Random,
  SnapshotDescription,
  StateMachine,
  StorageContext,
} from './interfaces/index.js';
import {
  type NodeHost,
  OfflineKVStateMachine,
  openHost,
  openMachineNode,
  openStoreNode,
} from './kv/index.js';
import {
  type MemberRecovery,
  type NodeDefaults,
  type NodeOptions,
  type RaftNode,
  type RebuildOptions,
  type RecoveryOptions,
  type RestoredMember,
  type RestoreOptions,
  rebuildSnapshot as rebuild,
  recoverMember as recoverAlone,
  restoreSnapshot as restoreMember,
} from './node/index.js';
import { silentLogger } from './observe/index.js';
import { type Codec, type KVStore, utf8 } from './store/index.js';
import { SystemClock, systemRandom } from './timing/index.js';

/** Opens a node and the store on it; resolves when it has recovered and listens, not yet with a leader. */
export async function openKVStore(options?: NodeOptions): Promise<KVStore<string>>;
export async function openKVStore<V>(
  options: NodeOptions & { readonly values: Codec<V> },
): Promise<KVStore<V>>;
export async function openKVStore<V>(
  options: NodeOptions & { readonly values?: Codec<V> } = {},
): Promise<KVStore<V> | KVStore<string>> {
  const { values, ...node } = options;
  if (values === undefined) return await openStoreNode(node, utf8, defaults());
  return await openStoreNode(node, values, defaults());
}

/** Opens a node that replicates a state machine of one's own. */
export async function openRaftNode(
  options: NodeOptions & { readonly stateMachine: StateMachine },
): Promise<RaftNode> {
  const { stateMachine, ...node } = options;
  return await openMachineNode(node, stateMachine, defaults());
}

/** Opens a node without any group, for several stores and machines on one transport and one engine. */
export async function openNodeHost(options: NodeOptions = {}): Promise<NodeHost> {
  return await openHost(options, defaults());
}

/**
 * Makes one member of a new cluster out of a saved snapshot, in storage that is new; opens no node. Called
 * with the same snapshot, members and token for each member, all are of the same cluster, which is another
 * than the snapshot was taken of. The same call twice makes the same member twice: never restore one
 * member of a cluster that has run since. Storage of a restore that failed is to be thrown away; no node
 * starts from it. `docs/operations.md` says when to use it.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoredMember> {
  return await restoreMember(options, offline());
}

/**
 * Makes a stopped member the only voter of a new cluster, for one that lost its majority for good; opens no
 * node. Kept is what is durable here, committed or not; what only lost members held is lost. Those are of
 * another cluster from then on, and join again with new storage. Decided by one durable write, and finished by
 * whoever opens the storage next where it is cut short. ERR_LOCKED where the node runs, ERR_CONFIG where there
 * is nothing to recover, ERR_CORRUPT where its data is damaged. `docs/operations.md` says when to use it.
 */
export async function recoverMember(options: RecoveryOptions): Promise<MemberRecovery> {
  return await recoverAlone(options, offline());
}

/**
 * Makes a snapshot out of a snapshot and the entries after it, as a member would that applies them: for data
 * of which no node can start. The machine is that of a `KVStore`, and ERR_MACHINE where the entries are none of
 * its commands. Whether an entry was ever committed is for the caller to know.
 */
export async function rebuildSnapshot(
  options: Omit<RebuildOptions, 'stateMachine'> & {
    readonly stateMachine?: StateMachine | undefined;
  },
): Promise<SnapshotDescription> {
  const { stateMachine = new OfflineKVStateMachine(), ...rest } = options;
  return await rebuild({ ...rest, stateMachine }, offline());
}

function offline(): StorageContext & { readonly random: Random } {
  return { clock: new SystemClock(), logger: silentLogger, random: systemRandom };
}

function defaults(): NodeDefaults {
  return {
    storage: () => memoryStorage(),
    clock: new SystemClock(),
    random: systemRandom,
    // biome-ignore lint/suspicious/noConsole: a fault that nobody else hears of is not lost.
    report: (line) => console.error(line),
    checked: false,
  };
}

export {
  ERROR_CODES,
  type ErrorCode,
  type LeaderHint,
  type Limits,
  type Outcome,
  QuorateError,
  type QuorateErrorOptions,
} from './base/index.js';
export { EmitterEventBus, type EventBusHandlers } from './events/index.js';
export type { NodeHost } from './kv/index.js';
export * from './node/define-state-machine.js';
export type {
  GroupEnd,
  MemberRecovery,
  NodeOptions,
  QueryOptions,
  RaftNode,
  RebuildOptions,
  RecoveredGroup,
  RecoveryOptions,
  RestoredMember,
  RestoreOptions,
  WaitOptions,
} from './node/index.js';
export { storedMembers } from './node/index.js';
export { type LineLoggerOptions, type LogLevel, lineLogger } from './observe/index.js';
export type * from './store/index.js';
export { bytes, json, saveSnapshot, utf8 } from './store/index.js';
export { TIMING_PRESETS, type TimingOptions, type TimingPreset } from './timing/index.js';
