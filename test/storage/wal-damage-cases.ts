/** What is stored is damaged, replaced or lost, one thing at a time. */
import { basename, dirname } from 'node:path';
import { BLOCK_BYTES } from '../../storage/wal/portions.js';
import { segmentName, sequenceOf } from '../../storage/wal/segment-head.js';
import { type Image, overwritten, replaced, resized } from './disk-image.js';
import { type DiskEvent, TracedDisk } from './disk-trace.js';
import type { Case, Row } from './wal-cases.js';
import { expectations, type Found, FURTHER, HISTORY, IDENTITY, type Step } from './wal-history.js';
import { DIRECTORY, type Expectation } from './wal-judge.js';
import { type Run, runHistory, segmentPaths, stepsBefore } from './wal-run.js';

const STEPS = [...HISTORY, ...FURTHER];
const SECTOR_BYTES = 512;
const UNIT_BYTES = 16;

/** A directory, and what was stored in it. */
interface Scene {
  readonly run: Run;
  readonly image: Image;
  /** What it holds. */
  readonly whole: Found;
  /** What it held when its last segment was begun, and after each step from then on. */
  readonly sinceRoll: readonly Found[];
  /** Behind the beginning of the last segment, which the mark names. At a clean close, the end. */
  readonly marked: { readonly path: string; readonly offset: number };
  readonly isClosed: boolean;
  /** The files that are damaged: where others tell no more than at the close, only those that do. */
  readonly paths: ReadonlySet<string>;
}

/** The file set that is damaged, at a clean close: for its size. */
export async function fileSet(): Promise<Image> {
  return (await runHistory(STEPS, {})).closed;
}

export async function* damageCases(): AsyncGenerator<Iterable<Case>> {
  const run = await runHistory(STEPS, {});
  const others = await strangers();
  for (const scene of [sceneOf(run, 'closed'), sceneOf(run, 'killed')]) {
    for (const kind of [flips, zeros, swaps, olderBlocks, cuts, olderFiles]) yield kind(scene);
    yield wholeFiles(scene, others);
  }
  for (let from = STEPS.length - 1; from >= HISTORY.length; from -= 4) {
    const copy = await runHistory([...STEPS.slice(0, from), ...STEPS.slice(from).map(varied)], {});
    yield forkedFiles(sceneOf(run, 'closed'), copy.closed, from);
  }
  yield olderDirectories(run);
}

function sceneOf(run: Run, name: 'closed' | 'killed'): Scene {
  const image = run[name];
  const isClosed = name === 'closed';
  const expected = expectations(STEPS);
  const rolled = run.events.findLastIndex((one) => isRoll(one));
  const roll = run.events[rolled];
  if (roll?.kind !== 'write') throw new Error('the history begins segments');
  const sinceRoll = isClosed ? [] : expected.slice(stepsBefore(run, rolled), -1);
  const offset = isClosed ? Number.POSITIVE_INFINITY : roll.bytes.length;
  const isOther = (path: string): boolean => path === roll.path || kindOf(path) === 'mark';
  const paths = new Set([...image.keys()].filter((path) => isClosed || isOther(path)));
  const marked = { path: roll.path, offset };
  return { run, image, whole: expected.at(-1)!, sinceRoll, marked, isClosed, paths };
}

/** Head and checkpoint of a segment. */
function isRoll(event: DiskEvent): boolean {
  return event.kind === 'write' && event.isDurable && event.offset === 0;
}

function* flips(scene: Scene): Generator<Case> {
  for (const [path, bytes] of damagedFiles(scene)) {
    const name = `${kindOf(path)}: every single bit flipped`;
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const change = (): Image => replaced(scene.image, { [path]: flipped(bytes, bit) });
      const what = `bit ${bit % 8} of byte ${bit >>> 3} of ${path}`;
      yield damaged(scene, { name, what, path, change, isTold: true });
    }
  }
}

function* zeros(scene: Scene): Generator<Case> {
  for (const unitBytes of [UNIT_BYTES, SECTOR_BYTES, BLOCK_BYTES]) {
    const name = `every block of ${unitBytes} bytes zeroed`;
    for (const { path, from, bytes } of units(scene, unitBytes)) {
      if (bytes.every((byte) => byte === 0)) continue;
      const nothing = new Uint8Array(bytes.length);
      yield withUnit(scene, { name, path, from, bytes: nothing });
    }
  }
}

/** Each two blocks, of one file or of two, in place of each other. */
function* swaps(scene: Scene): Generator<Case> {
  for (const unitBytes of [SECTOR_BYTES, BLOCK_BYTES]) {
    const name = `every two blocks of ${unitBytes} bytes swapped`;
    const all = [...units(scene, unitBytes)].filter(({ bytes }) => bytes.length === unitBytes);
    for (const [at, one] of all.entries()) {
      for (const other of all.slice(at + 1)) {
        if (Buffer.compare(one.bytes, other.bytes) === 0) continue;
        const change = (): Image => {
          const { image } = scene;
          const first = overwritten(image.get(one.path)!, one.from, other.bytes);
          const isSame = one.path === other.path;
          const second = isSame ? first : image.get(other.path)!;
          return replaced(image, {
            [one.path]: first,
            [other.path]: overwritten(second, other.from, one.bytes),
          });
        };
        const what = `${one.path} ${one.from} and ${other.path} ${other.from}`;
        const isOneFile = one.path === other.path;
        const from = Math.min(one.from, other.from);
        const isSnapshot = [one, other].some(({ path }) => kindOf(path) === 'snapshots');
        // Two snapshots that are damaged are two files.
        if (isSnapshot && !isOneFile) continue;
        const isAbove =
          isOneFile && isAboveMark(scene, one.path, firstChange(scene, change(), one.path, from));
        yield damaged(scene, { name, what, path: one.path, change, isTold: !isAbove });
      }
    }
  }
}

/** Each block as it was at an earlier time: a write that was acknowledged and never arrived. */
function* olderBlocks(scene: Scene): Generator<Case> {
  for (const unitBytes of [SECTOR_BYTES, BLOCK_BYTES]) {
    const name = `every block of ${unitBytes} bytes as it was at any earlier time`;
    const seen = new Map<string, Set<string>>();
    for (const version of versions(scene.run)) {
      const now = scene.image.get(version.path);
      if (now === undefined || !scene.paths.has(version.path)) continue;
      for (let from = 0; from < now.length; from += unitBytes) {
        const bytes = resized(
          version.bytes.subarray(from, from + unitBytes),
          Math.min(unitBytes, now.length - from),
        );
        const current = now.subarray(from, from + unitBytes);
        if (Buffer.compare(bytes, current) === 0) continue;
        const place = `${version.path} ${from}`;
        const known = seen.get(place) ?? new Set();
        seen.set(place, known);
        const text = Buffer.from(bytes).toString('latin1');
        if (known.has(text)) continue;
        known.add(text);
        yield withUnit(scene, { name, path: version.path, from, bytes });
      }
    }
  }
}

/** Each file cut at every byte, so at every record too; and the same, with zeros up to its old size. */
function* cuts(scene: Scene): Generator<Case> {
  for (const [path, bytes] of damagedFiles(scene)) {
    const kind = kindOf(path);
    const lastWritten = bytes.findLastIndex((byte) => byte !== 0);
    for (let end = 0; end < bytes.length; end += 1) {
      const cut = (): Image => replaced(scene.image, { [path]: bytes.slice(0, end) });
      const what = `${path} at ${end}`;
      const name = `${kind}: cut at every byte`;
      yield damaged(scene, { name, what, path, change: cut, isTold: true });
      if (end > lastWritten) continue;
      const zeroed = (): Image =>
        replaced(scene.image, { [path]: resized(bytes.slice(0, end), bytes.length) });
      yield damaged(scene, {
        ...{ name: `${kind}: zeros from every byte on`, what, path, change: zeroed },
        isTold: !isAboveMark(scene, path, end),
      });
    }
  }
}

function* wholeFiles(scene: Scene, others: readonly Image[]): Generator<Case> {
  const { image } = scene;
  const isTold = true;
  for (const [path, bytes] of image) {
    const missing = (): Image => replaced(image, { [path]: null });
    yield damaged(scene, { name: 'every file missing', what: path, path, change: missing, isTold });
    for (const target of copyTargets(image, path)) {
      const change = (): Image => replaced(image, { [target]: bytes });
      const what = `${path} as ${target}`;
      const name = 'every file under the name of every other, and free names';
      yield damaged(scene, { name, what, path: target, change, isTold });
    }
    for (const [number, other] of others.entries()) {
      for (const [from, foreign] of other) {
        if (kindOf(from) !== kindOf(path) || Buffer.compare(foreign, bytes) === 0) continue;
        const change = (): Image => replaced(image, { [path]: foreign });
        const what = `${from} of directory ${number} as ${path}`;
        const name = 'every file replaced by those of its kind of other directories';
        yield damaged(scene, { name, what, path, change, isTold });
      }
    }
  }
  const needed = [...image.keys()].filter((path) => kindOf(path) !== 'snapshots');
  for (const [at, path] of needed.entries()) {
    for (const other of needed.slice(at + 1)) {
      const change = (): Image => replaced(image, { [path]: null, [other]: null });
      const what = `${path} and ${other}`;
      yield damaged(scene, { name: 'every two files missing', what, path, change, isTold });
    }
  }
  for (const [number, other] of others.entries()) {
    for (const [from, foreign] of other) {
      if (image.has(from) || kindOf(from) !== 'segments') continue;
      const change = (): Image => replaced(image, { [from]: foreign });
      const name = 'a segment of another directory beside the own ones';
      yield damaged(scene, { name, what: `${from} of ${number}`, path: from, change, isTold });
    }
  }
}

/** Each file as it was at any earlier time. */
function* olderFiles(scene: Scene): Generator<Case> {
  for (const { path, bytes, what } of versions(scene.run)) {
    const now = scene.image.get(path);
    if (now === undefined || !scene.paths.has(path)) continue;
    if (Buffer.compare(now, bytes) === 0) continue;
    const change = (): Image => replaced(scene.image, { [path]: bytes });
    const from = firstChange(scene, change(), path, 0);
    const isTold = bytes.length !== now.length || !isAboveMark(scene, path, from);
    yield damaged(scene, {
      name: 'every file as it was at any earlier time',
      what,
      path,
      change,
      isTold,
    });
  }
}

/** Each file as it is in a copy of the directory that went on with other payloads from some step on. */
function* forkedFiles(scene: Scene, copy: Image, from: number): Generator<Case> {
  const name = 'every file as it is in a copy of the directory that went on';
  for (const [path, bytes] of copy) {
    const own = scene.image.get(path);
    const isSnapshot = kindOf(path) === 'snapshots';
    if (own === undefined || isSnapshot || Buffer.compare(own, bytes) === 0) continue;
    const change = (): Image => replaced(scene.image, { [path]: bytes });
    const what = `${path} of a copy that parted after ${from} steps`;
    yield damaged(scene, { name, what, path, change, isTold: true });
  }
}

function varied(step: Step): Step {
  return step.map((call) => (call.kind === 'append' ? { ...call, variant: 1 } : call));
}

/** All of it as it was when each step was acknowledged: a backup that was put back. */
function* olderDirectories(run: Run): Generator<Case> {
  const row: Row = {
    part: UNTOLD,
    name: 'the whole directory as it was at any earlier time',
    allowed: ['shorter'],
  };
  const expected = expectations(STEPS);
  const disk = new TracedDisk();
  let done = 0;
  for (const [at, event] of [...run.events, null].entries()) {
    for (; done < STEPS.length && run.acknowledged[done] === at; done += 1) {
      const { image } = disk;
      const earlier = expected.slice(done + 1, done + 3);
      const what = `after ${done + 1} steps`;
      if (done + 1 === STEPS.length) continue;
      yield { row, what, image: () => image, expectation: { whole: expected.slice(-1), earlier } };
    }
    if (event !== null) disk.apply(event);
  }
}

const UNTOLD = 'what nothing on the disk can tell';

interface Damage {
  readonly name: string;
  readonly what: string;
  /** Of the file that is damaged. */
  readonly path: string;
  readonly change: () => Image;
  /** Whether the start must know. */
  readonly isTold: boolean;
}

function damaged(scene: Scene, { name, what, path, change, isTold }: Damage): Case {
  const image = change;
  const isSnapshot = kindOf(path) === 'snapshots' && scene.image.has(path);
  const id = isSnapshot ? basename(path, '.snap') : undefined;
  const whole = id === undefined ? scene.whole : withoutSnapshot(scene.whole, path, id);
  const expectation: Expectation = { whole: [whole], damagedSnapshot: id };
  const part = scene.isClosed ? 'after a clean close' : 'after a kill';
  if (isTold) {
    const row: Row = { part, name, allowed: ['recovered', 'refused'] };
    return { row: known(row), what, image, expectation };
  }
  const above: Row = {
    part: `${UNTOLD}, above the mark`,
    name,
    allowed: ['recovered', 'shorter', 'refused'],
  };
  return {
    row: known(above),
    what,
    image,
    expectation: { ...expectation, earlier: scene.sinceRoll },
  };
}

const rows = new Map<string, Row>();

/** The same object for the same row. */
function known(row: Row): Row {
  const key = `${row.part}: ${row.name}`;
  const found = rows.get(key) ?? row;
  rows.set(key, found);
  return found;
}

function withoutSnapshot(whole: Found, path: string, id: string): Found {
  const key = `${basename(dirname(dirname(path)))} snapshots`;
  const [index, term] = id.split('-').map(Number);
  const listed = (whole[key] ?? '').split(' ');
  return {
    ...whole,
    [key]: listed.filter((text) => !text.startsWith(`${index}/${term}:`)).join(' '),
  };
}

function damagedFiles({ image, paths }: Scene): readonly (readonly [string, Uint8Array])[] {
  return [...image].filter(([path]) => paths.has(path));
}

interface Unit {
  readonly path: string;
  readonly from: number;
  readonly bytes: Uint8Array;
}

function* units(scene: Scene, unitBytes: number): Generator<Unit> {
  for (const [path, content] of damagedFiles(scene)) {
    for (let from = 0; from < content.length; from += unitBytes) {
      yield { path, from, bytes: content.subarray(from, from + unitBytes) };
    }
  }
}

function withUnit(
  scene: Scene,
  { name, path, from, bytes }: Unit & { readonly name: string },
): Case {
  const change = (): Image =>
    replaced(scene.image, { [path]: overwritten(scene.image.get(path)!, from, bytes) });
  const isTold = !isAboveMark(scene, path, firstChange(scene, change(), path, from));
  return damaged(scene, { name, what: `${path} from ${from} on`, path, change, isTold });
}

/** Where a file that is damaged from `from` on, or later, is another one. */
function firstChange(scene: Scene, image: Image, path: string, from: number): number {
  const [before, after] = [scene.image.get(path), image.get(path)];
  let at = from;
  while (before?.[at] === after?.[at] && at < (before?.length ?? 0)) at += 1;
  return at;
}

/** Whether it may be above the mark: what a start cannot miss there, it says in its own way. */
function isAboveMark({ marked }: Scene, path: string, offset: number): boolean {
  return path === marked.path && offset >= marked.offset;
}

/** Every file after each change of it, by the name that it has in the end. */
function* versions(
  run: Run,
): Generator<{ readonly path: string; readonly bytes: Uint8Array; readonly what: string }> {
  const last = new TracedDisk();
  for (const event of run.events) last.apply(event);
  const names = new Map([...last.paths].map((path) => [last.inodeAt(path), path]));
  const disk = new TracedDisk();
  for (const [at, event] of run.events.entries()) {
    disk.apply(event);
    if (!('inode' in event) || (event.kind !== 'write' && event.kind !== 'truncate')) continue;
    const path = names.get(event.inode);
    if (path === undefined) continue;
    yield { path, bytes: disk.content(event.inode), what: `${path} after event ${at}` };
  }
}

function* copyTargets(image: Image, path: string): Generator<string> {
  for (const other of image.keys()) if (other !== path) yield other;
  const segments = segmentPaths(image);
  const folder = dirname(segments[0]!);
  const sequences = segments.map((one) => sequenceOf(basename(one)) ?? 0);
  const next = Math.max(...sequences) + 1;
  for (const sequence of [Math.min(...sequences) - 1, next, next + 1]) {
    yield `${folder}/${segmentName(sequence)}`;
  }
  for (const name of ['mark.3', 'identity.3', 'log/copy', 'groups/a/snapshots/copy.snap']) {
    yield `${DIRECTORY}/${name}`;
  }
}

/** Directories of other nodes: as long, longer and saved more often, and shorter. */
async function strangers(): Promise<readonly Image[]> {
  const other = { ...IDENTITY, nodeId: 'n2', incarnation: 'aaaaaaaaaaaaaaaa' };
  const same = await runHistory(STEPS, { nonce: 8, identity: other });
  const shorter = await runHistory(HISTORY, { nonce: 9, identity: { ...other, nodeId: 'n3' } });
  const again = { ...IDENTITY, incarnation: 'bbbbbbbbbbbbbbbb', clusterId: 'cccccccccccccccc' };
  const longer = await runHistory([...STEPS, ...LATER], { nonce: 10, identity: again });
  return [same.closed, shorter.closed, longer.closed];
}

const LATER = Array.from({ length: 40 }, (_, at) => [
  { kind: 'append' as const, group: 'a', term: 9, first: 52 + at, count: 1, payloadBytes: 3000 },
]);

function kindOf(path: string): string {
  if (path.includes('snapshots')) return 'snapshots';
  if (path.includes('/log/')) return 'segments';
  return basename(path).replace(/\.\d$/, '');
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
