import { join, resolve } from 'node:path';
import type { GroupId } from '../../lib/base/index.js';
import type { FileLayer } from '../../lib/interfaces/index.js';
import {
  checkUnused,
  corrupt,
  type DirectoryExamination,
  type ExaminedFolder,
  type ExaminedGroup,
  examineFolder,
  examinePair,
  type FoundDamage,
  nodeFiles,
  noted,
  readOnlyFiles,
  type SalvagedLog,
} from '../files/index.js';
import { decodeMark, initialMark, MARK_PAIR, type WalMark } from './position.js';
import { isSpareName } from './segment-folder.js';
import { decodeHead, HEAD_BYTES, segmentName, sequenceOf } from './segment-head.js';
import { StreamReading } from './stream-reading.js';
import { DATA_NAMES, ENGINE, LOG_FOLDER, MARK_NAME, VERSION } from './wal.js';

/** A file of the log. */
export interface ExaminedSegment {
  /** Absolute. */
  readonly path: string;
  /**
   * `good`: as it was written. `damaged` or `missing`: the log cannot be read past it. `unneeded`: left by
   * a crash, and removed at the next start.
   */
  readonly state: 'good' | 'damaged' | 'missing' | 'unneeded';
  /** Bytes up to the end of what was stored; null where that is not known. */
  readonly usedBytes: number | null;
}

/** What was found in a directory of `walStorage`. Nothing was changed. */
export interface WalExamination extends DirectoryExamination {
  readonly segments: readonly ExaminedSegment[];
  /** All up to here is known to have been durable; null where the mark is damaged or missing. */
  readonly mark: { readonly path: string; readonly offset: number } | null;
  /** What a crash left of a write that was never acknowledged: the next start cuts it off. */
  readonly tornTail: {
    readonly path: string;
    readonly offset: number;
    readonly bytes: number;
  } | null;
}

/** How a directory is examined. */
export interface WalExaminationOptions {
  /** Reaches every file but the lock. Default: the file system. For tests. */
  readonly files?: FileLayer | undefined;
}

/**
 * Looks at a data directory, and reads all of it, as a start would; changes nothing. ERR_LOCKED while a
 * process uses it, or begins to meanwhile. ERR_CONFIG where there is none, or it is of another engine or
 * version. Holds as much in memory as a start does.
 */
export async function examineDirectory(
  directory: string,
  options: WalExaminationOptions = {},
): Promise<WalExamination> {
  return (await examine(directory, options)).examination;
}

/** An examination with the entries that were read. */
export interface Examined {
  readonly examination: WalExamination;
  readonly logs: readonly SalvagedLog[];
}

export async function examine(
  directory: string,
  options: WalExaminationOptions,
): Promise<Examined> {
  const path = resolve(directory);
  await checkUnused(path);
  const examined = await new Doctor(path, readOnlyFiles(options.files ?? nodeFiles)).examine();
  // What was read of a log that was being written is worth nothing.
  await checkUnused(path);
  return examined;
}

class Doctor {
  readonly #files: FileLayer;
  readonly #directory: string;
  readonly #folder: string;
  readonly #damage: FoundDamage[] = [];
  readonly #repairs: FoundDamage[] = [];
  /** Parts of the log that could be read without a gap, in order. */
  readonly #parts: StreamReading[] = [];
  readonly #broken: ExaminedSegment[] = [];

  constructor(directory: string, files: FileLayer) {
    this.#directory = directory;
    this.#files = files;
    this.#folder = join(directory, LOG_FOLDER);
  }

  async examine(): Promise<Examined> {
    const own = { engine: ENGINE, version: VERSION, dataNames: DATA_NAMES };
    const folder = await examineFolder(this.#files, this.#directory, own);
    const names = await this.#files.list(this.#folder);
    const sequences = names.map(sequenceOf).filter((one) => one !== null);
    const nonces = await this.#nonces(sequences);
    const stored = await this.#mark(folder, sequences, nonces);
    const mark = stored ?? likelyMark(sequences, nonces);
    if (mark !== null) await this.#read(mark, sequences);
    const groups = this.#groups();
    this.#judgeIdentity(folder, groups);
    const { names: _, hasGroups: __, ...rest } = folder;
    const examination = {
      ...rest,
      engine: ENGINE,
      groups,
      damage: [...folder.damage, ...this.#damage],
      repairs: [...folder.repairs, ...this.#repairs],
      unknownNames: [...folder.unknownNames, ...unknown(names)],
      segments: this.#segments(),
      mark: stored === null ? null : this.#place(stored),
      tornTail: this.#tornTail(),
    };
    return { examination, logs: this.#logs(stored) };
  }

  async #mark(
    { identity, hasGroups }: ExaminedFolder,
    sequences: readonly number[],
    nonces: ReadonlyMap<number, number>,
  ): Promise<WalMark | null> {
    const path = join(this.#directory, MARK_NAME);
    const pair = { files: this.#files, path, ...MARK_PAIR };
    const isNeeded = identity !== null || hasGroups || sequences.length > 0;
    return noted(this.#damage, path, async () => {
      const body = await examinePair(pair, isNeeded, this.#repairs);
      const mark = body === null ? null : decodeMark(body);
      const known = [...nonces.values()];
      const isOfAnother = mark !== null && known.length > 0 && !known.includes(mark.nonce);
      if (isOfAnother) throw corrupt(`${path}.1`, 'the mark is that of another log');
      return mark;
    });
  }

  /** Of the stream that each segment is of, as far as its head says so. */
  async #nonces(sequences: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const nonces = new Map<number, number>();
    for (const sequence of sequences) {
      const path = join(this.#folder, segmentName(sequence));
      const head = await noted([], path, async () => {
        const file = await this.#files.open(path, { create: false });
        try {
          return decodeHead(path, await file.read(0, HEAD_BYTES));
        } finally {
          await file.close();
        }
      });
      if (head !== null) nonces.set(sequence, head.nonce);
    }
    return nonces;
  }

  /** Goes on behind what is damaged: each segment says by itself where it begins. */
  async #read(mark: WalMark, sequences: readonly number[]): Promise<void> {
    let firstSegment = mark.firstSegment;
    for (let next: number | undefined = firstSegment; next !== undefined; ) {
      firstSegment = next;
      const options = { files: this.#files, folder: this.#folder };
      const part = new StreamReading({ ...options, mark: { ...mark, firstSegment } });
      this.#parts.push(part);
      const found: FoundDamage[] = [];
      const end = await noted(found, this.#folder, async () => {
        await part.run();
        return 'whole' as const;
      });
      // What a part lacks that reaches the end was in the damage before it, which is noted.
      if (this.#parts.length === 1 || !part.reachesEnd) this.#damage.push(...found);
      next = end === null ? sequences.find((one) => one > part.sequence) : undefined;
      if (end === null) this.#noteBroken(part, sequences);
    }
  }

  #noteBroken({ sequence, segments }: StreamReading, sequences: readonly number[]): void {
    // The log is not whole, and this segment is: it ends too early, or lacks what came before.
    if (segments.some((segment) => segment.sequence === sequence)) return;
    const path = join(this.#folder, segmentName(sequence));
    const state = sequences.includes(sequence) ? 'damaged' : 'missing';
    this.#broken.push({ path, state, usedBytes: null });
  }

  /** As the last part has them that knows of them: nothing of an earlier one need still stand. */
  #groups(): readonly ExaminedGroup[] {
    const found = new Map<GroupId, ExaminedGroup>();
    for (const { groups } of this.#parts) {
      for (const group of groups.ids) {
        const before = found.get(group)?.configuration ?? null;
        const log = groups.get(group);
        if (log === null) continue;
        const { state, base, last } = log;
        const entries = groups.heldEntries(group);
        const latest = entries.findLast(({ kind }) => kind === 'configuration');
        found.set(group, { group, state, base, last, configuration: latest?.payload ?? before });
      }
    }
    return [...found.values()].sort((a, b) => (a.group < b.group ? -1 : 1));
  }

  #judgeIdentity({ identity, damage }: ExaminedFolder, groups: readonly ExaminedGroup[]): void {
    const path = join(this.#directory, 'identity.1');
    const isNoted = damage.some((one) => one.path.includes('identity'));
    if (identity !== null || isNoted || groups.length === 0) return;
    this.#damage.push({ path, offset: null, what: 'missing beside data' });
  }

  #segments(): readonly ExaminedSegment[] {
    const read = this.#parts.flatMap(({ segments }) =>
      segments.map(({ path, isBegun, endOffset }) => ({
        path,
        state: isBegun ? ('good' as const) : ('unneeded' as const),
        usedBytes: isBegun ? endOffset : null,
      })),
    );
    const [first] = this.#parts;
    const stale = (first?.unneeded ?? []).map((sequence) => ({
      path: join(this.#folder, segmentName(sequence)),
      state: 'unneeded' as const,
      usedBytes: null,
    }));
    const all = [...stale.filter(({ path }) => !read.some((one) => one.path === path)), ...read];
    return [...all, ...this.#broken].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #tornTail(): WalExamination['tornTail'] {
    const tail = this.#parts.at(-1)?.tail ?? null;
    if (tail === null || tail.remains === null) return null;
    const { from, to } = tail.remains;
    return { path: tail.path, offset: from, bytes: to - from };
  }

  #place({ segment, offset }: WalMark): { readonly path: string; readonly offset: number } {
    return { path: join(this.#folder, segmentName(segment)), offset };
  }

  #logs(mark: WalMark | null): readonly SalvagedLog[] {
    return this.#parts.flatMap((part, place) =>
      part.groups.ids.flatMap((group) => {
        const log = part.groups.get(group);
        if (log === null) return [];
        const { state, base, last } = log;
        // Without a mark nobody knows how far it went.
        const isEnd = mark !== null && part.reachesEnd;
        const entries = part.groups.heldEntries(group);
        return [{ group, part: place + 1, isEnd, state, base, last, entries }];
      }),
    );
  }
}

/** Without a mark: from the first segment on, as far as the log of most of them goes. */
function likelyMark(
  sequences: readonly number[],
  nonces: ReadonlyMap<number, number>,
): WalMark | null {
  const counts = new Map<number, number>();
  for (const nonce of nonces.values()) counts.set(nonce, (counts.get(nonce) ?? 0) + 1);
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  if (most === undefined) return null;
  return { ...initialMark(most[0]), firstSegment: sequences[0] ?? 1 };
}

function unknown(names: readonly string[]): readonly string[] {
  return names
    .filter((name) => sequenceOf(name) === null && !isSpareName(name))
    .map((name) => `${LOG_FOLDER}/${name}`);
}
