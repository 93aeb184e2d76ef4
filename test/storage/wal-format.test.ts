import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import t from 'tap';
import { concatBytes, type Entry, packEntries } from '../../lib/base/index.js';
import { SeededRandom } from '../../lib/testing/index.js';
import { GroupLogs } from '../../storage/wal/group-logs.js';
import { BLOCK_BYTES, batchEnd, batchStart, stampBatch } from '../../storage/wal/portions.js';
import { RangeMap } from '../../storage/wal/range-map.js';
import {
  contentBytes,
  decodeRecords,
  encodeRecords,
  entriesRecord,
  type WalRecord,
} from '../../storage/wal/records.js';
import { decodeHead, encodeHead, segmentName, sequenceOf } from '../../storage/wal/segment-head.js';
import { SegmentReading } from '../../storage/wal/segment-reading.js';
import { STAMP_BYTES, Stamps } from '../../storage/wal/stamps.js';

const SEQUENCE = 3;
const START = { segment: SEQUENCE, offset: 64, batchNumber: 40, chain: 11 };
const NOWHERE = { index: 0, term: 0 };
const stamps = new Stamps(7);

t.setTimeout(120_000);

t.test('a stamp', async (t) => {
  const place = { sequence: 2 ** 33, offset: 2 ** 34 };
  const stamp = { crc: 0xfedcba98, batchNumber: 2 ** 47 + 5, isLast: true };
  const bytes = new Uint8Array(STAMP_BYTES);
  stamps.write(bytes, 0, place, stamp);

  t.test('says in its own place what was written, and nothing in any other', async () => {
    deepEqual(stamps.read(bytes, 0, place), stamp);
    equal(stamps.read(bytes, 0, { ...place, sequence: 1 }), null);
    equal(stamps.read(bytes, 0, { ...place, offset: 16 }), null);
    equal(new Stamps(8).read(bytes, 0, place), null);
  });

  t.test('is none with any bit flipped, and ends in a zero where it is cut', async () => {
    for (const flipped of eachFlip(bytes)) equal(stamps.read(flipped, 0, place), null);
    for (let length = 0; length < STAMP_BYTES; length += 1) {
      const torn = new Uint8Array(STAMP_BYTES);
      torn.set(bytes.subarray(0, length));
      equal(torn[STAMP_BYTES - 1], 0);
    }
  });
});

t.test(
  'the head of a segment is read, absent when it is cut, and damage when it is flipped',
  async () => {
    const head = { nonce: 0xffffffff, sequence: 2 ** 40, sizeBytes: 2 ** 36, chain: 0xabcdef01 };
    const bytes = encodeHead({ ...head, firstBatchNumber: 2 ** 47 });
    equal(bytes.length, 64);
    deepEqual(decodeHead('x', bytes), { ...head, firstBatchNumber: 2 ** 47 });
    for (let length = 0; length < bytes.length; length += 1) {
      const torn: Uint8Array = new Uint8Array(bytes.length);
      torn.set(bytes.subarray(0, length));
      equal(decodeHead('x', torn), null);
    }
    for (const flipped of eachFlip(bytes)) throws(() => decodeHead('x', flipped), /x: the head/);
    equal(sequenceOf(segmentName(12)), 12);
    for (const name of ['12.wal', 'spare-1.tmp', `${segmentName(12)}x`])
      equal(sequenceOf(name), null);
  },
);

t.test('records are read as they were written', async () => {
  const records: WalRecord[] = [
    { kind: 'group', group: 'g', summary: summary(null) },
    { kind: 'group', group: 'h'.repeat(64), summary: summary({ term: 2 ** 50, votedFor: 'n#1' }) },
    { kind: 'state', group: 'g', state: { term: 4, votedFor: null } },
    // Of one, two, three and four bytes, at both ends of each.
    ...['\x00\x7f', '\x80\u07ff', '\u0800\uffff', '\u{10000}\u{10ffff}'].map((votedFor) => {
      return { kind: 'state' as const, group: 'g', state: { term: 4, votedFor } };
    }),
    entriesRecord('g', entries(1, 3, 20)),
    { ...entriesRecord('g', entries(1, 2, 0)), kind: 'moved' },
    { kind: 'base', group: 'g', base: { index: 2 ** 40, term: 3 } },
    { kind: 'reset', group: 'g', base: { index: 0, term: 0 } },
  ];
  const content = new Uint8Array(contentBytes(records));
  encodeRecords(records, 99, content);
  deepEqual([...decodeRecords(content, 99)].map(joined), records.map(joined));
  // The checksum of each covers those before it, and the batch before.
  throws(() => [...decodeRecords(content, 98)], /checksum/);
  for (const flipped of eachFlip(content.subarray(4))) {
    const damaged = concatBytes([content.subarray(0, 4), flipped]);
    throws(() => [...decodeRecords(damaged, 99)]);
  }
});

t.test('a segment is read', async (t) => {
  t.test('with batches of every length, from every place in a block', async () => {
    for (let length = 5; length < 3 * BLOCK_BYTES; length += length < 100 ? 1 : 97) {
      for (const offset of [64, 80, 2048, 4048, 4064, 4080, 4096]) {
        const start = { ...START, offset };
        const { image, ends } = written(start, [length, 30, length]);
        const read = readAll(image, start);
        deepEqual(read.lengths, [length, 30, length]);
        deepEqual(read.position, ends.at(-1));
        equal(read.remains, null);
      }
    }
  });

  t.test('up to the batch before one that was cut at any byte (fault B1)', async () => {
    const { image, ends } = written(START, [100, 3000, 9000]);
    const [, second, third] = ends;
    ok(second !== undefined && third !== undefined);
    for (let end = batchStart(second.offset); end < third.offset; end += 1) {
      const cut = new Uint8Array(image);
      cut.fill(0, end);
      const { position, remains } = readAll(cut, START);
      deepEqual(position, second);
      if (remains !== null) ok(remains.from === second.offset && remains.to >= end);
    }
  });

  t.test('up to the batch before one of which any blocks are missing (fault B3)', async () => {
    const { image, ends } = written(START, [100, 5 * BLOCK_BYTES]);
    const blocks = Math.ceil((ends[1]?.offset ?? 0) / BLOCK_BYTES);
    for (let missing = 1; missing < 2 ** (blocks - 1); missing += 1) {
      const torn = new Uint8Array(image);
      for (let block = 1; block < blocks; block += 1) {
        if (missing & (1 << (block - 1)))
          torn.fill(0, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
      }
      const { position } = readAll(torn, START);
      deepEqual(position, ends[0], `blocks ${missing.toString(2)}`);
    }
  });

  t.test(
    'and any flipped bit is damage, or in zeros that nobody reads (faults B12, B13)',
    async () => {
      const { image, ends } = written(START, [60, 4200, 90]);
      const end = ends.at(-1);
      ok(end !== undefined);
      let refused = 0;
      for (let bit = START.offset * 8; bit < image.length * 8; bit += 1) {
        const flipped = flip(image, bit);
        const outcome = judged(flipped);
        if (outcome === 'refused') refused += 1;
        else deepEqual(outcome, end, `bit ${bit % 8} of byte ${bit >>> 3}`);
      }
      ok(refused >= (end.offset - START.offset) * 8, 'every bit that was written counts');
    },
  );

  t.test(
    'and a block that is zero, stale or in another place is damage (faults B19, B20)',
    async () => {
      const { image, ends } = written(START, [9000, 9000, 300]);
      const older = new Uint8Array(image);
      older.fill(0, ends[0]?.offset ?? 0);
      const other = written({ ...START, chain: 12 }, [9000, 9000, 300]).image;
      const last = Math.floor((ends[1]?.offset ?? 0) / BLOCK_BYTES);
      for (let block = 0; block < last; block += 1) {
        const [from, to] = [block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES];
        const next = image.subarray(to, to + BLOCK_BYTES);
        for (const replacement of [new Uint8Array(BLOCK_BYTES), next, other.subarray(from, to)]) {
          const damaged = new Uint8Array(image);
          damaged.set(replacement, from);
          equal(judged(damaged), 'refused', `block ${block}`);
        }
        if (from < (ends[0]?.offset ?? 0)) continue;
        const stale = new Uint8Array(image);
        stale.set(older.subarray(from, to), from);
        equal(judged(stale), 'refused', `block ${block} as it was`);
      }
    },
  );
});

t.test('runs of indexes behave as a list of values would', async () => {
  const random = new SeededRandom(5);
  const pick = (count: number): number => random.below(count);
  for (let round = 0; round < 300; round += 1) {
    const counts = new Map<number, number>();
    const map = new RangeMap<number>({
      isSame: (a, b) => a === b,
      onChange: (value, difference) => counts.set(value, (counts.get(value) ?? 0) + difference),
    });
    const list: (number | undefined)[] = new Array(40).fill(undefined);
    for (let step = 0; step < 20; step += 1) {
      const first = pick(30);
      const last = first + pick(9);
      const action = pick(4);
      if (action === 0) {
        map.cutFrom(first);
        list.fill(undefined, first);
      } else if (action === 1) {
        map.dropThrough(first);
        list.fill(undefined, 0, first + 1);
      } else {
        const value = pick(3);
        map.put(first, last, value);
        list.fill(value, first, last + 1);
      }
      const found: (number | undefined)[] = new Array(40).fill(undefined);
      for (const range of map.ranges) found.fill(range.value, range.first, range.last + 1);
      deepEqual(found, list);
      for (const [value, count] of counts) {
        equal(count, list.filter((one) => one === value).length);
      }
    }
  }
});

t.test('records give the same logs when the first segments are gone', async () => {
  const logs = new GroupLogs();
  const group = 'g';
  // The head of segment 2: entries 3 to 6 are in the segment before.
  const base = { index: 2, term: 1 };
  logs.apply(
    { kind: 'group', group, summary: { state: null, base, last: { index: 6, term: 1 } } },
    2,
  );
  deepEqual(logs.missing(), { group, index: 3 });
  logs.apply(entriesRecord(group, entries(6, 2, 5)), 2);
  deepEqual(logs.missing(), { group, index: 3 });
  logs.apply({ ...entriesRecord(group, entries(3, 2, 5)), kind: 'moved' }, 3);
  deepEqual(logs.missing(), { group, index: 5 });
  logs.apply({ kind: 'base', group, base: { index: 5, term: 1 } }, 3);
  equal(logs.missing(), null);
  deepEqual(
    logs.takeEntries(group).map(({ index }) => index),
    [6, 7],
  );
  equal(logs.liveEntries(2), 2);
  equal(logs.liveEntries(3), 0);
  const wrong: readonly (readonly [WalRecord, RegExp])[] = [
    [entriesRecord(group, entries(9, 1, 0)), /gap/],
    [entriesRecord(group, entries(5, 1, 0)), /compacted away/],
    [entriesRecord('h', entries(1, 1, 0)), /before it is known/],
    [{ ...entriesRecord(group, entries(8, 1, 0)), kind: 'moved' }, /never had/],
    [{ kind: 'base', group, base: { index: 8, term: 1 } }, /beyond its end/],
    [{ kind: 'reset', group, base: { index: 4, term: 1 } }, /before its base/],
    [{ kind: 'group', group, summary: summary(null) }, /not as the records/],
  ];
  for (const [record, problem] of wrong) ok(problem.test(logs.contradiction(record) ?? ''));
});

t.test(
  'entries that were read are those of a plain list, whatever was cut off and moved',
  async () => {
    const random = new SeededRandom(6);
    const pick = (count: number): number => random.below(count);
    const group = 'g';
    for (let round = 0; round < 300; round += 1) {
      const logs = new GroupLogs();
      const apply = (record: WalRecord, segment: number): void => logs.apply(record, segment);
      apply({ kind: 'group', group, summary: { state: null, base: NOWHERE, last: NOWHERE } }, 1);
      let list: Entry[] = [];
      let base = 0;
      for (let step = 0; step < 20; step += 1) {
        const segment = 1 + Math.floor(step / 6);
        const action = pick(8);
        if (action === 0 && list.length > 0) {
          const { index, term } = list[pick(list.length)]!;
          apply({ kind: 'base', group, base: { index, term } }, segment);
          list = list.slice(index - base);
          base = index;
        } else if (action === 1 && list.length > 0) {
          const from = pick(list.length);
          const moved = list.slice(from, from + 1 + pick(5));
          apply({ ...entriesRecord(group, moved), kind: 'moved' }, segment);
        } else {
          const kept = pick(4) === 0 ? pick(list.length + 1) : list.length;
          const added = entries(base + kept + 1, 1 + pick(6), step);
          list = [...list.slice(0, kept), ...added];
          apply(entriesRecord(group, added), segment);
        }
        deepEqual(packed(logs.heldEntries(group)), packed(list));
      }
      deepEqual(packed(logs.takeEntries(group)), packed(list));
      deepEqual(logs.heldEntries(group), []);
    }
  },
);

t.test('a record that does not hold the entries that it says is none of a log', async () => {
  const logs = new GroupLogs();
  for (const group of ['g', 'h']) {
    const empty = { state: null, base: NOWHERE, last: NOWHERE };
    logs.apply({ kind: 'group', group, summary: empty }, 1);
  }
  const record = entriesRecord('g', entries(1, 3, 8));
  const last = { index: 4, term: 1 };
  const wrong: readonly (readonly [WalRecord, RegExp])[] = [
    [{ ...record, group: 'h' }, /entry 1 is of another group/],
    [{ ...record, packed: record.packed.toReversed() }, /entry 3 is out of place/],
    [{ ...record, packed: record.packed.slice(1) }, /entry 2 is out of place/],
    [{ ...record, last }, /lacks entries/],
    [{ ...record, packed: [...record.packed, ...record.packed] }, /entry 1 is out of place/],
  ];
  for (const [one, problem] of wrong) throws(() => logs.apply(one, 1), problem);
});

/** A segment of eight blocks with batches of these lengths, and where each ends. */
function written(
  start: typeof START,
  lengths: readonly number[],
): { readonly image: Uint8Array; readonly ends: readonly (typeof START)[] } {
  const image = new Uint8Array(8 * BLOCK_BYTES);
  const ends: (typeof START)[] = [];
  let position = start;
  for (const length of lengths) {
    const offset = batchStart(position.offset);
    const bytes = new Uint8Array(batchEnd(offset, length) - offset).fill(0xff);
    bytes.set(contentOf(length), bytes.length - length);
    const batchNumber = position.batchNumber + 1;
    const place = { sequence: SEQUENCE, offset, batchNumber, chain: position.chain };
    const chain = stampBatch(stamps, bytes, length, place);
    image.set(bytes, offset);
    position = { segment: SEQUENCE, offset: offset + bytes.length, batchNumber, chain };
    ends.push(position);
  }
  return { image, ends };
}

const contents = new Map<number, Uint8Array>();

/** Of which no two blocks are the same. */
function contentOf(length: number): Uint8Array {
  let content = contents.get(length);
  if (content === undefined) {
    content = Uint8Array.from({ length }, (_, i) => (i + length) % 251);
    new DataView(content.buffer).setUint32(0, length, true);
    contents.set(length, content);
  }
  return content;
}

function readAll(
  image: Uint8Array,
  start: typeof START,
): {
  readonly lengths: readonly number[];
  readonly position: SegmentReading['position'];
  readonly remains: SegmentReading['remains'];
} {
  const reading = new SegmentReading({ path: 'x', stamps, sizeBytes: image.length, start });
  const found: Uint8Array[] = [];
  // Two blocks a time, so that batches span what is read.
  for (let offset = 0; offset < image.length; offset += 2 * BLOCK_BYTES) {
    const chunk = image.slice(offset, offset + 2 * BLOCK_BYTES);
    for (const { content } of reading.read(chunk, offset)) found.push(content);
  }
  // At the end: nothing that was read later has changed what was read before.
  for (const content of found) {
    equal(Buffer.compare(content, contentOf(content.length)), 0, 'a batch is as it was written');
  }
  const lengths = found.map(({ length }) => length);
  return { lengths, position: reading.position, remains: reading.remains };
}

function judged(image: Uint8Array): SegmentReading['position'] | 'refused' {
  try {
    return readAll(image, START).position;
  } catch (error) {
    ok(error instanceof Error && / x at \d+: /.test(error.message));
    return 'refused';
  }
}

function* eachFlip(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) yield flip(bytes, bit);
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  flipped[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

function packed(found: readonly Entry[]): readonly Uint8Array[] {
  return found.map((entry) => entry.packed);
}

function entries(
  firstIndex: number,
  count: number,
  payloadBytes: number,
): ReturnType<typeof packEntries> {
  const payload = new Uint8Array(payloadBytes).fill(1);
  const drafts = Array.from({ length: count }, () => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload,
  }));
  return packEntries({ group: 'g', term: 1, firstIndex, logTimeMs: 0 }, drafts);
}

function summary(state: { term: number; votedFor: string | null } | null): {
  state: typeof state;
  base: { index: number; term: number };
  last: { index: number; term: number };
} {
  return { state, base: { index: 1, term: 2 }, last: { index: 2 ** 52, term: 2 ** 51 } };
}

/** With the entries in one piece. */
function joined(record: WalRecord): unknown {
  return 'packed' in record ? { ...record, packed: [...concatBytes(record.packed)] } : record;
}
