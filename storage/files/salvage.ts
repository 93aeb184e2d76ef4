import { dirname, join, relative, resolve, sep } from 'node:path';
import {
  at,
  concatBytes,
  type Entry,
  encodeUtf8,
  type GroupId,
  QuorateError,
} from '../../lib/base/index.js';
import type { FileLayer, HardState } from '../../lib/interfaces/index.js';
import { corrupt } from './damage.js';
import { folderOf, GROUPS } from './data-folder.js';
import type { DirectoryExamination, ExaminedPlace, ExaminedSnapshot } from './examination.js';
import { historiesOf, runsOf, type SalvagedHistory } from './salvaged-history.js';
import { snapshotFile } from './snapshot-file.js';

/** What could be read without a gap of one group's log. */
export interface SalvagedLog {
  readonly group: GroupId;
  /** From 1 on: a log that is damaged in its middle has one before that, and one after it. */
  readonly part: number;
  /** Whether it reaches the end of the log. What an earlier part holds may have been replaced after it. */
  readonly isEnd: boolean;
  /** At the end of this part, like `base` and `last`. */
  readonly state: HardState | null;
  readonly base: ExaminedPlace;
  readonly last: ExaminedPlace;
  readonly entries: readonly Entry[];
}

/** A file that a salvage has written. */
export interface SalvagedFile {
  /** From the folder of the salvage on. */
  readonly path: string;
  readonly group: GroupId;
  readonly kind: 'snapshot' | 'entries';
  /** The entry a snapshot is of, or the first and the last that a file of entries holds. */
  readonly firstIndex: number;
  readonly lastIndex: number;
}

/** What a salvage has written. */
export interface Salvage {
  /** Absolute. */
  readonly folder: string;
  readonly files: readonly SalvagedFile[];
  /** What a state newer than every good snapshot can be made of, for the groups that have it. */
  readonly histories: readonly SalvagedHistory[];
}

export interface SalvageSource {
  readonly files: FileLayer;
  readonly examination: DirectoryExamination;
  readonly logs: readonly SalvagedLog[];
}

const MANIFEST = 'manifest.json';
const PIECE_BYTES = 1024 * 1024;

/** ERR_CONFIG unless `out` is new or empty, and outside of the directory. */
export async function checkTarget(
  files: FileLayer,
  directory: string,
  out: string,
): Promise<string> {
  const target = resolve(out);
  const way = relative(resolve(directory), target);
  const isInside = way === '' || (way !== '..' && !way.startsWith(`..${sep}`));
  if (isInside) throw wrong(`${out} is inside of ${directory}, in which nothing is changed`);
  if ((await files.list(target)).length > 0) throw wrong(`${out} is not empty; name a new folder`);
  return target;
}

/**
 * Writes what was found good into `target`: snapshots as they are, the entries of logs as lines of JSON, and
 * a manifest, last. It is no data directory, and no engine opens it: a `groups` folder without a FORMAT file
 * is refused.
 */
export async function writeSalvage(source: SalvageSource, target: string): Promise<Salvage> {
  const { files, examination, logs } = source;
  const written: SalvagedFile[] = [];
  await files.makeFolder(target);
  for (const snapshot of examination.snapshots) {
    const copy = await copySnapshot(files, snapshot, target);
    if (copy !== null) written.push(copy);
  }
  for (const log of logs) written.push(...(await writeLog(files, log, target)));
  const histories = historiesOf(examination.snapshots, logs);
  const salvage = { folder: target, files: written, histories };
  await writeFile(files, join(target, MANIFEST), [manifest(source, salvage)]);
  return salvage;
}

async function copySnapshot(
  files: FileLayer,
  { group, path, index, digest }: ExaminedSnapshot,
  target: string,
): Promise<SalvagedFile | null> {
  if (index === null) return null;
  const to = join(GROUPS, folderOf(group), `snapshot-${index}.snap`);
  await writeFile(files, join(target, to), pieces(files, path));
  // What cannot be read back is no copy.
  const copy = await snapshotFile(join(target, to), { files }).open();
  await copy.close();
  if (copy.digest !== digest) throw corrupt(join(target, to), 'is not what was copied');
  return { path: to, group, kind: 'snapshot', firstIndex: index, lastIndex: index };
}

async function* pieces(files: FileLayer, path: string): AsyncGenerator<Uint8Array> {
  const file = await files.open(path, { create: false, readOnly: true });
  try {
    for (let offset = 0; ; ) {
      const bytes = await file.read(offset, PIECE_BYTES);
      if (bytes.length === 0) return;
      yield bytes;
      offset += bytes.length;
    }
  } finally {
    await file.close();
  }
}

/** A file for each run of entries without a gap. */
async function writeLog(
  files: FileLayer,
  { group, part, entries }: SalvagedLog,
  target: string,
): Promise<readonly SalvagedFile[]> {
  const written: SalvagedFile[] = [];
  for (const run of runsOf(entries)) {
    const [firstIndex, lastIndex] = [at(run, 0).index, at(run, run.length - 1).index];
    const name = `part-${part}-entries-${firstIndex}-${lastIndex}.jsonl`;
    const path = join(GROUPS, folderOf(group), name);
    await writeFile(files, join(target, path), lines(run));
    written.push({ path, group, kind: 'entries', firstIndex, lastIndex });
  }
  return written;
}

function* lines(entries: readonly Entry[]): Generator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  for (const { index, term, kind, commandVersion, logTimeMs, payload } of entries) {
    const base64 = Buffer.from(payload).toString('base64');
    const record = { index, term, kind, commandVersion, logTimeMs, payload: base64 };
    const line = encodeUtf8(`${JSON.stringify(record)}\n`);
    gathered.push(line);
    bytes += line.length;
    if (bytes < PIECE_BYTES) continue;
    yield concatBytes(gathered);
    gathered = [];
    bytes = 0;
  }
  yield concatBytes(gathered);
}

function manifest({ examination, logs }: SalvageSource, { files, histories }: Salvage): Uint8Array {
  const { directory, engine, version, identity, damage, damagedSnapshots } = examination;
  const record = {
    what: 'salvaged by quorate: no data directory; a payload is base64, a snapshot can be restored',
    ...{ directory, engine, version, identity, damage, damagedSnapshots },
    logs: logs.map(({ entries, ...log }) => ({ ...log, entryCount: entries.length })),
    files,
    histories: histories.map(({ entries: _, ...history }) => history),
  };
  return encodeUtf8(`${JSON.stringify(record, null, 2)}\n`);
}

async function writeFile(
  files: FileLayer,
  path: string,
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  await files.makeFolder(dirname(path));
  const file = await files.open(path, { create: true });
  try {
    let offset = 0;
    for await (const bytes of content) {
      await file.write(offset, bytes);
      offset += bytes.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await files.syncFolder(dirname(path));
}

function wrong(message: string): QuorateError {
  return new QuorateError('ERR_CONFIG', { message });
}
