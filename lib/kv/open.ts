import type { GroupId } from '../base/index.js';
import type { StateMachine } from '../interfaces/index.js';
import {
  type Group,
  Host,
  HostedRaftNode,
  type NodeDefaults,
  type NodeOptions,
  type RaftNode,
  resolveSettings,
} from '../node/index.js';
import { type Codec, createKVStore, type KVStore, utf8 } from '../store/index.js';
import { KVStateMachine } from './kv-state-machine.js';
import { LocalBackend, type LocalBackendOptions } from './local-backend.js';
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
  return await orClose(host, () => openStore(host, DEFAULT_GROUP, values, 'node'));
}

/** Opens a node with the one group `default`, and a user's own machine on it. */
export async function openMachineNode(
  options: NodeOptions,
  machine: StateMachine,
  defaults: NodeDefaults,
): Promise<RaftNode> {
  const host = await Host.open(resolveSettings(options, defaults));
  return await orClose(host, () => openMachine(host, DEFAULT_GROUP, machine, 'node'));
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
    if (values === undefined) return await openStore(host, group, utf8, 'group');
    return await openStore(host, group, values, 'group');
  }
  return {
    id: host.id,
    closed: host.closed,
    openKVStore,
    openRaftNode: ({ group, stateMachine }) => openMachine(host, group, stateMachine, 'group'),
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface StoreOptions<V> {
  readonly group?: GroupId | undefined;
  readonly values: Codec<V>;
}

/** What a store or machine closes: the node that was opened for it, or its group of a host. */
type Closes = 'node' | 'group';

/** A node is closed once everything it was opened with is given back, a group once it has stopped. */
function endOf(
  host: Host,
  group: Group,
  closes: Closes,
): Pick<LocalBackendOptions, 'close' | 'closed'> {
  if (closes === 'node') return { close: () => host.close(), closed: host.closed };
  return { close: () => host.closeGroup(group.id), closed: group.closed };
}

async function openStore<V>(
  host: Host,
  id: GroupId,
  values: Codec<V>,
  closes: Closes,
): Promise<KVStore<V>> {
  const { maxKeyBytes, maxValueBytes } = host.settings.limits;
  const machine = new KVStateMachine();
  const group = await host.openGroup({
    id,
    machine,
    maxCommandBytes: maxKeyBytes + maxValueBytes + COMMAND_OVERHEAD_BYTES,
  });
  const backend = new LocalBackend({ host, group, machine, ...endOf(host, group, closes) });
  return createKVStore(backend, values);
}

async function openMachine(
  host: Host,
  id: GroupId,
  machine: StateMachine,
  closes: Closes,
): Promise<RaftNode> {
  const { maxValueBytes } = host.settings.limits;
  const group = await host.openGroup({ id, machine, maxCommandBytes: maxValueBytes });
  return new HostedRaftNode({ host, group, machine, ...endOf(host, group, closes) });
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
