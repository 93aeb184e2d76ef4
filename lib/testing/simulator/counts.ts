/** How often something was tried, and how often it really happened. */
export interface Count {
  readonly asked: number;
  readonly happened: number;
}

/** Counts by name, in the order of their names. */
export class Counts {
  readonly #counts = new Map<string, { asked: number; happened: number }>();

  /** It is tried. */
  ask(name: string): void {
    this.#count(name).asked += 1;
  }

  /** It happened: somebody was affected. */
  happen(name: string): void {
    this.#count(name).happened += 1;
  }

  get all(): Readonly<Record<string, Count>> {
    const names = [...this.#counts.keys()].sort();
    return Object.fromEntries(names.map((name) => [name, { ...this.#count(name) }]));
  }

  #count(name: string): { asked: number; happened: number } {
    let count = this.#counts.get(name);
    if (count === undefined) {
      count = { asked: 0, happened: 0 };
      this.#counts.set(name, count);
    }
    return count;
  }
}
