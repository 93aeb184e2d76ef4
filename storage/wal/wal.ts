import { join } from 'node:path';
import type { FileLayer, StorageContext } from '../../lib/interfaces/index.js';
import { bytesOfChance, corrupt, type Health, Mark, TwinFile } from '../files/index.js';
import { Compaction } from './compaction.js';
import type { GroupLogs } from './group-logs.js';
import {
  decodeMark,
  encodeMark,
  initialMark,
  isSameMark,
  MARK_PAIR,
  type WalMark,
} from './position.js';
import { type RecoveredStream, recoverStream } from './recovery.js';
import { isSpareName, SegmentFolder } from './segment-folder.js';
import { sequenceOf } from './segment-head.js';
import type { SegmentWriter } from './segment-writer.js';
import { Stamps } from './stamps.js';
import { WalStream } from './stream.js';

/** As `FORMAT` names it. */
export const ENGINE = 'wal';
export const VERSION = 1;

/** Folder of the segments, in the data directory. */
export const LOG_FOLDER = 'log';
/** Without the `.1` or `.2` of its copies. */
export const MARK_NAME = 'mark';
/** Names in the data directory that are the engine's own. */
export const DATA_NAMES: readonly string[] = [LOG_FOLDER, `${MARK_NAME}.1`, `${MARK_NAME}.2`];

export interface WalOptions {
  readonly files: FileLayer;
  readonly context: StorageContext;
  readonly health: Health;
  /** The data directory: absolute, there, and locked. */
  readonly path: string;
  /** Whether the directory was ever used: then it has a log, or lost it. */
  readonly isUsed: boolean;
  readonly writer: SegmentWriter;
  readonly segmentBytes: number;
  readonly maxBatchBytes: number;
  /** Of a new stream. Default: by chance. */
  readonly nonce?: number | undefined;
}

/** The stream of a data directory with everything that it needs, from recovery to close. */
export class Wal {
  readonly stream: WalStream;
  readonly groups: GroupLogs;
  readonly #options: WalOptions;
  readonly #mark: Mark<WalMark>;
  readonly #segments: SegmentFolder;
  readonly #compaction: Compaction;

  private constructor(
    options: WalOptions,
    markFile: TwinFile,
    mark: WalMark,
    found: RecoveredStream,
  ) {
    const { files, context, health, writer, segmentBytes, maxBatchBytes } = options;
    const { clock, logger } = context;
    const stamps = new Stamps(mark.nonce);
    const { groups } = found;
    this.groups = groups;
    this.#options = options;
    this.#mark = new Mark({
      ...{ clock, logger, health, file: markFile },
      ...{ encode: encodeMark, isSame: isSameMark, initial: mark },
    });
    this.#segments = new SegmentFolder({ files, logger, path: join(options.path, LOG_FOLDER) });
    const segments = this.#segments;
    const onWritten = (): void => this.#compaction.check();
    this.stream = new WalStream(
      {
        ...{ clock, stamps, groups, segments, writer, mark: this.#mark, nonce: mark.nonce },
        ...{ segmentBytes, maxBatchBytes, onWritten },
      },
      { ...found, firstSegment: mark.firstSegment },
    );
    const { stream } = this;
    this.#compaction = new Compaction({ files, logger, health, stamps, groups, segments, stream });
    const { nonce, firstSegment } = mark;
    this.#mark.begin(mark, { ...found.position, nonce, firstSegment });
  }

  /** Reads the log, or makes an empty one. ERR_CORRUPT where it is damaged. */
  static async open(options: WalOptions): Promise<Wal> {
    const { files, context, path } = options;
    const { clock, logger } = context;
    const folder = join(path, LOG_FOLDER);
    await files.makeFolder(folder);
    const names = await files.list(folder);
    const file = join(path, MARK_NAME);
    const markFile = new TwinFile({ files, logger, path: file, ...MARK_PAIR });
    const stored = await markFile.load();
    const isUsed = options.isUsed || names.some((name) => sequenceOf(name) !== null);
    if (stored === null && isUsed) throw corrupt(`${file}.1`, 'missing beside data');
    const mark = stored === null ? await create(options, markFile) : decodeMark(stored.body);
    const found = await recoverStream({ files, folder, mark, clock, logger });
    for (const name of names.filter(isSpareName)) await files.remove(join(folder, name));
    const wal = new Wal(options, markFile, mark, found);
    await wal.#begin();
    return wal;
  }

  /** Of the segments, for messages. */
  get path(): string {
    return join(this.#options.path, LOG_FOLDER);
  }

  async #begin(): Promise<void> {
    // A stream that was promised nothing yet may have lost its first segment to a crash.
    if (this.stream.lastSegment > 0) await this.#mark.raise();
    await this.stream.begin();
    this.#compaction.check();
  }

  /**
   * Marks the end of the log, unless the disk has failed. Called when no call is under way. When it is over,
   * nothing of it touches the directory any more, whatever is asked for meanwhile.
   */
  async close(): Promise<void> {
    try {
      await this.#compaction.stop();
      await this.stream.close();
      await this.#segments.stop();
      await this.#mark.stop();
      if (this.#options.health.failure === null) await this.#mark.raise();
    } finally {
      await this.#options.writer.close();
    }
  }
}

/** The mark of a new stream: durable before its first segment is there. */
async function create({ nonce, context }: WalOptions, file: TwinFile): Promise<WalMark> {
  const mark = initialMark(nonce ?? nonceFrom(bytesOfChance(context.random, 4)));
  await file.save(encodeMark(mark));
  return mark;
}

function nonceFrom(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}
