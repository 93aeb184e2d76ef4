import type { MemberId } from '../../base/index.js';
import type { HardState } from '../../interfaces/index.js';
import type { Violations } from './violation.js';

/** One vote per member and term, and terms that never go back, over all starts of a member. */
export class Votes {
  readonly #violations: Violations;
  /** What was durable last, and what may be. */
  readonly #states = new Map<MemberId, HardState>();

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  /** A member began with this state, as its storage gave it; null where it is new. */
  loaded(member: MemberId, state: HardState | null): void {
    this.#check(member, state ?? { term: 0, votedFor: null }, 'starts');
  }

  /** A member's state is durable. What was only asked for was told to nobody. */
  saved(member: MemberId, state: HardState): void {
    this.#check(member, state, 'saves');
  }

  /** What the member has promised is gone with its disk: nothing may be concluded from it any more. */
  forget(member: MemberId): void {
    this.#states.delete(member);
  }

  #check(member: MemberId, state: HardState, does: string): void {
    const before = this.#states.get(member);
    this.#states.set(member, state);
    if (before === undefined) return;
    this.#violations.expect(state.term >= before.term, () => {
      return `${member} ${does} with term ${state.term} after term ${before.term} was durable`;
    });
    const isSameVote = before.votedFor === null || before.votedFor === state.votedFor;
    this.#violations.expect(state.term !== before.term || isSameVote, () => {
      return `${member} ${does} with a vote for ${state.votedFor} in term ${state.term}, after one for ${before.votedFor}`;
    });
  }
}
