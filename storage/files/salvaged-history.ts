import { at, type Entry, type GroupId } from '../../lib/base/index.js';
import type { ExaminedSnapshot } from './examination.js';
import type { SalvagedLog } from './salvage.js';

/** The most of a group's past that hangs together: what a state can be made of. */
export interface SalvagedHistory {
  readonly group: GroupId;
  /** Of the snapshot it begins with; null where it begins with nothing, at entry 1. */
  readonly snapshotIndex: number | null;
  /** All after that, without a gap; at least one. */
  readonly entries: readonly Entry[];
  /** Of the last of `entries`. */
  readonly lastIndex: number;
  /** Whether the log ends there. Otherwise entries after it may have been acknowledged, and are lost. */
  readonly reachesEnd: boolean;
}

/**
 * For each group the newest state that its good snapshots and entries lead to; none where a snapshot alone
 * is as new. A snapshot holds what was committed; of the entries after it that is not known.
 */
export function historiesOf(
  snapshots: readonly ExaminedSnapshot[],
  logs: readonly SalvagedLog[],
): readonly SalvagedHistory[] {
  const groups = [...new Set(logs.map(({ group }) => group))].sort();
  return groups.flatMap((group) => {
    const good = snapshots.filter((one) => one.group === group && one.index !== null);
    const found = logs
      .filter((log) => log.group === group)
      .flatMap((log) => historiesIn(log, good, logs));
    const newest = Math.max(0, ...good.map(({ index }) => index ?? 0));
    // What a later part holds was stored after what an earlier one does.
    const [best] = found.sort((a, b) => b.part - a.part || b.lastIndex - a.lastIndex);
    if (best === undefined || best.lastIndex <= newest) return [];
    const { part: _, ...history } = best;
    return [history];
  });
}

type FoundHistory = SalvagedHistory & { readonly part: number };

function historiesIn(
  log: SalvagedLog,
  snapshots: readonly ExaminedSnapshot[],
  logs: readonly SalvagedLog[],
): readonly FoundHistory[] {
  const later = logs.filter(({ group, part }) => group === log.group && part > log.part);
  const { group, part, isEnd, last } = log;
  return runsOf(log.entries).flatMap((whole) => {
    const run = whole.slice(0, standing(whole, later));
    const start = startOf(run, log, snapshots);
    if (start === null) return [];
    const entries = run.filter(({ index }) => index > start);
    const lastIndex = entries.at(-1)?.index ?? 0;
    if (entries.length === 0) return [];
    const reachesEnd = isEnd && lastIndex === last.index;
    const snapshotIndex = start === 0 ? null : start;
    return [{ group, part, snapshotIndex, entries, lastIndex, reachesEnd }];
  });
}

/** Entries without a gap. */
export function runsOf(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const runs: Entry[][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    if (run?.at(-1)?.index === entry.index - 1) run.push(entry);
    else runs.push([entry]);
  }
  return runs;
}

/**
 * How many entries of an earlier part may still have stood when later ones were written. Where one was
 * replaced, those before it may have been as well, back to one that is known to have stood.
 */
function standing(run: readonly Entry[], later: readonly SalvagedLog[]): number {
  let count = run.length;
  for (const { base, last, entries } of later) {
    const terms = new Map(entries.map(({ index, term }) => [index, term]));
    for (const { index, term } of [base, last]) terms.set(index, term);
    const isReplaced = ({ index, term }: Entry): boolean =>
      index > last.index || (terms.has(index) && terms.get(index) !== term);
    const replaced = run.findIndex(isReplaced);
    if (replaced < 0) continue;
    const stood = run.slice(0, replaced).findLastIndex(({ index }) => terms.has(index));
    count = Math.min(count, stood + 1);
  }
  return count;
}

/** The entry before which the state is known, the newest one that the run goes on from; null: none. */
function startOf(
  run: readonly Entry[],
  { base, isEnd }: SalvagedLog,
  snapshots: readonly ExaminedSnapshot[],
): number | null {
  if (run.length === 0) return null;
  const first = at(run, 0).index;
  const starts = snapshots.flatMap(({ index, term }) => {
    if (index === null) return [];
    const held = run[index - first];
    if (held !== undefined) return held.term === term ? [index] : [];
    if (index !== first - 1) return [];
    // The end of a log goes on from what is committed. What is replaced later may have gone on from another.
    return isEnd || (base.index === index && base.term === term) ? [index] : [];
  });
  if (starts.length > 0) return Math.max(...starts);
  return first === 1 ? 0 : null;
}
