import type { Counterexample, ShownOperation } from './counterexample.js';

/**
 * What happens in a counter-example, in one order: calls begin and return, and between the two the placed
 * ones take effect, each as late as the order allows.
 */
export type Moment = {
  readonly kind: 'begin' | 'effect' | 'return';
  readonly shown: ShownOperation;
};

/** A counter-example, laid out for the eye. */
export interface Layout {
  readonly moments: readonly Moment[];
  /** Client of each lane. Calls of one lane follow each other; the lanes of a client stand together. */
  readonly lanes: readonly string[];
  /** In the order of `operations`. */
  readonly laneOf: ReadonlyMap<ShownOperation, number>;
  /** By place. */
  readonly order: readonly ShownOperation[];
  readonly blocked: ShownOperation | null;
}

export function layoutOf({ operations }: Counterexample): Layout {
  const order = operations
    .filter(({ place }) => place !== null)
    .sort((a, b) => (a.place ?? 0) - (b.place ?? 0));
  return {
    moments: momentsOf(operations, order),
    ...lanesOf(operations),
    order,
    blocked: operations.find(({ isBlocked }) => isBlocked) ?? null,
  };
}

/** Where an operation ends in the picture: one of which nobody knows goes on to the right edge. */
export function returnOf({ operation }: ShownOperation): number {
  return operation.outcome === 'unknown' ? Number.POSITIVE_INFINITY : operation.returnedAt;
}

function momentsOf(
  operations: readonly ShownOperation[],
  order: readonly ShownOperation[],
): readonly Moment[] {
  const ends = operations.flatMap((shown) => [
    { kind: 'begin' as const, shown, at: shown.operation.invokedAt },
    { kind: 'return' as const, shown, at: returnOf(shown) },
  ]);
  // What begins where another returns is concurrent with it.
  ends.sort((a, b) => (a.at === b.at ? a.kind.localeCompare(b.kind) : a.at - b.at));
  const moments: Moment[] = [];
  let placed = 0;
  for (const { kind, shown, at } of ends) {
    const until = kind === 'return' ? (shown.place ?? 0) : 0;
    for (; placed < until; placed += 1) moments.push(...effectOf(order[placed]));
    if (Number.isFinite(at)) moments.push({ kind, shown });
  }
  return moments;
}

function effectOf(shown: ShownOperation | undefined): readonly Moment[] {
  return shown === undefined ? [] : [{ kind: 'effect', shown }];
}

function lanesOf(operations: readonly ShownOperation[]): Pick<Layout, 'lanes' | 'laneOf'> {
  const clients = [...new Set(operations.map(({ operation }) => operation.client))].sort();
  const lanes: string[] = [];
  const laneOf = new Map<ShownOperation, number>();
  for (const client of clients) {
    const first = lanes.length;
    const freeFrom: number[] = [];
    for (const shown of operations.filter(({ operation }) => operation.client === client)) {
      const free = freeFrom.findIndex((at) => at < shown.operation.invokedAt);
      const lane = free < 0 ? freeFrom.length : free;
      freeFrom[lane] = returnOf(shown);
      laneOf.set(shown, first + lane);
    }
    lanes.push(...freeFrom.map(() => client));
  }
  return { lanes, laneOf };
}
