import { deepEqual, equal, match, ok, rejects, throws } from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { constants, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { type KVStore, openKVStore } from '../../lib/index.js';
import type { Clock, StorageEngine } from '../../lib/interfaces/index.js';
import { CapturingLogger } from '../../lib/observe/index.js';
import { storageContext } from '../../lib/testing/index.js';
import { SystemClock } from '../../lib/timing/index.js';
import { durableFlag, openNodeFile } from '../../storage/files/index.js';
import { checkPlatform, type WalStorageOptions, walEngine } from '../../storage/wal/engine.js';
import { SegmentFile, type WaitingCalls } from '../../storage/wal/segment-file.js';
import { ThreadControl } from '../../storage/wal/thread-control.js';
import {
  type StartThread,
  ThreadSegmentWriter,
  threadOptions,
} from '../../storage/wal/thread-writer.js';
import { faultyWriter } from './faulty-writer.js';
import { scratch } from './scratch.js';
import { entries, GROUP, IDENTITY } from './small-directory.js';

const { fresh, remove } = scratch();
t.teardown(remove);

t.test('the thread writes what it is given, where it is told to, however long it is', async () => {
  const writer = await ThreadSegmentWriter.start();
  const [first, second] = [zeros(9 * MIB), zeros(4096)];
  await writer.open(first);
  const long = pattern(8 * MIB + 17, 1);
  await writer.write(100, pattern(50, 2));
  await writer.write(4096, long);
  await writer.write(150, pattern(3, 3));
  await writer.open(second);
  await writer.write(4000, pattern(96, 4));
  await writer.close();
  const expected = new Uint8Array(9 * MIB);
  expected.set(pattern(50, 2), 100);
  expected.set(pattern(3, 3), 150);
  expected.set(long, 4096);
  ok(readFileSync(first).equals(expected));
  deepEqual(readFileSync(second).subarray(4000), Buffer.from(pattern(96, 4)));
});

t.test('an error of the system keeps its code on the way from the thread', async () => {
  const writer = await ThreadSegmentWriter.start();
  const missing = { code: 'ENOENT', syscall: 'open', message: /no such file/ };
  await rejects(writer.open(join(fresh(), 'missing')), missing);
  await writer.open('/dev/full');
  await rejects(writer.write(0, pattern(10, 1)), { code: 'ENOSPC', errno: -28, syscall: 'write' });
  await Promise.all([writer.close(), writer.close()]);
});

t.test('a write that fails in the thread is final (schedule F8, fault B8)', async () => {
  const { engine, log } = await opened(fresh(), {}, faultyWriter('fails', 3));
  await log.append(entries(1, 1, 1));
  const failure = { code: 'ERR_STORAGE', outcome: 'unknown', message: /EIO/ };
  await rejects(log.append(entries(1, 2, 1)), failure);
  await rejects(log.append(entries(1, 2, 1)), failure);
  await engine.close();
});

t.test('a thread that ends fails the write under way, and those after it', async () => {
  const path = fresh();
  const { engine, log } = await opened(path, {}, faultyWriter('ends the thread', 3));
  await log.append(entries(1, 1, 1));
  const failure = { code: 'ERR_STORAGE', outcome: 'unknown', message: /thread .* has ended/ };
  await rejects(log.append(entries(1, 2, 1)), failure);
  await rejects(log.append(entries(1, 2, 1)), failure);
  await engine.close();
  const again = await opened(path);
  equal((await again.found).entries.length, 1);
  await again.engine.close();
});

t.test('a thread that is woken after it has answered does not write again', async () => {
  let control = new SharedArrayBuffer(0);
  const writer = await ThreadSegmentWriter.start((start) => {
    ({ control } = start);
    return new Worker(WRITER_THREAD, threadOptions(start));
  });
  await writer.open(zeros(4096));
  await writer.write(0, pattern(10, 1));
  const [requests, answers] = [0, 1] as const;
  const words = new Int32Array(control);
  for (let wakings = 0; wakings < 2; ) {
    wakings += Atomics.notify(words, requests);
    equal(words[answers], words[requests]);
    await new Promise(setImmediate);
  }
  await writer.close();
});

t.test('who is told late of an answer does not take it for that to the next request', async () => {
  const asking = new ThreadControl();
  const answering = new ThreadControl(asking.buffer);
  let isTold = false;
  const asked = asking.ask({ offset: 0, length: 1 }).then(() => {
    isTold = true;
  });
  const answers = 1;
  for (let wakings = 0; wakings < 2; ) {
    wakings += Atomics.notify(new Int32Array(asking.buffer), answers);
    equal(isTold, false);
    await new Promise(setImmediate);
  }
  answering.answer({ isFailed: false });
  await asked;
});

t.test('a node is closed while its log hangs in the thread (schedules F6, G5)', async () => {
  const path = fresh();
  let storage: StorageEngine | null = null;
  const hanging = new Promise<Worker>((resolve) => {
    storage = walEngine(path, {}, faultyWriter('hangs', 10, resolve));
  });
  const kv = await openKVStore({ storage: storage!, clock: new FastClock() });
  const puts = rejects(putForEver(kv), { code: 'ERR_CLOSED', outcome: 'unknown' });
  const thread = await hanging;
  await kv.close();
  equal((await kv.closed).cause, null);
  await puts;
  await rejects(opened(path), { code: 'ERR_LOCKED' });
  await thread.terminate();
  await storage!.close();
  const again = walEngine(path);
  await again.open(storageContext());
  await again.close();
});

t.test(
  'where the thread cannot be started the main thread writes, and one line says so',
  async () => {
    const startThreads: StartThread[] = [
      (start) =>
        new Worker(new URL('./lost-by-a-bundler.js', import.meta.url), threadOptions(start)),
      () => {
        throw new Error('no more threads');
      },
    ];
    for (const startThread of startThreads) {
      const logger = new CapturingLogger();
      const path = fresh();
      const { engine, log } = await opened(path, {}, startThread, { ...storageContext(), logger });
      await log.append(entries(1, 1, 2));
      await engine.close();
      const lines = logger.lines.filter(({ level }) => level === 'warn');
      equal(lines.length, 1);
      match(String(lines[0]?.fields['error']), /lost-by-a-bundler|no more threads/);
      const again = await opened(path);
      equal((await again.found).entries.length, 2);
      await again.engine.close();
    }
  },
);

t.test('a write does not wait behind what the process has its shared threads do', async () => {
  const path = fresh();
  const { engine, log } = await opened(path);
  const { occupied, release } = occupyThreads(path);
  await log.append(entries(1, 1, 1));
  await log.append(entries(1, 2, 1));
  let isFree = false;
  void occupied.then(() => {
    isFree = true;
  });
  await new Promise(setImmediate);
  equal(isFree, false);
  release();
  await occupied;
  await engine.close();
});

t.test('the thread keeps a process alive while it writes, and not while it sleeps', async () => {
  const program = new URL('./idle-writer.js', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, fresh()], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = await once(child, 'close');
  deepEqual([code, text], [0, 'durable\n']);
});

t.test('without the constant, or off Linux, nothing relies on a flag (fault B2)', async () => {
  equal(durableFlag({ platform: 'linux', dsync: undefined }), 0);
  equal(durableFlag({ platform: 'darwin', dsync: 4_194_304 }), 0);
  equal(durableFlag({ platform: 'linux', dsync: 4096 }), 4096);
});

t.test('the thread syncs each write that no flag makes durable (fault B2)', async (t) => {
  const { O_RDWR, O_DSYNC } = constants;
  const path = zeros(4096);
  const cases: [string, Partial<WaitingCalls>, number, string[]][] = [
    ['the flag is taken', {}, O_DSYNC, [`open ${O_RDWR | O_DSYNC}`, 'write', 'write']],
    ['there is none', {}, 0, [`open ${O_RDWR}`, 'sync', 'write', 'sync', 'write', 'sync']],
    [
      'the system ignores it',
      { openSync: (at) => fs.openSync(at, O_RDWR) },
      O_DSYNC,
      [`open ${O_RDWR | O_DSYNC}`, 'sync', 'write', 'sync', 'write', 'sync'],
    ],
    [
      'nobody can say',
      {
        readFileSync: () => {
          throw new Error('no /proc');
        },
      },
      O_DSYNC,
      [`open ${O_RDWR | O_DSYNC}`, 'sync', 'write', 'sync', 'write', 'sync'],
    ],
  ];
  for (const [name, calls, flag, expected] of cases) {
    const { told, recording } = recorded({ ...fs, ...calls });
    const file = SegmentFile.open(recording, path, flag);
    file.write(0, pattern(10, 1));
    file.write(10, pattern(10, 1));
    file.close();
    t.same(told, [...expected, 'close'], name);
  }
  const fdatasyncSync = (): never => {
    throw new Error('EINVAL');
  };
  const { told, recording } = recorded({ ...fs, fdatasyncSync });
  throws(() => SegmentFile.open(recording, path, 0), /EINVAL/);
  t.same(told, [`open ${O_RDWR}`, 'sync', 'close'], 'where neither works, nothing is begun');
});

t.test(
  'where nothing makes a write durable a start fails, and promises nothing (fault B2)',
  async (t) => {
    const failure = { code: 'ERR_STORAGE', message: /EINVAL/ };
    const byThread = fresh();
    await rejects(opened(byThread, {}, faultyWriter('is never durable', 0)), failure);

    const path = zeros(4096);
    const probe = await open(path);
    t.capture(Object.getPrototypeOf(probe), 'datasync', async () => {
      throw new Error('EINVAL: invalid argument, fdatasync');
    });
    await rejects(openNodeFile(path, { create: false, durable: true }, 0), /EINVAL/);
    await probe.close();
  },
);

t.test('a write is done when all of it is, however little the system takes at once', async () => {
  const path = zeros(4096);
  const writeSync = (fd: number, bytes: Uint8Array, at: number, length: number, offset: number) =>
    fs.writeSync(fd, bytes, at, Math.min(3, length), offset);
  const file = SegmentFile.open({ ...fs, writeSync }, path, 0);
  file.write(5, pattern(10, 1));
  file.close();
  deepEqual(readFileSync(path).subarray(5, 15), Buffer.from(pattern(10, 1)));
});

t.test('so does the main thread (fault B2)', async (t) => {
  const path = zeros(4096);
  const probe = await open(path);
  const syncs = t.capture(Object.getPrototypeOf(probe), 'datasync', async () => {});
  for (const [flag, expected] of [
    [constants.O_DSYNC, 0],
    [0, 3],
  ] as const) {
    const file = await openNodeFile(path, { create: false, durable: true }, flag);
    await file.writeDurably(0, pattern(10, 1));
    await file.writeDurably(10, pattern(10, 1));
    await file.close();
    equal(syncs().length, expected);
  }
  await probe.close();
});

t.test('Windows is refused by name, with what to use there', async () => {
  checkPlatform('linux');
  const refusal = { code: 'ERR_CONFIG', message: /Windows.*levelStorage.*memoryStorage/ };
  throws(() => checkPlatform('win32'), refusal);
});

const MIB = 1024 * 1024;
const WRITER_THREAD = new URL('../../storage/wal/writer-thread.js', import.meta.url);

/** A new file of this size; gives its path. */
function zeros(sizeBytes: number): string {
  const path = join(fresh(), 'file');
  writeFileSync(path, new Uint8Array(sizeBytes));
  return path;
}

async function putForEver(kv: KVStore): Promise<never> {
  for (let i = 0; ; i += 1) await kv.put('k', String(i));
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 251);
}

async function opened(
  path: string,
  options: WalStorageOptions = {},
  startThread?: StartThread,
  context = storageContext(),
): Promise<{
  readonly engine: StorageEngine;
  readonly log: ReturnType<StorageEngine['group']>['log'];
  readonly found: ReturnType<ReturnType<StorageEngine['group']>['log']['open']>;
}> {
  const engine = walEngine(path, options, startThread);
  await engine.open(context);
  await engine.initialise(IDENTITY);
  const { log } = engine.group(GROUP);
  const found = log.open();
  await found;
  return { engine, log, found };
}

/** Has every shared thread of Node wait, until `release`, for a pipe that nobody writes to. */
function occupyThreads(folder: string): {
  readonly occupied: Promise<unknown>;
  readonly release: () => void;
} {
  const pipes = Array.from({ length: 8 }, (_, i) => join(folder, `pipe${i}`));
  execFileSync('mkfifo', pipes);
  const opening = pipes.map((path) => open(path, 'r'));
  const occupied = Promise.all(opening.map(async (handle) => (await handle).close()));
  const release = (): void => {
    for (const path of pipes) fs.openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  };
  return { occupied, release };
}

function recorded(calls: WaitingCalls): {
  readonly told: string[];
  readonly recording: WaitingCalls;
} {
  const told: string[] = [];
  const recording: WaitingCalls = {
    ...calls,
    openSync: (path, flags) => {
      told.push(`open ${flags}`);
      return calls.openSync(path, flags);
    },
    writeSync: (fd, bytes, at, length, offset) => {
      told.push('write');
      return calls.writeSync(fd, bytes, at, length, offset);
    },
    fdatasyncSync: (fd) => {
      told.push('sync');
      calls.fdatasyncSync(fd);
    },
    closeSync: (fd) => {
      told.push('close');
      calls.closeSync(fd);
    },
  };
  return { told, recording };
}

/** Real time, fifty times as fast for whoever waits. */
class FastClock extends SystemClock {
  override after(delayMs: number, fn: () => void): ReturnType<Clock['after']> {
    return super.after(delayMs / 50, fn);
  }
}
