import type { Image } from './disk-image.js';
import { type Expectation, judge, type Outcome } from './wal-judge.js';

/** A line of the table. */
export interface Row {
  readonly part: string;
  readonly name: string;
  /** How the starts of its cases may end. */
  readonly allowed: readonly Outcome[];
}

/** One disk to start on. */
export interface Case {
  readonly row: Row;
  readonly what: string;
  readonly image: () => Image;
  readonly expectation: Expectation;
}

export type Counts = Record<Outcome, number>;

export interface Tally {
  /** By part and name of the row. */
  readonly counts: Readonly<Record<string, Counts>>;
  /** What was lost or wrong. */
  readonly failures: readonly string[];
}

/** Which cases are judged: in each row every `stride(row)`th one, of these those of one worker. */
export interface Share {
  readonly worker: number;
  readonly workers: number;
  readonly stride: (row: Row) => number;
  /** Told after each case. */
  readonly onJudged?: (row: Row) => void;
}

const MAX_FAILURES = 20;
const MAX_LINE = 600;

/** Some at a time: there are too many for a promise for each. */
export type Cases = AsyncIterable<Iterable<Case>>;

export async function judgeCases(
  cases: Cases,
  { worker, workers, stride, onJudged = () => {} }: Share,
): Promise<Tally> {
  const seen = new Map<Row, { count: number; readonly step: number; readonly counts: Counts }>();
  const failures: string[] = [];
  const take = (row: Row): Counts | null => {
    const own = seen.get(row) ?? { count: 0, step: stride(row), counts: none() };
    seen.set(row, own);
    const place = own.count / own.step;
    own.count += 1;
    return Number.isInteger(place) && place % workers === worker ? own.counts : null;
  };
  for await (const some of cases) {
    for (const one of some) {
      const counts = take(one.row);
      if (counts === null) continue;
      const failure = await judged(one, counts);
      if (failure !== null && failures.length < MAX_FAILURES) failures.push(failure);
      onJudged(one.row);
    }
  }
  const counts = Object.fromEntries([...seen].map(([row, one]) => [keyOf(row), one.counts]));
  return { counts, failures };
}

/** Counts how the start ends; gives one line where it may not end so. */
async function judged(
  { row, what, image, expectation }: Case,
  counts: Counts,
): Promise<string | null> {
  try {
    const outcome = await judge(image(), expectation);
    counts[outcome] += 1;
    if (row.allowed.includes(outcome)) return null;
    throw new Error(`the start ends as ${outcome}`);
  } catch (error) {
    // Of what was found there is much more than anybody reads.
    const text =
      error instanceof Error ? `${error.message} (${String(error.cause)})` : String(error);
    return `${keyOf(row)}: ${what}: ${text}`.slice(0, MAX_LINE);
  }
}

function none(): Counts {
  return { recovered: 0, shorter: 0, refused: 0 };
}

export function keyOf({ part, name }: Row): string {
  return `${part}: ${name}`;
}

export function merged(tallies: readonly Tally[]): Tally {
  const counts: Record<string, Counts> = {};
  for (const tally of tallies) {
    for (const [key, more] of Object.entries(tally.counts)) {
      const sum = counts[key] ?? none();
      counts[key] = {
        recovered: sum.recovered + more.recovered,
        shorter: sum.shorter + more.shorter,
        refused: sum.refused + more.refused,
      };
    }
  }
  return { counts, failures: tallies.flatMap(({ failures }) => failures) };
}
