import { QuorateError } from '../../base/index.js';
import {
  checkKV,
  explain,
  History,
  type KVInput,
  type KVOutput,
} from '../checkers/linearizability/index.js';
import { Violation } from '../checkers/violation.js';
import { SeededRandom } from '../seeded-random.js';
import { VirtualTime } from '../test-time.js';
import { type CallCounts, Clients } from './clients.js';
import type { Count } from './counts.js';
import { drawFeatures, type Features } from './features.js';
import { checkEqual, checkPromises, type FinalState, stateOf } from './final-checks.js';
import { Nemesis } from './nemesis/index.js';
import type { SimulatedNode } from './simulated-node.js';
import { Trace } from './trace.js';
import { World } from './world.js';

/** What a simulation is made from. */
export interface SimulationOptions {
  /** Decides everything that the features leave open. */
  readonly seed: string | number;
  /** Default: as the seed draws them. */
  readonly features?: Features | undefined;
  /** Is given a line for each step: many. Default: none. */
  readonly print?: ((line: string) => void) | undefined;
}

/** What came of a simulation. */
export interface SimulationResult {
  readonly seed: string;
  /** The same for the same seed and features in every process. */
  readonly traceHash: string;
  /** Steps that the hash covers. */
  readonly steps: number;
  readonly virtualMs: number;
  /** What was seen to be broken first; null where nothing was. */
  readonly violation: string | null;
  readonly nodes: number;
  readonly elections: number;
  readonly snapshots: number;
  readonly snapshotsInstalled: number;
  /** Changes of the members, or of how they are led, that were made. */
  readonly membershipChanges: number;
  readonly entriesCommitted: number;
  readonly calls: Readonly<CallCounts>;
  readonly failures: Readonly<Record<string, number>>;
  /** Of the history of clients. */
  readonly operationsChecked: number;
  /** Parts of the history that were too hard to check. */
  readonly inconclusive: number;
  /** What went wrong on purpose, by kind. */
  readonly faults: Readonly<Record<string, Count>>;
  /** Conditions that every long run should reach, and how often this one did. */
  readonly sometimes: Readonly<Record<string, number>>;
}

/**
 * A whole cluster as in production in one process: only network, disks, clocks and chance are replaced. Nodes
 * are lost and damaged in all the ways that the features say while clients call them, then all is healed,
 * and everything must come to rest in time. Checkers look on from outside.
 *
 *     found ─▶ faults ─▶ quiet ─▶ faults ─▶ … ─▶ heal ─▶ settle ─▶ compare
 *
 * Resolves also where something was seen to be broken; `violation` says what.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return await new Simulation(options).run();
}

/** How long a cluster may take to form, to answer again in a quiet window, and to come to rest at the end. */
const FORM_LIMIT_MS = 120_000;
const CALM_TIMEOUTS = 40;
const SETTLE_LIMIT_MS = 240_000;

class Simulation {
  readonly #seed: string;
  readonly #features: Features;
  readonly #time = new VirtualTime();
  readonly #trace: Trace;
  readonly #world: World;
  readonly #nemesis: Nemesis;
  readonly #clients: Clients;
  readonly #history: History<KVInput, KVOutput>;
  #inconclusive = 0;

  constructor({ seed, features = drawFeatures(seed), print }: SimulationOptions) {
    const { clock } = this.#time;
    const random = new SeededRandom(seed);
    this.#seed = String(seed);
    this.#features = features;
    this.#trace = new Trace({ now: () => clock.now(), print });
    const trace = this.#trace;
    this.#world = new World({ features, clock, random: random.fork('world'), trace });
    this.#nemesis = new Nemesis(this.#world, random.fork('nemesis'));
    this.#history = new History({ clock });
    this.#clients = new Clients({
      ...{ features, clock, trace, history: this.#history },
      random: random.fork('clients'),
      nodes: () =>
        this.#world.running.flatMap(({ kv, process }) => {
          return kv === null || process === null ? [] : [{ kv, process }];
        }),
      broken: (sentence) => this.#world.violations.report(sentence),
    });
  }

  async run(): Promise<SimulationResult> {
    try {
      await this.#drive();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#world.violations.report(error.message);
    }
    return this.#result();
  }

  async #drive(): Promise<void> {
    const world = this.#world;
    for (const id of world.founders) world.start(id);
    await this.#until('a cluster has formed', FORM_LIMIT_MS, () => {
      return world.founders.every((id) => (world.node(id).status()?.commitIndex ?? 0) > 0);
    });
    await this.#setLease();
    let areClientsDone = false;
    void this.#clients.run().then(() => {
      areClientsDone = true;
    });
    this.#nemesis.start();
    await this.#faults();
    if (this.#features.healsQuorumFirst) await this.#quorumAlone();
    this.#clients.stop();
    await this.#until('every call has settled', SETTLE_LIMIT_MS, () => areClientsDone);
    await this.#settle();
    await this.#until('no node keeps a call', SETTLE_LIMIT_MS, () => {
      return world.running.every((node) => node.status()?.pendingCalls === 0);
    });
    await this.#compare();
  }

  /** Windows with faults, and between them quiet ones in which the cluster must answer. */
  async #faults(): Promise<void> {
    const world = this.#world;
    const { durationMs, windows } = this.#features;
    const endMs = world.clock.now() + durationMs;
    while (world.clock.now() < endMs) {
      world.isFaulty = true;
      world.links.hasBase = true;
      await this.#elapse(Math.min(windows.faultyMs, endMs - world.clock.now()));
      await this.#heal();
      await this.#elapse(windows.quietMs);
    }
  }

  /** Nothing is wrong any more, and everybody who is to run does. */
  async #heal(): Promise<void> {
    const world = this.#world;
    this.#trace.say('heal');
    world.isFaulty = false;
    this.#nemesis.heal();
    world.links.hasBase = false;
    world.links.heal();
    for (const id of world.ids) world.diskFaults(id).heal();
    for (const id of world.wanted) world.revive(id);
    await this.#answered('a call is answered once all is well again');
  }

  async #answered(what: string): Promise<void> {
    const world = this.#world;
    const calmMs = CALM_TIMEOUTS * this.#features.timing.electionTimeoutMaxMs + 30_000;
    const before = this.#clients.counts.acknowledged;
    await this.#until(what, calmMs, () => {
      for (const id of world.wanted) if (world.node(id).phase === 'refused') world.revive(id);
      return this.#clients.counts.acknowledged > before;
    });
  }

  /** A quorum is enough: all others stay away until it has answered. */
  async #quorumAlone(): Promise<void> {
    const world = this.#world;
    const voters = (world.leader()?.status.members ?? []).filter(({ role }) => role === 'voter');
    const away = voters.slice(Math.floor(voters.length / 2) + 1).map(({ id }) => id);
    for (const id of away) world.kill(id, 'powerCut');
    await this.#answered('a quorum answers alone');
    world.sees('a quorum answered alone');
    for (const id of away) world.start(id);
  }

  /** Everybody holds what the leader holds. */
  async #settle(): Promise<void> {
    const world = this.#world;
    await this.#until('every member holds the same log', SETTLE_LIMIT_MS, () => {
      const leader = world.leader();
      if (leader === null) return false;
      const { lastIndex, members } = leader.status;
      return members.every(({ id, incarnation }) => {
        const status = world.node(id).status();
        return (
          status !== null &&
          status.incarnation === incarnation &&
          status.lastIndex === lastIndex &&
          status.appliedIndex === lastIndex &&
          status.durableIndex === lastIndex
        );
      });
    });
  }

  async #compare(): Promise<void> {
    const world = this.#world;
    const members = world.leader()?.status.members ?? [];
    const nodes = members.map(({ id }) => world.node(id));
    const states = await this.#wait(Promise.all(nodes.map(finalStateOf)));
    checkEqual(states, world.violations);
    const [first] = states;
    const { operations } = this.#history;
    if (first !== undefined) checkPromises(operations, first, world.violations);
    const result = checkKV(operations);
    this.#inconclusive = result.parts.filter((part) => part.verdict === 'inconclusive').length;
    world.violations.expect(result.verdict !== 'violated', () => {
      return `what clients saw has no order: ${explain(result)}`;
    });
    this.#trace.say(
      JSON.stringify(states.map(({ revision, entries }) => [revision, [...entries]])),
    );
  }

  async #setLease(): Promise<void> {
    const { leaderLeaseMs } = this.#features;
    const leader = this.#world.leader();
    if (leaderLeaseMs === null || leader?.node.kv == null) return;
    try {
      await this.#wait(leader.node.kv.membership.setLeadership({ leaderLeaseMs }));
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
    }
  }

  async #until(what: string, limitMs: number, isTrue: () => boolean): Promise<void> {
    const { violations } = this.#world;
    const look = lookEvery(this.#time, isTrue);
    const isMet = await this.#time.until(() => violations.first !== null || look(), limitMs);
    this.#check();
    if (isMet) return;
    const states = this.#world.ids.map((id) => describe(this.#world.node(id))).join('; ');
    throw new Violation(`it took more than ${limitMs / 1000} s until ${what}: ${states}`);
  }

  async #elapse(ms: number): Promise<void> {
    let isOver = false;
    this.#world.clock.after(ms, () => {
      isOver = true;
    });
    await this.#time.until(() => isOver || this.#world.violations.first !== null, ms + 1);
    this.#check();
  }

  async #wait<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    work.then(over, over);
    await this.#until('a call has settled', SETTLE_LIMIT_MS, () => isOver);
    return await work;
  }

  #check(): void {
    const { first } = this.#world.violations;
    if (first !== null) throw first;
  }

  #result(): SimulationResult {
    const world = this.#world;
    return {
      seed: this.#seed,
      traceHash: this.#trace.hash,
      steps: this.#trace.count,
      virtualMs: Math.round(world.clock.now()),
      violation: world.violations.first?.message ?? null,
      nodes: this.#features.nodes,
      elections: world.elections.won,
      snapshots: world.snapshots,
      snapshotsInstalled: world.installs,
      membershipChanges: world.changes,
      entriesCommitted: world.logs.committedIndex,
      calls: { ...this.#clients.counts },
      failures: Object.fromEntries([...this.#clients.failures].sort()),
      operationsChecked: this.#history.size,
      inconclusive: this.#inconclusive,
      faults: { ...world.counts.all, ...lostOf(world) },
      sometimes: Object.fromEntries([...world.sometimes].sort()),
    };
  }
}

/** Crashes that took something, beside what was asked for. */
function lostOf(world: World): Record<string, Count> {
  const { writes, torn, names } = world.lost;
  return {
    'crash: name lost': { asked: 0, happened: names },
    'crash: write lost': { asked: 0, happened: writes },
    'crash: write torn': { asked: 0, happened: torn },
  };
}

/** What is asked after every event must cost little: the look is taken every few milliseconds. */
function lookEvery(time: VirtualTime, isTrue: () => boolean): () => boolean {
  let nextMs = 0;
  let isFound = false;
  return () => {
    if (isFound || time.clock.now() < nextMs) return isFound;
    nextMs = time.clock.now() + LOOK_MS;
    isFound = isTrue();
    return isFound;
  };
}

const LOOK_MS = 20;

async function finalStateOf(node: SimulatedNode): Promise<FinalState> {
  const { kv } = node;
  if (kv === null) throw new Violation(`${node.id} does not run at the end`);
  return await stateOf(node.id, kv);
}

function describe(node: SimulatedNode): string {
  const status = node.status();
  if (status === null) return `${node.id} ${node.phase} ${node.refusal?.message ?? ''}`;
  const { role, term, leader, lastIndex, durableIndex, commitIndex, appliedIndex } = status;
  const at = `${appliedIndex}/${commitIndex}/${durableIndex}/${lastIndex}`;
  return `${node.id} ${role} of term ${term} under ${leader?.id ?? 'nobody'} at ${at}`;
}
