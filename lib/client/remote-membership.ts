import type { NodeId } from '../base/index.js';
import type {
  ChangeOptions,
  Member,
  MemberAddressOptions,
  Membership,
} from '../interfaces/index.js';
import type { CallOptions } from '../store/index.js';
import type { MemberRequest } from '../wire/index.js';

/** The members as servers tell of them; changes are carried out by whichever server answers. */
export class RemoteMembership implements Membership {
  /** Not told to clients. */
  readonly version = '';
  readonly #list: () => readonly Member[];
  readonly #ask: (request: MemberRequest, options: CallOptions) => Promise<unknown>;

  constructor(
    list: () => readonly Member[],
    ask: (request: MemberRequest, options: CallOptions) => Promise<unknown>,
  ) {
    this.#list = list;
    this.#ask = ask;
  }

  list(): readonly Member[] {
    return this.#list();
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

  update(id: NodeId, options: MemberAddressOptions): Promise<void> {
    return this.#change('update', id, null, options);
  }

  async #change(
    action: MemberRequest['action'],
    id: NodeId,
    by: NodeId | null,
    options: MemberAddressOptions,
  ): Promise<void> {
    const { signal, timeoutMs } = options;
    const { peerAddress = null, clientAddress = null, expect = null } = options;
    const request = { kind: 'member', action, id, by, peerAddress, clientAddress, expect } as const;
    await this.#ask(request, { signal, timeoutMs });
  }
}
