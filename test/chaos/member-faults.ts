import { setTimeout as pass } from 'node:timers/promises';
import { QuorateError } from '../../lib/index.js';
import type { Member } from '../../lib/interfaces/index.js';
import type { KVStore } from '../../lib/store/index.js';
import type { SeededRandom } from '../../lib/testing/index.js';
import type { ChaosNode } from './chaos-node.js';
import { candidates, chosenOf, type Fault, membersNow, type Scene } from './scene.js';

/** Members more than there were founders, and processes more than there are members. */
const MOST_MORE = 2;
const CALL_MS = 10_000;
const GIVE_UP_MS = 40_000;

export const MEMBER_FAULTS: readonly Fault[] = [
  {
    name: 'add',
    lane: 'members',
    inject: change(async (scene) => {
      if (await isFull(scene)) return 'there were enough';
      const node = await newcomer(scene);
      const added = await persist(scene, (kv) => kv.membership.add(node.id, whereIs(node)));
      if (added !== null) return added;
      return await persist(scene, (kv) => {
        return kv.membership.promote(node.id, { timeoutMs: CALL_MS });
      });
    }),
  },
  {
    name: 'remove',
    lane: 'members',
    inject: change(async (scene, random) => {
      const members = (await membersNow(scene)) ?? [];
      if (votersAmong(members).length < scene.cluster.founders.length) return 'there were too few';
      const node = scene.cluster.node(chosenOf(random, members)?.id ?? '');
      if (node === undefined) return 'nobody was known';
      const removed = await persist(scene, (kv) => {
        return kv.membership.remove(node.id, { timeoutMs: CALL_MS });
      });
      if (removed === null) await retire(node, scene, random);
      return removed;
    }),
  },
  {
    name: 'replace',
    lane: 'members',
    inject: change(async (scene, random) => {
      const old = scene.cluster.node(
        chosenOf(random, votersAmong((await membersNow(scene)) ?? [])) ?? '',
      );
      if (old === undefined) return 'nobody was known';
      if (await isFull(scene)) return 'there were enough';
      const node = await newcomer(scene);
      const replaced = await persist(scene, (kv) => {
        return kv.membership.replace(old.id, node.id, whereIs(node));
      });
      if (replaced === null) await retire(old, scene, random);
      return replaced;
    }),
  },
  {
    name: 'transfer',
    lane: 'members',
    inject: async (scene, random) => {
      const kv = await scene.admin();
      const to = chosenOf(random, votersAmong(kv.membership.list()));
      try {
        await kv.transferLeadership(to, { timeoutMs: 3000 });
        return null;
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
        return error.code;
      }
    },
  },
];

function change(
  action: (scene: Scene, random: SeededRandom) => Promise<string | null>,
): Fault['inject'] {
  return (scene, random) => {
    return scene.changing(async () => {
      await dismissStrangers(scene);
      return await action(scene, random);
    });
  };
}

/**
 * Nodes that were to be members, or were, and are not: by a call of which nobody knew what became of it. Should
 * that yet let one in, it is a learner that nobody waits for.
 */
async function dismissStrangers(scene: Scene): Promise<void> {
  const members = await membersNow(scene);
  if (members === null) return;
  for (const node of candidates(scene)) {
    if (!members.some(({ id }) => id === node.id)) await retire(node, scene);
  }
}

/**
 * Calls until the call succeeds. One that is refused after one of which nobody knows may have been done by that:
 * it is left at that, whatever it is, and no node is taken away for it.
 */
async function persist(
  scene: Scene,
  call: (kv: KVStore) => Promise<unknown>,
): Promise<string | null> {
  const untilMs = performance.now() + GIVE_UP_MS;
  for (;;) {
    try {
      await call(await scene.admin());
      return null;
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      if (error.code === 'ERR_MEMBERSHIP' || performance.now() > untilMs) return error.code;
      await pass(200);
    }
  }
}

async function newcomer({ cluster }: Scene): Promise<ChaosNode> {
  const node = await cluster.addNode();
  await node.exclusively(() => cluster.start(node));
  return node;
}

/** It runs on for a moment, and may try to disturb. */
async function retire(node: ChaosNode, scene: Scene, random?: SeededRandom): Promise<void> {
  await pass(random?.below(1000) ?? 0);
  await node.exclusively(async () => {
    node.isRetired = true;
    await node.kill();
    scene.cluster.disks.giveBack(node.id);
  });
}

async function isFull(scene: Scene): Promise<boolean> {
  const members = (await membersNow(scene))?.length ?? Number.POSITIVE_INFINITY;
  const { length: founders } = scene.cluster.founders;
  return members >= founders + MOST_MORE || candidates(scene).length >= members + MOST_MORE;
}

function votersAmong(members: readonly Member[]): readonly string[] {
  return members.filter(({ role }) => role === 'voter').map(({ id }) => id);
}

function whereIs({ peerAddress, clientAddress }: ChaosNode): {
  readonly peerAddress: string;
  readonly clientAddress: string;
  readonly timeoutMs: number;
} {
  return { peerAddress, clientAddress, timeoutMs: CALL_MS };
}
