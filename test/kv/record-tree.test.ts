import t from 'tap';
import { encodeUtf8 } from '../../lib/base/index.js';
import { RetiredSlots } from '../../lib/kv/machine/retired-slots.js';
import { type SnapshotSource, snapshotChunks } from '../../lib/kv/machine/snapshot.js';
import { Forest, keyOf } from './forest.js';

/* How the machine is built inside: what keeps a million keys cheap, counted in steps and objects. */

t.test('records are few leaves, and leaves that become small join', async (t) => {
  const forest = new Forest();
  const count = 20_000;
  for (let i = 0; i < count; i += 1) forest.put((i * 7919) % count);
  t.equal(forest.tree.size, count);
  t.ok(forest.tree.leafCount <= count / 32, `${forest.tree.leafCount} leaves after random puts`);
  for (let i = 0; i < count; i += 1) if (i % 50 !== 0) forest.delete(i);
  t.equal(forest.tree.size, count / 50);
  t.ok(forest.tree.leafCount <= 1 + count / 50 / 8, `${forest.tree.leafCount} leaves are left`);
  t.same(
    forest.keys(),
    Array.from({ length: count / 50 }, (_, i) => keyOf(i * 50)),
  );
  for (let i = 0; i < count; i += 50) forest.delete(i);
  t.equal(forest.tree.leafCount, 1);
  forest.put(5);
  t.same(forest.keys(), [keyOf(5)], 'an empty tree is used again');
});

t.test('a leaf is copied once beside a view, and not at all without one', async (t) => {
  const forest = new Forest();
  for (let i = 0; i < 100; i += 1) forest.put(i);
  const leafOf = (i: number): unknown => forest.tree.find(encodeUtf8(keyOf(i))).leaf;
  const before = leafOf(1);
  forest.put(1);
  t.equal(leafOf(1), before);
  const hold = forest.retired.hold(forest.revision);
  const clone = forest.tree.clone();
  forest.put(1);
  const copy = leafOf(1);
  t.not(copy, before);
  forest.put(2);
  t.equal(leafOf(2), copy, 'what was made after the view is changed in place');
  t.equal(clone.find(encodeUtf8(keyOf(1))).leaf, before);
  hold.release();
  forest.retired.hold(forest.revision).release();
  forest.put(3);
  t.equal(leafOf(3), copy, 'a released view is no reason to copy');
});

t.test('leaves that join beside a view stay apart in the view', async (t) => {
  const forest = new Forest();
  for (let i = 0; i < 200; i += 1) forest.put(i);
  forest.retired.hold(forest.revision);
  const clone = forest.tree.clone();
  const before = [...clone.from(new Uint8Array())];
  // From the end, so that the first leaf is not copied by a change of its own.
  for (let i = 199; forest.tree.leafCount > 1; i -= 1) forest.delete(i);
  t.same([...clone.from(new Uint8Array())], before);
  t.equal(clone.size, 200);
});

t.test('a step of a snapshot reads no more records than it writes', async (t) => {
  let read = 0;
  let released = 0;
  const record = new Uint8Array(100);
  const size = 10_000;
  const view: SnapshotSource = {
    revision: size,
    size,
    *packedRecords() {
      for (read = 1; read <= size; read += 1) yield record;
    },
    release: () => {
      released += 1;
    },
  };
  const chunks = snapshotChunks(view);
  let bytes = 0;
  for (const chunk of chunks) {
    bytes += chunk.length;
    t.ok(chunk.length <= 64 * 1024);
    t.ok(Math.abs(read * record.length - bytes) <= 2 * record.length || read > size);
  }
  t.ok(bytes > size * record.length);
  t.equal(released, 1);
});

t.test('what a view held is freed a few slots at a time, in the order it went', async (t) => {
  const freed: number[] = [];
  const retired = new RetiredSlots({ free: (slot) => freed.push(slot) });
  const count = 20_000;
  const [older, newer] = [retired.hold(1), retired.hold(2)];
  for (let slot = 0; slot < count; slot += 1) retired.retire(slot, 1, 3 + slot);
  older.release();
  t.same(freed, [], 'the newer view still sees them');
  newer.release();
  t.ok(freed.length > 0 && freed.length <= 4096, `${freed.length} freed by the release`);
  let changes = 0;
  for (; freed.length < count; changes += 1) {
    const before = freed.length;
    retired.retire(-1, count * 2, count * 2 + changes);
    const [own, ...others] = freed.slice(before);
    if (own !== -1 || others.length > 8) t.fail(`${others.length} freed by one change`);
    freed.splice(before, 1);
  }
  t.same(
    freed,
    Array.from({ length: count }, (_, i) => i),
  );
});
