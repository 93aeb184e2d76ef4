import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import {
  at,
  compareBytes,
  concatBytes,
  encodeUtf8,
  equalBytes,
  toHex,
} from '../../lib/base/index.js';
import {
  COMMAND_VERSION,
  decodeCommand,
  decodeFound,
  decodeResult,
  encodeCommand,
  encodeFound,
  encodeResult,
  type KVCommand,
  KVMachine,
  type KVResult,
  type KVView,
  type RangeQuery,
} from '../../lib/kv/machine/index.js';
import {
  apply,
  assertSame,
  Comparison,
  EVERYTHING,
  type Step,
  snapshotOf,
  write,
} from './comparison.js';
import { KVModel } from './kv-model.js';

// Few keys, so that they meet; bytes at both ends, so that order and prefixes are tried (fault E13).
const keys = fc.uint8Array({ minLength: 1, maxLength: 3, min: 253 }).map((key) => {
  return key.map((byte) => (byte === 253 ? 0 : byte));
});
const values = fc.oneof(
  { weight: 12, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  { weight: 4, arbitrary: fc.uint8Array({ minLength: 20, maxLength: 24 }) },
  { weight: 1, arbitrary: fc.constantFrom(65_535, 65_536, 65_537, 200_000).map(patterned) },
);
const conditions = fc.oneof(
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.nat({ max: 40 }).map((modRevision) => ({ modRevision })) },
);
const commands: fc.Arbitrary<KVCommand> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      key: keys,
      value: values,
      condition: conditions,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      key: keys,
      condition: conditions,
    }),
  },
);
const queries: fc.Arbitrary<RangeQuery> = fc.record({
  from: fc.oneof(fc.constant(new Uint8Array()), keys),
  to: fc.oneof(fc.constant(null), fc.constant(new Uint8Array()), keys),
  limit: fc.integer({ min: 1, max: 10 }),
  maxBytes: fc.integer({ min: 1, max: 2000 }),
  reverse: fc.boolean(),
});

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: commands.map((command) => ({ do: 'apply' as const, command })) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('read' as const), key: keys, query: queries }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'view' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restore' as const),
      cut: fc.integer({ min: 1, max: 70_000 }),
    }),
  },
);

t.test(
  'the machine is a sorted map with revisions, whatever is viewed, released and restored',
  async () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 80 }), (sequence) => {
        const run = new Comparison();
        for (const step of sequence) run.perform(step);
        run.finish();
      }),
      { numRuns: 300 },
    );
  },
);

t.test('the machine agrees with its model over thousands of keys and deep trees', async (t) => {
  const machine = new KVMachine();
  const model = new KVModel();
  let seed = 1;
  const next = (below: number): number => {
    seed = (seed * 48_271) % 0x7fff_ffff;
    return seed % below;
  };
  for (let i = 0; i < 20_000; i += 1) {
    const key = encodeUtf8(`k${next(5_000)}`);
    const command: KVCommand =
      next(4) === 0
        ? { kind: 'delete', key, condition: null }
        : { kind: 'put', key, value: patterned(next(100)), condition: null };
    const view = i % 500 === 0 ? machine.view() : null;
    const before = view === null ? null : model.copy();
    apply(machine, command);
    model.apply(command);
    if (view !== null && before !== null) {
      assertSame(view.range(EVERYTHING).entries, before.entries());
      view.release();
    }
  }
  assertSame(machine.range(EVERYTHING).entries, model.entries());
  t.equal(machine.size, model.entries().length);
  t.equal(machine.usage.slotCount, machine.size);
});

t.test('every change takes the next revision, and nothing else takes one', async (t) => {
  const machine = new KVMachine();
  const key = encodeUtf8('k');
  const value = encodeUtf8('v');
  t.same(put(machine, 'k', 'v'), { kind: 'put', revision: 1, created: true });
  t.same(put(machine, 'k', 'v'), { kind: 'put', revision: 2, created: false });
  const entry = { key, value, createRevision: 1, modRevision: 2, version: 2, lease: null };
  const condition = { modRevision: 1 };
  t.same(apply(machine, { kind: 'put', key, value, condition }), {
    kind: 'conditionFailed',
    entry,
  });
  t.same(apply(machine, { kind: 'delete', key, condition }), { kind: 'conditionFailed', entry });
  t.same(apply(machine, { kind: 'delete', key: encodeUtf8('no'), condition: null }), {
    kind: 'delete',
    revision: 2,
    deleted: false,
  });
  t.equal(machine.revision, 2);
  t.same(apply(machine, { kind: 'delete', key, condition: { modRevision: 2 } }), {
    kind: 'delete',
    revision: 3,
    deleted: true,
  });
  t.same(apply(machine, { kind: 'put', key, value, condition: { modRevision: 0 } }), {
    kind: 'put',
    revision: 4,
    created: true,
  });
  t.match(machine.get(key), { createRevision: 4, modRevision: 4, version: 1 });
});

t.test('any bytes are a key, and distinct keys stay distinct (faults E13, E14)', async (t) => {
  const machine = new KVMachine();
  const names = [
    '\0',
    '\0\0',
    'é',
    'e\u0301',
    '😀',
    '\n',
    '/../',
    '%2e',
    '__proto__',
    'constructor',
  ];
  const all = [
    ...names.map(encodeUtf8),
    new Uint8Array([0xff]),
    new Uint8Array([0xff, 0xff]),
    new Uint8Array([0x80]),
    patterned(8192),
  ];
  for (const [i, key] of all.entries()) {
    const value = encodeUtf8(`${i}`);
    apply(machine, { kind: 'put', key, value, condition: null });
  }
  for (const [i, key] of all.entries()) t.same(machine.get(key)?.value, encodeUtf8(`${i}`));
  const listed = machine.range(EVERYTHING).entries.map((entry) => toHex(entry.key));
  t.same(listed, [...all].sort(compareBytes).map(toHex));
  t.equal(Object.hasOwn(Object.prototype, '\0'), false);
});

t.test(
  'bytes that are no command are answered, change nothing, and are the same everywhere',
  async (t) => {
    const good = encodeCommand({
      kind: 'put',
      key: encodeUtf8('k'),
      value: encodeUtf8('v'),
      condition: null,
    });
    const bad: readonly Uint8Array[] = [
      new Uint8Array(),
      new Uint8Array([1]),
      new Uint8Array([3, 0, 1, 0, 107]),
      new Uint8Array([1, 2, 1, 0, 107]),
      new Uint8Array([1, 0, 0, 0, 107]),
      new Uint8Array([1, 0, 2, 0, 107]),
      new Uint8Array([2, 0, 1, 0, 107, 0]),
      new Uint8Array([1, 1, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255, 107]),
      concatBytes([new Uint8Array([1, 0, 1, 0x20]), new Uint8Array(9000)]),
      concatBytes([good, new Uint8Array(17 * 1024 * 1024)]),
    ];
    for (const command of bad) {
      const [one, two] = [new KVMachine(), new KVMachine()];
      const result = one.apply({ command, commandVersion: COMMAND_VERSION, logTimeMs: 0 });
      const { kind } = decodeResult(result);
      t.equal(kind, 'failed', toHex(command.subarray(0, 16)));
      t.same(two.apply({ command, commandVersion: COMMAND_VERSION, logTimeMs: 5 }), result);
      t.equal(one.revision, 0);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (command) => {
        decodeResult(
          new KVMachine().apply({ command, commandVersion: COMMAND_VERSION, logTimeMs: 0 }),
        );
      }),
    );
    const machine = new KVMachine();
    const unknown = { command: good, commandVersion: COMMAND_VERSION + 1, logTimeMs: 0 };
    t.throws(
      () => machine.apply(unknown),
      { code: 'ERR_MACHINE' },
      'a newer version is not skipped',
    );
  },
);

t.test(
  'a view keeps its values: no slot that it sees is used again before its release',
  async (t) => {
    const machine = new KVMachine();
    for (let i = 0; i < 100; i += 1) put(machine, `k${i}`, `old ${i}`);
    const view = machine.view();
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 100; i += 1) put(machine, `k${i}`, `new ${i}`);
    }
    t.equal(machine.usage.slotCount, 200, 'values born after the view are freed at once');
    const { entries } = view.range(EVERYTHING);
    t.ok(entries.every(({ key, value }) => equalBytes(value, encodeUtf8(`old ${numberIn(key)}`))));
    t.equal(view.revision, 100);
    view.release();
    view.release();
    t.equal(machine.usage.slotCount, 100);
    t.throws(() => view.get(encodeUtf8('k1')), /violated/);
  },
);

t.test('what a large view held is freed bit by bit, by the changes that follow', async (t) => {
  const machine = new KVMachine();
  const count = 80_000;
  for (let i = 0; i < count; i += 1) put(machine, `k${i}`, 'v');
  const view = machine.view();
  for (let i = 0; i < count; i += 1) put(machine, `k${i}`, 'w');
  t.equal(machine.usage.slotCount, 2 * count);
  view.release();
  const after = machine.usage.slotCount;
  t.ok(after < 2 * count && after > count, 'a release frees some, not all at once');
  for (let i = 0; i < count / 8; i += 1) put(machine, 'k', 'x');
  t.equal(machine.usage.slotCount, count + 1);
});

t.test(
  'a snapshot is the state of the moment it was asked for, and leaving it early releases it',
  async (t) => {
    const machine = new KVMachine();
    for (let i = 0; i < 1000; i += 1) put(machine, `k${i}`, `old ${i}`.padEnd(200));
    const whole = concatBytes([...machine.snapshot()]);
    const late = machine.snapshot();
    for (let i = 0; i < 1000; i += 1) put(machine, `k${i}`, 'new'.padEnd(200));
    t.equal(machine.usage.slotCount, 2000);
    t.same(concatBytes([...late]), whole);
    t.equal(machine.usage.slotCount, 1000, 'an iteration that ends releases');
    for (const begin of [false, true]) {
      const left = machine.snapshot();
      for (let i = 0; i < 500; i += 1) put(machine, `k${i}`, `newer ${begin}`.padEnd(200));
      if (begin) left.next();
      t.equal(machine.usage.slotCount, 1500);
      left.return?.();
      t.equal(machine.usage.slotCount, 1000, begin ? 'left in the middle' : 'never begun');
    }
  },
);

t.test('memory of records is used again, and given back when whole pages are free', async (t) => {
  const machine = new KVMachine();
  const sizes = [0, 1, 16, 17, 128, 129, 250, 1000, 5000, 40_000, 65_536, 65_537, 300_000];
  const patterns = sizes.map(patterned);
  let entryBytes = 0;
  const fill = (): void => {
    entryBytes = 0;
    for (let i = 0; i < 1300; i += 1) {
      const key = encodeUtf8(`k${i}`);
      const value = at(patterns, i % sizes.length);
      apply(machine, { kind: 'put', key, value, condition: null });
      entryBytes += key.length + value.length;
    }
  };
  fill();
  const { usedBytes, reservedBytes } = machine.usage;
  t.equal(usedBytes, entryBytes + 32 * 1300, 'beside key and value a record takes 32 bytes');
  t.ok(reservedBytes < usedBytes * 1.2, `${reservedBytes} reserved for ${usedBytes}`);
  for (let round = 0; round < 3; round += 1) fill();
  t.ok(machine.usage.reservedBytes <= reservedBytes + 44 * 256 * 1024, 'overwriting does not grow');
  t.equal(machine.usage.usedBytes, usedBytes);
  for (let i = 0; i < 1300; i += 1) {
    apply(machine, { kind: 'delete', key: encodeUtf8(`k${i}`), condition: null });
  }
  t.same(machine.usage, { usedBytes: 0, reservedBytes: 256 * 1024, slotCount: 0 });
});

t.test('the same commands give the same snapshot, whatever was viewed meanwhile', async () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 60 }), (sequence) => {
      const [plain, viewed] = [new KVMachine(), new KVMachine()];
      const views: KVView[] = [];
      for (const [i, command] of sequence.entries()) {
        apply(plain, command);
        if (i % 3 === 0) views.push(viewed.view());
        apply(viewed, command);
        if (i % 5 === 0) views.shift()?.release();
      }
      return equalBytes(snapshotOf(plain), snapshotOf(viewed));
    }),
    { numRuns: 100 },
  );
});

t.test(
  'a damaged or incomplete snapshot is ERR_CORRUPT or another valid state, never a throw of another kind',
  async (t) => {
    const machine = new KVMachine();
    for (let i = 0; i < 5; i += 1) put(machine, `k${i}`, `value ${i}`);
    put(machine, 'k1', 'again');
    const bytes = snapshotOf(machine);
    for (let length = 0; length < bytes.length; length += 1) {
      t.throws(() => restored(bytes.subarray(0, length), 7), { code: 'ERR_CORRUPT' });
    }
    t.throws(() => restored(concatBytes([bytes, new Uint8Array(1)]), 7), { code: 'ERR_CORRUPT' });
    let refused = 0;
    for (let i = 0; i < bytes.length; i += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = new Uint8Array(bytes);
        damaged[i] = (damaged[i] ?? 0) ^ flip;
        try {
          // Values and keys have no check of their own here: checksums are the storage's.
          t.same(snapshotOf(restored(damaged, 64)), damaged);
        } catch (error) {
          t.match(error, { code: 'ERR_CORRUPT' });
          refused += 1;
        }
      }
    }
    t.ok(refused > bytes.length, `${refused} of ${bytes.length * 3} refused`);
  },
);

t.test('a restore that fails leaves the state as it was', async (t) => {
  const machine = new KVMachine();
  put(machine, 'k', 'v');
  const restorer = machine.restorer();
  restorer.write(snapshotOf(new KVMachine()).subarray(0, 20));
  t.throws(() => restorer.finish(), { code: 'ERR_CORRUPT' });
  t.same(machine.get(encodeUtf8('k'))?.value, encodeUtf8('v'));
});

t.test('commands, results and snapshots have the bytes that are written down', async (t) => {
  const key = encodeUtf8('ключ');
  const value = new Uint8Array([0, 1, 2, 255]);
  const entry = { key, value, createRevision: 3, modRevision: 2 ** 40, version: 7, lease: null };
  const machine = new KVMachine();
  for (const name of ['b', 'a', 'c']) put(machine, name, `value of ${name}`);
  put(machine, 'a', '');
  apply(machine, { kind: 'delete', key: encodeUtf8('c'), condition: null });
  const written: Readonly<Record<string, Uint8Array>> = {
    'command 1 put': encodeCommand({ kind: 'put', key, value, condition: null }),
    'command 1 put if': encodeCommand({ kind: 'put', key, value, condition: { modRevision: 258 } }),
    'command 1 delete': encodeCommand({ kind: 'delete', key, condition: null }),
    'command 1 delete if': encodeCommand({ kind: 'delete', key, condition: { modRevision: 258 } }),
    'result 1 put': encodeResult({ kind: 'put', revision: 259, created: true }),
    'result 1 delete': encodeResult({ kind: 'delete', revision: 259, deleted: false }),
    'result 1 condition failed, none': encodeResult({ kind: 'conditionFailed', entry: null }),
    'result 1 condition failed': encodeResult({ kind: 'conditionFailed', entry }),
    'result 1 condition failed, lease': encodeResult({
      kind: 'conditionFailed',
      entry: { ...entry, lease: 'l-1' },
    }),
    'result 1 failed': encodeResult({ kind: 'failed', code: 'ERR_PROTOCOL', message: 'no' }),
    'result 1 found': encodeFound(entry),
    'snapshot 1 empty': snapshotOf(new KVMachine()),
    'snapshot 1': snapshotOf(machine),
  };
  const golden = new URL('../../../proto/golden/kv.txt', import.meta.url);
  const text = Object.entries(written)
    .map(([name, bytes]) => `${name}: ${toHex(bytes)}\n`)
    .join('');
  if (process.env['REWRITE'] === '1') writeFileSync(golden, text);
  t.equal(text, readFileSync(golden, 'utf8'));
  t.same(decodeFound(encodeFound(entry)), entry);
  t.equal(decodeFound(encodeFound(null)), null);
  t.throws(() => decodeFound(encodeResult({ kind: 'conditionFailed', entry })), /ERR_PROTOCOL/);
});

t.test(
  'commands and results survive the way through their bytes, and nothing else decodes',
  async () => {
    const entries = fc.record({
      key: keys,
      value: fc.uint8Array({ maxLength: 50 }),
      createRevision: fc.maxSafeNat(),
      modRevision: fc.maxSafeNat(),
      version: fc.maxSafeNat(),
      lease: fc.oneof(fc.constant(null), fc.string({ minLength: 1, maxLength: 9 })),
    });
    const results: fc.Arbitrary<KVResult> = fc.oneof(
      fc.record({
        kind: fc.constant('put' as const),
        revision: fc.maxSafeNat(),
        created: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant('delete' as const),
        revision: fc.maxSafeNat(),
        deleted: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant('conditionFailed' as const),
        entry: fc.oneof(fc.constant(null), entries),
      }),
      fc.record({
        kind: fc.constant('failed' as const),
        code: fc.constantFrom('ERR_PROTOCOL' as const, 'ERR_TOO_LARGE' as const),
        message: fc.string(),
      }),
    );
    fc.assert(
      fc.property(commands, results, (command, result) => {
        const packed = encodeCommand(command);
        const answer = encodeResult(result);
        return (
          equalBytes(encodeCommand(decodeCommand(packed)), packed) &&
          equalBytes(encodeResult(decodeResult(answer)), answer)
        );
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: 5 }), (noise, kind) => {
        const bytes = concatBytes([new Uint8Array([1, kind]), noise]);
        let decoded: KVResult;
        try {
          decoded = decodeResult(bytes);
        } catch (error) {
          return String(error).startsWith('QuorateError: ERR_');
        }
        return equalBytes(encodeResult(decoded), bytes);
      }),
      { numRuns: 1000 },
    );
  },
);

function put(machine: KVMachine, key: string, value: string): KVResult {
  return apply(machine, {
    kind: 'put',
    key: encodeUtf8(key),
    value: encodeUtf8(value),
    condition: null,
  });
}

function restored(snapshot: Uint8Array, cut: number): KVMachine {
  const machine = new KVMachine();
  write(machine, snapshot, cut);
  return machine;
}

function numberIn(key: Uint8Array): string {
  return String.fromCharCode(...key.subarray(1));
}

function patterned(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => i * 31);
}
