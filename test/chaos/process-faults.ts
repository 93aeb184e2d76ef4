import { setTimeout as pass } from 'node:timers/promises';
import type { SeededRandom } from '../../lib/testing/index.js';
import { type ChaosNode, StartRefused } from './chaos-node.js';
import { candidates, type Fault, membersNow, type Scene, victim, waitBetween } from './scene.js';

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'kill',
    lane: 'processes',
    inject: withVictim(async (node, scene, random) => {
      if (!(await node.kill())) return 'it had ended';
      await waitBetween(random, 20, 1500);
      await scene.cluster.start(node);
      return null;
    }),
  },
  {
    name: 'kill-all',
    lane: 'processes',
    inject: async (scene, random) => {
      const nodes = candidates(scene);
      return await holding(nodes, async () => {
        const present = nodes.filter(({ isRunning }) => isRunning);
        const killed = await Promise.all(present.map((node) => node.kill()));
        await waitBetween(random, 20, 500);
        await Promise.all(present.map((node) => scene.cluster.start(node)));
        return killed.every((isKilled) => isKilled) ? null : 'one had ended';
      });
    },
  },
  {
    name: 'pause',
    lane: 'processes',
    inject: withVictim(async (node, _, random) => {
      const stands = await node.pause();
      await waitBetween(random, 100, 2500);
      node.resume();
      return stands ? null : 'it did not stand still';
    }),
  },
  {
    name: 'restart',
    lane: 'processes',
    inject: withVictim(async (node, scene, random) => {
      const code = await node.end();
      if (code !== 0) throw new Error(`${node.id} ended with code ${code} when asked to`);
      await waitBetween(random, 0, 300);
      await scene.cluster.start(node);
      return null;
    }),
  },
  {
    name: 'wipe',
    lane: 'processes',
    // Whoever changes the members takes nodes while it does: it comes first, so that no two wait for each other.
    inject: (scene, random) => {
      return scene.changing(() => onVictim(wipe, scene, random));
    },
  },
];

async function wipe(node: ChaosNode, scene: Scene): Promise<string | null> {
  const voters = (await membersNow(scene))?.filter(({ role }) => role === 'voter') ?? [];
  const member = voters.find(({ id }) => id === node.id);
  if (member === undefined) return 'it was no voter';
  // The others must be a majority: nobody can be let in without one.
  if (voters.length < 3) return 'there were too few voters';
  await node.kill();
  await beginAnew(node, member.incarnation, scene);
  return null;
}

/**
 * A directory that is empty: the node is let in as another one. Until it is a voter again no other directory may
 * be lost, or a majority would be.
 */
export async function beginAnew(node: ChaosNode, incarnation: string, scene: Scene): Promise<void> {
  node.wipe();
  await scene.cluster.start(node);
  const untilMs = performance.now() + READMISSION_MS;
  while (performance.now() < untilMs) {
    const now = (await membersNow(scene))?.find(({ id }) => id === node.id);
    if (now?.role === 'voter' && now.incarnation !== incarnation) return;
    await pass(100);
  }
  throw new Error(`${node.id}, whose directory was wiped, is no voter after ${READMISSION_MS} ms`);
}

const READMISSION_MS = 60_000;

/** Whether a start came to nothing because of what the node found on its disk. */
export function isCorrupt(error: unknown): boolean {
  return error instanceof StartRefused && String(error.cause).includes('ERR_CORRUPT');
}

type NodeFault = (node: ChaosNode, scene: Scene, random: SeededRandom) => Promise<string | null>;

function withVictim(action: NodeFault): Fault['inject'] {
  return (scene, random) => onVictim(action, scene, random);
}

async function onVictim(
  action: NodeFault,
  scene: Scene,
  random: SeededRandom,
): Promise<string | null> {
  const node = await victim(scene, random);
  if (node === undefined) return 'nobody ran';
  return await node.exclusively(async () => {
    if (!node.isRunning || node.isRetired) return 'it had been removed meanwhile';
    return await action(node, scene, random);
  });
}

/** In the order of their names, so that two who want several never wait for each other. */
async function holding<T>(nodes: readonly ChaosNode[], action: () => Promise<T>): Promise<T> {
  const [first, ...rest] = nodes;
  if (first === undefined) return await action();
  return await first.exclusively(() => holding(rest, action));
}
