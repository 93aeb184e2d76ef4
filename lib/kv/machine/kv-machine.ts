import { QuorateError, unreachable } from '../../base/index.js';
import type { CommittedCommand } from '../../interfaces/index.js';
import { COMMAND_VERSION, decodeCommand } from './commands.js';
import { emptyState, getEntry, getRange, type KVState, viewOf } from './kv-state.js';
import type { Place } from './record-tree.js';
import { encodeResult, type KVResult } from './results.js';
import type { SlabUsage } from './slabs.js';
import { snapshotChunks } from './snapshot.js';
import { SnapshotRestorer } from './snapshot-restorer.js';
import type { KVCommand, KVReads, KVView, RangeQuery, RangeResult, StoredEntry } from './types.js';

/** What the machine needs to know of an entry. */
export type VersionedCommand = Pick<CommittedCommand, 'command' | 'commandVersion' | 'logTimeMs'>;

/** Takes a snapshot in. Nothing is replaced before `finish`. */
export interface KVRestorer {
  /** The next bytes, cut anywhere; they stay the caller's. Damage is ERR_CORRUPT. */
  write(chunk: Uint8Array): void;
  /** Replaces the whole state. ERR_CORRUPT when something is missing; the old state stays then. */
  finish(): void;
}

/**
 * The key-value store as a pure machine: the same commands give the same state, the same answers and
 * the same snapshot on every node.
 *
 * Every change takes the next revision, deletions too. A condition that does not hold, a command that
 * makes no sense and the deletion of nothing change nothing and take none.
 */
export class KVMachine implements KVReads {
  #state: KVState = emptyState();

  /** Of the last change; 0 before the first. Never goes down but by a restore. */
  get revision(): number {
    return this.#state.revision;
  }

  /** How many keys there are. */
  get size(): number {
    return this.#state.tree.size;
  }

  /** Memory of the records, those that only views still see included. */
  get usage(): SlabUsage {
    return this.#state.records.usage();
  }

  /**
   * Carries out one command and gives its packed result. Bytes that are no command are answered by a
   * failure. A version that is not known is thrown: to skip the command would diverge.
   */
  apply({ command, commandVersion }: VersionedCommand): Uint8Array {
    if (commandVersion !== COMMAND_VERSION) {
      throw new QuorateError('ERR_MACHINE', {
        message: `command version ${commandVersion} is not known to this version`,
      });
    }
    return encodeResult(this.#run(command));
  }

  /** What stands at `key` now, copied. */
  get(key: Uint8Array): StoredEntry | null {
    return getEntry(this.#state, key);
  }

  /** Entries of a span as it is now, copied. */
  range(query: RangeQuery): RangeResult {
    return getRange(this.#state, query);
  }

  /** The store as it is now, whatever is applied meanwhile. Costs nothing until something changes. */
  view(): KVView {
    return viewOf(this.#state);
  }

  /** The state as it is now, in chunks of 64 KiB. Leaving the iteration early releases it. */
  snapshot(): IterableIterator<Uint8Array> {
    return snapshotChunks(viewOf(this.#state));
  }

  /** Views that are held keep showing the state they were made of. */
  restorer(): KVRestorer {
    const restorer = new SnapshotRestorer();
    return {
      write: (chunk) => restorer.write(chunk),
      finish: () => {
        this.#state = restorer.finish();
      },
    };
  }

  #run(packed: Uint8Array): KVResult {
    let command: KVCommand;
    try {
      command = decodeCommand(packed);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      // The message names lengths and kinds only, so it is the same on every node.
      return { kind: 'failed', code: error.code, message: error.message };
    }
    const place = this.#state.tree.find(command.key);
    const { condition } = command;
    if (condition !== null && condition.modRevision !== this.#modRevisionAt(place)) {
      return { kind: 'conditionFailed', entry: getEntry(this.#state, command.key) };
    }
    switch (command.kind) {
      case 'put':
        return this.#put(command.key, command.value, place);
      case 'delete':
        return this.#delete(place);
      default:
        return unreachable(command);
    }
  }

  /** 0 where there is nothing. */
  #modRevisionAt({ slot }: Place): number {
    return slot === null ? 0 : this.#state.records.header(slot).modRevision;
  }

  #put(key: Uint8Array, value: Uint8Array, place: Place): KVResult {
    const { tree, records, retired } = this.#state;
    const revision = this.#state.revision + 1;
    this.#state.revision = revision;
    const old = place.slot === null ? null : records.header(place.slot);
    const slot = records.add({
      key,
      value,
      createRevision: old?.createRevision ?? revision,
      modRevision: revision,
      version: (old?.version ?? 0) + 1,
      lease: null,
    });
    tree.put(place, slot, revision);
    if (place.slot !== null && old !== null) retired.retire(place.slot, old.modRevision, revision);
    return { kind: 'put', revision, created: old === null };
  }

  #delete(place: Place): KVResult {
    const state = this.#state;
    const { slot } = place;
    if (slot === null) return { kind: 'delete', revision: state.revision, deleted: false };
    state.revision += 1;
    state.tree.delete(place, state.revision);
    state.retired.retire(slot, state.records.header(slot).modRevision, state.revision);
    return { kind: 'delete', revision: state.revision, deleted: true };
  }
}
