import { deepEqual, equal, ok } from 'node:assert/strict';
import t from 'tap';
import { type Counts, judgeCases, keyOf, type Row } from './wal-cases.js';
import { CRASH_ROWS } from './wal-crash-cases.js';
import { allCases } from './wal-table.js';

t.setTimeout(180_000);

/** Of the rows with very many cases every so manieth is judged; `npm run wal-table` judges all. */
const STRIDES: readonly (readonly [RegExp, number])[] = [
  [/every single bit flipped/, 1999],
  [/cut at every byte|zeros from every byte/, 499],
  [/in a write, at every byte/, 997],
  [/in the start after that/, 499],
  [/swapped|at any earlier time|of 16 bytes zeroed/, 101],
  [/under the name of|of other directories|two files missing|sectors of|at every call/, 7],
];

t.test(
  'after any damage or power cut a start finds all that was acknowledged, or refuses and changes nothing (faults B1–B4, B12–B22)',
  async (t) => {
    const { counts, failures } = await judgeCases(allCases(), {
      worker: 0,
      workers: 1,
      stride: strideOf,
    });
    deepEqual(failures, []);
    const sum = (pick: (counts: Counts) => number): number =>
      Object.values(counts).reduce((all, one) => all + pick(one), 0);
    const recovered = sum((one) => one.recovered);
    const refused = sum((one) => one.refused);
    const shorter = sum((one) => one.shorter);
    t.comment(`${recovered} recovered, ${refused} refused, ${shorter} shorter`);
    // Each of the outcomes is met, so that the judge is known to tell them apart.
    for (const count of [recovered, refused, shorter]) ok(count > 5);
    for (const row of CRASH_ROWS) ok(counts[keyOf(row)], keyOf(row));
    for (const [key, one] of Object.entries(counts)) {
      ok(one.recovered + one.refused + one.shorter > 0, `${key} has cases`);
      if (!key.startsWith('what nothing')) equal(one.shorter, 0, key);
    }
  },
);

function strideOf({ part, name }: Row): number {
  return STRIDES.find(([pattern]) => pattern.test(`${part}: ${name}`))?.[1] ?? 1;
}
