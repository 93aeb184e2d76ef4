import { QuorateError } from '../../lib/base/index.js';
import type { LogFields, Logger, StoredIdentity } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { type Image, ImageFiles } from './disk-image.js';
import { type Found, IDENTITY, openHistory, performCall } from './wal-history.js';

/** Of the directory that is judged. In memory, so that it need not be there. */
export const DIRECTORY = '/data';

/**
 * How starts on a disk ended. `recovered`: with what was expected. `shorter`: with what was expected at an
 * earlier time. `refused`: with one line that names a file, twice, and nothing was changed but a copy of a pair
 * that was written again from the other one.
 */
export type Outcome = 'recovered' | 'shorter' | 'refused';

export interface Expectation {
  /** What may be found. */
  readonly whole: readonly Found[];
  /** What may be found only where nobody can tell. */
  readonly earlier?: readonly Found[];
  /** Ids of snapshots that are damaged: not listed, and named in the log if they are there. */
  readonly damagedSnapshot?: string | undefined;
  /** Whether the directory may be new to the start. Default false. */
  readonly isNewAllowed?: boolean;
  /** Whether more is stored, and looked for at another start. */
  readonly goesOn?: boolean;
}

/** Starts on a disk, twice. What is neither of the outcomes is thrown. */
export async function judge(image: Image, expectation: Expectation): Promise<Outcome> {
  const first = await started(image, expectation);
  if (first.found === null) {
    if (first.image === image) return 'refused';
    const again = await started(first.image, expectation);
    if (again.found === null && again.image === first.image) return 'refused';
    throw new Error('a second start takes what the first one refused');
  }
  const second = await started(first.image, { ...expectation, whole: [first.found], earlier: [] });
  if (second.found === null) throw new Error('a second start refuses what the first one took');
  if (expectation.goesOn === true) await goOn(second.image, first.found);
  return isOneOf(expectation.whole, first.found) ? 'recovered' : 'shorter';
}

/** What a start found, null where it refused, and what it left. */
async function started(
  image: Image,
  expectation: Expectation,
): Promise<{ readonly found: Found | null; readonly image: Image }> {
  const files = new ImageFiles(image);
  const passedOver: unknown[] = [];
  const logger = listener((fields) => {
    if (fields['event'] === 'storage.snapshotDamaged') passedOver.push(fields['id']);
  });
  try {
    const { engine, identity, found } = await openHistory(DIRECTORY, { files, logger });
    await engine.close();
    checkIdentity(identity, expectation);
    const { whole, earlier = [], damagedSnapshot } = expectation;
    if (!isOneOf([...whole, ...earlier], found)) {
      throw new Error(`found ${JSON.stringify(found)}\ninstead of ${JSON.stringify(whole)}`);
    }
    const isThere = [...image.keys()].some((path) => path.endsWith(`/${damagedSnapshot}.snap`));
    const expected = isThere ? [damagedSnapshot] : [];
    if (String(passedOver) !== String(expected)) throw new Error(`passed over ${passedOver}`);
    return { found, image: files.image };
  } catch (error) {
    checkRefusal(error);
    const changed = changedPaths(image, files.image);
    if (changed.length === 0) return { found: null, image };
    const isOther = changed.find((path) => !isCopied(path, files.image));
    if (isOther === undefined) return { found: null, image: files.image };
    throw new Error(`a start that refuses has changed ${isOther}`, { cause: error });
  }
}

function changedPaths(before: Image, after: Image): readonly string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => before.get(path) !== after.get(path));
}

/** Whether it is a copy of a pair, and as the other one. */
function isCopied(path: string, image: Image): boolean {
  const other = path.replace(/\d$/, (copy) => (copy === '1' ? '2' : '1'));
  const [own, twin] = [image.get(path), image.get(other)];
  const isPair = /\.[12]$/.test(path) && own !== undefined && twin !== undefined;
  return isPair && Buffer.compare(own, twin) === 0;
}

function checkIdentity(identity: StoredIdentity | null, { isNewAllowed }: Expectation): void {
  const isOwn = JSON.stringify(identity) === JSON.stringify(IDENTITY);
  const isIncomplete = identity === null || identity.clusterId === null;
  if (isOwn || (isNewAllowed === true && isIncomplete)) return;
  throw new Error(`the identity is ${JSON.stringify(identity)}`);
}

function checkRefusal(error: unknown): void {
  if (!QuorateError.is(error) || error.code !== 'ERR_CORRUPT') throw error;
  const isNamed = error.message.includes(`${DIRECTORY}/`);
  if (!isNamed || error.message.includes('\n')) throw error;
}

/** The log takes more, and keeps it. */
async function goOn(image: Image, found: Found): Promise<void> {
  const files = new ImageFiles(image);
  const { engine } = await openHistory(DIRECTORY, { files });
  await performCall(engine, { kind: 'save', group: 'b', term: 99 });
  await engine.close();
  const next = await openHistory(DIRECTORY, { files: new ImageFiles(files.image) });
  await next.engine.close();
  const expected = { ...found, b: (found['b'] ?? '').replace(/^[^;]*/, '99 n99') };
  if (isOneOf([expected], next.found)) return;
  throw new Error(`what was stored later is lost: ${JSON.stringify(next.found)}`);
}

function isOneOf(possible: readonly Found[], found: Found): boolean {
  return possible.some((one) => Object.keys(one).every((key) => one[key] === found[key]));
}

function listener(onError: (fields: LogFields) => void): Logger {
  return { ...silentLogger, error: onError };
}
