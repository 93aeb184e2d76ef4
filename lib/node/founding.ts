import { type MemberId, memberId, type NodeId } from '../base/index.js';
import type { Clock, Logger, Timer } from '../interfaces/index.js';
import type { Configuration, MemberAddresses } from '../raft/index.js';
import type { Probe } from '../wire/index.js';
import { decideFirstStart, type FirstStartDecision } from './first-start.js';

export interface FoundingOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What this node says of itself and the group now. */
  readonly self: () => Probe;
  /** Whom to ask: the other members, or those by whom it joins. */
  readonly others: () => readonly NodeId[];
  /** Whether the group has something to go by, from wherever it came. */
  readonly isOver: () => boolean;
  /** Asks one listed member; rejects where it does not answer. */
  readonly probe: (member: NodeId) => Promise<Probe>;
  readonly found: (configuration: Omit<Configuration, 'clusterId'>) => Promise<void>;
  /** Founding was decided and did not succeed. */
  readonly onFailed: (error: unknown) => void;
}

/** Between two rounds of questions; after the first seconds the longer one. */
const ASK_MS = 100;
const ASK_LATER_MS = 1000;
const EAGER_ROUNDS = 50;
/** Until the first line that says whom we wait for, and between two of them. */
const FIRST_TELL_MS = 1000;
const TELL_MS = 5000;

/** Asks the listed members until the group exists: because this node founds it, or because a leader calls. */
export class Founding {
  readonly #options: FoundingOptions;
  #timer: Timer | null = null;
  #rounds = 0;
  #tellMs: number;
  #asking = false;
  #stopped = false;
  #waitingFor = '';

  constructor(options: FoundingOptions) {
    this.#options = options;
    this.#tellMs = options.clock.now() + FIRST_TELL_MS;
  }

  /** Whom the node waits for, in words; empty when nobody. */
  get waitingFor(): string {
    return this.#waitingFor;
  }

  /** Asks now, also when it is not yet time: somebody has just connected. */
  hurry(): void {
    if (this.#stopped || this.#asking) return;
    this.#timer?.cancel();
    this.#asking = true;
    this.#round().then(
      () => this.#askAgain(),
      (error: unknown) => this.#options.onFailed(error),
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #askAgain(): void {
    this.#asking = false;
    if (this.#stopped) return;
    const delayMs = this.#rounds < EAGER_ROUNDS ? ASK_MS : ASK_LATER_MS;
    this.#timer = this.#options.clock.after(delayMs, () => this.hurry());
    this.#timer.keepAlive(false);
  }

  async #round(): Promise<void> {
    this.#rounds += 1;
    const { self, others, probe, isOver, found } = this.#options;
    const answers = new Map<NodeId, Probe>();
    await Promise.all(
      others().map((id) => probe(id).then((answer) => answers.set(id, answer), nobody)),
    );
    if (this.#stopped) return;
    if (isOver()) return this.#end();
    const decision = decideFirstStart(self(), answers);
    if (decision.kind !== 'found') return this.#wait(decision);
    this.#end();
    await found(configurationOf([self(), ...answers.values()]));
  }

  #wait(decision: Exclude<FirstStartDecision, { kind: 'found' }>): void {
    this.#waitingFor =
      decision.kind === 'waitForLeader' ? decision.reason : decision.reasons.join('; ');
    const { clock, logger } = this.#options;
    if (clock.now() < this.#tellMs) return;
    this.#tellMs = clock.now() + TELL_MS;
    const fields = { event: 'node.waiting', waitingFor: this.#waitingFor };
    logger.warn(fields, 'The cluster is not formed yet.');
  }

  #end(): void {
    this.stop();
    this.#waitingFor = '';
  }
}

/** Silence is an answer: the member is not among the answers. */
function nobody(): void {}

/** Every member by the incarnation that it answered with. */
function configurationOf(probes: readonly Probe[]): Omit<Configuration, 'clusterId'> {
  const addresses = new Map<MemberId, MemberAddresses>();
  const listed = new Map(probes[0]?.members.map(({ id, address }) => [id, address]));
  for (const { nodeId, incarnation, clientAddress } of probes) {
    const peer = listed.get(nodeId) ?? '';
    addresses.set(memberId(nodeId, incarnation), { peer, client: clientAddress });
  }
  return { incoming: [...addresses.keys()].sort(), outgoing: [], learners: [], addresses };
}
