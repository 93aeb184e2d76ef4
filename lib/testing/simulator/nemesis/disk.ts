import type { NodeId } from '../../../base/index.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { Inode, SimulatedDisk } from '../disks/simulated-disk.js';
import type { World } from '../world.js';
import { anyNode, type Injection, type Lasting, lasting, someNode } from './injection.js';

const BLOCK_BYTES = 4096;

/** What goes wrong with disks: of those in use, and of those whose node does not run. */
export const DISK_INJECTIONS = {
  syncFails: (world, random) => {
    const id = someNode(world, random);
    if (id === null || world.node(id).kv === null) return null;
    const faults = world.diskFaults(id);
    const before = faults.hits;
    faults.failsNext = true;
    return {
      lastsMs: 10_000,
      end: () => {
        faults.failsNext = false;
      },
      hasHappened: () => faults.hits > before,
    };
  },
  diskHangs: (world, random) => {
    const id = someNode(world, random);
    if (id === null || world.node(id).kv === null) return null;
    const faults = world.diskFaults(id);
    const before = faults.hits;
    const lastsMs = lasting(random, 100, 15_000);
    const untilMs = world.clock.now() + lastsMs;
    faults.hungMs = () => untilMs - world.clock.now();
    return {
      lastsMs,
      end: () => {
        faults.hungMs = () => 0;
      },
      hasHappened: () => faults.hits > before,
    };
  },
  diskSlow: (world, random) => {
    const id = someNode(world, random);
    if (id === null) return null;
    const faults = world.diskFaults(id);
    const before = faults.hits;
    faults.slowness = lasting(random, 5, 500);
    return {
      lastsMs: lasting(random, 500, 20_000),
      end: () => {
        faults.slowness = 1;
      },
      hasHappened: () => faults.hits > before,
    };
  },
  diskFull: (world, random) => {
    const id = anyNode(world, random);
    if (id === null) return null;
    const faults = world.diskFaults(id);
    const before = faults.hits;
    faults.isFull = true;
    return {
      lastsMs: lasting(random, 1000, 20_000),
      end: () => {
        faults.isFull = false;
      },
      hasHappened: () => faults.hits > before,
    };
  },
  flip: damage((inode, random) => {
    const offset = random.below(inode.sizeBytes);
    const bytes = inode.read(offset, 1);
    bytes[0] = (bytes[0] ?? 0) ^ (1 << random.below(8));
    inode.damage(offset, bytes);
    return true;
  }),
  zero: damage((inode, random) => {
    const offset = BLOCK_BYTES * random.below(Math.ceil(inode.sizeBytes / BLOCK_BYTES));
    const length = Math.min(BLOCK_BYTES, inode.sizeBytes - offset);
    if (inode.read(offset, length).every((byte) => byte === 0)) return false;
    inode.damage(offset, new Uint8Array(length));
    return true;
  }),
  // A write that was lost, or went elsewhere: what stood there before is there again.
  stale: damage((inode, random) => {
    const { overwritten } = inode;
    const older = overwritten[Math.floor(random.next() * overwritten.length)];
    if (older === undefined || older.offset >= inode.sizeBytes) return false;
    inode.damage(older.offset, older.bytes.subarray(0, inode.sizeBytes - older.offset));
    return true;
  }),
  lose: (world, random) =>
    onStopped(world, random, (disk) => {
      const path = disk.paths[Math.floor(random.next() * disk.paths.length)];
      if (path === undefined) return false;
      disk.lose(path);
      return true;
    }),
  wipe: (world, random) => {
    const id = anyNode(world, random);
    const delayMs = world.restartDelay(random);
    if (id === null || !world.canLose(id) || !world.kill(id, 'kill')) return null;
    world.wipe(id);
    world.sees('a disk was wiped');
    world.startLater(id, delayMs);
    return 'happened';
  },
} as const satisfies Record<string, Injection>;

function damage(change: (inode: Inode, random: SeededRandom) => boolean): Injection {
  return (world, random) =>
    onStopped(world, random, (disk) => {
      const paths = disk.paths.filter((path) => (disk.at(path)?.sizeBytes ?? 0) > 0);
      const path = paths[Math.floor(random.next() * paths.length)];
      const inode = path === undefined ? null : disk.at(path);
      return inode !== null && change(inode, random);
    });
}

/**
 * Stops a node that the cluster could lose, changes its disk, and starts it: it works on, or is refused, and
 * is then given an empty disk.
 */
function onStopped(
  world: World,
  random: SeededRandom,
  change: (disk: SimulatedDisk) => boolean,
): Lasting | 'happened' | null {
  const id = anyNode(world, random);
  const delayMs = world.restartDelay(random);
  if (id === null || !world.canLose(id) || !world.kill(id, 'kill')) return null;
  const isChanged = change(world.node(id).disk);
  if (isChanged) world.damaged(id);
  world.startLater(id, delayMs);
  if (!isChanged) return null;
  return {
    lastsMs: delayMs + 5000,
    end: () => replaceIfRefused(world, id),
    hasHappened: () => true,
  };
}

function replaceIfRefused(world: World, id: NodeId): void {
  if (world.node(id).phase === 'refused') world.revive(id);
}
