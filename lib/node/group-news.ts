import { type LogIndex, type MemberId, nodeIdOf, type Term } from '../base/index.js';
import type { EventBus, EventOrigin, Logger, Metrics } from '../interfaces/index.js';
import { count } from '../observe/index.js';
import { type Configuration, leadershipOf, type Role } from '../raft/index.js';
import type { Timing } from '../timing/index.js';
import { leaseMisfit } from './lease-fit.js';

export interface GroupNewsOptions {
  readonly events: EventBus;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly origin: EventOrigin;
  readonly timing: Timing;
}

/** What a group tells those who watch: events, lines and counts. It steers nothing. */
export class GroupNews {
  readonly #options: GroupNewsOptions;
  /** What was last said of it. */
  #misfit: string | null = null;

  constructor(options: GroupNewsOptions) {
    this.#options = options;
  }

  roleChanged(from: Role, to: Role, term: Term): void {
    const { events, origin, logger } = this.#options;
    logger.debug({ event: 'raft.stateChanged', from, to, term }, 'The role has changed.');
    events.emit('raft.stateChanged', () => ({ ...origin, from, to, term }));
  }

  leaderChanged(member: MemberId | null, term: Term): void {
    const { events, origin, logger } = this.#options;
    const leader = member === null ? null : nodeIdOf(member);
    logger.info({ event: 'raft.leaderChanged', leader, term }, 'The leader has changed.');
    events.emit('raft.leaderChanged', () => ({ ...origin, leader, term }));
  }

  electionTimedOut(term: Term): void {
    const { events, origin, metrics } = this.#options;
    count(metrics, 'quorate_elections_total');
    events.emit('timer.electionExpired', () => origin);
    events.emit('raft.electionTimedOut', () => ({ ...origin, term }));
  }

  heartbeatTimedOut(): void {
    const { events, origin } = this.#options;
    events.emit('timer.heartbeatExpired', () => origin);
  }

  /** Applied here, up to and including `index`; `entryCount` of them since the last time. */
  applied(index: LogIndex, entryCount: number): void {
    const { events, origin, metrics } = this.#options;
    count(metrics, 'quorate_entries_applied_total', entryCount);
    events.emit('raft.entriesCommitted', () => ({ ...origin, index }));
  }

  /** This member has stored a configuration, or begins with one. */
  configured(configuration: Configuration): void {
    const { leaderLeaseMs } = leadershipOf(configuration);
    const misfit = leaseMisfit(leaderLeaseMs, this.#options.timing);
    if (misfit === this.#misfit) return;
    this.#misfit = misfit;
    if (misfit === null) return;
    const fields = { event: 'raft.leaseMisfit', leaderLeaseMs };
    this.#options.logger.warn(fields, `Under the timing of this node, ${misfit}.`);
  }

  stateLost(index: LogIndex): void {
    const text =
      'No snapshot is usable, and the log begins in the middle: this member does not vote until a ' +
      'leader has sent it a snapshot.';
    this.#options.logger.error({ event: 'raft.stateLost', index }, text);
  }

  resigned(heldTicks: number): void {
    const fields = { event: 'raft.resigned', heldTicks };
    this.#options.logger.warn(fields, 'A write takes longer than an election: it leads no more.');
  }
}
