import type { Counterexample, ShownOperation } from './counterexample.js';
import type { Layout } from './layout.js';

/** Where on the x axis things stand, in pixels. */
export interface Columns {
  readonly left: number;
  readonly width: number;
  barOf(shown: ShownOperation): { readonly from: number; readonly to: number };
  effectOf(shown: ShownOperation): number;
}

/** Of a character of the picture's font. */
const CHARACTER = 7.3;
/** Between two moments, at least. */
const GAP = 22;
const PADDING = 24;

/**
 * One column a moment, in their order: how long things took is not to scale, or the calls of a millisecond
 * beside a pause of seconds could not be seen. Columns stand apart as far as the words between them need.
 */
export function columnsOf(counterexample: Counterexample, layout: Layout): Columns {
  const { moments, lanes, order } = layout;
  const left = Math.max(40, ...lanes.map((client) => client.length * CHARACTER + 14));
  const begins = new Map<ShownOperation, number>();
  const effects = new Map<ShownOperation, number>();
  const returns = new Map<ShownOperation, number>();
  let x = left + wordsWidth(counterexample.initially) - GAP;
  let heldFrom = left;
  let held = counterexample.initially;
  for (const { kind, shown } of moments) {
    x += GAP;
    if (kind === 'begin') begins.set(shown, x);
    if (kind === 'effect') {
      const isChange = shown.stateAfter !== held;
      if (isChange) x = Math.max(x, heldFrom + wordsWidth(held));
      effects.set(shown, x);
      if (isChange) heldFrom = x;
      held = shown.stateAfter ?? '';
    }
    if (kind === 'return') {
      x = Math.max(x, (begins.get(shown) ?? x) + labelWidth(shown));
      returns.set(shown, x);
    }
  }
  const open = counterexample.operations.filter((shown) => !returns.has(shown));
  const ends = open.map((shown) => (begins.get(shown) ?? x) + labelWidth(shown));
  const width = Math.ceil(Math.max(x + GAP, heldFrom + wordsWidth(held), ...ends) + GAP);
  const last = order.at(-1);
  return {
    left,
    width,
    barOf: (shown) => ({ from: begins.get(shown) ?? left, to: returns.get(shown) ?? width }),
    effectOf: (shown) => effects.get(shown) ?? (last === shown ? x : left),
  };
}

function labelWidth({ label, isBlocked }: ShownOperation): number {
  return wordsWidth(label) + (isBlocked ? 2 * CHARACTER : 0);
}

function wordsWidth(words: string): number {
  return Math.ceil(words.length * CHARACTER) + PADDING;
}
