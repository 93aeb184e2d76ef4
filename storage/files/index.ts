/**
 * What every storage engine on real files shares: everything but the log itself.
 *
 *     <data directory>
 *       FORMAT                    which engine wrote it, and in which version
 *       lock.<pid>.<random>       a socket that answers while the process lives
 *       identity.1  identity.2    whose data it is
 *       groups/<group>/
 *         state.1   state.2       term and vote
 *         mark.1    mark.2        how far the log must reach
 *         snapshots/<id>.snap
 *
 * Pairs `.1` and `.2` are two full copies, written one after the other. Files appear whole (temporary
 * name, sync, rename, sync of the folder) or are overwritten in place one copy at a time. Nothing here
 * knows how a log is stored.
 */
export { bytesOfChance } from './chance.js';
export { checksum } from './checksum.js';
export { checkCompression, type SnapshotCompression } from './compression.js';
export { corrupt, Damage, storageFailed } from './damage.js';
export {
  DataFolder,
  type DataFolderOptions,
  folderOf,
  GROUPS,
  groupOf,
  removeTemporary,
} from './data-folder.js';
export {
  durableFlag,
  flagsPath,
  isFlagTaken,
  THIS_SYSTEM,
  type WriteSystem,
} from './durable-flag.js';
export {
  checkUnused,
  type DirectoryExamination,
  type ExaminedFolder,
  type ExaminedGroup,
  type ExaminedPlace,
  type ExaminedSnapshot,
  examineFolder,
  examinePair,
  type FoundDamage,
  noted,
  quietLogger,
} from './examination.js';
export { type FolderLock, isLockName, lockFolder } from './folder-lock.js';
export { storedEngine } from './format.js';
export { type FoundLog, GroupFiles, type GroupFilesOptions, STATE_NAME } from './group-files.js';
export { closed, Health } from './health.js';
export { Mark, type MarkOptions } from './mark.js';
export { nodeFiles, openNodeFile } from './node-files.js';
export { readOnlyFiles } from './read-only-files.js';
export {
  checkTarget,
  type Salvage,
  type SalvagedFile,
  type SalvagedLog,
  writeSalvage,
} from './salvage.js';
export type { SalvagedHistory } from './salvaged-history.js';
export { decodeState, type LogPosition } from './small-values.js';
export { type SnapshotFile, type SnapshotFileOptions, snapshotFile } from './snapshot-file.js';
export { SnapshotFiles, type SnapshotFilesOptions } from './snapshot-files.js';
export {
  TwinFile,
  type TwinFileOptions,
  type TwinKind,
  type TwinRecord,
  type TwinSubject,
} from './twin-file.js';
