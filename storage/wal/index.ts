/**
 * Storage in a directory: one log of our own for all groups, in segments of zeros that are written over
 * from front to back, everything else in files beside it.
 *
 *     append(entries) -> record -> batch of all groups -> stamps -> one durable write -> resolves
 *     open()          -> segments in order -> whole, torn or damaged -> records -> entries of each group
 *
 * A batch is written only when the one before it is durable, and every block of it ends in a stamp that
 * is not zero. So what a crash left of the last one is told apart from damage, and cut; damage is
 * refused, with the file and the offset. The layout is in `docs/storage-format.md`.
 *
 * @module quorate/storage/wal
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
  type ExaminedSegment,
  examineDirectory,
  type WalExamination,
  type WalExaminationOptions,
} from './doctor.js';
export { type WalStorageOptions, walStorage } from './engine.js';
export { salvageDirectory, type WalSalvage } from './salvage.js';
