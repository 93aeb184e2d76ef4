import { type MemberId, memberId, type NodeId, nodeIdOf } from '../base/index.js';
import type { StoredIdentity } from '../interfaces/index.js';
import { type Configuration, membersOf } from '../raft/index.js';
import type { Probe } from '../wire/index.js';
import { Admission } from './admission.js';
import { asFault, nodeClosed } from './faults.js';
import { Founding } from './founding.js';
import type { Group } from './group.js';
import { MembershipChanges } from './membership-changes.js';
import type { NodeSettings } from './options.js';
import { isDialable, OwnAddress } from './own-address.js';
import type { PeerLink } from './peer-link.js';

export interface HostedGroupOptions {
  readonly group: Group;
  readonly settings: NodeSettings;
  readonly links: PeerLink | null;
  readonly identity: () => StoredIdentity;
  readonly isClosing: () => boolean;
  readonly found: (configuration: Omit<Configuration, 'clusterId'>) => Promise<void>;
}

/** One group of a host, with what decides how it begins and who takes part in it. */
export class HostedGroup {
  readonly group: Group;
  readonly founding: Founding;
  readonly changes: MembershipChanges;
  readonly #options: HostedGroupOptions;
  readonly #admission: Admission;
  readonly #ownAddress: OwnAddress;

  constructor(options: HostedGroupOptions) {
    const { group, settings, links, identity, isClosing, found } = options;
    const { clock, callTimeoutMs, readmit, join, clusterName } = settings;
    this.#options = options;
    this.group = group;
    const logger = settings.logger.child({ nodeId: settings.id, group: group.id });
    const configuration = (): Configuration => group.status().configuration;
    this.founding = new Founding({
      clock,
      logger,
      self: () => this.report(),
      others: () => this.#others(),
      isOver: () => !group.isNew || isClosing(),
      probe: (node) => this.#probe(node),
      found,
      onFailed: (error) => group.fault(asFault(error)),
    });
    const { nodeId, incarnation } = identity();
    const self = memberId(nodeId, incarnation);
    this.changes = new MembershipChanges({
      self,
      clock,
      callTimeoutMs,
      calls: group.calls,
      submit: (change, expect, wait) => group.changes.change(change, expect, wait),
      configuration,
      isOvertaken: (entry) => group.isOvertaken(entry),
      introduce: links === null ? null : (node, address) => this.#introduce(node, address),
    });
    this.#admission = new Admission({
      self,
      clock,
      logger,
      readmit,
      joins: join !== null,
      clusterName,
      changes: this.changes,
      configuration,
      isSilent: (member) => this.#isSilent(member),
      replaced: () => this.#replaced(),
      toBeAsked: () => this.#toBeAsked(),
      probe: (node) => this.#probe(node),
    });
    this.#ownAddress = new OwnAddress({
      self,
      clock,
      logger,
      isRestart: !group.isNew,
      told: () => ({ peer: this.#peerAddress, client: settings.clientAddress }),
      status: () => group.status(),
      submit: (change) => group.changes.change(change, null, {}),
    });
  }

  tick(): void {
    this.group.tick();
    this.#admission.tick();
    this.#ownAddress.tick();
  }

  /** What this node says of itself and the group now. */
  report(): Probe {
    const { members, clusterName, clientAddress, join } = this.#options.settings;
    const { nodeId, incarnation, clusterId } = this.#options.identity();
    // Where nobody said it, the transport knows.
    const ownAddress = (id: NodeId): string =>
      (id === nodeId && join !== null ? this.#peerAddress : null) ?? '';
    return {
      group: this.group.id,
      nodeId,
      incarnation,
      clusterId,
      clusterName,
      hasLog: !this.group.isNew,
      undecided: this.group.undecidedAdmission,
      members: [...members].map(([id, address]) => ({ id, address: address || ownAddress(id) })),
      clientAddress,
      joins: join !== null,
    };
  }

  /** Where others are to dial this node: as it was told, or else as the transport says. */
  get #peerAddress(): string | null {
    const { settings, links } = this.#options;
    const told = settings.members.get(settings.id) ?? '';
    // Members that are listed without addresses need none.
    if (told === '' && settings.join === null) return null;
    return [told, links?.address ?? ''].find(isDialable) ?? null;
  }

  /** Answers a node that asks, and lets it in where that is due. */
  answerProbe(asking: Probe): Probe {
    if (!this.group.isNew) this.#admission.consider(asking);
    return this.report();
  }

  /** Whom a node that is new asks. */
  #others(): readonly NodeId[] {
    const { settings, links } = this.#options;
    const { id, members, join } = settings;
    const asked = join === null ? [...members.keys()] : (links?.seeds ?? []);
    return asked.filter((node) => node !== id);
  }

  /**
   * Whom a node asks to be let in that holds a log and is no member for sure: the leader that was to let it
   * in may have crashed before that was decided, and nobody else knows of it.
   */
  #toBeAsked(): readonly NodeId[] {
    const { leader, configuration } = this.group.status();
    if (leader !== null || this.group.undecidedAdmission === null) return [];
    const { id } = this.#options.settings;
    const members = membersOf(configuration).map(nodeIdOf);
    return [...new Set([...members, ...this.#others()])].filter((node) => node !== id);
  }

  async #probe(node: NodeId): Promise<Probe> {
    const { links } = this.#options;
    if (links === null) throw nodeClosed();
    return await links.probe(node, this.report());
  }

  #introduce(node: NodeId, address: string | null): Promise<Probe> {
    if (address !== null) this.#options.links?.introduce(node, address);
    return this.#probe(node);
  }

  /** Leader: whether nothing was heard of a member for an election timeout. */
  #isSilent(member: MemberId): boolean {
    const silentTicks = this.group.status().progress.get(member)?.silentTicks;
    return (
      silentTicks !== undefined && silentTicks >= this.#options.settings.timing.electionMinTicks
    );
  }

  /** Leader: nodes of the group that answer under another incarnation than the member's. */
  #replaced(): readonly NodeId[] {
    const { progress, configuration } = this.group.status();
    if (progress.size === 0) return [];
    const known = new Set(membersOf(configuration));
    return (this.#options.links?.incarnations() ?? [])
      .filter((member) => !known.has(member))
      .map(nodeIdOf)
      .filter((node) => [...known].some((member) => nodeIdOf(member) === node));
  }
}
