/**
 * Storage in memory. An engine writes to a disk object; the disk outlives the engine, so that a test
 * can stop or crash a node and start it again on what was durable:
 *
 *     node -> engine -> pending writes -> (a later turn, unless held, delayed or failed) -> durable
 *                       crash() drops them                                                  survives
 *
 * Nothing here touches a real disk, and nothing completes inside the call that asked for it.
 *
 * @module quorate/storage/memory
 */
export {
  type DiskHold,
  type DiskWrite,
  type DiskWriteKind,
  type DiskWriteMatch,
  type MemoryDisk,
  type MemoryDiskOptions,
  memoryDisk,
} from './disk.js';
export { type MemoryStorageOptions, memoryStorage } from './engine.js';
