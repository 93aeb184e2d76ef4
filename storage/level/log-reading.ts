import {
  at,
  concatBytes,
  type Entry,
  type GroupId,
  type LogIndex,
  QuorateError,
  unpackEntries,
} from '../../lib/base/index.js';
import { corrupt, type LogPosition } from '../files/index.js';
import { type Database, judged } from './database.js';
import { baseKey, decodeBase, endKey, entryKey, isKey, nextChain, splitEntry } from './records.js';

/** Entries read in one go. */
const READ_COUNT = 1000;
const READ_BYTES = 4 * 1024 * 1024;

/** A group's log as the database holds it, checked from its base to its end. */
export interface ReadLog {
  /** Null when the database knows nothing of the group. */
  readonly base: LogPosition | null;
  readonly entries: readonly Entry[];
  /** Chain values of `entries`. */
  readonly chains: readonly number[];
}

/**
 * Reads and checks a whole log. LevelDB passes over a damaged stretch of its own log without a word,
 * so the check is ours: every entry is there, in its place, and fits the one before it. ERR_CORRUPT
 * otherwise, also at the end: a batch that was torn by a crash is gone as a whole by now, and what
 * still stands here and does not fit was damaged.
 */
export async function readLog(database: Database, group: GroupId): Promise<ReadLog> {
  const read: MutableLog = { base: null, entries: [], chains: [] };
  await readInto(read, database, group, READ_COUNT);
  return read;
}

/** The beginning of a log, up to the first entry that is missing or damaged. */
export async function readWholeStart(database: Database, group: GroupId): Promise<ReadLog> {
  const read: MutableLog = { base: null, entries: [], chains: [] };
  try {
    await readInto(read, database, group, 1);
  } catch (error) {
    if (!QuorateError.is(error) || error.code !== 'ERR_CORRUPT') throw error;
  }
  const { base, entries, chains } = read;
  return { base, entries, chains: chains.slice(0, entries.length) };
}

interface MutableLog extends ReadLog {
  base: LogPosition | null;
  readonly entries: Entry[];
  readonly chains: number[];
}

async function readInto(
  read: MutableLog,
  database: Database,
  group: GroupId,
  readCount: number,
): Promise<void> {
  const { entries, chains } = read;
  try {
    const base = await readBase(database, group);
    read.base = base;
    const iterator = database.iterator({
      gte: entryKey(group, base === null ? 0 : base.index + 1),
      lt: endKey(group),
      fillCache: false,
      highWaterMarkBytes: READ_BYTES,
    });
    try {
      let last = base;
      for (;;) {
        const records = await iterator.nextv(readCount);
        if (records.length === 0) return;
        if (last === null) throw damaged(database, group, 0, 'the log has no beginning');
        for (const entry of checked(database, group, records, last, chains)) {
          entries.push(entry);
          last = { index: entry.index, term: entry.term, chain: at(chains, entries.length - 1) };
        }
      }
    } finally {
      await iterator.close();
    }
  } catch (error) {
    throw judged(database.location, error);
  }
}

/** The position at `index`, which is stored. */
export async function readPosition(
  database: Database,
  group: GroupId,
  index: LogIndex,
): Promise<LogPosition> {
  const value = await database.get(entryKey(group, index));
  const record = value === undefined ? null : splitEntry(value);
  if (record === null) throw damaged(database, group, index, 'is missing');
  const [entry] = unpacked(database, group, index, [record.packed]);
  if (entry === undefined || entry.index !== index)
    throw damaged(database, group, index, 'is damaged');
  return { index, term: entry.term, chain: record.chain };
}

async function readBase(database: Database, group: GroupId): Promise<LogPosition | null> {
  const value = await database.get(baseKey(group));
  if (value === undefined) return null;
  const base = decodeBase(group, value);
  if (base === null)
    throw corrupt(database.location, `the base of the log of group ${group} is damaged`);
  return base;
}

/** The entries of `records`, which follow `previous`. Their chain values are added to `chains`. */
function checked(
  database: Database,
  group: GroupId,
  records: readonly (readonly [Uint8Array, Uint8Array])[],
  previous: LogPosition,
  chains: number[],
): Entry[] {
  const packed: Uint8Array[] = [];
  let { index, chain } = previous;
  for (const [key, value] of records) {
    index += 1;
    if (!isKey(key, entryKey(group, index))) throw damaged(database, group, index, 'is missing');
    const record = splitEntry(value);
    if (record === null) throw damaged(database, group, index, 'is damaged');
    chain = nextChain(chain, record.packed);
    if (record.chain !== chain) throw damaged(database, group, index, 'is damaged');
    chains.push(chain);
    packed.push(record.packed);
  }
  const entries = unpacked(database, group, previous.index + 1, packed);
  for (const [offset, entry] of entries.entries()) {
    const expected = previous.index + 1 + offset;
    if (entry.group !== group || entry.index !== expected) {
      throw damaged(database, group, expected, 'is another entry');
    }
  }
  return entries;
}

/** One region for all, so that a log of a million entries is not a million buffers. */
function unpacked(
  database: Database,
  group: GroupId,
  firstIndex: LogIndex,
  packed: readonly Uint8Array[],
): Entry[] {
  let entries: Entry[] = [];
  try {
    entries = unpackEntries(new Uint8Array(concatBytes(packed)));
  } catch (error) {
    throw damaged(database, group, firstIndex, 'or one of those after it cannot be read', error);
  }
  if (entries.length !== packed.length)
    throw damaged(database, group, firstIndex, 'is more than one');
  return entries;
}

function damaged(
  database: Database,
  group: GroupId,
  index: LogIndex,
  what: string,
  cause?: unknown,
): Error {
  return corrupt(database.location, `entry ${index} of the log of group ${group} ${what}`, cause);
}
