/**
 * Storage in a directory: the log of every group in one LevelDB, everything else in files beside it.
 *
 *     append(entries) -> chain each to the one before -> batch of all groups -> one sync -> resolves
 *     open()          -> read all -> every entry there, in place, fitting -> reaches its mark -> entries
 *
 * LevelDB passes over damage in its own log without a word; the chain and the mark are what notices.
 * The layout is in `docs/storage-format.md`.
 *
 * @module quorate/storage/level
 */
export {
  type DirectoryExamination,
  type ExaminedGroup,
  type ExaminedPlace,
  type ExaminedSnapshot,
  type FoundDamage,
  type Salvage,
  type SalvagedFile,
  type SalvagedHistory,
  type SnapshotCompression,
  type SnapshotFile,
  type SnapshotFileOptions,
  snapshotFile,
  storedEngine,
} from '../files/index.js';
export {
  examineDirectory,
  type LevelExamination,
  type LevelSalvage,
  salvageDirectory,
} from './doctor.js';
export { type LevelStorageOptions, levelStorage } from './engine.js';
