import type { NodeId } from '../../../base/index.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { LinkFault } from '../links.js';
import type { World } from '../world.js';
import { type Injection, type Lasting, lasting, someNode } from './injection.js';

type Pair = readonly [from: NodeId, to: NodeId];

const LEAST_MS = 100;
const MOST_MS = 20_000;

/** What goes wrong with links. */
export const NETWORK_INJECTIONS = {
  isolate: (world, random) => {
    const id = someNode(world, random);
    if (id === null) return null;
    return during(random, world.links.begin('cut', bothWays(pairsOf(world, id))));
  },
  split: (world, random) => {
    const sides = new Map(world.wanted.map((id) => [id, random.chance(0.5)]));
    const pairs = allPairs(world).filter(([a, b]) => sides.get(a) !== sides.get(b));
    if (pairs.length === 0) return null;
    return during(random, world.links.begin('cut', pairs));
  },
  // Two that do not reach each other, and all others that reach both.
  bridge: (world, random) => {
    const pair = pick(random, allPairs(world));
    if (pair === null) return null;
    return during(random, world.links.begin('cut', bothWays([pair])));
  },
  oneWay: (world, random) => {
    const id = someNode(world, random);
    if (id === null) return null;
    const from = pairsOf(world, id);
    const pairs = random.chance(0.5) ? from : from.map(([a, b]): Pair => [b, a]);
    return during(random, world.links.begin('cut', pairs));
  },
  // Links clog one by one, and are let go at once.
  clog: (world, random) => {
    const pairs = allPairs(world).filter(() => random.chance(0.4));
    if (pairs.length === 0) return null;
    return during(random, world.links.begin('clog', pairs));
  },
  lossy: (world, random) => {
    const id = someNode(world, random);
    if (id === null) return null;
    return during(random, world.links.begin('lossy', bothWays(pairsOf(world, id))));
  },
  slowLink: (world, random) => {
    const pair = pick(random, allPairs(world));
    if (pair === null) return null;
    return during(random, world.links.begin('slow', bothWays([pair])));
  },
  reset: (world, random) => {
    const pair = pick(random, allPairs(world));
    if (pair === null) return null;
    return world.network.reset(pair[0], pair[1]) ? 'happened' : null;
  },
} as const satisfies Record<string, Injection>;

function during(random: SeededRandom, fault: LinkFault): Lasting {
  return {
    lastsMs: lasting(random, LEAST_MS, MOST_MS),
    end: () => fault.end(),
    hasHappened: () => fault.hasHappened,
  };
}

function allPairs(world: World): readonly Pair[] {
  return world.wanted.flatMap((id) => pairsOf(world, id));
}

function pairsOf(world: World, id: NodeId): readonly Pair[] {
  return world.wanted.filter((other) => other !== id).map((other): Pair => [id, other]);
}

function bothWays(pairs: readonly Pair[]): readonly Pair[] {
  return pairs.flatMap(([a, b]): Pair[] => [
    [a, b],
    [b, a],
  ]);
}

function pick(random: SeededRandom, pairs: readonly Pair[]): Pair | null {
  return pairs[Math.floor(random.next() * pairs.length)] ?? null;
}
