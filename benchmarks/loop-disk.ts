import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SIZE_BYTES = 64 * 2 ** 20;
const COMMANDS = ['mkfs.ext4', 'losetup', 'mount', 'umount', 'fsfreeze'];

/** Bit of CAP_SYS_ADMIN in the capabilities of a process. */
const ADMIN = 21n;

/** A process that was killed lets go of its files a little later. */
const UMOUNT_ATTEMPTS = 50;
const AGAIN_MS = 100;

/**
 * An ext4 of its own in a file, which can be frozen: every write to it, and every sync, hangs until it is
 * thawed. Linux, as root.
 */
export class LoopDisk {
  readonly folder: string;
  readonly #image: string;
  #isMounted = false;
  #isFrozen = false;

  private constructor(parent: string, name: string) {
    this.folder = join(parent, name);
    this.#image = join(parent, `${name}.img`);
  }

  /** Names what stands in the way of making one; null where nothing does. */
  static missing(): string | null {
    if (process.platform !== 'linux') return 'Linux';
    if (process.getuid?.() !== 0) return 'the rights of root';
    if (!mayAdministrate()) return 'the capability CAP_SYS_ADMIN';
    if (!existsSync('/dev/loop-control')) return 'loop devices (/dev/loop-control)';
    const command = COMMANDS.find((one) => spawnSync(one, ['--version']).error !== undefined);
    if (command !== undefined) return `the command ${command}`;
    return spawnSync('losetup', ['-f']).status === 0 ? null : 'a free loop device (losetup -f)';
  }

  /** Made and mounted. What was made is removed again when the rest fails. */
  static create(parent: string, name: string): LoopDisk {
    const disk = new LoopDisk(parent, name);
    try {
      disk.#make();
      return disk;
    } catch (error) {
      disk.destroy();
      throw error;
    }
  }

  freeze(): void {
    this.#isFrozen = true;
    run('fsfreeze', '-f', this.folder);
  }

  /** May be called twice. */
  thaw(): void {
    if (!this.#isFrozen) return;
    run('fsfreeze', '-u', this.folder);
    this.#isFrozen = false;
  }

  /** Thaws, unmounts and removes it, as far as it was made. May be called twice. */
  destroy(): void {
    // It may not have come to the freeze.
    if (this.#isFrozen) spawnSync('fsfreeze', ['-u', this.folder]);
    this.#isFrozen = false;
    if (this.#isMounted) unmount(this.folder);
    this.#isMounted = false;
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.#image, { force: true });
  }

  #make(): void {
    writeFileSync(this.#image, '');
    truncateSync(this.#image, SIZE_BYTES);
    run('mkfs.ext4', '-q', '-F', this.#image);
    mkdirSync(this.folder);
    // The loop device is given back by itself when it is unmounted.
    run('mount', '-o', 'loop', this.#image, this.folder);
    this.#isMounted = true;
  }
}

function mayAdministrate(): boolean {
  const [, bits = '0'] = /^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return ((BigInt(`0x${bits}`) >> ADMIN) & 1n) === 1n;
}

function unmount(folder: string): void {
  for (let attempt = 1; ; attempt += 1) {
    const { status, stderr } = spawnSync('umount', [folder], { encoding: 'utf8' });
    if (status === 0) return;
    if (attempt === UMOUNT_ATTEMPTS) throw new Error(stderr);
    // Nothing else is to run meanwhile: the process may be about to end.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS);
  }
}

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}
