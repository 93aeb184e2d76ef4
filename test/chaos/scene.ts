import { setTimeout as pass } from 'node:timers/promises';
import { connect } from '../../lib/client/index.js';
import { QuorateError } from '../../lib/index.js';
import type { Member } from '../../lib/interfaces/index.js';
import type { KVStore } from '../../lib/store/index.js';
import type { SeededRandom } from '../../lib/testing/index.js';
import type { ChaosCluster } from './chaos-cluster.js';
import type { ChaosNode } from './chaos-node.js';

/** How long it may take until somebody can say who the members are. */
const ASK_MS = 20_000;

/** Where faults happen. */
export interface Scene {
  readonly cluster: ChaosCluster;
  /** Of one who administrates. */
  readonly admin: () => Promise<KVStore>;
  /** One change of who the members are at a time, a wiped member among them. */
  readonly changing: <T>(action: () => Promise<T>) => Promise<T>;
}

/**
 * One kind of fault. Faults of one lane come one after the other, those of different lanes side by side.
 * `inject` makes it and heals it, and answers null where it was seen to happen, or why it was not. What it
 * throws is a trouble of the run.
 */
export interface Fault {
  readonly name: string;
  readonly lane: 'processes' | 'network' | 'members';
  /** Names what stands in the way; null where nothing does. */
  readonly missing?: () => string | null;
  readonly inject: (scene: Scene, random: SeededRandom) => Promise<string | null>;
}

export function chosenOf<T>(random: SeededRandom, all: readonly T[]): T | undefined {
  return all.length === 0 ? undefined : all[random.below(all.length)];
}

export function shuffled<T>(random: SeededRandom, all: readonly T[]): T[] {
  const left = [...all];
  return all.map(() => left.splice(random.below(left.length), 1)[0]!);
}

export function waitBetween(random: SeededRandom, fromMs: number, toMs: number): Promise<void> {
  return pass(fromMs + random.below(toMs - fromMs));
}

/** Nodes that run and belong to the cluster. */
export function candidates({ cluster }: Scene): readonly ChaosNode[] {
  return cluster.running.filter(({ isRetired }) => !isRetired);
}

/** A node that runs: half of the time the one that leads. */
export async function victim(scene: Scene, random: SeededRandom): Promise<ChaosNode | undefined> {
  const wantsLeader = random.chance(0.5);
  const other = chosenOf(random, candidates(scene));
  if (!wantsLeader) return other;
  const leader = await leaderOf(scene);
  return candidates(scene).find(({ id }) => id === leader) ?? other;
}

/**
 * Who the members are, and not who they were: a node that has just answered a linearizable read has applied
 * all that was decided before it. Null where nobody can say so.
 */
export async function membersNow({ cluster }: Scene): Promise<readonly Member[] | null> {
  const untilMs = performance.now() + ASK_MS;
  while (performance.now() < untilMs) {
    for (const { clientAddress } of cluster.running) {
      const members = await membersBy(clientAddress);
      if (members !== null) return members;
    }
    await pass(100);
  }
  return null;
}

async function membersBy(endpoint: string): Promise<readonly Member[] | null> {
  const options = { endpoints: [endpoint], callTimeoutMs: 1000 };
  try {
    const asked = await connect(options);
    await asked.get('members').finally(() => asked.close());
    // A connection begins with what the node says of itself then.
    const told = await connect(options);
    const members = told.membership.list();
    await told.close();
    return members.length === 0 ? null : members;
  } catch (error) {
    if (QuorateError.is(error)) return null;
    throw error;
  }
}

/** Who is said to lead; null where nobody is. */
export async function leaderOf(scene: Scene): Promise<string | null> {
  return (await scene.admin()).status().leader?.id ?? null;
}
