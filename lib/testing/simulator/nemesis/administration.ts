import { at, memberId, type NodeId, QuorateError } from '../../../base/index.js';
import type { Member, Membership } from '../../../interfaces/index.js';
import type { KVStore } from '../../../store/index.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { World } from '../world.js';
import type { Injection } from './injection.js';

/** What administrators do, faults or not. */
export const ADMINISTRATION_INJECTIONS = {
  // A node that asks by itself to be let in.
  addMember: (world) => {
    const spare = world.ids.find((id) => !world.wanted.includes(id));
    const members = world.leader()?.status.members ?? [];
    if (spare === undefined || members.length === 0) return null;
    if (members.some(({ id }) => id === spare)) return null;
    const { phase } = world.node(spare);
    if (phase !== 'down' && phase !== 'refused') return null;
    world.wipe(spare);
    world.setWanted(
      spare,
      true,
      members.map(({ id }) => id),
    );
    world.start(spare);
    return 'happened';
  },
  promoteMember: (world, random) =>
    asked(world, random, true, async (membership) => {
      const learners = membership.list().filter(({ role }) => role === 'learner');
      const learner = learners[Math.floor(random.next() * learners.length)];
      if (learner === undefined) return false;
      await membership.promote(learner.id);
      return true;
    }),
  removeMember: (world, random) =>
    asked(world, random, true, async (membership) => {
      const members = membership.list();
      const voters = members.filter(({ role }) => role === 'voter');
      const member = at(members, random.below(members.length));
      if (voters.length < 2 || isFragile(world, members, member.id)) return false;
      await membership.remove(member.id);
      world.sees('a member was removed');
      retire(world, member.id);
      return true;
    }),
  replaceMember: (world, random) =>
    asked(world, random, true, async (membership) => {
      const members = membership.list();
      const spare = world.wanted.find((id) => !members.some((member) => member.id === id));
      const learner = members.find(({ role }) => role === 'learner')?.id ?? spare;
      const voters = members.filter(({ role }) => role === 'voter');
      const voter = voters[Math.floor(random.next() * voters.length)];
      if (learner === undefined || voter === undefined || voters.length < 2) return false;
      if (isFragile(world, members, voter.id)) return false;
      await membership.replace(voter.id, learner);
      world.sees('a member was replaced');
      retire(world, voter.id);
      return true;
    }),
  transfer: (world, random) =>
    asked(world, random, false, async (membership, kv) => {
      const members = membership.list();
      const to = members[Math.floor(random.next() * members.length)];
      await kv.transferLeadership(random.chance(0.3) ? undefined : to?.id);
      world.sees('leadership was handed over');
      return true;
    }),
  priority: (world, random) =>
    asked(world, random, false, async (membership) => {
      const member = at(membership.list(), random.below(membership.list().length));
      await membership.update(member.id, { priority: random.below(4) });
      return true;
    }),
  lease: (world, random) =>
    asked(world, random, false, async (membership) => {
      const { leaderLeaseMs } = world.features;
      if (leaderLeaseMs === null) return false;
      const isOn = membership.leadership.leaderLeaseMs !== null;
      await membership.setLeadership({ leaderLeaseMs: isOn ? null : leaderLeaseMs });
      return true;
    }),
} as const satisfies Record<string, Injection>;

/** Has any node do something. What it refuses has not happened. */
async function asked(
  world: World,
  random: SeededRandom,
  changesMembers: boolean,
  work: (membership: Membership, kv: KVStore) => Promise<boolean>,
): Promise<'happened' | null> {
  const { running } = world;
  const node = running[Math.floor(random.next() * running.length)];
  const kv = node?.kv ?? null;
  const process = node?.process ?? null;
  if (kv === null || process === null || kv.membership.list().length === 0) return null;
  const changed = changesMembers ? world.changing() : (): void => {};
  const done = new Promise<boolean>((resolve, reject) => {
    process.deliver(() => work(kv.membership, kv).then(resolve, reject));
    void process.killed.then(() => resolve(false));
  });
  try {
    if (!(await done)) return null;
    world.changes += 1;
    return 'happened';
  } catch (error) {
    if (!QuorateError.is(error)) {
      world.violations.report(`an administrator was told ${String(error)}`);
    }
    return null;
  } finally {
    changed();
  }
}

/** Whether too few of those that would be left are well. */
function isFragile(world: World, members: readonly Member[], without: NodeId): boolean {
  const left = members.filter(({ id, role }) => id !== without && role === 'voter');
  const well = left.filter(({ id, incarnation }) => {
    return world.node(id).kv !== null && world.memberOf(id) === memberId(id, incarnation);
  });
  return well.length < left.length;
}

/** A node that was removed is taken away; later it may be a new one. */
function retire(world: World, id: NodeId): void {
  world.setWanted(id, false);
  world.clock.after(3000, () => {
    if (!world.wanted.includes(id)) world.kill(id, 'kill');
  });
}
