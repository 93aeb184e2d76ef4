import {
  assert,
  at,
  type Entry,
  type GroupId,
  type LogIndex,
  unpackEntries,
  unreachable,
} from '../../lib/base/index.js';
import type { HardState } from '../../lib/interfaces/index.js';
import { RangeMap } from './range-map.js';
import {
  type EntriesRecord,
  type GroupSummary,
  type LogPlace,
  recordBytes,
  type WalRecord,
} from './records.js';

/** Entries as they were read, without a gap, from `first` on. Those that a range stands for still count. */
interface Kept {
  readonly first: LogIndex;
  readonly entries: Entry[];
}

/** Where entries are: in which segment, and in memory while they were read and not handed over. */
interface Held {
  readonly segment: number;
  readonly kept: Kept | null;
}

/** What was ever written to a segment, be it needed or not. */
interface WrittenSegment {
  bytes: number;
  /** Of each group, what of it is entries. */
  readonly shares: Map<GroupId, { entryCount: number; bytes: number }>;
}

/** What one group has in the stream. Nothing is kept per entry, but what was read and not taken. */
export interface GroupLog extends GroupSummary {
  readonly held: RangeMap<Held>;
}

interface MutableGroupLog extends GroupLog {
  /** Whether somebody has the entries: until then they are here, and nowhere else. */
  isTaken: boolean;
  state: HardState | null;
  base: LogPlace;
  last: LogPlace;
}

/**
 * What all groups have in the stream, by the records so far: the same at the end of a recovery as it was
 * when the last of these records became durable. Says which segments are still needed.
 */
export class GroupLogs {
  readonly #groups = new Map<GroupId, MutableGroupLog>();
  /** Entries that a segment holds for some group. */
  readonly #live = new Map<number, number>();
  readonly #written = new Map<number, WrittenSegment>();

  get ids(): readonly GroupId[] {
    return [...this.#groups.keys()];
  }

  get(id: GroupId): GroupLog | null {
    return this.#groups.get(id) ?? null;
  }

  /** A record of each group, for the head of a segment. */
  checkpoint(): WalRecord[] {
    return [...this.#groups].map(([group, { state, base, last }]) => ({
      kind: 'group',
      group,
      summary: { state, base, last },
    }));
  }

  liveEntries(segment: number): number {
    return this.#live.get(segment) ?? 0;
  }

  /** Bytes of records that were ever written to a segment, without its checkpoint, which the next one has too. */
  writtenBytes(segment: number): number {
    return this.#written.get(segment)?.bytes ?? 0;
  }

  /**
   * About how many of them each segment holds for some group: of one group in one segment, all entries count
   * the same. Looks at every group.
   */
  liveBytes(): ReadonlyMap<number, number> {
    const live = new Map<number, number>();
    for (const [group, { held }] of this.#groups) {
      for (const { first, last, value } of held.ranges) {
        const share = this.#written.get(value.segment)?.shares.get(group);
        assert(share !== undefined, 'what a segment holds was written to it');
        const bytes = ((last - first + 1) * share.bytes) / share.entryCount;
        live.set(value.segment, (live.get(value.segment) ?? 0) + bytes);
      }
    }
    return live;
  }

  /** The segment is gone. */
  forgetSegment(segment: number): void {
    assert(this.liveEntries(segment) === 0, 'no log needs a segment that goes');
    this.#live.delete(segment);
    this.#written.delete(segment);
  }

  /** Why `record` cannot follow what is here; null if it can. */
  contradiction(record: WalRecord): string | null {
    const log = this.#groups.get(record.group);
    if (record.kind === 'group') {
      if (log === undefined) return null;
      return isSameSummary(log, record.summary) ? null : 'is not as the records before it say';
    }
    if (log === undefined) return 'has a record before it is known';
    switch (record.kind) {
      case 'state':
        return null;
      case 'entries':
        if (record.firstIndex <= log.base.index) return 'has entries that were compacted away';
        return record.firstIndex <= log.last.index + 1 ? null : 'has a gap';
      case 'moved':
        return record.last.index <= log.last.index ? null : 'has entries moved that it never had';
      case 'base':
        return record.base.index <= log.last.index ? null : 'is compacted beyond its end';
      case 'reset':
        return record.base.index >= log.base.index ? null : 'is reset to before its base';
      default:
        return unreachable(record);
    }
  }

  /**
   * Entries stay in memory until `takeEntries`, those that are moved meanwhile as well. Throws where they are
   * not what the record says: the bytes are as they were written, but a wrong program wrote them.
   */
  apply(record: WalRecord, segment: number): void {
    const problem = this.contradiction(record);
    assert(problem === null, `a record follows those before it: the group ${problem}`);
    const log = this.#groups.get(record.group) ?? this.#create(record.group);
    this.#note(record, segment);
    switch (record.kind) {
      case 'group':
        Object.assign(log, record.summary);
        return;
      case 'state':
        log.state = record.state;
        return;
      case 'entries':
        log.held.cutFrom(record.firstIndex);
        log.last = record.last;
        this.#hold(log, record, segment);
        return;
      case 'moved':
        // Since it was written, some of it may have been compacted away.
        if (record.last.index > log.base.index) this.#hold(log, record, segment);
        return;
      case 'base':
        if (record.base.index > log.base.index) log.base = record.base;
        log.held.dropThrough(log.base.index);
        return;
      case 'reset':
        log.held.cutFrom(0);
        log.base = record.base;
        log.last = record.base;
        return;
      default:
        unreachable(record);
    }
  }

  /** The first entry that a group should have and has not; null where all are whole. */
  missing(): { readonly group: GroupId; readonly index: LogIndex } | null {
    for (const [group, { base, last, held }] of this.#groups) {
      let index = base.index + 1;
      for (const range of held.ranges) {
        if (range.first !== index) break;
        index = range.last + 1;
      }
      if (index <= last.index) return { group, index };
    }
    return null;
  }

  /** The whole log of a group, as it was read; from now on it is not held here. */
  takeEntries(group: GroupId): readonly Entry[] {
    const log = this.#groups.get(group);
    assert(log !== undefined, 'entries are taken of a group that is known');
    const entries = this.heldEntries(group);
    const count = log.last.index - log.base.index;
    assert(entries.length === count, 'a log is taken once, and whole');
    log.isTaken = true;
    log.held.revalue(({ segment }) => ({ segment, kept: null }));
    return entries;
  }

  /** The entries of a group that are in memory, in order. */
  heldEntries(group: GroupId): readonly Entry[] {
    const entries: Entry[] = [];
    for (const { first, last, value } of this.#groups.get(group)?.held.ranges ?? []) {
      if (value.kept === null) continue;
      const { first: from, entries: kept } = value.kept;
      for (let index = first; index <= last; index += 1) entries.push(at(kept, index - from));
    }
    return entries;
  }

  #note(record: WalRecord, segment: number): void {
    if (record.kind === 'group') return;
    const written = this.#written.get(segment) ?? { bytes: 0, shares: new Map() };
    this.#written.set(segment, written);
    const bytes = recordBytes(record);
    written.bytes += bytes;
    if (record.kind !== 'entries' && record.kind !== 'moved') return;
    const share = written.shares.get(record.group) ?? { entryCount: 0, bytes: 0 };
    written.shares.set(record.group, share);
    share.entryCount += record.last.index - record.firstIndex + 1;
    share.bytes += bytes;
  }

  #hold(log: MutableGroupLog, record: EntriesRecord, segment: number): void {
    const first = Math.max(record.firstIndex, log.base.index + 1);
    const kept = log.isTaken ? null : keptWith(log, record, segment);
    log.held.put(first, record.last.index, { segment, kept });
  }

  #create(group: GroupId): MutableGroupLog {
    const held = new RangeMap<Held>({
      isSame: (a, b) => a.segment === b.segment && a.kept === b.kept,
      onChange: ({ segment }, difference) => {
        this.#live.set(segment, this.liveEntries(segment) + difference);
      },
    });
    const log = { isTaken: false, state: null, base: NOWHERE, last: NOWHERE, held };
    this.#groups.set(group, log);
    return log;
  }
}

/** The entries of a record: together with those before them in the same segment, so that many are one range. */
function keptWith({ held }: GroupLog, record: EntriesRecord, segment: number): Kept {
  const entries = entriesOf(record);
  const end = held.ranges.at(-1);
  const isNext = end?.last === record.firstIndex - 1 && end.value.segment === segment;
  if (!isNext || end.value.kept === null) return { first: record.firstIndex, entries };
  const { kept } = end.value;
  // Behind the range stand those that were cut off.
  kept.entries.length = record.firstIndex - kept.first;
  for (const entry of entries) kept.entries.push(entry);
  return kept;
}

function entriesOf({ group, firstIndex, last, packed }: EntriesRecord): Entry[] {
  const [only] = packed;
  const isOne = only !== undefined && packed.length === 1;
  const entries = isOne ? unpackEntries(only) : packed.flatMap(unpackEntries);
  let index = firstIndex;
  for (const entry of entries) {
    if (entry.group !== group) throw new Error(`entry ${entry.index} is of another group`);
    if (entry.index !== index) throw new Error(`entry ${entry.index} is out of place`);
    index += 1;
  }
  if (index !== last.index + 1) throw new Error('a record lacks entries');
  return entries;
}

const NOWHERE: LogPlace = { index: 0, term: 0 };

function isSameSummary(a: GroupSummary, b: GroupSummary): boolean {
  const isSameState = a.state?.term === b.state?.term && a.state?.votedFor === b.state?.votedFor;
  return isSameState && isSamePlace(a.base, b.base) && isSamePlace(a.last, b.last);
}

function isSamePlace(a: LogPlace, b: LogPlace): boolean {
  return a.index === b.index && a.term === b.term;
}
