import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missingForMounts, run, unmount, unmountCommand } from '../../benchmarks/mounts.js';
import { entrust } from './caretaker.js';

const MIB = 2 ** 20;
const ZRAM = '/sys/class/zram-control';

/** A file system of its own, mounted at `folder`. */
export interface SmallDisk {
  readonly folder: string;
  /** Unmounts and removes it, as far as it was made. May be called twice. */
  destroy(): void;
}

/**
 * An ext4 on a device in memory that can be made to fail: a block that does not fit into the memory that
 * the device may have is an error of the device. Linux, as root.
 */
export class FailingDisk implements SmallDisk {
  readonly folder: string;
  readonly #number: string;
  readonly #release: () => void;
  #isMounted = false;
  #isThere = true;

  /** Names what stands in the way of making one; null where nothing does. */
  static missing(): string | null {
    const missing = missingForMounts(['mkfs.ext4', 'mount', 'umount']);
    if (missing !== null) return missing;
    return existsSync(`${ZRAM}/hot_add`) ? null : 'zram devices (/sys/class/zram-control)';
  }

  /** A new device: those that are there may be somebody's. */
  constructor(folder: string, sizeMiB: number) {
    this.folder = folder;
    this.#number = addDevice();
    const system = `/sys/block/zram${this.#number}`;
    const steps = [
      unmountCommand(folder),
      `echo 1 > ${system}/reset`,
      `echo ${this.#number} > ${ZRAM}/hot_remove`,
    ];
    this.#release = entrust({ kind: 'command', command: steps.join('; ') });
    try {
      this.#set('disksize', `${sizeMiB}M`);
      run('mkfs.ext4', '-q', '-F', this.#device);
      mkdirSync(folder);
      this.#mount();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** From now on there is no memory for anything that was zeros. */
  fail(): void {
    this.#set('mem_limit', '1');
  }

  heal(): void {
    this.#set('mem_limit', '0');
  }

  /** What only memory held of a file is forgotten. */
  remount(): void {
    unmount(this.folder);
    this.#isMounted = false;
    this.#mount();
  }

  destroy(): void {
    if (!this.#isThere) return;
    if (this.#isMounted) unmount(this.folder);
    this.#isMounted = false;
    this.#set('reset', '1');
    writeFileSync(`${ZRAM}/hot_remove`, this.#number);
    this.#isThere = false;
    this.#release();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #device(): string {
    return `/dev/zram${this.#number}`;
  }

  #mount(): void {
    run('mount', this.#device, this.folder);
    this.#isMounted = true;
  }

  #set(name: string, value: string): void {
    writeFileSync(`/sys/block/zram${this.#number}/${name}`, value);
  }
}

/** A file system in memory, of which something else can take all that is free. Linux, as root. */
export class FullDisk implements SmallDisk {
  readonly folder: string;
  readonly #release: () => void;
  #isMounted = false;

  /** Names what stands in the way of making one; null where nothing does. */
  static missing(): string | null {
    return missingForMounts(['mount', 'umount']);
  }

  constructor(folder: string, sizeMiB: number) {
    this.folder = folder;
    mkdirSync(folder);
    this.#release = entrust({ kind: 'command', command: unmountCommand(folder) });
    run('mount', '-t', 'tmpfs', '-o', `size=${sizeMiB}M`, 'tmpfs', folder);
    this.#isMounted = true;
  }

  /** Takes `sizeMiB`, or all that there is. */
  fill(sizeMiB = Number.POSITIVE_INFINITY): void {
    try {
      for (let i = 0; i < 16 * sizeMiB; i += 1) {
        writeFileSync(this.#filler, new Uint8Array(MIB / 16), { flag: 'a' });
      }
    } catch (error) {
      const isFull = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
      if (!isFull) throw error;
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  destroy(): void {
    if (this.#isMounted) unmount(this.folder);
    this.#isMounted = false;
    this.#release();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.folder, 'something-else');
  }
}

/** Ends what uses a disk, and takes it away. `kill` is for when there is no time left to wait. */
export interface Ending {
  readonly stop: () => Promise<void>;
  readonly kill: () => void;
}

/**
 * A folder for disks that are destroyed, after what uses them has ended, whatever becomes of the test. Not
 * a `testdir`, which is emptied before that.
 */
export function folderOfDisks(
  t: { teardown(fn: () => Promise<void>): void },
  { stop, kill }: Ending,
): string {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-disks-'));
  const onExit = (): void => {
    kill();
    rmSync(folder, { recursive: true, force: true });
  };
  const onSignal = (): void => process.exit(130);
  process.on('exit', onExit).on('SIGINT', onSignal).on('SIGTERM', onSignal);
  t.teardown(async () => {
    await stop().finally(onExit);
    process.off('exit', onExit).off('SIGINT', onSignal).off('SIGTERM', onSignal);
  });
  return folder;
}

/** Reading makes a device, each time: so it is read once. */
function addDevice(): string {
  const file = openSync(`${ZRAM}/hot_add`, 'r');
  try {
    const bytes = new Uint8Array(16);
    const length = readSync(file, bytes);
    return Buffer.from(bytes.subarray(0, length)).toString('latin1').trim();
  } finally {
    closeSync(file);
  }
}
