import { type ErrorCode, QuorateError } from '../base/index.js';
import type { SnapshotDescription, SnapshotSink, SnapshotWriter } from '../interfaces/index.js';
import { backendOf } from './kv-store.js';
import type { CallOptions, KVBackend, KVStore, SavedPart, SavedState } from './types.js';

/** What was saved. */
export interface SnapshotSaved extends Omit<SavedState, 'configuration' | 'logTimeMs'> {
  /** Of the state. */
  readonly sizeBytes: number;
}

/** How often a save that was cut off is begun anew, with the state of then. */
const MAX_ATTEMPTS = 3;

/** What only the server that began a save can go on with, and it does not hold it, or is gone. */
const CUT_OFF: ReadonlySet<ErrorCode> = new Set([
  'ERR_COMPACTED',
  'ERR_UNREACHABLE',
  'ERR_TIMEOUT',
  'ERR_CLOSED',
]);

/**
 * Saves the whole state of a store, as of a moment after the call began, into `sink`: a file, by
 * `snapshotFile` of `quorate/storage/level`. Writes go on meanwhile. The state travels in parts that are
 * asked for one by one, so neither side holds more than one of them. `timeoutMs` counts for each part.
 *
 * Resolves when the snapshot is complete and durable; otherwise nothing is left of it. Where the server
 * goes away in the middle, and is not back within `timeoutMs`, it is begun anew, at another one where there
 * is one: three attempts in all. A namespace is ERR_CONFIG.
 */
export async function saveSnapshot<V>(
  store: KVStore<V>,
  sink: SnapshotSink,
  options: CallOptions = {},
): Promise<SnapshotSaved> {
  const backend = backendOf(store);
  for (let attempt = 1; ; attempt += 1) {
    const held: Held = { cursor: null, isCutOff: false };
    try {
      return await saveOnce(backend, sink, { held, options });
    } catch (error) {
      if (!held.isCutOff || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** What the server holds for a save. */
interface Held {
  cursor: string | null;
  /** It was not to be had any more. */
  isCutOff: boolean;
}

async function saveOnce(
  backend: KVBackend,
  sink: SnapshotSink,
  { held, options }: Pick<Saving, 'held' | 'options'>,
): Promise<SnapshotSaved> {
  const first = await backend.savePart(null, options);
  const { group, index, term, logTimeMs, configuration, revision, keyCount } = first;
  held.cursor = first.cursor;
  let writer: SnapshotWriter | null = null;
  try {
    writer = await sink.create(group, { index, term, logTimeMs, configuration });
    const { sizeBytes } = await writeAll(backend, first, { writer, held, options });
    return { group, index, term, revision, keyCount, sizeBytes };
  } finally {
    await writer?.abort();
    if (held.cursor !== null) release(backend, held.cursor);
  }
}

interface Saving {
  readonly writer: SnapshotWriter;
  readonly held: Held;
  readonly options: CallOptions;
}

async function writeAll(
  backend: KVBackend,
  first: SavedPart,
  { writer, held, options }: Saving,
): Promise<SnapshotDescription> {
  for (let part = first; ; ) {
    await writer.write(part.content);
    if (part.cursor === null) return await writer.commit();
    part = await nextPart(backend, part.cursor, { held, options });
    if (part.index === first.index && part.term === first.term) continue;
    throw new QuorateError('ERR_PROTOCOL', { message: 'parts of two states came as those of one' });
  }
}

async function nextPart(
  backend: KVBackend,
  cursor: string,
  { held, options }: Pick<Saving, 'held' | 'options'>,
): Promise<SavedPart> {
  try {
    const part = await backend.savePart(cursor, options);
    held.cursor = part.cursor;
    return part;
  } catch (error) {
    held.isCutOff = QuorateError.is(error) && CUT_OFF.has(error.code);
    throw error;
  }
}

/** Nobody waits for it: the server drops what nobody asks for. */
function release(backend: KVBackend, cursor: string): void {
  backend.execute({ kind: 'release', cursor }, {}).catch(() => {
    // It cannot be reached, and drops it by itself.
  });
}
