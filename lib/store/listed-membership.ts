import { QuorateError } from '../base/index.js';
import type { LeadershipSettings, Member, Membership } from '../interfaces/index.js';

/** Members of a backend that cannot change them: changes are ERR_CONFIG. */
export class ListedMembership implements Membership {
  readonly version = '';
  readonly leadership: LeadershipSettings = { leaderLeaseMs: null, closeHint: true };
  readonly #list: () => readonly Member[];

  constructor(list: () => readonly Member[]) {
    this.#list = list;
  }

  list(): readonly Member[] {
    return this.#list();
  }

  add(): Promise<void> {
    return refuse();
  }

  promote(): Promise<void> {
    return refuse();
  }

  remove(): Promise<void> {
    return refuse();
  }

  replace(): Promise<void> {
    return refuse();
  }

  update(): Promise<void> {
    return refuse();
  }

  setLeadership(): Promise<void> {
    return refuse();
  }
}

async function refuse(): Promise<never> {
  throw new QuorateError('ERR_CONFIG', {
    message: 'the members are changed by a store that is opened on a node, not by a client',
  });
}
