import type { MemberId, Term } from '../../base/index.js';
import type { Violations } from './violation.js';

/** At most one member leads in a term (Raft §5.2). */
export class Elections {
  readonly #leaders = new Map<Term, MemberId>();
  readonly #violations: Violations;
  #won = 0;

  constructor(violations: Violations) {
    this.#violations = violations;
  }

  /** How often a member became leader. */
  get won(): number {
    return this.#won;
  }

  elected(member: MemberId, term: Term): void {
    this.#won += 1;
    const other = this.#leaders.get(term) ?? member;
    this.#leaders.set(term, other);
    this.#violations.expect(other === member, () => {
      return `term ${term} has two leaders, ${other} and ${member}`;
    });
  }
}
