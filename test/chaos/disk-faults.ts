import { setTimeout as pass } from 'node:timers/promises';
import type { ChaosNode } from './chaos-node.js';
import { MISSING_DISKS } from './disks.js';
import { beginAnew, isCorrupt } from './process-faults.js';
import { type Fault, membersNow, type Scene, waitBetween } from './scene.js';

/** How long a node may take to meet what is wrong with its disk. */
const MEET_MS = 15_000;

export const DISK_FAULTS: readonly Fault[] = [
  {
    name: 'disk-error',
    lane: 'processes',
    missing: MISSING_DISKS['disk-error'],
    inject: (scene) => scene.changing(() => failDisk(scene)),
  },
  {
    name: 'disk-full',
    lane: 'processes',
    missing: MISSING_DISKS['disk-full'],
    inject: async (scene) => {
      const { full } = scene.cluster.disks;
      return await onNode(scene, full?.holder ?? null, async (node) => {
        const saidBefore = node.said.length;
        full?.disk.fill();
        const ended = await node.endsItself(MEET_MS);
        const said = ended?.stderr ?? node.said.slice(saidBefore);
        full?.disk.free();
        if (ended !== null) await scene.cluster.start(node);
        if (!said.includes('ENOSPC')) return 'nothing was written that needed room';
        return ended === null ? null : stoppedBy(node.id, ended.stderr, /ENOSPC/);
      });
    },
  },
  {
    name: 'disk-hang',
    lane: 'processes',
    missing: MISSING_DISKS['disk-hang'],
    inject: async (scene, random) => {
      const { hanging } = scene.cluster.disks;
      return await onNode(scene, hanging?.holder ?? null, async () => {
        hanging?.disk.freeze();
        await waitBetween(random, 300, 3000);
        hanging?.disk.thaw();
        await pass(100);
        return null;
      });
    },
  },
];

async function failDisk(scene: Scene): Promise<string | null> {
  const { failing } = scene.cluster.disks;
  return await onNode(scene, failing?.holder ?? null, async (node) => {
    failing?.disk.fail();
    const ended = await node.endsItself(MEET_MS);
    // What only memory holds of a write that failed is not what the disk holds.
    if (ended === null) await node.kill();
    failing?.disk.heal();
    failing?.disk.remount();
    await startOrBeginAnew(node, scene);
    if (ended === null) return 'nothing was written that needed room';
    // A file system whose device has failed takes nothing more.
    return stoppedBy(node.id, ended.stderr, /EIO|EROFS/);
  });
}

async function onNode(
  { cluster }: Scene,
  id: string | null,
  action: (node: ChaosNode) => Promise<string | null>,
): Promise<string | null> {
  const node = cluster.node(id ?? '');
  if (node === undefined) return 'nobody has such a disk';
  return await node.exclusively(async () => {
    if (!node.isRunning || node.isRetired) return 'its node is none of the members any more';
    return await action(node);
  });
}

/** A disk that has failed may have kept less than it had promised: then it is told so at the start. */
async function startOrBeginAnew(node: ChaosNode, scene: Scene): Promise<void> {
  try {
    await scene.cluster.start(node);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    const member = (await membersNow(scene))?.find(({ id }) => id === node.id);
    if (member === undefined) throw error;
    await beginAnew(node, member.incarnation, scene);
  }
}

/** Null where the node says why it has ended. */
function stoppedBy(id: string, stderr: string, reason: RegExp): null {
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  const isTold = last.startsWith(`kvnode: ${id} has stopped: ERR_STORAGE`) && reason.test(last);
  if (!isTold) throw new Error(`${id} ended for its disk, and said: ${last}`);
  return null;
}
