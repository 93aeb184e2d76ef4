import { createHash, randomBytes } from 'node:crypto';
import { readdir, realpath, rename, rm, symlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QuorateError } from '../../lib/base/index.js';
import { nodeFiles } from './node-files.js';

const LOCK_NAME = /^lock\.(\d+)\.[0-9a-f]{16}$/;

/** The longest path that every system takes for a socket. */
const MAX_SOCKET_PATH_BYTES = 100;

/** Whether a name in a folder is that of a lock, be it of a process that is dead. */
export function isLockName(name: string): boolean {
  return LOCK_NAME.test(name.replace(/\.new$/, ''));
}

/** A folder that this process alone uses. */
export interface FolderLock {
  /** Lets others in. May be called twice. */
  release(): Promise<void>;
}

/**
 * Locks a folder, or fails with ERR_LOCKED and the process id that holds it.
 *
 * The lock is a listening socket `lock.<pid>.<random>` in the folder: the kernel answers for the
 * process, also while it is stopped, and no longer once it is dead. So nothing is stale after a kill,
 * a process id that was given to another process means nothing, and containers that share the folder
 * but not the network see each other. (A lock file with a process id has none of this.)
 *
 * Each candidate first publishes its own socket, already listening, and then asks all others: of two
 * that start at once, the later one to publish sees the earlier one. It may be that both see each
 * other and both give up, never that both go on. Names are never used twice, so the socket of a dead
 * process is removed without a race.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  if (process.platform === 'win32') return lockByPipe(folder);
  const reach = await socketFolder(folder);
  try {
    const name = `lock.${process.pid}.${randomBytes(8).toString('hex')}`;
    const server = await listen(join(reach.path, `${name}.new`));
    const own: FolderLock = {
      release: async () => {
        await rm(join(folder, name), { force: true });
        await closed(server);
      },
    };
    try {
      await rename(join(folder, `${name}.new`), join(folder, name));
      await refuseOthers(folder, reach.path, name);
    } catch (error) {
      await own.release();
      throw error;
    }
    return own;
  } finally {
    await reach.release();
  }
}

/**
 * Id of the process that uses the folder, as far as it is known; null where none does. Changes nothing: a
 * process may begin to use the folder at any time.
 */
export async function lockHolder(folder: string): Promise<string | null> {
  if (process.platform === 'win32') {
    return (await answers(await pipeOf(folder))) ? 'unknown' : null;
  }
  const reach = await socketFolder(folder);
  try {
    for (const name of await nodeFiles.list(folder)) {
      const match = LOCK_NAME.exec(name);
      if (match !== null && (await answers(join(reach.path, name)))) return match[1] ?? 'unknown';
    }
    return null;
  } finally {
    await reach.release();
  }
}

/** Says who uses the folder. */
export function locked(folder: string, holder: string): QuorateError {
  return new QuorateError('ERR_LOCKED', {
    message: `another process${holder} uses the data directory ${folder}`,
  });
}

async function refuseOthers(folder: string, reach: string, own: string): Promise<void> {
  for (const name of await readdir(folder)) {
    // A socket that is not published yet has another name. Its process will ask us, and give up.
    const match = LOCK_NAME.exec(name);
    if (match === null || name === own) continue;
    if (await answers(join(reach, name))) throw locked(folder, ` (process ${match[1]})`);
    await rm(join(folder, name), { force: true });
  }
}

/** A path to the folder that is short enough for a socket: itself, or a link to it. */
async function socketFolder(
  folder: string,
): Promise<{ readonly path: string; readonly release: () => Promise<void> }> {
  const longest = join(folder, `lock.${2 ** 22}.${'0'.repeat(16)}.new`);
  if (Buffer.byteLength(longest) <= MAX_SOCKET_PATH_BYTES) {
    return { path: folder, release: async () => {} };
  }
  const path = join(tmpdir(), `quorate-${randomBytes(8).toString('hex')}`);
  await symlink(folder, path);
  return { path, release: () => rm(path, { force: true }) };
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // An error from here on is of a single visitor, who has its answer already.
      server.on('error', () => {});
      server.unref();
      resolve(server);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** Whether a process listens. When in doubt (a full backlog, say), it does. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

/** On Windows the name of a pipe is exclusive, and gone with its process. */
async function lockByPipe(folder: string): Promise<FolderLock> {
  try {
    const server = await listen(await pipeOf(folder));
    return { release: () => closed(server) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
      throw locked(folder, '');
    throw error;
  }
}

async function pipeOf(folder: string): Promise<string> {
  const path = (await realpath(folder)).toLowerCase();
  return `\\\\.\\pipe\\quorate-${createHash('sha256').update(path).digest('hex')}`;
}
