import { QuorateError } from '../../../base/index.js';
import type { DeleteResult, KVEntry, KVStore, PutResult } from '../../../store/index.js';
import { History } from './history.js';
import type { KVInput, KVOutput, SeenEntry } from './kv-model.js';

/** What clients of a `KVStore` asked and were told. */
export class KVHistory extends History<KVInput, KVOutput> {
  /**
   * The calls of a store, written down under the name of a client as they are made; otherwise they do what
   * the store's do. A failed condition is an answer.
   */
  recorded(client: string, store: KVStore): RecordedStore {
    const getEntry: RecordedStore['getEntry'] = async (key, options = {}) => {
      const { consistency = 'linearizable', minRevision, maxStalenessMs } = options;
      const input: KVInput = { kind: 'get', key, consistency, minRevision, maxStalenessMs };
      return await this.#call(client, input, () => store.getEntry(key, options), entryAnswer);
    };
    return {
      get: async (key, options) => (await getEntry(key, options))?.value ?? null,
      getEntry,
      put: async (key, value, options = {}) => {
        const ifRevision = options.ifAbsent === true ? 0 : (options.ifRevision ?? null);
        const input: KVInput = { kind: 'put', key, value, ifRevision };
        return await this.#call(client, input, () => store.put(key, value, options), putAnswer);
      },
      delete: async (key, options = {}) => {
        const ifRevision = options.ifRevision ?? null;
        const input: KVInput = { kind: 'delete', key, ifRevision };
        return await this.#call(client, input, () => store.delete(key, options), deleteAnswer);
      },
    };
  }

  async #call<Result>(
    client: string,
    input: KVInput,
    run: () => Promise<Result>,
    answer: (result: Result) => KVOutput,
  ): Promise<Result> {
    const call = this.begin(client, input);
    try {
      const result = await run();
      call.acknowledge(answer(result));
      return result;
    } catch (error) {
      const entry = conditionEntry(error);
      if (entry !== undefined) call.acknowledge({ kind: 'conditionFailed', entry });
      else if (QuorateError.is(error) && error.outcome === 'rejected') call.reject();
      else call.lose();
      throw error;
    }
  }
}

/** The calls of a `KVStore` that are recorded. */
export type RecordedStore = Pick<KVStore, 'get' | 'getEntry' | 'put' | 'delete'>;

function entryAnswer(entry: KVEntry | null): KVOutput {
  return { kind: 'entry', entry: seenEntry(entry) };
}

function putAnswer({ revision, created }: PutResult): KVOutput {
  return { kind: 'put', revision, created };
}

function deleteAnswer({ revision, deleted }: DeleteResult): KVOutput {
  return { kind: 'delete', revision, deleted };
}

function seenEntry(entry: KVEntry | null): SeenEntry | null {
  if (entry === null) return null;
  const { value, createRevision, modRevision, version } = entry;
  return { value, createRevision, modRevision, version };
}

/** What stood there when a condition failed; undefined where that is not known, or it was another error. */
function conditionEntry(error: unknown): SeenEntry | null | undefined {
  if (!QuorateError.is(error) || error.code !== 'ERR_CONDITION') return undefined;
  return isEntry(error.entry) ? seenEntry(error.entry) : undefined;
}

function isEntry(value: unknown): value is KVEntry | null {
  if (typeof value !== 'object') return false;
  return value === null || ('value' in value && typeof value.value === 'string');
}
