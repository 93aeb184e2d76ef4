import { deepEqual, equal, notEqual, rejects } from 'node:assert/strict';
import { concatBytes } from '../base/index.js';
import type {
  SnapshotDescription,
  SnapshotDraft,
  SnapshotReader,
  SnapshotStorage,
} from '../interfaces/index.js';
import type { PortFixture } from './storage-ports.js';
import type { SuiteTest } from './suite.js';

/** `create` gives storage without snapshots, `reopen` the same storage as after a restart. */
export interface SnapshotStorageSuite extends PortFixture<SnapshotStorage> {
  readonly name: string;
  readonly test: SuiteTest;
}

/** Checks the contract of `SnapshotStorage`. */
export function snapshotStorageSuite({ name, test, create, reopen }: SnapshotStorageSuite): void {
  const it = (behaviour: string, body: () => Promise<void>): unknown =>
    test(`${name}: ${behaviour}`, body);

  it('a snapshot is listed once it is committed, and after a restart', async () => {
    let storage = await create();
    deepEqual(await storage.list(), []);
    const writer = await storage.create(draft(7));
    await writer.write(bytes(10));
    deepEqual(await storage.list(), []);
    const description = await writer.commit();
    equal(description.sizeBytes, 10);
    deepEqual(await storage.list(), [description]);
    storage = await reopen(storage);
    deepEqual(await storage.list(), [description]);
    deepEqual({ ...description, id: '', sizeBytes: 0 }, { ...draft(7), id: '', sizeBytes: 0 });
  });

  it('what was not committed is never listed, also not after a restart', async () => {
    const storage = await create();
    const left = await storage.create(draft(1));
    await left.write(bytes(100));
    const aborted = await storage.create(draft(2));
    await aborted.write(bytes(100));
    await aborted.abort();
    await aborted.abort();
    deepEqual(await storage.list(), []);
    deepEqual(await (await reopen(storage)).list(), []);
  });

  it('an abort after the commit does not undo it', async () => {
    const storage = await create();
    const writer = await storage.create(draft(1));
    const description = await writer.commit();
    await writer.abort();
    deepEqual(await storage.list(), [description]);
  });

  it('is read from any offset, whatever the sizes it was written in', async () => {
    const whole = bytes(200_000);
    const storage = await create();
    const writer = await storage.create(draft(3));
    for (let at = 0, size = 1; at < whole.length; at += size, size = size * 2 + 1) {
      await writer.write(whole.slice(at, at + size));
    }
    const { id } = await writer.commit();
    const reader = await (await reopen(storage)).open(id);
    deepEqual(await readAll(reader, 65_536), whole);
    deepEqual(await readAll(reader, 7_777), whole);
    for (const offset of [1, 65_535, 65_536, 131_073, 199_999]) {
      const part = await reader.read(offset, 1000);
      deepEqual(part, whole.slice(offset, offset + part.length));
      notEqual(part.length, 0);
    }
    equal((await reader.read(200_000, 10)).length, 0);
    await reader.close();
    await reader.close();
  });

  it('an empty snapshot is a snapshot', async () => {
    const storage = await create();
    const { id } = await (await storage.create(draft(1))).commit();
    const reader = await (await reopen(storage)).open(id);
    equal(reader.description.sizeBytes, 0);
    equal((await reader.read(0, 10)).length, 0);
    await reader.close();
  });

  it('lists the newest first and tells two at one index apart', async () => {
    const storage = await create();
    for (const index of [5, 20, 20, 3]) await (await storage.create(draft(index))).commit();
    const found = await (await reopen(storage)).list();
    deepEqual(
      found.map(({ index }) => index),
      [20, 20, 5, 3],
    );
    equal(new Set(found.map(({ id }) => id)).size, 4);
  });

  it('a reader is not disturbed when its snapshot is removed', async () => {
    const storage = await create();
    const { id } = await written(storage, 1, bytes(100_000));
    const reader = await storage.open(id);
    await storage.remove(id);
    deepEqual(await storage.list(), []);
    deepEqual(await readAll(reader, 50_000), bytes(100_000));
    await reader.close();
    await rejects(storage.open(id), { code: 'ERR_CORRUPT' });
    deepEqual(await (await reopen(storage)).list(), []);
  });

  it('an unknown id is passed over by remove and refused by open', async () => {
    const storage = await create();
    for (const id of ['9-9-9', '../state', '']) {
      await storage.remove(id);
      await rejects(storage.open(id), { code: 'ERR_CORRUPT' });
    }
  });

  it('several readers and a writer work at the same time', async () => {
    const storage = await create();
    const { id } = await written(storage, 1, bytes(150_000));
    const readers = await Promise.all([storage.open(id), storage.open(id)]);
    const [first, second, made] = await Promise.all([
      readAll(readers[0], 65_536),
      readAll(readers[1], 1_000),
      written(storage, 2, bytes(90_000)),
    ]);
    deepEqual(first, bytes(150_000));
    deepEqual(second, bytes(150_000));
    equal(made.sizeBytes, 90_000);
    await Promise.all(readers.map((reader) => reader.close()));
  });

  it('shares no memory with its callers (schedule I5)', async () => {
    const storage = await create();
    const given = { ...draft(1), configuration: bytes(20) };
    const writer = await storage.create(given);
    given.configuration.fill(0);
    const chunk = bytes(1000);
    await writer.write(chunk);
    chunk.fill(0);
    const { id } = await writer.commit();
    const reader = await storage.open(id);
    deepEqual(reader.description.configuration, bytes(20));
    (await reader.read(0, 1000)).fill(0);
    deepEqual(await reader.read(0, 1000), bytes(1000));
    await reader.close();
  });
}

function draft(index: number): SnapshotDraft {
  return { index, term: 2, configuration: bytes(5), logTimeMs: 2 ** 40 };
}

/** A pattern without a period that a chunk size could hide. */
function bytes(length: number): Uint8Array {
  const pattern = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) pattern[i] = (i * 31 + Math.floor(i / 251)) % 256;
  return pattern;
}

async function written(
  storage: SnapshotStorage,
  index: number,
  content: Uint8Array,
): Promise<SnapshotDescription> {
  const writer = await storage.create(draft(index));
  await writer.write(content);
  return writer.commit();
}

async function readAll(reader: SnapshotReader, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const part = await reader.read(offset, maxBytes);
    if (part.length === 0) return new Uint8Array(concatBytes(parts));
    parts.push(part);
    offset += part.length;
  }
}
