import { type GroupId, type NodeId, nodeIdOf } from '../base/index.js';
import type { Configuration } from '../raft/index.js';

export interface AddressBookOptions {
  readonly now: () => number;
  /** Whom this node was told of when it was opened: id to address, empty where it needs none. */
  readonly told: ReadonlyMap<NodeId, string>;
  /** How long one is still dialled that no configuration names, or names any more. */
  readonly passingMs: number;
}

interface Passing {
  readonly address: string;
  readonly untilMs: number;
}

/** Between two tries of another address. */
const TRY_MS = 1000;

/**
 * Where this node dials whom. What a log says of a member wins over what the node was told when it was
 * opened. Where nobody answers there the two are tried in turn, so that members which moved while none of
 * them ran find each other. Whose name is answered is for the link to see.
 *
 * It holds the members of every group, whom the node was told of, and for a while those who pass: one that
 * is to be added, and one that was removed, which is to hear of it.
 */
export class AddressBook {
  readonly #options: AddressBookOptions;
  readonly #told: Map<NodeId, string>;
  readonly #members = new Map<GroupId, ReadonlyMap<NodeId, string>>();
  readonly #passing = new Map<NodeId, Passing>();
  /** Those who are tried where this node was told, not where a log says; and when that was decided. */
  readonly #triedMs = new Map<NodeId, number>();
  readonly #elsewhere = new Set<NodeId>();

  constructor(options: AddressBookOptions) {
    this.#options = options;
    this.#told = new Map(options.told);
  }

  /** Name to address. */
  get entries(): ReadonlyMap<NodeId, string> {
    const book = new Map(this.#told);
    for (const members of this.#members.values()) {
      for (const [id, address] of members) {
        if (!this.#elsewhere.has(id)) book.set(id, address);
      }
    }
    for (const [id, { address }] of this.#passing) book.set(id, address);
    return book;
  }

  /** The configuration in force in a group. */
  learn(group: GroupId, configuration: Configuration): void {
    const before = this.#members.get(group) ?? new Map<NodeId, string>();
    const members = addressesOf(configuration);
    this.#members.set(group, members);
    for (const [id, address] of members) {
      if (before.get(id) === address) continue;
      // Where the log says, one is looked for first.
      this.#elsewhere.delete(id);
      this.#passing.delete(id);
    }
    for (const [id, address] of before) if (!this.#isMember(id)) this.#part(id, address);
  }

  /** One that no configuration names yet, or that has come back elsewhere than where it was. */
  introduce(id: NodeId, address: string): void {
    this.#pass(id, address);
  }

  /** A name that stood for an address turns out to be another node's. */
  rename(alias: NodeId, id: NodeId, address: string): void {
    this.#told.delete(alias);
    if (!this.#told.has(id)) this.#told.set(id, address);
  }

  /** Nobody answers as `id` where it was dialled. True when another address is to be tried. */
  missed(id: NodeId): boolean {
    const told = this.#told.get(id) ?? '';
    const known = this.#addressOfMember(id);
    if (told === '' || known === null || told === known) return false;
    const now = this.#options.now();
    if (now - (this.#triedMs.get(id) ?? Number.NEGATIVE_INFINITY) < TRY_MS) return false;
    this.#triedMs.set(id, now);
    if (!this.#elsewhere.delete(id)) this.#elsewhere.add(id);
    return true;
  }

  /** When the time of the next of those who pass is over; null while there are none. */
  get nextMs(): number | null {
    const times = [...this.#passing.values()].map(({ untilMs }) => untilMs);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Forgets those whose time is over. */
  sweep(): void {
    const now = this.#options.now();
    for (const [id, { untilMs }] of this.#passing) if (untilMs <= now) this.#passing.delete(id);
  }

  /**
   * Also what this node was told of it is over, now that it was a member and is none. It is dialled for a
   * while, because the removal may be undecided, and is to be heard of by the one that it removes.
   */
  #part(id: NodeId, address: string): void {
    this.#told.delete(id);
    this.#elsewhere.delete(id);
    this.#triedMs.delete(id);
    this.#pass(id, address);
  }

  #pass(id: NodeId, address: string): void {
    const { now, passingMs } = this.#options;
    this.#passing.set(id, { address, untilMs: now() + passingMs });
  }

  #isMember(id: NodeId): boolean {
    return this.#addressOfMember(id) !== null;
  }

  #addressOfMember(id: NodeId): string | null {
    for (const members of this.#members.values()) {
      const address = members.get(id);
      if (address !== undefined) return address;
    }
    return null;
  }
}

/** Of two incarnations of one node, the later is where the node is. */
function addressesOf(configuration: Configuration): ReadonlyMap<NodeId, string> {
  const { outgoing, incoming, learners, addresses } = configuration;
  const found = new Map<NodeId, string>();
  for (const member of [...outgoing, ...incoming, ...learners]) {
    const known = addresses.get(member);
    if (known !== undefined) found.set(nodeIdOf(member), known.peer);
  }
  return found;
}
