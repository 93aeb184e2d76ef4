import { assert, at, type Entry, type LogIndex, type Term } from '../../lib/base/index.js';
import type {
  GroupStorage,
  HardState,
  LogStorage,
  SnapshotStorage,
  StateStorage,
  StoredLog,
} from '../../lib/interfaces/index.js';
import { GroupFiles, type GroupFilesOptions, type LogPosition } from '../files/index.js';
import type { Batcher, Operation } from './batcher.js';
import type { Database } from './database.js';
import { EntryGarbage } from './entry-garbage.js';
import { type ReadLog, readLog, readPosition } from './log-reading.js';
import { baseKey, encodeBase, encodeEntries, entryKey, firstChain } from './records.js';

export interface LevelGroupOptions extends GroupFilesOptions {
  readonly database: Database;
  readonly batcher: Batcher;
}

interface Recovered {
  readonly state: HardState | null;
  readonly log: ReadLog;
  readonly base: LogPosition;
}

/** What one group keeps: its log in the database, the rest in files beside it. */
export class LevelGroup implements GroupStorage {
  readonly log: LogStorage;
  readonly state: StateStorage;
  readonly snapshots: SnapshotStorage;
  readonly #options: LevelGroupOptions;
  readonly #files: GroupFiles;
  readonly #garbage: EntryGarbage;
  #recovery: Promise<Recovered> | null = null;

  constructor(options: LevelGroupOptions) {
    this.#options = options;
    this.#files = new GroupFiles(options);
    this.#garbage = new EntryGarbage(options);
    const recover = (): Promise<Recovered> => this.#recovered();
    this.snapshots = this.#files.snapshots;
    this.state = new LevelState(options, this.#files, recover);
    this.log = new LevelLog(options, this.#files, recover, this.#garbage);
  }

  /** Marks the end of the log, unless the disk has failed, and ends what is still being written. */
  async close(): Promise<void> {
    await this.#garbage.idle();
    await this.#files.mark.stop();
    try {
      await this.#files.snapshots.close();
    } finally {
      const isUsable = this.#recovery !== null && (await succeeded(this.#recovery));
      if (isUsable && this.#options.health.failure === null) await this.#files.mark.raise();
    }
  }

  /** State and log are judged together, once, by whichever is asked first. */
  #recovered(): Promise<Recovered> {
    const { database, health } = this.#options;
    this.#recovery ??= health.attempt(database.location, () => this.#recover());
    return this.#recovery;
  }

  async #recover(): Promise<Recovered> {
    const { database, group, batcher } = this.#options;
    const log = await readLog(database, group);
    const initial = { index: 0, term: 0, chain: firstChain(group, 0, 0) };
    const base = log.base ?? initial;
    const position = (index: LogIndex): LogPosition => positionIn(base, log, index);
    const last = position(base.index + log.entries.length);
    const found = { path: database.location, base: log.base, last, at: position };
    const state = await this.#files.recover(found, initial);
    if (log.base === null) {
      const value = encodeBase(group, initial);
      await batcher.write([{ type: 'put', key: baseKey(group), value }]);
    }
    return { state, log, base };
  }
}

class LevelState implements StateStorage {
  readonly #options: LevelGroupOptions;
  readonly #files: GroupFiles;
  readonly #recovered: () => Promise<Recovered>;
  #current: HardState | null = null;
  #isLoaded = false;
  #isBusy = false;

  constructor(options: LevelGroupOptions, files: GroupFiles, recovered: () => Promise<Recovered>) {
    this.#options = options;
    this.#files = files;
    this.#recovered = recovered;
  }

  async load(): Promise<HardState | null> {
    const { state } = await this.#recovered();
    if (!this.#isLoaded) this.#current = state;
    this.#isLoaded = true;
    return this.#current;
  }

  async save({ term, votedFor }: HardState): Promise<void> {
    assert(!this.#isBusy, 'calls to one state never overlap');
    this.#isBusy = true;
    const state = { term, votedFor };
    try {
      await this.load();
      const { health } = this.#options;
      await health.write(this.#files.path, () => this.#files.saveState(state));
      this.#current = state;
    } finally {
      this.#isBusy = false;
    }
  }
}

class LevelLog implements LogStorage {
  readonly #options: LevelGroupOptions;
  readonly #files: GroupFiles;
  readonly #recovered: () => Promise<Recovered>;
  readonly #garbage: EntryGarbage;
  #base: LogPosition = NOWHERE;
  #last: LogPosition = NOWHERE;
  #isOpen = false;
  #isBusy = false;

  constructor(
    options: LevelGroupOptions,
    files: GroupFiles,
    recovered: () => Promise<Recovered>,
    garbage: EntryGarbage,
  ) {
    this.#options = options;
    this.#files = files;
    this.#recovered = recovered;
    this.#garbage = garbage;
  }

  async open(): Promise<StoredLog> {
    assert(!this.#isOpen, 'a log is opened once');
    this.#isOpen = true;
    const { log, base } = await this.#recovered();
    this.#base = base;
    this.#last = positionIn(base, log, base.index + log.entries.length);
    return { compacted: { index: base.index, term: base.term }, entries: log.entries };
  }

  async append(entries: readonly Entry[]): Promise<void> {
    const first = at(entries, 0).index;
    assert(first > this.#base.index, 'an append begins after what was compacted');
    assert(first <= this.#last.index + 1, 'an append leaves no gap');
    for (const [offset, entry] of entries.entries()) {
      assert(entry.index === first + offset, 'the entries of an append are consecutive');
      assert(entry.group === this.#options.group, 'an entry is stored in its own group');
    }
    await this.#write(async () => {
      const isCut = first <= this.#last.index;
      const previous = isCut ? await this.#positionAt(first - 1) : this.#last;
      const { records, last } = encodeEntries(entries, previous);
      const operations = replacing(records, this.#deletes(last.index + 1, this.#last.index));
      if (isCut) await this.#cut(previous, () => this.#options.batcher.write(operations));
      else await this.#options.batcher.write(operations);
      this.#last = last;
      this.#files.mark.moved(last);
    });
  }

  async compact(index: LogIndex, term: Term): Promise<void> {
    assert(index <= this.#last.index, 'only stored entries are compacted');
    if (index <= this.#base.index) return;
    await this.#write(async () => {
      const base = await this.#positionAt(index);
      assert(base.term === term, 'a log is compacted with the term of its entry');
      // First, so that a log that loses its base afterwards is not taken for one without entries.
      await this.#files.mark.raise();
      await this.#options.batcher.write([
        {
          type: 'put',
          key: baseKey(this.#options.group),
          value: encodeBase(this.#options.group, base),
        },
      ]);
      this.#base = base;
      this.#garbage.collect(index);
    });
  }

  async reset(index: LogIndex, term: Term): Promise<void> {
    assert(index >= this.#base.index, 'a log is not reset to before what was compacted');
    const isSame = index === this.#base.index;
    assert(!isSame || term === this.#base.term, 'what was compacted keeps its term');
    const { group, batcher } = this.#options;
    await this.#write(async () => {
      const base = isSame ? this.#base : { index, term, chain: firstChain(group, index, term) };
      const record = { key: baseKey(group), value: encodeBase(group, base) };
      const operations = replacing([record], this.#deletes(index + 1, this.#last.index));
      await this.#cut(this.#base, () => batcher.write(operations));
      this.#base = base;
      this.#garbage.collect(index);
      this.#last = base;
      this.#files.mark.moved(base);
      await this.#files.mark.raise();
    });
  }

  /** Removes entries after `keep`, with the mark lowered before and still until it is done. */
  async #cut(keep: LogPosition, write: () => Promise<void>): Promise<void> {
    const { mark } = this.#files;
    mark.hold();
    try {
      if (mark.position.index > keep.index) await mark.lower(keep);
      await write();
    } finally {
      mark.release();
    }
  }

  /** Removes the entries in [from, to], which may be very many: one at a time, as they are asked for. */
  *#deletes(from: LogIndex, to: LogIndex): Generator<Operation, void, undefined> {
    for (let index = from; index <= to; index += 1) {
      yield { type: 'del', key: entryKey(this.#options.group, index) };
    }
  }

  async #positionAt(index: LogIndex): Promise<LogPosition> {
    if (index === this.#last.index) return this.#last;
    if (index === this.#base.index) return this.#base;
    return readPosition(this.#options.database, this.#options.group, index);
  }

  async #write(call: () => Promise<void>): Promise<void> {
    assert(this.#isOpen, 'a log is opened before it is written');
    assert(!this.#isBusy, 'calls to one log never overlap');
    this.#isBusy = true;
    try {
      await this.#options.health.write(this.#options.database.location, call);
    } finally {
      this.#isBusy = false;
    }
  }
}

function* replacing(
  records: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[],
  deletes: Iterable<Operation>,
): Generator<Operation, void, undefined> {
  for (const { key, value } of records) yield { type: 'put', key, value };
  yield* deletes;
}

const NOWHERE: LogPosition = { index: 0, term: 0, chain: 0 };

/** Where the log is at `index`, from its base to its end. */
function positionIn(base: LogPosition, { entries, chains }: ReadLog, index: LogIndex): LogPosition {
  if (index === base.index) return base;
  const offset = index - base.index - 1;
  return { index, term: at(entries, offset).term, chain: at(chains, offset) };
}

async function succeeded(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch {
    return false; // Whoever made the call was told.
  }
}
