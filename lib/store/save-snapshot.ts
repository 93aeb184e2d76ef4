import { QuorateError } from '../base/index.js';
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

/**
 * Saves the whole state of a store, as of a moment after the call began, into `sink`: a file, by
 * `snapshotFile` of `quorate/storage/level`. Writes go on meanwhile. The state travels in parts that are
 * asked for one by one, so neither side holds more than one of them. `timeoutMs` counts for each part.
 *
 * Resolves when the snapshot is complete and durable; otherwise nothing is left of it. Where the server
 * goes away in the middle it is begun anew, up to three times. A namespace is ERR_CONFIG.
 */
export async function saveSnapshot<V>(
  store: KVStore<V>,
  sink: SnapshotSink,
  options: CallOptions = {},
): Promise<SnapshotSaved> {
  const backend = backendOf(store);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await saveOnce(backend, sink, options);
    } catch (error) {
      const isCutOff = QuorateError.is(error) && error.code === 'ERR_COMPACTED';
      if (!isCutOff || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

async function saveOnce(
  backend: KVBackend,
  sink: SnapshotSink,
  options: CallOptions,
): Promise<SnapshotSaved> {
  const first = await backend.savePart(null, options);
  const { group, index, term, logTimeMs, configuration, revision, keyCount } = first;
  const held = { cursor: first.cursor };
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
  /** What the server holds for this save. */
  readonly held: { cursor: string | null };
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
    part = await backend.savePart(part.cursor, options);
    held.cursor = part.cursor;
    if (part.index === first.index && part.term === first.term) continue;
    throw new QuorateError('ERR_PROTOCOL', { message: 'parts of two states came as those of one' });
  }
}

/** Nobody waits for it: the server drops what nobody asks for. */
function release(backend: KVBackend, cursor: string): void {
  backend.execute({ kind: 'release', cursor }, {}).catch(() => {
    // It cannot be reached, and drops it by itself.
  });
}
