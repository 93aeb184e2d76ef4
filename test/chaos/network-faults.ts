import type { SeededRandom } from '../../lib/testing/index.js';
import type { Link } from './link.js';
import {
  candidates,
  chosenOf,
  type Fault,
  leaderOf,
  type Scene,
  shuffled,
  waitBetween,
} from './scene.js';

const QUIET = 'nothing was sent there';
const UNCONNECTED = 'nobody was connected';

export const NETWORK_FAULTS: readonly Fault[] = [
  {
    name: 'isolate',
    lane: 'network',
    inject: (scene, random) => cutFor(random, scene, (ids) => [ids.slice(0, 1), ids.slice(1)]),
  },
  {
    name: 'split',
    lane: 'network',
    inject: (scene, random) => {
      return cutFor(random, scene, (ids) => {
        const half = Math.floor(ids.length / 2);
        return [ids.slice(0, half), ids.slice(half)];
      });
    },
  },
  {
    name: 'bridge',
    lane: 'network',
    inject: (scene, random) => {
      return cutFor(random, scene, (ids) => [ids.slice(0, 1), ids.slice(1, 2)]);
    },
  },
  {
    name: 'one-way',
    lane: 'network',
    inject: async (scene, random) => {
      const [first, ...others] = await namesOf(scene, random);
      if (first === undefined) return 'nobody ran';
      const { network } = scene.cluster;
      const isDeaf = random.chance(0.5);
      const links = others.map((other) => {
        return isDeaf ? network.link(other, first) : network.link(first, other);
      });
      return await holdBack(links, () => waitBetween(random, 300, 3000));
    },
  },
  {
    name: 'flap',
    lane: 'network',
    inject: async (scene, random) => {
      const [first = '', ...others] = await namesOf(scene, random);
      const links = scene.cluster.network.between([first], others);
      let note: string | null = QUIET;
      for (let i = 0; i < 8; i += 1) {
        note = (await holdBack(links, () => waitBetween(random, 50, 300))) === null ? null : note;
        await waitBetween(random, 50, 300);
      }
      return note;
    },
  },
  {
    name: 'delay',
    lane: 'network',
    inject: async (scene, random) => {
      const ids = await namesOf(scene, random);
      if (ids.length === 0) return 'nobody ran';
      const affected = ids.slice(0, 1 + random.below(ids.length));
      const links = scene.cluster.network.between(affected, ids);
      const before = sum(links.map(({ delayedPieces }) => delayedPieces));
      for (const link of links) link.delay(5 + random.below(random.chance(0.3) ? 600 : 60));
      await waitBetween(random, 500, 3000);
      for (const link of links) link.delay(0);
      return sum(links.map(({ delayedPieces }) => delayedPieces)) > before ? null : QUIET;
    },
  },
  {
    name: 'slow-close',
    lane: 'network',
    inject: async (scene, random) => {
      const { network } = scene.cluster;
      const pair = chosenOf(random, network.pairs);
      if (pair === undefined) return UNCONNECTED;
      return network.closeSlowly(pair, 500 + random.below(3000)) > 0 ? null : UNCONNECTED;
    },
  },
  {
    name: 'reset',
    lane: 'network',
    inject: async (scene, random) => {
      const { network } = scene.cluster;
      const pair = chosenOf(random, network.pairs);
      if (pair === undefined) return UNCONNECTED;
      const links = network.between([pair[0]], [pair[1]]);
      const before = sum(links.map(({ resets }) => resets));
      for (const link of links) link.armReset();
      await waitBetween(random, 300, 800);
      for (const link of links) link.disarmReset();
      return sum(links.map(({ resets }) => resets)) > before ? null : QUIET;
    },
  },
];

/** Cuts all links between two sides for a while. */
async function cutFor(
  random: SeededRandom,
  scene: Scene,
  sides: (ids: readonly string[]) => readonly [readonly string[], readonly string[]],
): Promise<string | null> {
  const [some, others] = sides(await namesOf(scene, random));
  const links = scene.cluster.network.between(some, others);
  return await holdBack(links, () => waitBetween(random, 300, 3000));
}

async function holdBack(links: readonly Link[], wait: () => Promise<void>): Promise<string | null> {
  const before = sum(links.map(({ heldBytes }) => heldBytes));
  for (const link of links) link.cut();
  await wait();
  for (const link of links) link.mend();
  return sum(links.map(({ heldBytes }) => heldBytes)) > before ? null : QUIET;
}

/** Those that run, in any order; half of the time the one that leads is first. */
async function namesOf(scene: Scene, random: SeededRandom): Promise<readonly string[]> {
  const ids = shuffled(
    random,
    candidates(scene).map(({ id }) => id),
  );
  if (!random.chance(0.5)) return ids;
  const leader = await leaderOf(scene);
  return [...ids.filter((id) => id === leader), ...ids.filter((id) => id !== leader)];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
