/**
 * The key-value store as its users see it, on whichever side of a socket they are.
 *
 *     KVStore<V>  --codec, namespace, sizes-->  KVRequest  -->  KVBackend  -->  local node | client
 *                 <--codec, ERR_CONDITION-----  KVResponse <--
 *
 * The facade turns text and values into bytes, checks their sizes before anything is sent, turns a
 * failed condition into an error, and walks a listing page by page. It does not wait, retry, time or
 * order anything: deadlines, forwarding and outcomes are the backend's.
 */
export { bytes, json, utf8 } from './codecs.js';
export { successorOfPrefix } from './keys.js';
export { backendOf, createKVStore } from './kv-store.js';
export { ListedMembership } from './listed-membership.js';
export { type SnapshotSaved, saveSnapshot } from './save-snapshot.js';
export type * from './types.js';
