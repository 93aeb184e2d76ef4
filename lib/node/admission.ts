import { type MemberId, memberId, type NodeId, nodeIdOf, QuorateError } from '../base/index.js';
import type { Clock, Logger } from '../interfaces/index.js';
import { type Configuration, membersOf } from '../raft/index.js';
import type { Probe } from '../wire/index.js';
import { type MembershipChanges, otherIncarnation } from './membership-changes.js';

export interface AdmissionOptions {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a member that comes back under another incarnation is let in without being asked for. */
  readonly readmit: 'auto' | 'manual';
  /** Whether this node was told to join. */
  readonly joins: boolean;
  readonly clusterName: string;
  readonly changes: MembershipChanges;
  readonly configuration: () => Configuration;
  /** Leader: whether nothing was heard of a member for an election timeout. False elsewhere. */
  readonly isSilent: (member: MemberId) => boolean;
  /** Leader: nodes that are heard under another incarnation than the member's. */
  readonly replaced: () => readonly NodeId[];
  /** Whom this node asks to be let in again, where what let it in may have come to nothing. */
  readonly toBeAsked: () => readonly NodeId[];
  readonly probe: (node: NodeId) => Promise<Probe>;
}

/** Between two attempts at the same. */
const AGAIN_MS = 200;
/** Between two times that a node asks to be let in that has a log already. */
const ASK_AGAIN_MS = 1000;

/**
 * How a node gets into a group that exists, seen from both sides. A member that is asked by a new node
 * has it added as a learner: one that joins, and one whose directory was wiped. The learner itself then
 * asks to become a voter, until it is; the old incarnation makes way in the same step.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  /** Whom this member is letting in. */
  readonly #admitting = new Set<MemberId>();
  /** Who was told to wait, the latest of each node: a node can come back any number of times. */
  readonly #toldWaiting = new Map<NodeId, MemberId>();
  #isPromoting = false;
  #againMs = 0;
  #askAgainMs = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** A node that is no member, as far as it knows, has asked who is here. */
  consider(probe: Probe): void {
    const member = memberId(probe.nodeId, probe.incarnation);
    if (!this.#isWanted(member, probe) || this.#admitting.has(member)) return;
    this.#admitting.add(member);
    this.#options.changes
      .admit(probe)
      .catch((error: unknown) => this.#failed('node.notAdmitted', member, error))
      .finally(() => this.#admitting.delete(member));
  }

  /** Time has passed: a learner that is to be a voter asks for it, and a leader looks who came back. */
  tick(): void {
    const { clock, replaced } = this.#options;
    if (clock.now() < this.#againMs) return;
    this.#againMs = clock.now() + AGAIN_MS;
    if (!this.#isPromoting && this.#isToBeVoter()) this.#promote();
    for (const node of replaced()) this.#ask(node);
    if (clock.now() >= this.#askAgainMs) this.#askToBeLetIn();
  }

  /** A member that is asked considers who asks. */
  #askToBeLetIn(): void {
    const { clock, toBeAsked } = this.#options;
    this.#askAgainMs = clock.now() + ASK_AGAIN_MS;
    for (const node of toBeAsked()) this.#ask(node);
  }

  /** Who answers is considered like one that asked. */
  #ask(node: NodeId): void {
    this.#options.probe(node).then(
      (answer) => this.consider(answer),
      (error: unknown) => this.#failed('node.notAsked', node, error),
    );
  }

  #promote(): void {
    const { self, changes } = this.#options;
    this.#isPromoting = true;
    changes
      .promoteMember(self)
      .catch((error: unknown) => this.#failed('node.notPromoted', self, error))
      .finally(() => {
        this.#isPromoting = false;
      });
  }

  #isWanted(member: MemberId, probe: Probe): boolean {
    const { configuration, clusterName, readmit, isSilent, changes } = this.#options;
    const current = configuration();
    const members = membersOf(current);
    if (probe.clusterName !== clusterName || members.includes(member)) return false;
    if (probe.clusterId !== null && probe.clusterId !== current.clusterId) return false;
    if (!changes.mayBeLetIn(probe)) return false;
    const old = otherIncarnation(current, member);
    if (old === null) return probe.joins;
    // One that lives is not replaced by another of the same name.
    if (!isSilent(old)) return false;
    if (readmit === 'auto') return true;
    this.#tellWaiting(member);
    return false;
  }

  #tellWaiting(member: MemberId): void {
    const node = nodeIdOf(member);
    if (this.#toldWaiting.get(node) === member) return;
    this.#toldWaiting.set(node, member);
    const fields = { event: 'node.notReadmitted', member };
    const text =
      'A member has come back without its data; it waits to be replaced (readmit: manual).';
    this.#options.logger.warn(fields, text);
  }

  #isToBeVoter(): boolean {
    const { self, joins, configuration, readmit } = this.#options;
    const current = configuration();
    if (!current.learners.includes(self)) return false;
    return joins || (readmit === 'auto' && otherIncarnation(current, self) !== null);
  }

  #failed(event: string, member: MemberId, error: unknown): void {
    const { logger } = this.#options;
    // Others let the same node in, leaders change: it asks again.
    const isOrdinary = QuorateError.is(error);
    if (isOrdinary)
      logger.debug({ event, member, error }, 'It did not work yet; it is tried again.');
    else logger.error({ event, member, error }, 'It failed.');
  }
}
