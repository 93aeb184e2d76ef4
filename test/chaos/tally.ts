/** How often a fault was asked for, and how often it was seen to happen. */
export interface FaultCount {
  asked: number;
  happened: number;
  /** Why it did not, the last time. */
  note: string | null;
}

/** Faults by name, in the order in which they were first asked for. */
export class Tally {
  readonly #counts = new Map<string, FaultCount>();

  get counts(): ReadonlyMap<string, FaultCount> {
    return this.#counts;
  }

  ask(name: string): FaultCount {
    const count = this.#counts.get(name) ?? { asked: 0, happened: 0, note: null };
    this.#counts.set(name, count);
    count.asked += 1;
    return count;
  }
}
