import type { GroupId } from '../base/index.js';
import type { StateMachine } from '../interfaces/index.js';
import {
  Host,
  HostedRaftNode,
  type NodeDefaults,
  type NodeOptions,
  type RaftNode,
  resolveSettings,
} from '../node/index.js';
import { type Codec, createKVStore, type KVStore, utf8 } from '../store/index.js';
import { KVStateMachine } from './kv-state-machine.js';
import { LocalBackend } from './local-backend.js';
import type { NodeHost } from './node-host.js';

/** The group of a node that has only one. */
export const DEFAULT_GROUP = 'default';

/** What a put adds to its key and value, generously. */
const COMMAND_OVERHEAD_BYTES = 1024;

/** Opens a node with the one group `default`, and the store on it. Closing the store closes the node. */
export async function openStoreNode<V>(
  options: NodeOptions,
  values: Codec<V>,
  defaults: NodeDefaults,
): Promise<KVStore<V>> {
  const host = await Host.open(resolveSettings(options, defaults));
  return await orClose(host, () => openStore(host, DEFAULT_GROUP, values, () => host.close()));
}

/** Opens a node with the one group `default`, and a user's own machine on it. */
export async function openMachineNode(
  options: NodeOptions,
  machine: StateMachine,
  defaults: NodeDefaults,
): Promise<RaftNode> {
  const host = await Host.open(resolveSettings(options, defaults));
  return await orClose(host, () => openMachine(host, DEFAULT_GROUP, machine, () => host.close()));
}

/** Opens a node without any group; stores and machines are opened on it. */
export async function openHost(options: NodeOptions, defaults: NodeDefaults): Promise<NodeHost> {
  const host = await Host.open(resolveSettings(options, defaults));
  const close = (): Promise<void> => host.close();
  function openKVStore(given?: { readonly group?: GroupId | undefined }): Promise<KVStore<string>>;
  function openKVStore<V>(given: StoreOptions<V>): Promise<KVStore<V>>;
  async function openKVStore<V>({
    group = DEFAULT_GROUP,
    values,
  }: Partial<StoreOptions<V>> = {}): Promise<KVStore<V> | KVStore<string>> {
    const closeGroup = (): Promise<void> => host.closeGroup(group);
    if (values === undefined) return await openStore(host, group, utf8, closeGroup);
    return await openStore(host, group, values, closeGroup);
  }
  return {
    id: host.id,
    closed: host.closed,
    openKVStore,
    openRaftNode: ({ group, stateMachine }) =>
      openMachine(host, group, stateMachine, () => host.closeGroup(group)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface StoreOptions<V> {
  readonly group?: GroupId | undefined;
  readonly values: Codec<V>;
}

async function openStore<V>(
  host: Host,
  group: GroupId,
  values: Codec<V>,
  close: () => Promise<void>,
): Promise<KVStore<V>> {
  const { maxKeyBytes, maxValueBytes } = host.settings.limits;
  const machine = new KVStateMachine();
  const opened = await host.openGroup({
    id: group,
    machine,
    maxCommandBytes: maxKeyBytes + maxValueBytes + COMMAND_OVERHEAD_BYTES,
  });
  return createKVStore(new LocalBackend({ host, group: opened, machine, close }), values);
}

async function openMachine(
  host: Host,
  group: GroupId,
  machine: StateMachine,
  close: () => Promise<void>,
): Promise<RaftNode> {
  const { maxValueBytes } = host.settings.limits;
  const opened = await host.openGroup({ id: group, machine, maxCommandBytes: maxValueBytes });
  return new HostedRaftNode({ host, group: opened, machine, close });
}

/** A node whose group cannot be opened is closed again. */
async function orClose<T>(host: Host, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await host.close();
    throw error;
  }
}
