/** A promise of the library that was seen to be broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Where checkers report. The first one counts: what follows from it says little. */
export class Violations {
  #first: Violation | null = null;

  get first(): Violation | null {
    return this.#first;
  }

  report(sentence: string): void {
    this.#first ??= new Violation(sentence);
  }

  /** Reports where `fact` does not hold. */
  expect(fact: boolean, sentence: () => string): void {
    if (!fact) this.report(sentence());
  }
}
