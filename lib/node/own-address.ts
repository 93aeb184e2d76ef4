import { type MemberId, QuorateError } from '../base/index.js';
import type { Clock, Logger } from '../interfaces/index.js';
import type { MemberAddresses, MembershipChange, RaftStatus } from '../raft/index.js';

export interface OwnAddressOptions {
  readonly self: MemberId;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the node had a log when it was opened. Otherwise others are told as it is let in. */
  readonly isRestart: boolean;
  /** Where peers and clients are to reach this node; null where nobody said so. */
  readonly told: () => { readonly peer: string | null; readonly client: string | null };
  readonly status: () => RaftStatus;
  /** Has it committed, wherever the leader is. */
  readonly submit: (change: MembershipChange) => Promise<void>;
}

/** Between two attempts. */
const AGAIN_MS = 1000;

/**
 * A node that was restarted elsewhere has the others told. They cannot reach it where the log says, but it
 * reaches them, and the leader has the change committed.
 *
 * It does so once a start, for the incarnation that it is, and is done when the configuration says so:
 * whatever an administrator says later stands until the next start. So nobody's word is taken back by
 * turns.
 */
export class OwnAddress {
  readonly #options: OwnAddressOptions;
  #isDone: boolean;
  #isAsking = false;
  #againMs = 0;
  /** How long the log was when it first said what it is to say; null while it does not. */
  #saidIndex: number | null = null;

  constructor(options: OwnAddressOptions) {
    this.#options = options;
    this.#isDone = !options.isRestart;
  }

  /** Time has passed. */
  tick(): void {
    if (this.#isDone || this.#isAsking) return;
    const status = this.#options.status();
    const known = status.configuration.addresses.get(this.#options.self);
    if (known === undefined) return;
    const { peer, client } = this.#options.told();
    const addresses = { peer: peer ?? known.peer, client: client ?? known.client };
    if (isSame(addresses, known)) this.#said(status);
    else this.#announce(status, addresses);
  }

  /** The configuration in force may yet be cut off. */
  #said({ lastIndex, commitIndex }: RaftStatus): void {
    this.#saidIndex ??= lastIndex;
    this.#isDone = commitIndex >= this.#saidIndex;
  }

  #announce({ leader }: RaftStatus, addresses: MemberAddresses): void {
    const { self: member, clock, logger, submit } = this.#options;
    this.#saidIndex = null;
    if (leader === null || clock.now() < this.#againMs) return;
    this.#isAsking = true;
    this.#againMs = clock.now() + AGAIN_MS;
    submit({ kind: 'changeAddresses', member, addresses })
      .then(
        () => {
          this.#isDone = true;
          logger.info({ event: 'node.moved', ...addresses }, 'The others were told where it is.');
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#isAsking = false;
      });
  }

  #failed(error: unknown): void {
    const { logger } = this.#options;
    const fields = { event: 'node.notMoved', error };
    // Leaders change, and what was asked may be done all the same: it looks again.
    if (QuorateError.is(error)) logger.debug(fields, 'It did not work yet; it is tried again.');
    else logger.error(fields, 'It failed.');
  }
}

function isSame(a: MemberAddresses, b: MemberAddresses): boolean {
  return a.peer === b.peer && a.client === b.client;
}

/** Whether others can dial it: not where it says "any of mine", and not a port that is yet to be picked. */
export function isDialable(address: string): boolean {
  return address !== '' && !/^(\*|0\.0\.0\.0|\[?::\]?)?:\d+$|:0$/.test(address);
}
