import type { Count } from './counts.js';
import type { SimulationResult } from './simulate.js';

/** What many simulations come to together. */
export class SimulationSummary {
  readonly violated: SimulationResult[] = [];
  #seeds = 0;
  #virtualMs = 0;
  readonly #sums = new Map<string, number>();
  readonly #faults = new Map<string, { asked: number; happened: number }>();
  readonly #sometimes = new Map<string, number>();

  /** Counts one more simulation in. */
  add(result: SimulationResult): void {
    this.#seeds += 1;
    this.#virtualMs += result.virtualMs;
    if (result.violation !== null) this.violated.push(result);
    const { acknowledged, rejected, unknown } = result.calls;
    this.#sum('steps', result.steps);
    this.#sum('elections', result.elections);
    this.#sum('entries committed', result.entriesCommitted);
    this.#sum('snapshots taken', result.snapshots);
    this.#sum('snapshots installed', result.snapshotsInstalled);
    this.#sum('membership changes', result.membershipChanges);
    this.#sum('calls acknowledged', acknowledged);
    this.#sum('calls rejected', rejected);
    this.#sum('calls unknown', unknown);
    this.#sum('operations checked', result.operationsChecked);
    this.#sum('keys too hard to check', result.inconclusive);
    for (const [kind, count] of Object.entries(result.faults)) this.#fault(kind, count);
    for (const [condition, times] of Object.entries(result.sometimes)) {
      this.#sometimes.set(condition, (this.#sometimes.get(condition) ?? 0) + times);
    }
  }

  get seeds(): number {
    return this.#seeds;
  }

  get hours(): number {
    return this.#virtualMs / 3_600_000;
  }

  /** Lines for people; `cpuMs` is what all of it took. */
  text(cpuMs: number): string {
    const speed = (60_000 * this.hours) / cpuMs;
    const head =
      `${grouped(this.#seeds)} seeds, ${this.hours.toFixed(2)} simulated hours, ` +
      `${speed.toFixed(1)} of them a CPU minute, ${this.violated.length} violations`;
    const sums = [...this.#sums].map(([name, sum]) => `  ${name.padEnd(32)}${right(sum)}`);
    const faults = [...this.#faults]
      .sort(byName)
      .map(
        ([kind, { asked, happened }]) => `  ${kind.padEnd(32)}${right(asked)}${right(happened)}`,
      );
    const sometimes = [...this.#sometimes]
      .sort(byName)
      .map(([condition, times]) => `  ${condition.padEnd(62)}${right(times)}`);
    return [
      head,
      ...sums,
      `${'faults'.padEnd(34)}${'asked'.padStart(14)}${'happened'.padStart(14)}`,
      ...faults,
      'sometimes',
      ...sometimes,
    ].join('\n');
  }

  #sum(name: string, more: number): void {
    this.#sums.set(name, (this.#sums.get(name) ?? 0) + more);
  }

  #fault(kind: string, { asked, happened }: Count): void {
    const sum = this.#faults.get(kind) ?? { asked: 0, happened: 0 };
    sum.asked += asked;
    sum.happened += happened;
    this.#faults.set(kind, sum);
  }
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

function right(count: number): string {
  return grouped(count).padStart(14);
}

function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ',');
}
