/** What becomes of a node whose directory is not as it left it. Each refusal is one line. */
import { equal, match, ok, rejects } from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { QuorateError } from '../../lib/base/index.js';
import { type KVStore, type NodeOptions, openKVStore } from '../../lib/index.js';
import type { FileLayer } from '../../lib/interfaces/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { nodeFiles } from '../../storage/files/index.js';
import { walStorage } from '../../storage/wal/index.js';
import { scratch } from './scratch.js';

const { fresh, remove } = scratch();
t.teardown(remove);

const whole = fresh();
const kv = await open(whole, { limits: { snapshotEntries: 50, trailingEntries: 1 } });
const created = new Promise<void>((resolve) => {
  let count = 0;
  kv.events.on('raft.snapshotCreated', () => {
    count += 1;
    if (count === 2) resolve();
  });
});
for (let i = 0; i < 150; i += 1) await kv.put(`k${i}`, `v${i}`);
await created;
await kv.close();

t.test('a missing segment is refused by its name (fault B17)', async () => {
  const directory = copy();
  rmSync(join(directory, 'log', '0000000000000001.wal'));
  const line = await refusal(directory, 'ERR_CORRUPT');
  match(
    line,
    /0000000000000001\.wal: the segment is missing; keep a data directory as it is: kvctl doctor says /,
  );
});

t.test('a log without the snapshots that it goes on from is refused (fault B17)', async () => {
  const directory = copy();
  const snapshots = join(directory, 'groups', 'default', 'snapshots');
  equal(readdirSync(snapshots).length, 2);
  rmSync(snapshots, { recursive: true });
  const line = await refusal(directory, 'ERR_CORRUPT');
  match(line, /its log begins after entry \d+, .*restore a backup$/);
});

t.test(
  'term and vote are lost with the log alone, and that is no new node (fault B18)',
  async () => {
    const losses: readonly (readonly [readonly string[], RegExp])[] = [
      [
        ['mark.1', 'mark.2'],
        /mark\.1: missing beside data; keep a data directory as it is: kvctl doctor says /,
      ],
      [['log'], /0000000000000001\.wal: the segment is missing; /],
      [['log', 'mark.1', 'mark.2'], /mark\.1: missing beside data; /],
      [['identity.1', 'identity.2'], /identity\.1: missing beside data; /],
      [['FORMAT'], /FORMAT: missing beside data; /],
    ];
    for (const [names, message] of losses) {
      const directory = copy();
      for (const name of names) rmSync(join(directory, name), { recursive: true });
      match(await refusal(directory, 'ERR_CORRUPT'), message, names.join());
    }
  },
);

t.test(
  'leftovers and strange files are removed or left alone, never read (fault B22)',
  async () => {
    const directory = copy();
    const log = join(directory, 'log');
    const snapshots = join(directory, 'groups', 'default', 'snapshots');
    const [snapshot = ''] = readdirSync(snapshots);
    const segment = readFileSync(join(log, '0000000000000001.wal'));
    const left = [
      [join(log, '0000000000000001.wal.bak'), segment],
      [join(log, '1.wal'), segment],
      [join(directory, 'notes.txt'), 'mine'],
      [join(snapshots, 'old.snap'), readFileSync(join(snapshots, snapshot))],
    ] as const;
    const removed = [
      [join(log, 'spare-7.tmp'), segment],
      [join(directory, 'mark.1.tmp'), 'half'],
      [join(snapshots, `${snapshot}.tmp`), 'half'],
    ] as const;
    for (const [path, content] of [...left, ...removed]) writeFileSync(path, content);
    const node = await open(directory);
    equal(await node.get('k149'), 'v149');
    await node.close();
    for (const [path, content] of left) ok(readFileSync(path).equals(Buffer.from(content)), path);
    for (const [path] of removed) ok(!existsSync(path), path);

    // A copy under the name of a segment is one that should not be there.
    writeFileSync(join(log, '0000000000000002.wal'), segment);
    match(
      await refusal(directory, 'ERR_CORRUPT'),
      /0000000000000002\.wal: the segment is another one/,
    );
  },
);

t.test('the directory of another node is refused (fault B28)', async () => {
  const directory = copy();
  await rejects(open(directory, { id: 'n2' }), (error) => {
    match(
      lineOf(error, 'ERR_WRONG_CLUSTER'),
      /belongs to node n1, not to n2; name its own directory, or start it as n1$/,
    );
    return true;
  });
  // Of another directory with the same name: its log beside our identity.
  const other = fresh();
  const stranger = await open(other);
  await stranger.put('a', '1');
  await stranger.close();
  rmSync(join(directory, 'log'), { recursive: true });
  cpSync(join(other, 'log'), join(directory, 'log'), { recursive: true });
  match(await refusal(directory, 'ERR_CORRUPT'), /the segment is another one; /);
});

t.test('a close that fails lets go of every file', async () => {
  const directory = copy();
  let openCount = 0;
  const files: FileLayer = {
    ...nodeFiles,
    async open(path, options) {
      const file = await nodeFiles.open(path, options);
      openCount += 1;
      const close = async (): Promise<void> => {
        openCount -= 1;
        await file.close();
      };
      return {
        sizeBytes: () => file.sizeBytes(),
        read: (offset, length) => file.read(offset, length),
        write: (offset, bytes) => file.write(offset, bytes),
        writeDurably: (offset, bytes) => file.writeDurably(offset, bytes),
        truncate: (bytes) => file.truncate(bytes),
        sync: () => file.sync(),
        close,
      };
    },
  };
  const node = await openKVStore({
    id: 'n1',
    storage: walStorage(directory, { files, writer: 'main' }),
    logger: silentLogger,
  });
  await node.put('a', '1');
  ok(openCount > 0);
  rmSync(directory, { recursive: true });
  await node.close();
  equal(openCount, 0);
});

t.test('a node whose directory is taken away stops (fault B29)', async () => {
  for (const takeAway of [
    (directory: string) => rmSync(directory, { recursive: true }),
    (directory: string) => renameSync(directory, `${directory}.gone`),
  ]) {
    const directory = copy();
    const node = await open(directory);
    await node.ready();
    takeAway(directory);
    // Written to files that have no name any more: the mark, which is opened anew, tells.
    for (let isOpen = true; isOpen; ) {
      isOpen = await node.put('a', '1').then(
        () => true,
        () => false,
      );
    }
    const { cause } = await node.closed;
    match(
      lineOf(cause, 'ERR_STORAGE'),
      new RegExp(`${directory}.*; put the directory back where it was, and start `),
    );
    await node.close();
    ok(!existsSync(directory));
  }
});

t.test('what a newer version wrote is left to it (fault B30)', async () => {
  const text = 'quorate wal 2';
  const format = `${text} ${crc32(text).toString(16).padStart(8, '0')}\n`;
  const changes: readonly (readonly [string, (directory: string) => void])[] = [
    ['FORMAT', (directory) => writeFileSync(join(directory, 'FORMAT'), format)],
    ['log', (directory) => newer(join(directory, 'log', '0000000000000001.wal'), 59)],
    ['mark', (directory) => newer(join(directory, 'mark.1'), 252)],
  ];
  for (const [what, change] of changes) {
    const directory = copy();
    change(directory);
    const before = readFileSync(join(directory, 'log', '0000000000000001.wal'));
    match(await refusal(directory, 'ERR_CONFIG'), /; use a newer version$/, what);
    ok(before.equals(readFileSync(join(directory, 'log', '0000000000000001.wal'))));
  }
});

async function open(directory: string, options: NodeOptions = {}): Promise<KVStore> {
  const storage = walStorage(directory, { segmentBytes: 1024 * 1024 });
  return await openKVStore({ id: 'n1', storage, logger: silentLogger, ...options });
}

function copy(): string {
  const directory = fresh();
  cpSync(whole, directory, { recursive: true });
  return directory;
}

/** What a start says, which is the same at the next one. */
async function refusal(directory: string, code: string): Promise<string> {
  const lines: string[] = [];
  for (let i = 0; i < 2; i += 1) {
    await rejects(open(directory), (error) => {
      lines.push(lineOf(error, code));
      return true;
    });
  }
  equal(lines[0], lines[1]);
  return lines[0] ?? '';
}

function lineOf(error: unknown, code: string): string {
  if (!QuorateError.is(error)) throw error;
  equal(error.code, code, error.message);
  ok(!error.message.includes('\n'), error.message);
  return error.message;
}

/** Another layout, with the checksum that belongs to it. */
function newer(path: string, crcAt: number): void {
  const bytes = readFileSync(path);
  bytes[4] = 2;
  bytes.writeUInt32LE(crc32(bytes.subarray(0, crcAt)), crcAt);
  writeFileSync(path, bytes);
}
