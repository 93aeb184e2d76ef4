import { checkTarget, nodeFiles, type Salvage, writeSalvage } from '../files/index.js';
import { examine, type WalExamination, type WalExaminationOptions } from './doctor.js';

/** What was found in a directory, and what was written of it elsewhere. */
export interface WalSalvage {
  readonly examination: WalExamination;
  readonly salvage: Salvage;
}

/**
 * Examines a data directory, and writes what is provably good into `out`, which is new or empty:
 * snapshots that were read from end to end, the entries of each group as far as the log could be read, and a
 * manifest. The directory is not changed, and no node opens `out`.
 */
export async function salvageDirectory(
  directory: string,
  out: string,
  options: WalExaminationOptions = {},
): Promise<WalSalvage> {
  const files = options.files ?? nodeFiles;
  const target = await checkTarget(files, directory, out);
  const { examination, logs } = await examine(directory, options);
  return { examination, salvage: await writeSalvage({ files, examination, logs }, target) };
}
