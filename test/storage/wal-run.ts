/** The history, performed once on a disk that keeps what was asked of it. */
import { type Image, namesIn } from './disk-image.js';
import { type DiskEvent, TracedDisk, TracedFiles } from './disk-trace.js';
import { type HistoryOptions, openHistory, perform, type Step } from './wal-history.js';
import { DIRECTORY } from './wal-judge.js';

export interface Run {
  readonly events: readonly DiskEvent[];
  /** How many events came before each step was acknowledged. */
  readonly acknowledged: readonly number[];
  /** How many came before the close. */
  readonly closing: number;
  /** As a process leaves the disk that is killed after the last step, and one that closes. */
  readonly killed: Image;
  readonly closed: Image;
}

export async function runHistory(steps: readonly Step[], options: HistoryOptions): Promise<Run> {
  const disk = new TracedDisk();
  const files = new TracedFiles(disk);
  const acknowledged: number[] = [];
  const { engine } = await openHistory(DIRECTORY, { ...options, files });
  const done = await perform(engine, steps, () => acknowledged.push(files.events.length));
  if (done !== steps.length) throw new Error(`the history ends after ${done} steps`);
  await settled();
  const killed = withoutSpares(disk.image);
  const closing = files.events.length;
  await engine.close();
  return { events: files.events, acknowledged, closing, killed, closed: withoutSpares(disk.image) };
}

/** How many steps were acknowledged before the event. */
export function stepsBefore({ acknowledged }: Run, event: number): number {
  return acknowledged.filter((count) => count <= event).length;
}

export function segmentPaths(image: Image): readonly string[] {
  const folder = `${DIRECTORY}/log`;
  const names = namesIn(image.keys(), folder).filter((name) => name.endsWith('.wal'));
  return names.map((name) => `${folder}/${name}`);
}

/** What was begun in the background is done: it never waits for more than the files in memory. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A segment that is not one yet is zeros, and removed at the next start whatever it holds. */
function withoutSpares(image: Image): Image {
  return new Map([...image].filter(([path]) => !path.endsWith('.tmp')));
}
