import type { MutationResult, MutationResults } from './results.js';
import { isCaught } from './results.js';

/** A table of a document: its head, and its rows. */
export interface MutationTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Those that are written by hand. */
export function mutationsTable(results: MutationResults): MutationTable {
  const rows = namedIn(results, false).map(([id, result]) => [
    id,
    result.bug,
    result.seen ?? '',
    `\`${result.file}\``,
    ...endOf(result),
  ]);
  return { head: ['', 'what is wrong', 'seen in', 'file', ...END], rows };
}

/** Those that are made of cited guards. */
export function guardsTable(results: MutationResults): MutationTable {
  const rows = namedIn(results, true).map(([id, result]) => [id, result.bug, ...endOf(result)]);
  return { head: ['', 'what is wrong', ...END], rows };
}

/** How many there are, and how they end. */
export function totalsTable(results: MutationResults): MutationTable {
  const row = (name: string, named: readonly (readonly [string, MutationResult])[]): string[] => {
    const all = named.map(([, result]) => result);
    const count = (isMeant: (result: MutationResult) => boolean): string =>
      String(all.filter(isMeant).length);
    return [
      name,
      String(all.length),
      count(isCaught),
      count(({ test }) => test === 'types'),
      count(({ test }) => test !== null && test !== 'types'),
      count(({ seed }) => seed !== null),
      count(({ test, seed }) => test === null && seed !== null),
      count(({ equivalent }) => equivalent !== null),
    ];
  };
  const written = namedIn(results, false);
  const made = namedIn(results, true);
  return {
    head: [
      ...['', 'mutations', 'caught', 'by the compiler', 'by a directed test'],
      ...['by the simulator by itself', 'by nothing else', 'equivalent'],
    ],
    rows: [
      row(
        'of the catalogue',
        written.filter(([id]) => id.startsWith('M')),
      ),
      row(
        'of our own',
        written.filter(([id]) => !id.startsWith('M')),
      ),
      row('made of cited guards', made),
      row('all', [...written, ...made]),
    ],
  };
}

const END = ['caught by', 'after', 'by the simulator by itself'] as const;

function endOf({
  test,
  testSeconds,
  seed,
  seedSeconds,
  seeds,
  equivalent,
}: MutationResult): readonly string[] {
  const simulated = seeds === 0 ? '' : `not in ${seeds} seeds`;
  const caughtBySeed = seed === null ? simulated : `seed ${seed}, ${seedSeconds} s`;
  if (equivalent !== null) return [`equivalent: ${equivalent}`, '', caughtBySeed];
  if (test === null) return [seed === null ? '**nothing**' : 'the simulator', '', caughtBySeed];
  if (test === 'types') return ['the compiler', '', ''];
  return [test.replace(/^\S+/, (file) => `\`${file}\``), `${testSeconds} s`, caughtBySeed];
}

/** An id of a guard names its function. */
function namedIn(
  results: MutationResults,
  isGuard: boolean,
): readonly (readonly [string, MutationResult])[] {
  return Object.entries(results).filter(([id]) => id.includes('.') === isGuard);
}
