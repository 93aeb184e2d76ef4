/** The power is cut, at every call to the disk and in the middle of each write. */
import { BLOCK_BYTES } from '../../storage/wal/portions.js';
import { type Image, overwritten } from './disk-image.js';
import { type DiskEvent, TracedDisk, TracedFiles } from './disk-trace.js';
import type { Case, Row } from './wal-cases.js';
import { expectations, HISTORY, openHistory } from './wal-history.js';
import { DIRECTORY, type Expectation } from './wal-judge.js';
import { type Run, runHistory, stepsBefore } from './wal-run.js';

type WriteEvent = Extract<DiskEvent, { readonly kind: 'write' }>;

const SECTOR_BYTES = 512;
const SPARE = 'of a spare for the next segment';
const CALL = 'the power is cut at every call';
const BYTE = 'the power is cut in a write, at every byte';

const calls = rows(CALL);
const bytes = rows(BYTE);
/** Of a file that has no name yet all lengths are the same: these are enough. */
const sparePieces = row('the power is cut in a write, at every 512 bytes', SPARE);
const subsets = row('the power is cut in a write', 'any of its blocks did not arrive');
const restarts = row('the power is cut in the start after that', 'at every call, in its writes');
/** A disk that writes the end of a block before its start is taken for one that lost the start. */
const sectors: Row = {
  part: 'the power is cut in a write',
  name: 'its sectors of 512 bytes arrive in any order',
  allowed: ['recovered', 'refused'],
};

/** Each of them has cases. */
export const CRASH_ROWS: readonly Row[] = [
  ...Object.values(calls),
  ...Object.values(bytes).filter((one) => one !== bytes.compaction && one !== bytes.spare),
  ...[sparePieces, subsets, restarts, sectors],
];

export async function* crashCases(): AsyncGenerator<Iterable<Case>> {
  const run = await runHistory(HISTORY, {});
  yield cuts(run);
  yield* restartCases(run);
}

function* cuts(run: Run): Generator<Case> {
  const expected = expectations(HISTORY);
  const disk = new TracedDisk();
  const subjects = new Subjects(disk);
  for (const [at, event] of run.events.entries()) {
    const done = stepsBefore(run, at);
    const whole = expected.slice(done, done + 2);
    const expectation = { whole, isNewAllowed: done === 0 };
    const what = `event ${at}, ${event.kind}`;
    const subject = subjects.of(event);
    yield* atCall(disk, { row: calls[subject], what, expectation });
    if (event.kind === 'write' && subject === 'spare') {
      const lengths = range(SECTOR_BYTES, event.bytes.length, SECTOR_BYTES);
      yield* atBytes(disk, event, { row: sparePieces, what, expectation }, lengths);
    } else if (event.kind === 'write') {
      // What is left of a segment that was never used must not be in the way of what follows.
      const given = { ...expectation, goesOn: subject === 'roll' };
      yield* atBytes(disk, event, { row: bytes[subject], what, expectation: given });
    }
    if (event.kind === 'write' && event.isDurable) {
      yield* outOfOrder(disk, event, { what, expectation: { ...expectation, goesOn: true } });
    }
    disk.apply(event);
  }
}

type Subject = keyof ReturnType<typeof rows>;

function rows(part: string) {
  return {
    first: row(part, 'of a new directory: FORMAT, mark, identity'),
    append: row(part, 'of a batch: entries, state, base, reset, moved entries'),
    roll: row(part, 'of a new segment with its checkpoint'),
    spare: row(part, SPARE),
    recycle: row(part, 'of a spare made of a segment that was given up'),
    compaction: row(part, 'of segments that are given up'),
    mark: row(part, 'of a mark'),
    snapshot: row(part, 'of a snapshot, written or removed'),
  } as const;
}

function row(part: string, name: string): Row {
  return { part, name, allowed: ['recovered'] };
}

/** What the disk is about to do, by the calls that came before. */
class Subjects {
  readonly #disk: TracedDisk;
  /** Files that were segments and are spares now. */
  readonly #recycled = new Set<number>();
  /** What the names in the folder of the log were changed for. */
  #names: Subject = 'roll';

  constructor(disk: TracedDisk) {
    this.#disk = disk;
  }

  of(event: DiskEvent): Subject {
    const path = 'path' in event ? event.path : (this.#disk.pathOf(event.inode) ?? '');
    const name = path.slice(DIRECTORY.length + 1);
    if (name.includes('snapshots')) return 'snapshot';
    if (name.startsWith('mark')) return 'mark';
    if (!name.startsWith('log')) return 'first';
    if (event.kind === 'write' && event.isDurable) return event.offset === 0 ? 'roll' : 'append';
    if (event.kind === 'syncFolder') return this.#names;
    const isSegment = name.endsWith('.wal');
    if (event.kind === 'rename') {
      if (isSegment) this.#recycled.add(event.inode);
      this.#names = isSegment ? 'compaction' : 'roll';
      return this.#names;
    }
    if (event.kind === 'remove') {
      this.#names = 'compaction';
      return this.#names;
    }
    return this.#recycled.has(event.inode) ? 'recycle' : 'spare';
  }
}

interface Given {
  readonly row: Row;
  readonly what: string;
  readonly expectation: Expectation;
}

function* atCall(disk: TracedDisk, { row, what, expectation }: Given): Generator<Case> {
  for (const { image, what: left } of [...disk.afterPowerCut()]) {
    const goesOn = { ...expectation, goesOn: true };
    yield { row, what: `${what}: ${left}`, image: () => image, expectation: goesOn };
  }
}

function* atBytes(
  disk: TracedDisk,
  event: WriteEvent,
  { row, what, expectation }: Given,
  lengths: Iterable<number> = range(1, event.bytes.length),
): Generator<Case> {
  for (const length of lengths) {
    const torn = (content: Uint8Array): Uint8Array =>
      overwritten(content, event.offset, event.bytes.subarray(0, length));
    for (const { image, what: left } of [...disk.afterTorn(event, torn)]) {
      const at = `${what}, ${length} bytes: ${left}`;
      yield { row, what: at, image: () => image, expectation };
    }
  }
}

/** Any blocks of a durable write arrive; and of its sectors all from one on, only one, all but one. */
function* outOfOrder(
  disk: TracedDisk,
  event: WriteEvent,
  given: Omit<Given, 'row'>,
): Generator<Case> {
  const blocks = pieces(event, BLOCK_BYTES);
  for (let chosen = 1; chosen < 2 ** blocks.length - 1; chosen += 1) {
    const arrived = blocks.filter((_, at) => (chosen >> at) % 2 === 1);
    yield* withPieces(disk, event, arrived, { ...given, row: subsets });
  }
  const all = pieces(event, SECTOR_BYTES);
  for (const at of all.keys()) {
    if (all.length === 1) continue;
    const choices = [all.slice(at), all.slice(at, at + 1), all.filter((_, other) => other !== at)];
    for (const arrived of choices) {
      yield* withPieces(disk, event, arrived, { ...given, row: sectors });
    }
  }
}

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What of a write goes to each unit of the file. */
function pieces({ offset, bytes }: WriteEvent, unitBytes: number): readonly Piece[] {
  const all: Piece[] = [];
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + unitBytes - ((offset + from) % unitBytes));
    all.push({ offset: offset + from, bytes: bytes.subarray(from, to) });
    from = to;
  }
  return all;
}

function* withPieces(
  disk: TracedDisk,
  event: WriteEvent,
  arrived: readonly Piece[],
  { row, what, expectation }: Given,
): Generator<Case> {
  const torn = (content: Uint8Array): Uint8Array => withAll(content, arrived);
  const offsets = arrived.map(({ offset }) => offset).join(' ');
  for (const { image, what: left } of [...disk.afterTorn(event, torn)]) {
    const at = `${what}, what goes to ${offsets}: ${left}`;
    yield { row, what: at, image: () => image, expectation };
  }
}

/** A start that has to clean up after a power cut, and in which the power is cut again. */
async function* restartCases(run: Run): AsyncGenerator<Iterable<Case>> {
  const expected = expectations(HISTORY);
  const disk = new TracedDisk();
  for (const [at, event] of run.events.entries()) {
    const done = stepsBefore(run, at);
    const expectation = { whole: expected.slice(done, done + 2), isNewAllowed: done === 0 };
    for (const { image, what } of leftBehind(disk, event)) {
      yield await secondCuts(image, { row: restarts, what: `event ${at}, ${what}`, expectation });
    }
    disk.apply(event);
  }
}

/** Disks on which a start has something to do. */
function* leftBehind(
  disk: TracedDisk,
  event: DiskEvent,
): Generator<{ readonly image: Image; readonly what: string }> {
  if (event.kind !== 'write' || !event.isDurable) {
    yield* [...disk.afterPowerCut()];
    return;
  }
  const blocks = pieces(event, BLOCK_BYTES);
  for (let chosen = 0; chosen < 2 ** blocks.length - 1; chosen += 1) {
    const arrived = blocks.filter((_, at) => (chosen >> at) % 2 === 1);
    // One that is missing may have arrived in part.
    const [cut] = blocks.filter((block) => !arrived.includes(block));
    for (const length of [0, 1000]) {
      const part = { offset: cut!.offset, bytes: cut!.bytes.subarray(0, length) };
      const torn = (content: Uint8Array): Uint8Array => withAll(content, [...arrived, part]);
      for (const { image } of [...disk.afterTorn(event, torn)]) {
        yield { image, what: `blocks ${chosen.toString(2)} and ${length} bytes` };
      }
    }
  }
}

function withAll(content: Uint8Array, arrived: readonly Piece[]): Uint8Array {
  return arrived.reduce((sum, { offset, bytes }) => overwritten(sum, offset, bytes), content);
}

async function secondCuts(image: Image, given: Given): Promise<Iterable<Case>> {
  const files = new TracedFiles(new TracedDisk(image));
  try {
    const { engine } = await openHistory(DIRECTORY, { files });
    await engine.close();
  } catch {
    // Whoever judges this one sees what is wrong with it.
    return [{ ...given, image: () => image }];
  }
  return cutsOfStart(image, files.events, given);
}

function* cutsOfStart(image: Image, events: readonly DiskEvent[], given: Given): Generator<Case> {
  const disk = new TracedDisk(image);
  for (const [at, event] of events.entries()) {
    const what = `${given.what}; then event ${at}, ${event.kind}`;
    for (const { image: next, what: left } of [...disk.afterPowerCut()]) {
      yield { ...given, what: `${what}: ${left}`, image: () => next };
    }
    if (event.kind === 'write') {
      yield* atBytes(disk, event, { ...given, what }, someLengths(event));
    }
    disk.apply(event);
  }
}

/** Some of every part of a write, and all around the ends of its blocks. */
function* someLengths({ offset, bytes }: WriteEvent): Generator<number> {
  for (const length of range(1, bytes.length)) {
    const toEnd = BLOCK_BYTES - ((offset + length) % BLOCK_BYTES);
    const isNear = Math.min(toEnd, BLOCK_BYTES - toEnd) < 18;
    if (isNear || length % (bytes.length < 600 ? 61 : 997) === 0) yield length;
  }
}

function* range(from: number, end: number, step = 1): Generator<number> {
  for (let value = from; value < end; value += step) yield value;
}
