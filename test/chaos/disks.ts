import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LoopDisk } from '../../benchmarks/loop-disk.js';
import { FailingDisk, FullDisk } from '../integration/small-disks.js';

/** Names what stands in the way of each; null where nothing does. */
export const MISSING_DISKS = {
  'disk-error': FailingDisk.missing,
  'disk-full': FullDisk.missing,
  'disk-hang': LoopDisk.missing,
} as const;

const SIZE_MIB = 64;

/** A disk, and the node that has its data there. */
export class HeldDisk<T extends { readonly folder: string; destroy(): void }> {
  readonly disk: T;
  holder: string | null = null;

  constructor(disk: T) {
    this.disk = disk;
  }
}

/** Disks that can be made to go wrong, each in its way. When a node goes for good, the next one has its disk. */
export class Disks {
  readonly #parent: string;
  failing: HeldDisk<FailingDisk> | null = null;
  full: HeldDisk<FullDisk> | null = null;
  hanging: HeldDisk<LoopDisk> | null = null;

  /** Makes those that `faults` need, in folders of `parent`. */
  constructor(parent: string, faults: ReadonlySet<string>) {
    this.#parent = parent;
    try {
      if (faults.has('disk-error')) {
        this.failing = new HeldDisk(new FailingDisk(this.#path('failing'), SIZE_MIB));
      }
      if (faults.has('disk-full')) {
        this.full = new HeldDisk(new FullDisk(this.#path('full'), SIZE_MIB));
      }
      if (faults.has('disk-hang')) {
        this.hanging = new HeldDisk(LoopDisk.create(parent, 'hanging'));
      }
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** Where a new node keeps its data: on a disk that nobody has, or in a folder of its own. */
  directoryFor(id: string): string {
    const free = this.#all.find(({ holder }) => holder === null);
    if (free === undefined) return this.#path(id);
    free.holder = id;
    return free.disk.folder;
  }

  /** The node is gone for good: its disk is empty and free. */
  giveBack(id: string): void {
    const held = this.#all.find(({ holder }) => holder === id);
    if (held === undefined) return;
    empty(held.disk.folder);
    held.holder = null;
  }

  /** Once nothing uses them any more. May be called twice. */
  destroy(): void {
    for (const { disk } of this.#all) disk.destroy();
  }

  get #all(): readonly HeldDisk<{ readonly folder: string; destroy(): void }>[] {
    return [this.failing, this.full, this.hanging].filter((held) => held !== null);
  }

  #path(name: string): string {
    return join(this.#parent, name);
  }
}

/** The folder stays: it may be a mount. */
export function empty(folder: string): void {
  for (const name of readdirSync(folder)) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}
