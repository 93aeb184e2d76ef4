import type { LinearizabilityResult } from './check.js';
import type { Counterexample, ShownOperation } from './counterexample.js';
import { type Layout, layoutOf, type Moment } from './layout.js';

/** What is known of a history, and, of a store, what else is broken. */
export interface Explained extends LinearizabilityResult {
  readonly broken?: readonly string[] | undefined;
}

/** The verdict in one line, then what is inconclusive or broken, then the counter-examples as timelines. */
export function explain(result: Explained): string {
  const { parts, broken = [] } = result;
  const operationCount = parts.reduce((sum, part) => sum + part.operationCount, 0);
  const counts = (['linearizable', 'violated', 'inconclusive'] as const)
    .map((verdict) => `${parts.filter((part) => part.verdict === verdict).length} ${verdict}`)
    .join(', ');
  const lines = [
    `${result.verdict}: ${grouped(operationCount)} operations in ${parts.length} ${parts.length === 1 ? 'part' : 'parts'} (${counts})`,
    ...parts
      .filter(({ verdict }) => verdict === 'inconclusive')
      .map(({ part, operationCount: own, steps }) => {
        return `  ${name(part)}: given up, ${grouped(own)} operations, ${grouped(steps)} steps`;
      }),
    ...broken.map((sentence) => `  ${sentence}`),
  ];
  return [lines.join('\n'), ...result.counterexamples.map(timelineOf)].join('\n\n');
}

/**
 * A counter-example as text: time runs downwards, a column for each client, a line for each begin and end of
 * a call; then an order of all but one operation, and why that one has no place in it.
 */
export function timelineOf(counterexample: Counterexample): string {
  const layout = layoutOf(counterexample);
  return [headline(counterexample), table(layout), orderText(counterexample, layout)].join('\n\n');
}

/** What a counter-example is about, in a sentence. */
export function headline({ part, operations, outOf }: Counterexample): string {
  const all = grouped(outOf);
  const them = operations.length === 1 ? 'it' : 'them';
  return `${name(part)}: ${operations.length} of ${all} operations, and no order explains ${them}`;
}

/** What the state can be while the blocked operation runs. */
export function statesMeanwhile(
  { initially, operations }: Counterexample,
  { order, blocked }: Layout,
): readonly string[] {
  const from = blocked?.operation.invokedAt ?? 0;
  const earlier = operations.filter(({ operation }) => {
    return operation.outcome === 'acknowledged' && operation.returnedAt < from;
  });
  const first = Math.max(0, ...earlier.map(({ place }) => place ?? 0));
  const states = [initially, ...order.map(({ stateAfter }) => stateAfter ?? '')];
  return [...new Set(states.slice(first))];
}

const TIME_WIDTH = 12;

function table({ moments, lanes, laneOf }: Layout): string {
  const rows = moments.filter(({ kind }) => kind !== 'effect');
  const widths = lanes.map((lane, column) => {
    const cells = rows.filter(({ shown }) => laneOf.get(shown) === column).map(cellOf);
    return Math.max(lane.length, ...cells.map((cell) => cell.length)) + 3;
  });
  const running = lanes.map(() => ' ');
  const line = (time: string, cells: readonly string[]): string => {
    const padded = cells.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    return `${time.padStart(TIME_WIDTH)}  ${padded.join('')}`.trimEnd();
  };
  const body = rows.map(({ kind, shown }) => {
    const column = laneOf.get(shown) ?? 0;
    const cells = [...running];
    cells[column] = cellOf({ kind, shown });
    running[column] = kind === 'return' ? ' ' : barOf(shown);
    const { operation } = shown;
    const ms = kind === 'begin' ? operation.invokedMs : (operation.returnedMs ?? 0);
    return line(`${ms.toFixed(1)} ms`, cells);
  });
  const open = running.some((bar) => bar !== ' ') ? [line('', running)] : [];
  return [line('', lanes), ...body, ...open].join('\n');
}

function cellOf({ kind, shown }: Moment): string {
  if (kind === 'begin') return `┌ ${shown.asked}${isUnknown(shown) ? ', outcome unknown' : ''}`;
  const mark = shown.isBlocked ? '✗' : `(${shown.place ?? '-'})`;
  return `└ ${shown.label}  ${mark}`;
}

function barOf(shown: ShownOperation): string {
  return isUnknown(shown) ? '╎' : '│';
}

function isUnknown({ operation }: ShownOperation): boolean {
  return operation.outcome === 'unknown';
}

function orderText(counterexample: Counterexample, layout: Layout): string {
  const { order, blocked } = layout;
  const width = Math.max(0, ...order.map((shown) => lineOf(shown).length));
  const { initially } = counterexample;
  const lines = [
    order.length === 0
      ? `Initially ${initially}.`
      : `Initially ${initially}. An order of the others, and what is held then:`,
    ...order.map((shown) => {
      return `  ${String(shown.place).padStart(3)}  ${lineOf(shown).padEnd(width)}  ${shown.stateAfter}`;
    }),
  ];
  if (blocked !== null) {
    const states = statesMeanwhile(counterexample, layout).join(', or ');
    lines.push(`    ✗  ${lineOf(blocked)}  has no place: while it ran, ${states} was held`);
  }
  return lines.join('\n');
}

function lineOf({ operation, label }: ShownOperation): string {
  return `${operation.client}: ${label}`;
}

function name(part: string): string {
  return part === '' ? 'the history' : JSON.stringify(part);
}

/** 12,345: the same in every locale. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',');
}
