import { join } from 'node:path';
import {
  assert,
  at,
  type Entry,
  type GroupId,
  type LogIndex,
  type Term,
} from '../../lib/base/index.js';
import type {
  GroupStorage,
  HardState,
  LogStorage,
  SnapshotStorage,
  StateStorage,
  StoredLog,
} from '../../lib/interfaces/index.js';
import { removeTemporary, SnapshotFiles, type SnapshotFilesOptions } from '../files/index.js';
import type { GroupLog, GroupLogs } from './group-logs.js';
import { entriesRecord, type GroupSummary, type LogPlace, type WalRecord } from './records.js';
import type { WalStream } from './stream.js';

export interface WalGroupOptions extends Omit<SnapshotFilesOptions, 'folder'> {
  /** Of the group, for its snapshots. */
  readonly folder: string;
  /** What a message about the log names. */
  readonly logPath: string;
  readonly groups: GroupLogs;
  readonly stream: WalStream;
}

/** What one group keeps: state and log in the stream, snapshots in files beside it. */
export class WalGroup implements GroupStorage {
  readonly log: LogStorage;
  readonly state: StateStorage;
  readonly snapshots: SnapshotFiles & SnapshotStorage;

  constructor(options: WalGroupOptions) {
    const folder = join(options.folder, 'snapshots');
    const part = new StreamPart({ ...options, folder });
    this.snapshots = new SnapshotFiles({ ...options, folder });
    this.state = new WalState(part);
    this.log = new WalLog(part);
  }

  /** Waits for calls under way and ends what is still being written. */
  async close(): Promise<void> {
    await this.snapshots.close();
  }
}

/** A group's part of the stream. */
class StreamPart {
  readonly #options: WalGroupOptions;
  #creation: Promise<GroupLog> | null = null;

  constructor(options: WalGroupOptions) {
    this.#options = options;
  }

  get group(): GroupId {
    return this.#options.group;
  }

  /** The group as it is in the stream; null until it was created. */
  get stored(): GroupLog | null {
    return this.#options.groups.get(this.#options.group);
  }

  /** The group as it is in the stream, where it is created if it is new. */
  created(): Promise<GroupLog> {
    this.#creation ??= this.#create();
    return this.#creation;
  }

  async append(record: WalRecord): Promise<void> {
    const { health, logPath, stream } = this.#options;
    await health.write(logPath, () => stream.append([record]));
  }

  /** The entries as they were read at the start. */
  takeEntries(): readonly Entry[] {
    return this.#options.groups.takeEntries(this.#options.group);
  }

  async #create(): Promise<GroupLog> {
    const { group, files, folder, health } = this.#options;
    // Before anything else is done with the group: later they may be somebody's who is writing one.
    await health.attempt(folder, async () =>
      removeTemporary(files, folder, await files.list(folder)),
    );
    if (this.stored === null) await this.append({ kind: 'group', group, summary: EMPTY });
    assert(this.stored !== null, 'a group is known once its record is durable');
    return this.stored;
  }
}

const NOWHERE: LogPlace = { index: 0, term: 0 };
const EMPTY: GroupSummary = { state: null, base: NOWHERE, last: NOWHERE };

class WalState implements StateStorage {
  readonly #part: StreamPart;
  #isBusy = false;

  constructor(part: StreamPart) {
    this.#part = part;
  }

  async load(): Promise<HardState | null> {
    const { state } = await this.#part.created();
    return state === null ? null : { ...state };
  }

  async save({ term, votedFor }: HardState): Promise<void> {
    assert(!this.#isBusy, 'calls to one state never overlap');
    this.#isBusy = true;
    const { group, stored } = this.#part;
    try {
      // Without a wait where none is needed: what the group asks for next must come after it.
      if (stored === null) await this.#part.created();
      await this.#part.append({ kind: 'state', group, state: { term, votedFor } });
    } finally {
      this.#isBusy = false;
    }
  }
}

class WalLog implements LogStorage {
  readonly #part: StreamPart;
  #isOpen = false;
  #isBusy = false;

  constructor(part: StreamPart) {
    this.#part = part;
  }

  async open(): Promise<StoredLog> {
    assert(!this.#isOpen, 'a log is opened once');
    this.#isOpen = true;
    const { base } = await this.#part.created();
    return { compacted: { ...base }, entries: this.#part.takeEntries() };
  }

  async append(entries: readonly Entry[]): Promise<void> {
    const { base, last } = this.#stored;
    const first = at(entries, 0).index;
    assert(first > base.index, 'an append begins after what was compacted');
    assert(first <= last.index + 1, 'an append leaves no gap');
    const { group } = this.#part;
    for (const [offset, entry] of entries.entries()) {
      assert(entry.index === first + offset, 'the entries of an append are consecutive');
      assert(entry.group === group, 'an entry is stored in its own group');
    }
    await this.#write(entriesRecord(group, entries));
  }

  async compact(index: LogIndex, term: Term): Promise<void> {
    const { base, last } = this.#stored;
    assert(index <= last.index, 'only stored entries are compacted');
    assert(
      index < last.index || term === last.term,
      'a log is compacted with the term of its entry',
    );
    if (index <= base.index) return;
    await this.#write({ kind: 'base', group: this.#part.group, base: { index, term } });
  }

  async reset(index: LogIndex, term: Term): Promise<void> {
    const { base } = this.#stored;
    assert(index >= base.index, 'a log is not reset to before what was compacted');
    const isSame = index === base.index;
    assert(!isSame || term === base.term, 'what was compacted keeps its term');
    await this.#write({ kind: 'reset', group: this.#part.group, base: { index, term } });
  }

  get #stored(): GroupLog {
    assert(this.#isOpen, 'a log is opened before it is written');
    const { stored } = this.#part;
    assert(stored !== null, 'a log that is open is known to the stream');
    return stored;
  }

  async #write(record: WalRecord): Promise<void> {
    assert(!this.#isBusy, 'calls to one log never overlap');
    this.#isBusy = true;
    try {
      await this.#part.append(record);
    } finally {
      this.#isBusy = false;
    }
  }
}
