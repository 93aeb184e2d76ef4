import type { Counterexample, ShownOperation } from './counterexample.js';
import { formatHistory } from './history.js';
import { type Layout, layoutOf } from './layout.js';
import { type Columns, columnsOf } from './picture-columns.js';
import { PICTURE_STYLE } from './picture-style.js';
import { headline, statesMeanwhile, timelineOf } from './timeline.js';

/** What a picture is of. */
export interface PictureOptions {
  /** Stands above it: the seed and the command that give the same history again, say. */
  readonly title?: string | undefined;
}

/**
 * Counter-examples as one page of HTML that needs nothing else: no scripts, no fonts, no network. Time runs to
 * the right, a line for each client; a bar is a call, a numbered dot the moment at which it takes effect in the
 * longest order there is, and what is held between the dots stands below. The call that has no place is red.
 */
export function pictureOf(
  counterexamples: readonly Counterexample[],
  { title = 'Not linearizable' }: PictureOptions = {},
): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${escaped(title)}</title>`,
    `<style>${PICTURE_STYLE}</style>`,
    '</head>',
    '<body>',
    `<h1>${escaped(title)}</h1>`,
    ...counterexamples.map(section),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function section(counterexample: Counterexample): string {
  const layout = layoutOf(counterexample);
  const operations = counterexample.operations.map(({ operation }) => operation);
  return [
    '<section>',
    `<h2>${escaped(headline(counterexample))}</h2>`,
    `<p>${verdictText(counterexample, layout)}</p>`,
    `<div class="scroll">${svg(counterexample, layout)}</div>`,
    '<p class="legend"><i class="dot"></i> takes effect, in this order',
    '<i class="bar unknown"></i> outcome unknown: at any later time, or never',
    '<i class="bar blocked"></i> cannot be placed</p>',
    `<details><summary>As text</summary><pre>${escaped(timelineOf(counterexample))}</pre></details>`,
    `<details><summary>As JSON lines</summary><pre>${escaped(formatHistory(operations))}</pre></details>`,
    '</section>',
  ].join('\n');
}

function verdictText(counterexample: Counterexample, layout: Layout): string {
  const { blocked } = layout;
  if (blocked === null) return 'No order was found.';
  const states = statesMeanwhile(counterexample, layout).map((state) => code(state));
  const call = `${code(blocked.label)} of ${code(blocked.operation.client)}`;
  return `${call} cannot be placed: while it ran, ${states.join(', or ')} was held.`;
}

const TOP = 14;
const LANE = 50;
const BAR = 28;

function svg(counterexample: Counterexample, layout: Layout): string {
  const columns = columnsOf(counterexample, layout);
  const { lanes, order } = layout;
  const trackY = TOP + lanes.length * LANE + 12;
  const height = trackY + 40;
  const parts = [
    ...lanes.map((client, lane) => laneLine(client, lane, columns.width)),
    ...order.map((shown) => dropLine(shown, layout, columns, trackY)),
    ...counterexample.operations.map((shown) => bar(shown, layout, columns)),
    ...order.map((shown) => dot(shown, layout, columns)),
    ...track(counterexample, layout, columns, trackY),
  ];
  const size = `width="${columns.width}" height="${height}" viewBox="0 0 ${columns.width} ${height}"`;
  return `<svg ${size} role="img" aria-label="${escaped(headline(counterexample))}">\n${parts.join('\n')}\n</svg>`;
}

function laneLine(client: string, lane: number, width: number): string {
  const y = laneY(lane);
  const line = `<line class="lane" x1="0" x2="${width}" y1="${y}" y2="${y}"/>`;
  return `${line}<text class="client" x="4" y="${y - 8}">${escaped(client)}</text>`;
}

function laneY(lane: number): number {
  return TOP + lane * LANE + LANE / 2;
}

function bar(shown: ShownOperation, { laneOf }: Layout, columns: Columns): string {
  const { operation, label, isBlocked } = shown;
  const { from, to } = columns.barOf(shown);
  const y = laneY(laneOf.get(shown) ?? 0) - BAR / 2;
  const isUnknown = operation.outcome === 'unknown';
  const kind = isBlocked ? 'blocked' : isUnknown ? 'unknown' : 'known';
  const rect = `<rect x="${from}" y="${y}" width="${to - from}" height="${BAR}" rx="5"/>`;
  const words = `<text x="${from + 8}" y="${y + 16}">${escaped(label)}${isBlocked ? ' ✗' : ''}</text>`;
  return `<g class="${kind}"><title>${escaped(details(shown))}</title>${rect}${words}</g>`;
}

function details({ operation, label, place, stateAfter }: ShownOperation): string {
  const { client, outcome, invokedMs, returnedMs } = operation;
  const end =
    outcome === 'unknown' || returnedMs === null ? 'unknown' : `${returnedMs.toFixed(1)} ms`;
  const placed = place === null ? '' : `\nnumber ${place} in the order; then ${stateAfter} is held`;
  return `${client}: ${label}\n${invokedMs.toFixed(1)} ms to ${end}, ${outcome}${placed}`;
}

function dropLine(shown: ShownOperation, { laneOf }: Layout, columns: Columns, y: number): string {
  const x = columns.effectOf(shown);
  return `<line class="drop" x1="${x}" x2="${x}" y1="${laneY(laneOf.get(shown) ?? 0)}" y2="${y}"/>`;
}

function dot(shown: ShownOperation, { laneOf }: Layout, columns: Columns): string {
  const x = columns.effectOf(shown);
  const y = laneY(laneOf.get(shown) ?? 0) + BAR / 2 + 3;
  const number = `<text x="${x}" y="${y + 3.5}">${shown.place}</text>`;
  return `<g class="effect"><circle cx="${x}" cy="${y}" r="8"/>${number}</g>`;
}

/** What is held, from each effect to the next. */
function track(
  { initially }: Counterexample,
  { order, blocked }: Layout,
  columns: Columns,
  y: number,
): readonly string[] {
  const starts = [{ x: columns.left, state: initially }];
  for (const shown of order) {
    const state = shown.stateAfter ?? '';
    if (starts.at(-1)?.state !== state) starts.push({ x: columns.effectOf(shown), state });
  }
  const boxes = starts.map(({ x, state }, position) => {
    const end = starts[position + 1]?.x ?? columns.width;
    const rect = `<rect x="${x}" y="${y}" width="${end - x}" height="24"/>`;
    return `<g class="state">${rect}<text x="${x + 6}" y="${y + 16}">${escaped(state)}</text></g>`;
  });
  const meanwhile = blocked === null ? null : columns.barOf(blocked);
  const mark =
    meanwhile === null
      ? ''
      : `<rect class="meanwhile" x="${meanwhile.from}" y="${y - 4}" width="${meanwhile.to - meanwhile.from}" height="32"/>`;
  return [`<text class="client" x="4" y="${y + 16}">held</text>`, ...boxes, mark];
}

function code(text: string): string {
  return `<code>${escaped(text)}</code>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
