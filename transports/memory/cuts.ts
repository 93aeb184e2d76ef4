import type { NodeId } from '../../lib/base/index.js';

/** Which links are cut, in which direction. Cuts, isolations and the split add up. */
export class Cuts {
  /** `from>to`. Names hold no `>`. */
  readonly #links = new Set<string>();
  readonly #isolated = new Set<NodeId>();
  /** Which side of the split a node is on. Those that were not named share a side of their own. */
  readonly #sides = new Map<NodeId, number>();

  cut(from: NodeId, to: NodeId): void {
    this.#links.add(`${from}>${to}`);
  }

  restore(from: NodeId, to: NodeId): void {
    this.#links.delete(`${from}>${to}`);
  }

  isolate(node: NodeId): void {
    this.#isolated.add(node);
  }

  /** Replaces the split before it. */
  split(groups: readonly (readonly NodeId[])[]): void {
    this.#sides.clear();
    groups.forEach((group, side) => {
      for (const node of group) this.#sides.set(node, side);
    });
  }

  heal(): void {
    this.#links.clear();
    this.#isolated.clear();
    this.#sides.clear();
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return (
      this.#links.has(`${from}>${to}`) ||
      this.#isolated.has(from) ||
      this.#isolated.has(to) ||
      this.#sides.get(from) !== this.#sides.get(to)
    );
  }
}
