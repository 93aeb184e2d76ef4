import { at, type Entry, type LogIndex, type MemberId, type Term } from '../../base/index.js';
import type { StoredLog } from '../../interfaces/index.js';
import { type Configuration, decodeConfiguration } from '../../raft/index.js';
import type { Violations } from './violation.js';

/** What stands at an index of a log. */
interface Place {
  readonly term: Term;
  readonly previousTerm: Term;
  readonly digest: number;
  /** What the entry says of the members, if it does. */
  readonly configuration: Configuration | null;
}

/** A member's log as it was handed to its storage. */
interface View {
  base: LogIndex;
  baseTerm: Term;
  /** In force at `base`; null where that was not seen. */
  baseConfiguration: Configuration | null;
  /** Of `base + 1` and on. */
  places: Place[];
  durableIndex: LogIndex;
  committedIndex: LogIndex;
  /** Of the newest snapshot that is durable. */
  snapshotIndex: LogIndex;
}

interface Committed extends Place {
  /** The term in which somebody first said so. */
  readonly knownTerm: Term;
}

/**
 * Logs, seen from outside: those that agree at an index and term agree before it (Raft §5.3); what is
 * committed is the same for everybody, never changes, is on a quorum's disks when it is told (Raft §5.4), and
 * in the log of every leader of a later term (Raft §5.4.3).
 */
export class Logs {
  readonly #violations: Violations;
  readonly #views = new Map<MemberId, View>();
  /** Everything that ever stood at an index. */
  readonly #places: Place[][] = [];
  readonly #committed: Committed[] = [];
  #oldCommitted = 0;

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  /** The highest index that anybody has said to be committed. */
  get committedIndex(): LogIndex {
    return Math.max(0, this.#committed.length - 1);
  }

  lastIndexOf(member: MemberId): LogIndex {
    const view = this.#views.get(member);
    return view === undefined ? 0 : view.base + view.places.length;
  }

  durableIndexOf(member: MemberId): LogIndex {
    return this.#views.get(member)?.durableIndex ?? 0;
  }

  /** A member starts with what its storage gave it. What was durable must be there. */
  opened(member: MemberId, { compacted, entries }: StoredLog): void {
    const before = this.#views.get(member);
    const view: View = {
      ...emptyView(compacted.index, compacted.term),
      baseConfiguration: before === undefined ? null : configurationAt(before, compacted.index),
    };
    this.#views.set(member, view);
    this.#add(member, view, entries);
    view.durableIndex = view.base + view.places.length;
    if (before === undefined || before.durableIndex <= view.base) return;
    const expected = placeAt(before, before.durableIndex);
    const found = placeAt(view, before.durableIndex);
    const isKept = found !== null && (expected === null || isSame(found, expected));
    this.#violations.expect(isKept, () => {
      const last = view.base + view.places.length;
      return `${member} starts with a log up to ${last}, and not with what was durable up to ${before.durableIndex}`;
    });
  }

  /** A member asks for these to be stored, in place of what stood there and after it. */
  appended(member: MemberId, entries: readonly Entry[]): void {
    const view = this.#viewOf(member);
    const { index } = at(entries, 0);
    this.#cut(member, view, index, entries);
    view.durableIndex = Math.min(view.durableIndex, index - 1);
    this.#add(member, view, entries);
  }

  /** All that a member asked to be stored, up to and including `index`, is durable. */
  stored(member: MemberId, index: LogIndex): void {
    const view = this.#viewOf(member);
    view.durableIndex = Math.max(view.durableIndex, index);
  }

  compacted(member: MemberId, index: LogIndex, term: Term): void {
    const view = this.#viewOf(member);
    if (index <= view.base) return;
    const place = placeAt(view, index);
    this.#violations.expect(place === null || place.term === term, () => {
      return `${member} forgets entry ${index} of term ${place?.term} as one of term ${term}`;
    });
    view.baseConfiguration = configurationAt(view, index);
    view.places.splice(0, index - view.base);
    view.base = index;
    view.baseTerm = term;
  }

  /** A snapshot of everything up to this entry is durable. */
  snapshotStored(member: MemberId, index: LogIndex, term: Term): void {
    const known = this.#committed[index];
    this.#violations.expect(known === undefined || known.term === term, () => {
      return `${member} has a snapshot up to entry ${index} of term ${term}, where one of term ${known?.term} is committed`;
    });
    const view = this.#viewOf(member);
    view.snapshotIndex = Math.max(view.snapshotIndex, index);
  }

  /** A snapshot takes the place of the log. */
  reset(member: MemberId, index: LogIndex, term: Term): void {
    const known = this.#committed[index];
    this.#violations.expect(known === undefined || known.term === term, () => {
      return `${member} begins after entry ${index} of term ${term}, where one of term ${known?.term} is committed`;
    });
    this.#views.set(member, emptyView(index, term));
  }

  /** A member has applied everything up to and including `index`, in its term `term`. */
  committed(member: MemberId, index: LogIndex, term: Term): void {
    const view = this.#viewOf(member);
    // What was restored from a snapshot need not be in the log, which is emptied by a write that comes later.
    const from = Math.max(view.committedIndex, view.base, view.snapshotIndex) + 1;
    view.committedIndex = Math.max(view.committedIndex, index);
    for (let i = from; i <= index; i += 1) {
      const place = placeAt(view, i);
      if (place === null) {
        this.#violations.report(`${member} has applied entry ${i}, which is not in its log`);
        return;
      }
      const known = this.#committed[i];
      if (known === undefined) {
        this.#committed[i] = { ...place, knownTerm: term };
        if (place.term < term) this.#oldCommitted += 1;
        this.#violations.expect(this.#isOnQuorum(view, i, place), () => {
          return `entry ${i} is said to be committed by ${member}, and is not durable on a quorum`;
        });
        continue;
      }
      this.#violations.expect(isSame(known, place), () => {
        return `${member} has applied entry ${i} of term ${place.term}, where one of term ${known.term} is committed`;
      });
    }
  }

  /** The configuration that a member goes by; null where that was not seen. */
  configurationOf(member: MemberId): Configuration | null {
    return configurationAt(this.#viewOf(member), Number.MAX_SAFE_INTEGER);
  }

  /** Entries that were first told to be committed in a later term than their own (Raft §5.4.2). */
  get oldCommitted(): number {
    return this.#oldCommitted;
  }

  /** A member leads `term`. */
  elected(member: MemberId, term: Term): void {
    const view = this.#viewOf(member);
    let checked = 0;
    for (let i = this.#committed.length - 1; i > view.base && checked < MAX_CHECKED; i -= 1) {
      const known = this.#committed[i];
      // A candidate that was held may come to lead an old term late.
      if (known === undefined || known.knownTerm >= term) continue;
      checked += 1;
      const place = placeAt(view, i);
      this.#violations.expect(place !== null && isSame(place, known), () => {
        return `${member} leads term ${term} without entry ${i}, committed by term ${known.knownTerm}`;
      });
    }
  }

  /** Nothing is known any more of what the member holds: its disk was damaged or replaced. */
  forget(member: MemberId): void {
    this.#views.delete(member);
  }

  #viewOf(member: MemberId): View {
    let view = this.#views.get(member);
    if (view === undefined) {
      view = emptyView(0, 0);
      this.#views.set(member, view);
    }
    return view;
  }

  /**
   * Whether a quorum's disks hold it, by the configuration in force there or one that was appended since: which
   * of them the leader went by is not seen from here.
   */
  #isOnQuorum(view: View, index: LogIndex, place: Place): boolean {
    const inForce = configurationAt(view, index);
    if (inForce === null) return true;
    const later = view.places.slice(index - view.base).map((one) => one.configuration);
    return [inForce, ...later].some((configuration) => {
      if (configuration === null) return false;
      const { incoming, outgoing } = configuration;
      return [incoming, outgoing].every((half) => this.#isOnMajority(half, index, place));
    });
  }

  #isOnMajority(voters: readonly MemberId[], index: LogIndex, place: Place): boolean {
    const holding = voters.filter((voter) => {
      const view = this.#views.get(voter);
      // Of a disk that was damaged nothing is known: it may have held it.
      if (view === undefined || index <= view.base) return true;
      const own = placeAt(view, index);
      return index <= view.durableIndex && own !== null && isSame(own, place);
    });
    return voters.length === 0 || holding.length > voters.length / 2;
  }

  #cut(member: MemberId, view: View, index: LogIndex, entries: readonly Entry[]): void {
    const known = this.#committed[index];
    if (index <= view.committedIndex && known !== undefined) {
      const { term } = at(entries, 0);
      this.#violations.expect(term === known.term, () => {
        return `${member} replaces entry ${index} of term ${known.term}, which it has applied, by one of term ${term}`;
      });
    }
    const kept = index - 1 - view.base;
    this.#violations.expect(kept >= 0 && kept <= view.places.length, () => {
      return `${member} stores entry ${index} after a log from ${view.base} to ${view.base + view.places.length}`;
    });
    view.places.length = Math.max(0, Math.min(kept, view.places.length));
  }

  #add(member: MemberId, view: View, entries: readonly Entry[]): void {
    let previousTerm = view.places.at(-1)?.term ?? view.baseTerm;
    for (const entry of entries) {
      const place = this.#placeOf(member, entry, previousTerm);
      view.places.push(place);
      previousTerm = entry.term;
    }
  }

  #placeOf(member: MemberId, entry: Entry, previousTerm: Term): Place {
    const { index, term } = entry;
    const known = this.#places[index] ?? [];
    this.#places[index] = known;
    const digest = digestOfEntry(entry);
    const found = known.find((place) => place.term === term);
    if (found === undefined) {
      const configuration =
        entry.kind === 'configuration' ? decodeConfiguration(entry.payload) : null;
      const place = { term, previousTerm, digest, configuration };
      known.push(place);
      return place;
    }
    this.#violations.expect(found.digest === digest, () => {
      return `${member} has another entry ${index} of term ${term} than somebody else`;
    });
    this.#violations.expect(found.previousTerm === previousTerm, () => {
      return `${member} has entry ${index} of term ${term} after one of term ${previousTerm}, another after one of term ${found.previousTerm}`;
    });
    return found;
  }
}

/** How many of the committed entries before an election a leader is asked for. By log matching, one would do. */
const MAX_CHECKED = 64;

function placeAt(view: View, index: LogIndex): Place | null {
  return view.places[index - view.base - 1] ?? null;
}

function emptyView(base: LogIndex, baseTerm: Term): View {
  return {
    ...{ base, baseTerm, baseConfiguration: null, places: [] },
    ...{ durableIndex: base, committedIndex: base, snapshotIndex: base },
  };
}

/** The newest at or before `index`; null where that was not seen. */
function configurationAt(view: View, index: LogIndex): Configuration | null {
  for (let i = Math.min(index - view.base, view.places.length) - 1; i >= 0; i -= 1) {
    const configuration = view.places[i]?.configuration ?? null;
    if (configuration !== null) return configuration;
  }
  return view.baseConfiguration;
}

function isSame(a: Place, b: Place): boolean {
  return a.term === b.term && a.digest === b.digest;
}

/** FNV-1a over what is packed. */
function digestOfEntry({ packed }: Entry): number {
  let word = 0x811c9dc5;
  for (let i = 0; i < packed.length; i += 1) word = Math.imul(word ^ (packed[i] ?? 0), 0x01000193);
  return word | 0;
}
