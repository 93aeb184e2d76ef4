import { deepEqual, equal, rejects } from 'node:assert/strict';
import { type Entry, packEntries, toHex } from '../base/index.js';
import type { LogStorage } from '../interfaces/index.js';
import { type PortFixture, SUITE_GROUP } from './storage-ports.js';
import type { SuiteTest } from './suite.js';

/** `create` gives an empty log of the group `default`, `reopen` the same log as after a restart. Neither is open. */
export interface LogStorageSuite extends PortFixture<LogStorage> {
  readonly name: string;
  readonly test: SuiteTest;
}

/** Checks the contract of `LogStorage`. */
export function logStorageSuite({ name, test, create, reopen }: LogStorageSuite): void {
  const it = (behaviour: string, body: () => Promise<void>): unknown =>
    test(`${name}: ${behaviour}`, body);

  it('a new log is empty and whole', async () => {
    const log = await create();
    deepEqual(await log.open(), { compacted: { index: 0, term: 0 }, entries: [] });
    deepEqual(await (await reopen(log)).open(), { compacted: { index: 0, term: 0 }, entries: [] });
  });

  it('what was appended is there after a restart, in order and byte for byte', async () => {
    const log = await create();
    await log.open();
    const first = entries(1, 1, 3);
    const second = packEntries({ group: SUITE_GROUP, term: 4, firstIndex: 4, logTimeMs: 2 ** 40 }, [
      { kind: 'noop', commandVersion: 0, payload: new Uint8Array(0) },
      { kind: 'configuration', commandVersion: 65_535, payload: new Uint8Array([0, 255]) },
      { kind: 'command', commandVersion: 1, payload: new Uint8Array(1024 * 1024).fill(7) },
    ]);
    await log.append(first);
    await log.append(second);
    await expectLog(await reopen(log), { index: 0, term: 0 }, [...first, ...second]);
  });

  it('replaces a conflicting suffix and keeps what comes before it', async () => {
    const log = await create();
    await log.open();
    const first = entries(1, 1, 5);
    const second = entries(2, 3, 1);
    await log.append(first);
    await log.append(second);
    let next = await reopen(log);
    await expectLog(next, { index: 0, term: 0 }, [...first.slice(0, 2), ...second]);
    const third = entries(3, 1, 2);
    await next.append(third);
    next = await reopen(next);
    await expectLog(next, { index: 0, term: 0 }, third);
  });

  it('a suffix may be replaced by entries of an older term', async () => {
    const log = await create();
    await log.open();
    await log.append([...entries(1, 1, 2), ...entries(3, 3, 4)]);
    await log.append(entries(2, 3, 1));
    await expectLog(await reopen(log), { index: 0, term: 0 }, [
      ...entries(1, 1, 2),
      ...entries(2, 3, 1),
    ]);
  });

  it('many appends and large batches are all kept', async () => {
    const log = await create();
    await log.open();
    const all = entries(1, 1, 1200);
    for (let i = 0; i < 100; i += 1) await log.append(all.slice(i, i + 1));
    await log.append(all.slice(100));
    await expectLog(await reopen(log), { index: 0, term: 0 }, all);
  });

  it('compaction forgets up to its index and nothing after it', async () => {
    const log = await create();
    await log.open();
    const all = [...entries(1, 1, 5), ...entries(2, 6, 5)];
    await log.append(all);
    await log.compact(6, 2);
    await log.compact(3, 1);
    const next = await reopen(log);
    await expectLog(next, { index: 6, term: 2 }, all.slice(6));
    await next.append(entries(3, 7, 1));
    await expectLog(await reopen(next), { index: 6, term: 2 }, entries(3, 7, 1));
  });

  it('a log compacted to its very end knows where it goes on (schedule D13)', async () => {
    const log = await create();
    await log.open();
    await log.append([...entries(1, 1, 2), ...entries(3, 3, 1)]);
    await log.compact(3, 3);
    let next = await reopen(log);
    await expectLog(next, { index: 3, term: 3 }, []);
    next = await reopen(next);
    await expectLog(next, { index: 3, term: 3 }, []);
    await next.append(entries(3, 4, 2));
    await expectLog(await reopen(next), { index: 3, term: 3 }, entries(3, 4, 2));
  });

  it('a reset empties the log, also inside it and far beyond its end', async () => {
    const log = await create();
    await log.open();
    await log.append(entries(1, 1, 4));
    await log.reset(3, 2);
    let next = await reopen(log);
    await expectLog(next, { index: 3, term: 2 }, []);
    await next.append(entries(2, 4, 1));
    await next.reset(1000, 7);
    await next.append(entries(7, 1001, 1));
    next = await reopen(next);
    await expectLog(next, { index: 1000, term: 7 }, entries(7, 1001, 1));
  });

  it('a gap is a mistake of the caller and stores nothing', async () => {
    const log = await create();
    await log.open();
    await log.append(entries(1, 1, 3));
    await log.compact(2, 1);
    await rejects(log.append(entries(1, 5, 1)), { name: 'InvariantViolation' });
    await rejects(log.append(entries(1, 2, 1)), { name: 'InvariantViolation' });
    await rejects(log.compact(9, 1), { name: 'InvariantViolation' });
    await expectLog(await reopen(log), { index: 2, term: 1 }, entries(1, 1, 3).slice(2));
  });

  it('shares no memory with its callers (schedule I5)', async () => {
    const log = await create();
    await log.open();
    const given = entries(1, 1, 2);
    await log.append(given);
    for (const { packed } of given) packed.fill(0);
    const next = await reopen(log);
    const { entries: found } = await next.open();
    deepEqual(found.map(described), entries(1, 1, 2).map(described));
    for (const { packed } of found) packed.fill(0);
    await expectLog(await reopen(next), { index: 0, term: 0 }, entries(1, 1, 2));
  });

  it('indexes and terms near the largest integer keep their order (schedule I6)', async () => {
    const log = await create();
    await log.open();
    const base = 2 ** 32 - 2;
    const term = Number.MAX_SAFE_INTEGER;
    await log.reset(base, 2 ** 31);
    const all = entries(term, base + 1, 5);
    await log.append(all);
    await expectLog(await reopen(log), { index: base, term: 2 ** 31 }, all);
  });
}

async function expectLog(
  log: LogStorage,
  compacted: { readonly index: number; readonly term: number },
  expected: readonly Entry[],
): Promise<void> {
  const found = await log.open();
  deepEqual(found.compacted, compacted);
  equal(found.entries.length, expected.length);
  deepEqual(found.entries.map(described), expected.map(described));
}

/** `count` commands of `term` from `firstIndex` on. */
function entries(term: number, firstIndex: number, count: number): Entry[] {
  const drafts = Array.from({ length: count }, (_, offset) => ({
    kind: 'command' as const,
    commandVersion: 1,
    payload: new TextEncoder().encode(`${term}/${firstIndex + offset}`),
  }));
  return packEntries({ group: SUITE_GROUP, term, firstIndex, logTimeMs: firstIndex }, drafts);
}

function described({
  kind,
  commandVersion,
  group,
  term,
  index,
  logTimeMs,
  payload,
  packed,
}: Entry): unknown {
  const bytes = packed.length > 256 ? packed.length : toHex(packed);
  return {
    kind,
    commandVersion,
    group,
    term,
    index,
    logTimeMs,
    payloadLength: payload.length,
    bytes,
  };
}
