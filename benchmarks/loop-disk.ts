import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entrust } from '../test/integration/caretaker.js';
import { missingForMounts, run, unmount, unmountCommand } from './mounts.js';

const SIZE_BYTES = 64 * 2 ** 20;
const COMMANDS = ['mkfs.ext4', 'losetup', 'mount', 'umount', 'fsfreeze'];

/**
 * An ext4 of its own in a file, which can be frozen: every write to it, and every sync, hangs until it is
 * thawed. Linux, as root.
 */
export class LoopDisk {
  readonly folder: string;
  readonly #image: string;
  readonly #release: () => void;
  #isMounted = false;
  #isFrozen = false;

  private constructor(parent: string, name: string) {
    this.folder = join(parent, name);
    this.#image = join(parent, `${name}.img`);
    const thaw = `fsfreeze -u '${this.folder}'`;
    this.#release = entrust({
      kind: 'command',
      command: `${thaw}; ${unmountCommand(this.folder)}`,
    });
  }

  /** Names what stands in the way of making one; null where nothing does. */
  static missing(): string | null {
    const missing = missingForMounts(COMMANDS);
    if (missing !== null) return missing;
    if (!existsSync('/dev/loop-control')) return 'loop devices (/dev/loop-control)';
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
    this.#release();
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
