/**
 * What goes wrong on purpose. Each kind has a schedule and a stream of chance of its own, so that taking one
 * away changes nothing about the others; each injection is counted when it is tried, and again when
 * somebody was really affected.
 */
import type { SeededRandom } from '../../seeded-random.js';
import { FAULT_KINDS, type FaultKind } from '../features.js';
import type { World } from '../world.js';
import { ADMINISTRATION_INJECTIONS } from './administration.js';
import { DISK_INJECTIONS } from './disk.js';
import type { Injection, Lasting } from './injection.js';
import { NETWORK_INJECTIONS } from './network.js';
import { PROCESS_INJECTIONS } from './process.js';

const INJECTIONS: Readonly<Record<FaultKind, Injection>> = {
  ...NETWORK_INJECTIONS,
  ...PROCESS_INJECTIONS,
  ...DISK_INJECTIONS,
  ...ADMINISTRATION_INJECTIONS,
};

/** Between two looks whether faults may begin again. */
const LOOK_MS = 500;

/** What makes sense in few moments only is tried so often again. */
const PATIENCE: Readonly<Partial<Record<FaultKind, number>>> = {
  flip: 100,
  zero: 100,
  stale: 100,
  lose: 100,
  wipe: 100,
  replaceMember: 20,
  addMember: 20,
};
const TRY_MS = 50;

/** Lets things go wrong as the features of the world say, while it is faulty. */
export class Nemesis {
  readonly #world: World;
  readonly #random: SeededRandom;
  /** Those that last, with what they end as. */
  readonly #lasting = new Map<Lasting, FaultKind>();
  #isStopped = false;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
  }

  start(): void {
    for (const kind of FAULT_KINDS) {
      const meanMs = this.#world.features.faults[kind];
      if (meanMs !== undefined) this.#schedule(kind, meanMs, this.#random.fork(kind));
    }
  }

  /** Ends everything that lasts. */
  heal(): void {
    for (const [fault, kind] of [...this.#lasting]) this.#end(fault, kind);
  }

  stop(): void {
    this.#isStopped = true;
    this.heal();
  }

  #schedule(kind: FaultKind, meanMs: number, random: SeededRandom): void {
    const delayMs = Math.round(meanMs * (0.2 + 1.6 * random.next()));
    this.#world.clock.after(delayMs, () => this.#whenFaulty(kind, meanMs, random));
  }

  #whenFaulty(kind: FaultKind, meanMs: number, random: SeededRandom): void {
    if (this.#isStopped) return;
    if (!this.#world.isFaulty) {
      this.#world.clock.after(LOOK_MS, () => this.#whenFaulty(kind, meanMs, random));
      return;
    }
    this.#schedule(kind, meanMs, random);
    this.#world.counts.ask(kind);
    this.#inject(kind, random, PATIENCE[kind] ?? 0);
  }

  #inject(kind: FaultKind, random: SeededRandom, tries: number): void {
    const { counts, trace, clock, isFaulty } = this.#world;
    if (!isFaulty) return;
    const outcome = INJECTIONS[kind](this.#world, random);
    if (outcome === null) {
      if (tries > 0) clock.after(TRY_MS, () => this.#inject(kind, random, tries - 1));
      return;
    }
    trace.say(`fault ${kind}`);
    if (outcome === 'happened') counts.happen(kind);
    else if (outcome instanceof Promise) {
      void outcome.then((end) => {
        if (end === 'happened') counts.happen(kind);
      });
    } else {
      this.#lasting.set(outcome, kind);
      this.#world.clock.after(outcome.lastsMs, () => this.#end(outcome, kind));
    }
  }

  #end(fault: Lasting, kind: FaultKind): void {
    if (!this.#lasting.delete(fault)) return;
    this.#world.trace.say(`end ${kind}`);
    if (fault.hasHappened()) this.#world.counts.happen(kind);
    fault.end();
  }
}
