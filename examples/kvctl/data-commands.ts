import type { KVEntry, ReadOptions } from 'quorate';
import { parseDuration } from '../cli/durations.js';
import type { Flag, Setting, Settings } from '../cli/flags.js';
import { UsageError } from '../cli/usage-error.js';
import { type Command, DONE, NOT_FOUND } from './command.js';

const IF_REVISION: Flag = {
  name: 'if-revision',
  value: 'N',
  help: "only if the key's revision is N; 0: only if there is none",
};
const CONSISTENCY: Flag = {
  name: 'consistency',
  value: 'LEVEL',
  help: 'linearizable (default), leader-lease or stale',
};
const FRESHNESS: readonly Flag[] = [
  CONSISTENCY,
  {
    name: 'max-staleness',
    value: 'TIME',
    help: 'stale: sees what was acknowledged before so long ago: 500ms, 5s',
  },
  { name: 'min-revision', value: 'N', help: 'stale: sees at least revision N' },
];

/** Commands that read and write keys. */
export const DATA_COMMANDS: readonly Command[] = [
  {
    names: ['put', 'set'],
    usage: 'K V',
    help: 'writes; - reads the value from stdin',
    words: [2, 2],
    flags: [{ name: 'if-absent', value: null, help: 'only if there is no such key' }, IF_REVISION],
    prepare: ({ words: [key = '', value = ''], settings }) => {
      const ifRevision = revisionOf(settings);
      const ifAbsent = isOn(settings, 'if-absent');
      if (ifAbsent && ifRevision !== undefined) {
        throw new UsageError('--if-absent and --if-revision exclude each other; keep one');
      }
      return async ({ kv, out, readInput, remaining }) => {
        const bytes = value === '-' ? await readInput() : new TextEncoder().encode(value);
        const result = await kv.put(key, bytes, { ifAbsent, ifRevision, ...remaining() });
        out.line('OK', result);
        return DONE;
      };
    },
  },
  {
    names: ['get'],
    usage: 'K',
    help: 'prints the value',
    words: [1, 1],
    flags: [...FRESHNESS, { name: 'raw', value: null, help: 'no line break behind the value' }],
    prepare: ({ words: [key = ''], settings }) => {
      const freshness = freshnessOf(settings);
      return async ({ kv, out, remaining }) => {
        const entry = await kv.getEntry(key, { ...freshness, ...remaining() });
        if (entry === null) {
          if (out.isJson) out.line('', { key, value: null });
          else out.note('not found');
          return NOT_FOUND;
        }
        if (out.isJson) {
          out.line('', recordOf(entry));
          return DONE;
        }
        out.raw(entry.value);
        if (!isOn(settings, 'raw')) out.raw(LINE_BREAK);
        return DONE;
      };
    },
  },
  {
    names: ['del', 'delete'],
    usage: 'K',
    help: 'deletes; prints deleted or not found',
    words: [1, 1],
    flags: [IF_REVISION],
    prepare: ({ words: [key = ''], settings }) => {
      const ifRevision = revisionOf(settings);
      return async ({ kv, out, remaining }) => {
        const result = await kv.delete(key, { ifRevision, ...remaining() });
        out.line(result.deleted ? 'deleted' : 'not found', result);
        return result.deleted ? DONE : NOT_FOUND;
      };
    },
  },
  {
    names: ['list'],
    usage: '[PREFIX]',
    help: 'prints one key a line',
    words: [0, 1],
    flags: [
      { name: 'limit', value: 'N', help: 'at most so many' },
      { name: 'values', value: null, help: 'key, tab, value' },
      { name: 'keys-only', value: null, help: 'keys alone, also with --json' },
      ...FRESHNESS,
    ],
    prepare: ({ words: [prefix], settings }) => {
      const limit = wholeNumber(settings.get('limit'), 1);
      const freshness = freshnessOf(settings);
      const hasValues = isOn(settings, 'values');
      const isKeysOnly = isOn(settings, 'keys-only');
      if (hasValues && isKeysOnly) {
        throw new UsageError('--values and --keys-only exclude each other; keep one');
      }
      return async ({ kv, out, remaining }) => {
        const options = { limit, ...freshness, ...remaining() };
        const range = prefix === undefined || prefix === '' ? {} : { prefix };
        for await (const entry of kv.list({ ...range, ...options })) {
          const words = hasValues ? `${entry.key}\t${textOf(entry.value)}` : entry.key;
          out.line(words, isKeysOnly ? { key: entry.key } : recordOf(entry));
        }
        return DONE;
      };
    },
  },
];

const LINE_BREAK = new TextEncoder().encode('\n');

/** The entry as JSON: text as text, other bytes in base64 under a name that says so. */
function recordOf({ value, ...entry }: KVEntry<Uint8Array>): object {
  const { key, ...rest } = entry;
  try {
    return { key, value: new TextDecoder('utf-8', { fatal: true }).decode(value), ...rest };
  } catch {
    return { key, valueBase64: Buffer.from(value).toString('base64'), ...rest };
  }
}

function textOf(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

function isOn(settings: Settings, name: string): boolean {
  return settings.get(name)?.text === 'true';
}

function revisionOf(settings: Settings): number | undefined {
  return wholeNumber(settings.get('if-revision'), 0);
}

function wholeNumber(setting: Setting | undefined, least: number): number | undefined {
  if (setting === undefined) return undefined;
  const { text, source } = setting;
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= least) return number;
  throw new UsageError(
    `${source} must be a whole number from ${least} on, not ${JSON.stringify(text)}`,
  );
}

/** What only stale reads take makes a read stale. */
function freshnessOf(settings: Settings): ReadOptions {
  const staleness = settings.get('max-staleness');
  const maxStalenessMs = staleness && Math.ceil(parseDuration(staleness.text, staleness.source));
  const minRevision = wholeNumber(settings.get('min-revision'), 0);
  const isStale = maxStalenessMs !== undefined || minRevision !== undefined;
  const consistency = consistencyOf(settings) ?? (isStale ? 'stale' : undefined);
  if (isStale && consistency !== 'stale') {
    throw new UsageError('--max-staleness and --min-revision go with --consistency stale');
  }
  return { consistency, maxStalenessMs, minRevision };
}

function consistencyOf(settings: Settings): ReadOptions['consistency'] {
  const setting = settings.get('consistency');
  if (setting === undefined) return undefined;
  const { text, source } = setting;
  if (text === 'linearizable' || text === 'stale') return text;
  if (text === 'leader-lease') return 'leaderLease';
  const levels = 'linearizable, leader-lease or stale';
  throw new UsageError(`${source} must be ${levels}, not ${JSON.stringify(text)}`);
}
