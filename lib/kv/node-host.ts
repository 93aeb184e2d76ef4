import type { GroupId, NodeId, QuorateError } from '../base/index.js';
import type { StateMachine } from '../interfaces/index.js';
import type { RaftNode } from '../node/index.js';
import type { Codec, KVStore } from '../store/index.js';

/**
 * One node that serves several groups, each with a leader, a log and a state of its own, over one
 * transport, one storage engine and one tick loop.
 */
export interface NodeHost extends AsyncDisposable {
  readonly id: NodeId;
  /** Resolves when the node is closed or has stopped by itself; never rejects. */
  readonly closed: Promise<{ readonly cause: QuorateError | null }>;
  /** The store of a group, `'default'` unless told, that holds text. */
  openKVStore(options?: { readonly group?: GroupId | undefined }): Promise<KVStore<string>>;
  /** The same with another codec. Every member opens the group; closing closes it here. */
  openKVStore<V>(options: {
    readonly group?: GroupId | undefined;
    readonly values: Codec<V>;
  }): Promise<KVStore<V>>;
  /** A user's own machine as a group. */
  openRaftNode(options: {
    readonly group: GroupId;
    readonly stateMachine: StateMachine;
  }): Promise<RaftNode>;
  /** Closes every group, the transport and the storage. May be called twice. */
  close(): Promise<void>;
}
