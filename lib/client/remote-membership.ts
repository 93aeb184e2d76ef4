import { type NodeId, validateLeadership, validatePriority } from '../base/index.js';
import type {
  ChangeOptions,
  LeadershipChange,
  LeadershipSettings,
  Member,
  MemberAddressOptions,
  Membership,
  MemberUpdateOptions,
  NodeStatus,
} from '../interfaces/index.js';
import type { CallOptions } from '../store/index.js';
import type { LeadershipRequest, MemberRequest } from '../wire/index.js';

export interface RemoteMembershipOptions {
  /** As a server last said, or null. */
  readonly status: () => NodeStatus | null;
  /** Resolves once a server has carried it out, and what `status` says is newer than that. */
  readonly change: (
    request: MemberRequest | LeadershipRequest,
    options: CallOptions,
  ) => Promise<void>;
}

/** The members as servers tell of them; changes are carried out by whichever server answers. */
export class RemoteMembership implements Membership {
  readonly #options: RemoteMembershipOptions;

  constructor(options: RemoteMembershipOptions) {
    this.#options = options;
  }

  list(): readonly Member[] {
    return this.#options.status()?.members ?? [];
  }

  get version(): string {
    return this.#options.status()?.membershipVersion ?? '';
  }

  add(id: NodeId, options: MemberAddressOptions = {}): Promise<void> {
    return this.#change('add', id, null, options);
  }

  promote(id: NodeId, options: ChangeOptions = {}): Promise<void> {
    return this.#change('promote', id, null, options);
  }

  remove(id: NodeId, options: ChangeOptions = {}): Promise<void> {
    return this.#change('remove', id, null, options);
  }

  replace(id: NodeId, by: NodeId, options: MemberAddressOptions = {}): Promise<void> {
    return this.#change('replace', id, by, options);
  }

  update(id: NodeId, options: MemberUpdateOptions): Promise<void> {
    return this.#change('update', id, null, options, options.priority);
  }

  get leadership(): LeadershipSettings {
    return this.#options.status()?.leadership ?? { leaderLeaseMs: null, closeHint: true };
  }

  async setLeadership(leadership: LeadershipChange, options: ChangeOptions = {}): Promise<void> {
    validateLeadership(leadership);
    const { signal, timeoutMs, expect = null } = options;
    const request = { kind: 'leadership', leadership, expect } as const;
    await this.#options.change(request, { signal, timeoutMs });
  }

  async #change(
    action: MemberRequest['action'],
    id: NodeId,
    by: NodeId | null,
    options: MemberAddressOptions,
    priority?: number,
  ): Promise<void> {
    validatePriority(priority);
    const { signal, timeoutMs, peerAddress, clientAddress, expect } = options;
    const request: MemberRequest = {
      kind: 'member',
      action,
      id,
      by,
      peerAddress: peerAddress ?? null,
      clientAddress: clientAddress ?? null,
      expect: expect ?? null,
      priority: priority ?? null,
    };
    await this.#options.change(request, { signal, timeoutMs });
  }
}
