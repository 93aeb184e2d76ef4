import { assert, at, type Entry } from '../../lib/base/index.js';
import type { FileLayer, Logger } from '../../lib/interfaces/index.js';
import type { Health } from '../files/index.js';
import type { GroupLogs } from './group-logs.js';
import { entriesRecord, type WalRecord } from './records.js';
import { entriesOfSegment } from './segment-entries.js';
import type { SegmentFolder } from './segment-folder.js';
import type { Stamps } from './stamps.js';
import type { WalStream } from './stream.js';

/** Fewer segments than this are never worth the reading of one. */
const MIN_PINNED_SEGMENTS = 4;

/** The first segments are cleared when what has to be moved for it is this part of what can go then, or less. */
const MAX_MOVED_SHARE = 1 / 8;

/** Of entries in one batch. */
const MAX_MOVED_BYTES = 1024 * 1024;

export interface CompactionOptions {
  readonly files: FileLayer;
  readonly logger: Logger;
  readonly health: Health;
  readonly stamps: Stamps;
  readonly groups: GroupLogs;
  readonly segments: SegmentFolder;
  readonly stream: WalStream;
}

/**
 * Gives up segments that no group needs, the oldest first. Where a few entries of a group that lags are all
 * that keeps the first one, and many dead ones wait behind it, they are written again at the end.
 */
export class Compaction {
  readonly #options: CompactionOptions;
  #running: Promise<void> | null = null;
  /** The last segment when nothing was worth moving. With the next one another look is due. */
  #judgedSegment = 0;
  #isStopped = false;

  constructor(options: CompactionOptions) {
    this.#options = options;
  }

  /** Looks whether something can go, and lets it go in the background. Cheap where nothing can. */
  check(): void {
    if (this.#running !== null || this.#isStopped || !this.#isWorthIt()) return;
    this.#running = this.#run();
  }

  /** Nothing is given up from now on. Resolves when nothing is being moved. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, health } = this.#options;
    try {
      while (!this.#isStopped && health.failure === null && this.#isWorthIt()) await this.#step();
    } catch (error) {
      // A failed write is final, and the next call states it. A segment that cannot be read stays.
      this.#isStopped = true;
      const fields = { event: 'storage.compactionFailed', error: String(error) };
      logger.error(fields, 'segments of the log that are not needed stay where they are');
    }
    this.#running = null;
  }

  #isWorthIt(): boolean {
    return this.#isFirstDead() || this.#isFirstWorthMoving();
  }

  #isFirstDead(): boolean {
    const { groups, stream } = this.#options;
    const { firstSegment, lastSegment } = stream;
    return firstSegment < lastSegment && groups.liveEntries(firstSegment) === 0;
  }

  /**
   * Whether some of the first segments hold little that is needed, together. What is written for it is then
   * little against what is given up; counted in the whole log, what is dead in the last segment would have all
   * of the others written again, and be there still.
   */
  #isFirstWorthMoving(): boolean {
    const { groups, stream } = this.#options;
    const { firstSegment, lastSegment } = stream;
    const isLong = lastSegment - firstSegment >= MIN_PINNED_SEGMENTS;
    if (!isLong || this.#judgedSegment === lastSegment) return false;
    const live = groups.liveBytes();
    let movedBytes = 0;
    let deadBytes = 0;
    for (let segment = firstSegment; segment < lastSegment; segment += 1) {
      const liveBytes = live.get(segment) ?? 0;
      movedBytes += liveBytes;
      deadBytes += groups.writtenBytes(segment) - liveBytes;
      if (movedBytes <= deadBytes * MAX_MOVED_SHARE) return true;
    }
    this.#judgedSegment = lastSegment;
    return false;
  }

  async #step(): Promise<void> {
    if (this.#isFirstDead()) await this.#release();
    else await this.#move(this.#options.stream.firstSegment);
  }

  async #release(): Promise<void> {
    const { groups, stream, segments, health } = this.#options;
    const released: number[] = [];
    let first = stream.firstSegment;
    for (; first < stream.lastSegment && groups.liveEntries(first) === 0; first += 1) {
      released.push(first);
    }
    // Before they go: a start looks for every segment from the first one that is marked.
    await stream.raiseFirstSegment(first);
    for (const segment of released) groups.forgetSegment(segment);
    const sizeBytes = stream.nextSegmentBytes;
    await health.write(segments.path(first), () => segments.release(released, sizeBytes));
  }

  /** Writes what groups still have in `segment` again: many of them at once, each of which may have little. */
  async #move(segment: number): Promise<void> {
    const { files, health, stamps, groups, segments, stream } = this.#options;
    const path = segments.path(segment);
    const found = await health.attempt(path, () => entriesOfSegment(files, path, segment, stamps));
    const isNeeded = (entry: Entry): boolean => this.#isNeeded(entry, segment);
    for (const piece of pieces(groups.ids.flatMap(found).filter(isNeeded))) {
      await health.write(path, () =>
        // Some may have been cut off or given up before it is their turn.
        stream.appendFirst(() => movedRecords(piece.filter(isNeeded))),
      );
    }
    assert(groups.liveEntries(segment) === 0, 'what was moved is not needed where it was');
  }

  /** Whether its group has the entry in this segment, and so nowhere else. */
  #isNeeded({ group, index }: Entry, segment: number): boolean {
    const ranges = this.#options.groups.get(group)?.held.ranges ?? [];
    return ranges.some(
      ({ first, last, value }) => value.segment === segment && first <= index && index <= last,
    );
  }
}

/** One record for each run without a gap. */
function movedRecords(entries: readonly Entry[]): readonly WalRecord[] {
  const runs: Entry[][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    const isNext = before?.group === entry.group && before.index === entry.index - 1;
    if (run !== undefined && isNext) run.push(entry);
    else runs.push([entry]);
  }
  return runs.map((run) => ({ ...entriesRecord(at(run, 0).group, run), kind: 'moved' }));
}

/** The entries in pieces that are written at once. */
function* pieces(entries: readonly Entry[]): Generator<readonly Entry[], void, undefined> {
  let piece: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    piece.push(entry);
    bytes += entry.sizeBytes;
    if (bytes < MAX_MOVED_BYTES) continue;
    yield piece;
    piece = [];
    bytes = 0;
  }
  if (piece.length > 0) yield piece;
}
