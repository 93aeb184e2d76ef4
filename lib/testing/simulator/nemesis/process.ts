import type { Ending } from '../disks/simulated-disk.js';
import { anyNode, type Injection, lasting, someNode } from './injection.js';

/** What goes wrong with processes. */
export const PROCESS_INJECTIONS = {
  kill: crash('kill'),
  powerCut: crash('powerCut'),
  // Everybody loses power at once.
  blackout: (world, random) => {
    let killed = 0;
    for (const id of world.wanted) {
      if (world.kill(id, 'powerCut')) killed += 1;
      world.startLater(id, world.restartDelay(random));
    }
    return killed > 0 ? 'happened' : null;
  },
  stall: (world, random) => {
    const id = someNode(world, random);
    const process = id === null ? null : world.node(id).process;
    if (process === null || process.isStalled) return null;
    process.stall();
    return {
      lastsMs: lasting(random, 50, 20_000),
      end: () => process.resume(),
      hasHappened: () => true,
    };
  },
  wallJump: (world, random) => {
    const id = anyNode(world, random);
    const process = id === null ? null : world.node(id).process;
    const hours = random.below(5) - 2;
    if (process === null || hours === 0) return null;
    process.wallOffsetMs += hours * 3_600_000;
    return 'happened';
  },
  // As its owner stops it, and starts it again.
  stop: (world, random) => {
    const id = someNode(world, random);
    if (id === null) return null;
    const delayMs = world.restartDelay(random);
    const node = world.node(id);
    if (node.kv === null) return null;
    void node.stop().then(() => world.startLater(id, delayMs));
    return 'happened';
  },
  otherLimits: (world, random) => {
    const id = anyNode(world, random);
    if (id === null) return null;
    const entries = [1, 10, 100, 1000][random.below(4)] ?? 1;
    const trailing = [1, 10, 1000][random.below(3)] ?? 1;
    const delayMs = world.restartDelay(random);
    world.setLimits(id, {
      ...world.features.limits,
      snapshotEntries: entries,
      trailingEntries: trailing,
    });
    if (!world.kill(id, 'kill')) return null;
    world.startLater(id, delayMs);
    return 'happened';
  },
} as const satisfies Record<string, Injection>;

function crash(ending: Ending): Injection {
  return (world, random) => {
    const id = someNode(world, random);
    const delayMs = world.restartDelay(random);
    if (id === null || !world.kill(id, ending)) return null;
    world.startLater(id, delayMs);
    return 'happened';
  };
}
