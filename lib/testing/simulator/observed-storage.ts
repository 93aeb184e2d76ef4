import { at, type Entry, type LogIndex, type Term } from '../../base/index.js';
import type {
  GroupStorage,
  HardState,
  LogStorage,
  SnapshotDescription,
  SnapshotStorage,
  SnapshotWriter,
  StateStorage,
  StorageEngine,
  StoredIdentity,
  StoredLog,
} from '../../interfaces/index.js';

/** What a node asks of its storage, and what comes of it. Told at once, in this order. */
export interface StorageObserver {
  identified(identity: StoredIdentity): void;
  opened(log: StoredLog): void;
  loaded(state: HardState | null): void;
  saving(state: HardState): void;
  saved(state: HardState): void;
  appending(entries: readonly Entry[]): void;
  appended(index: LogIndex): void;
  compacting(index: LogIndex, term: Term): void;
  compacted(index: LogIndex, term: Term): void;
  resetting(index: LogIndex, term: Term): void;
  reset(index: LogIndex, term: Term): void;
  snapshotBegun(index: LogIndex): void;
  snapshotCommitting(index: LogIndex): void;
  snapshotCommitted(snapshot: SnapshotDescription): void;
  snapshotRemoving(id: string): void;
}

/** The same engine, with somebody who looks on. Nothing is changed, and no turn is added. */
export function observedStorage(engine: StorageEngine, observer: StorageObserver): StorageEngine {
  const groups = new Map<string, GroupStorage>();
  return {
    async open(context) {
      const identity = await engine.open(context);
      if (identity !== null) observer.identified(identity);
      return identity;
    },
    async initialise(identity) {
      await engine.initialise(identity);
      observer.identified(identity);
    },
    groups: () => engine.groups(),
    group(id) {
      let group = groups.get(id);
      if (group === undefined) {
        group = observedGroup(engine.group(id), observer);
        groups.set(id, group);
      }
      return group;
    },
    close: () => engine.close(),
  };
}

function observedGroup(group: GroupStorage, observer: StorageObserver): GroupStorage {
  return {
    log: observedLog(group.log, observer),
    state: observedState(group.state, observer),
    snapshots: observedSnapshots(group.snapshots, observer),
  };
}

function observedLog(log: LogStorage, observer: StorageObserver): LogStorage {
  return {
    async open() {
      const stored = await log.open();
      observer.opened(stored);
      return stored;
    },
    async append(entries) {
      observer.appending(entries);
      await log.append(entries);
      observer.appended(at(entries, entries.length - 1).index);
    },
    async compact(index, term) {
      observer.compacting(index, term);
      await log.compact(index, term);
      observer.compacted(index, term);
    },
    async reset(index, term) {
      observer.resetting(index, term);
      await log.reset(index, term);
      observer.reset(index, term);
    },
  };
}

function observedState(state: StateStorage, observer: StorageObserver): StateStorage {
  return {
    async load() {
      const loaded = await state.load();
      observer.loaded(loaded);
      return loaded;
    },
    async save(next) {
      observer.saving(next);
      await state.save(next);
      observer.saved(next);
    },
  };
}

function observedSnapshots(snapshots: SnapshotStorage, observer: StorageObserver): SnapshotStorage {
  return {
    async create(draft) {
      const writer = await snapshots.create(draft);
      observer.snapshotBegun(draft.index);
      return observedWriter(writer, draft.index, observer);
    },
    list: () => snapshots.list(),
    open: (id) => snapshots.open(id),
    remove(id) {
      observer.snapshotRemoving(id);
      return snapshots.remove(id);
    },
  };
}

function observedWriter(
  writer: SnapshotWriter,
  index: LogIndex,
  observer: StorageObserver,
): SnapshotWriter {
  return {
    write: (chunk) => writer.write(chunk),
    async commit() {
      observer.snapshotCommitting(index);
      const snapshot = await writer.commit();
      observer.snapshotCommitted(snapshot);
      return snapshot;
    },
    abort: () => writer.abort(),
  };
}
