import { join } from 'node:path';
import type { GroupId, Term } from '../../lib/base/index.js';
import type { Clock, FileLayer, HardState, Logger, Random } from '../../lib/interfaces/index.js';
import type { SnapshotCompression } from './compression.js';
import { corrupt } from './damage.js';
import { type DataFolder, removeTemporary } from './data-folder.js';
import type { Health } from './health.js';
import { Mark } from './mark.js';
import {
  decodeMark,
  decodeState,
  encodeMark,
  encodeState,
  isSamePosition,
  type LogPosition,
} from './small-values.js';
import { SnapshotFiles } from './snapshot-files.js';
import { TwinFile } from './twin-file.js';

/** Without the `.1` or `.2` of its copies. */
export const STATE_NAME = 'state';

export interface GroupFilesOptions {
  readonly folder: DataFolder;
  readonly group: GroupId;
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Health;
  /** Of snapshots to come. Default 'none'. */
  readonly snapshotCompression?: SnapshotCompression | undefined;
  readonly random?: Random | undefined;
}

/** What an engine found of a group's log, to be judged against the files that stand beside it. */
export interface FoundLog {
  /** What a message about the log names. */
  readonly path: string;
  /** Null when the engine knows nothing of the group. */
  readonly base: LogPosition | null;
  readonly last: LogPosition;
  /** The log at `index`, which lies between base and last. */
  readonly at: (index: number) => LogPosition;
}

/**
 * The files of one group that stand beside its log: state, mark and snapshots.
 *
 * A group is created in a fixed order (state, mark, then the log's base), each durable before the
 * next, and nothing is stored in it before all three are. So what is there says what must be there:
 * a base without state or mark, a mark without state, or anything that was written without a base, is
 * a file that was lost, never a group that is new.
 */
export class GroupFiles {
  readonly path: string;
  readonly mark: Mark<LogPosition>;
  readonly snapshots: SnapshotFiles;
  readonly #options: GroupFilesOptions;
  readonly #stateFile: TwinFile;
  readonly #markFile: TwinFile;

  constructor(options: GroupFilesOptions) {
    this.#options = options;
    const { files, logger, health, clock, group, random } = options;
    this.path = options.folder.groupPath(group);
    const twin = { files, logger, owner: group };
    this.#stateFile = new TwinFile({ ...twin, kind: 'state', path: join(this.path, STATE_NAME) });
    this.#markFile = new TwinFile({ ...twin, kind: 'mark', path: join(this.path, 'mark') });
    this.mark = new Mark({
      ...{ clock, health, logger, file: this.#markFile },
      ...{ encode: encodeMark, isSame: isSamePosition, initial: NOWHERE },
    });
    const folder = join(this.path, 'snapshots');
    const compression = options.snapshotCompression;
    this.snapshots = new SnapshotFiles({
      ...{ files, logger, health, folder, group, compression, random },
    });
  }

  /**
   * Reads state and mark, judges `log` by them, and creates both where the group is new. Resolves to
   * the state that was saved last, null when none ever was.
   */
  async recover(log: FoundLog, initial: LogPosition): Promise<HardState | null> {
    const { files } = this.#options;
    for (const folder of [this.path, join(this.path, 'snapshots')]) {
      await removeTemporary(files, folder, await files.list(folder));
    }
    const state = await this.#stateFile.load();
    const mark = await this.#markFile.load();
    if (state === null && (mark !== null || log.base !== null)) {
      throw corrupt(`${this.#stateFile.path}.1`, 'missing beside data');
    }
    if (mark === null && (log.base !== null || (state?.sequence ?? 1) > 1)) {
      throw corrupt(`${this.#markFile.path}.1`, 'missing beside data');
    }
    if (log.base === null && ((state?.sequence ?? 1) > 1 || (mark?.sequence ?? 1) > 1)) {
      throw corrupt(log.path, `the log of group ${this.#options.group} is missing`);
    }
    const hardState = state === null ? null : decodeState(state.body);
    if (mark !== null) this.#judge(log, decodeMark(mark.body));
    if (hardState !== null && hardState.term < log.last.term) {
      throw corrupt(`${this.#stateFile.path}.1`, staleState(hardState.term, log.last.term));
    }
    await this.#options.folder.makeGroupFolder(this.#options.group);
    if (state === null) await this.#stateFile.save(encodeState(NEVER_SAVED));
    if (mark === null) await this.#markFile.save(encodeMark(initial));
    this.mark.begin(mark === null ? initial : decodeMark(mark.body), log.last);
    return state === null || state.sequence === 1 ? null : hardState;
  }

  async saveState(state: HardState): Promise<void> {
    await this.#stateFile.save(encodeState(state));
  }

  #judge({ path, base, last, at }: FoundLog, mark: LogPosition): void {
    const group = `the log of group ${this.#options.group}`;
    if (last.index < mark.index) {
      throw corrupt(path, `${group} ends at entry ${last.index}, and held entry ${mark.index}`);
    }
    // What was compacted is in a snapshot; only the end of it can still be compared.
    if (base !== null && mark.index < base.index) return;
    const found = at(mark.index);
    if (found.term !== mark.term || found.chain !== mark.chain) {
      throw corrupt(path, `${group} is not the one that was stored, up to entry ${mark.index}`);
    }
  }
}

const NOWHERE: LogPosition = { index: 0, term: 0, chain: 0 };

/** What the state file holds from a group's creation to its first save. */
const NEVER_SAVED: HardState = { term: 0, votedFor: null };

function staleState(term: Term, logTerm: Term): string {
  return `holds term ${term}, older than term ${logTerm} of the log beside it`;
}
