import { at, type NodeId } from '../../../base/index.js';
import type { SeededRandom } from '../../seeded-random.js';
import type { World } from '../world.js';

/** A fault that lasts, until it is ended. */
export interface Lasting {
  /** Milliseconds. */
  readonly lastsMs: number;
  /** Undoes it. Called once, at its time or when all is healed. */
  end(): void;
  /** Whether anybody was affected. */
  hasHappened(): boolean;
}

/** `happened`: it is over. Null: it makes no sense now. */
export type Outcome = Lasting | 'happened' | null | Promise<'happened' | null>;

/** Does one thing to the world that goes wrong in it. */
export type Injection = (world: World, random: SeededRandom) => Outcome;

/** One of those that are to run; null where there are none. */
export function anyNode(world: World, random: SeededRandom): NodeId | null {
  const ids = world.wanted;
  return ids.length === 0 ? null : at(ids, random.below(ids.length));
}

/** The leader half of the time, else anybody: leaders are where it hurts. */
export function someNode(world: World, random: SeededRandom): NodeId | null {
  const leader = world.leader();
  const prefersLeader = random.chance(0.5);
  const any = anyNode(world, random);
  return prefersLeader && leader !== null ? leader.node.id : any;
}

/** Milliseconds in [least, most], with short ones as likely as long ones. */
export function lasting(random: SeededRandom, least: number, most: number): number {
  const steps = 6;
  const factor = (most / least) ** (random.below(steps + 1) / steps);
  return Math.round(least * factor);
}
