import { assert } from '../../../base/index.js';
import type { Operation } from './history.js';
import type { WholeModel } from './model.js';
import { type Placed, Search, type SearchResult } from './search.js';

/** Operations of one part that no order explains, few enough to be read. */
export interface Counterexample<Input = unknown, Output = unknown> {
  /** As the model's `partition` said. */
  readonly part: string;
  /** How many operations of the part were looked at. */
  readonly outOf: number;
  /** The state before all of them, in the model's words. */
  readonly initially: string;
  /** In the order in which they were invoked. */
  readonly operations: readonly ShownOperation<Input, Output>[];
}

/** One operation of a counter-example. */
export interface ShownOperation<Input = unknown, Output = unknown> {
  readonly operation: Operation<Input, Output>;
  /** In the model's words. */
  readonly asked: string;
  /** What was asked and answered, in the model's words. */
  readonly label: string;
  /** Its place in the longest order there is, from 1 on; null where it has none. */
  readonly place: number | null;
  /** The state behind it in that order, in the model's words. */
  readonly stateAfter: string | null;
  /** Whether it is the one that cannot be placed, though all that returned before it can. */
  readonly isBlocked: boolean;
}

/** Where a history failed. */
interface Obstacle<Input, Output> {
  readonly part: string;
  readonly blocked: Operation<Input, Output>;
  readonly blockedAt: number;
}

/** Steps that all searches for a smaller history may take together, and one of them alone. */
const MAX_STEPS = 3_000_000;
const MAX_STEPS_EACH = 300_000;

/**
 * The counter-example in a history that failed at `blocked`: as few operations as can be found that are a
 * proof, because the history fails whatever became of all others, and those on which they stand.
 */
export function counterexampleOf<State, Input, Output>(
  model: WholeModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  obstacle: Obstacle<Input, Output>,
): Counterexample<Input, Output> {
  const { part } = obstacle;
  const { kept, result } = new Reduction(model, operations, obstacle).run();
  const { order, blocked } = result;
  return {
    part,
    outOf: operations.length,
    initially: model.describeState(model.init(part)),
    operations: kept.map((operation) => shown(model, operation, order, blocked)),
  };
}

type Impossible<State, Input, Output> = Extract<
  SearchResult<State, Input, Output>,
  { readonly kind: 'impossible' }
>;

class Reduction<State, Input, Output> {
  readonly #model: WholeModel<State, Input, Output>;
  readonly #part: string;
  readonly #blocked: Operation<Input, Output>;
  /** The shortest prefix that fails, in order. */
  readonly #prefix: readonly Operation<Input, Output>[];
  /** The same, of which nobody knows. */
  readonly #doubted: ReadonlyMap<Operation<Input, Output>, Operation<Input, Output>>;
  #steps = 0;

  constructor(
    model: WholeModel<State, Input, Output>,
    operations: readonly Operation<Input, Output>[],
    { part, blocked, blockedAt }: Obstacle<Input, Output>,
  ) {
    this.#model = model;
    this.#part = part;
    this.#blocked = blocked;
    this.#prefix = this.#prefixOf(operations, blockedAt);
    this.#doubted = new Map(this.#prefix.map((operation) => [operation, doubt(operation)]));
  }

  /**
   * What was invoked before the return of `blocked`; all, where it fails by what was seen later only: that an
   * unknown operation had happened.
   */
  #prefixOf(
    operations: readonly Operation<Input, Output>[],
    blockedAt: number,
  ): readonly Operation<Input, Output>[] {
    const possible = operations
      .filter(({ outcome }) => outcome !== 'rejected')
      .sort((a, b) => a.invokedAt - b.invokedAt);
    const prefix = possible.filter(({ invokedAt }) => invokedAt <= blockedAt);
    return this.#search(prefix) === null ? possible : prefix;
  }

  run(): {
    kept: readonly Operation<Input, Output>[];
    result: Impossible<State, Input, Output>;
  } {
    const proof = this.#reduce(this.#shortestTail());
    const context = this.#contextOf(proof);
    const kept = this.#prefix.filter((one) => proof.has(one) || context.has(one));
    const whole = this.#search(kept);
    if (whole?.blocked === this.#blocked) return { kept, result: whole };
    // What the context answered stands on operations that are left out.
    const result = this.#search(kept.map((one) => (proof.has(one) ? one : this.#doubt(one))));
    if (result !== null) return { kept: kept, result: this.#undoubted(result) };
    const all = this.#search(this.#prefix, Number.POSITIVE_INFINITY);
    assert(all !== null, 'a prefix that failed fails again');
    return { kept: this.#prefix, result: all };
  }

  /** The last operations, so many that they are a proof. Twice as many each time. */
  #shortestTail(): ReadonlySet<Operation<Input, Output>> {
    const { length } = this.#prefix;
    for (let count = 1; count < length && this.#steps < MAX_STEPS; count *= 2) {
      const tail = new Set([...this.#prefix.slice(length - count), this.#blocked]);
      if (this.#isProof(tail)) return tail;
    }
    return new Set(this.#prefix);
  }

  /** Leaves out halves, quarters and so on, and single operations until none can go. */
  #reduce(proof: ReadonlySet<Operation<Input, Output>>): ReadonlySet<Operation<Input, Output>> {
    let kept = proof;
    for (let size = Math.ceil(kept.size / 2); this.#steps < MAX_STEPS; ) {
      const fewer = this.#pass(kept, size);
      if (size > 1) size = Math.ceil(size / 2);
      else if (fewer.size === kept.size) return fewer;
      kept = fewer;
    }
    return kept;
  }

  #pass(
    proof: ReadonlySet<Operation<Input, Output>>,
    size: number,
  ): ReadonlySet<Operation<Input, Output>> {
    let kept = proof;
    const candidates = [...proof].filter((operation) => operation !== this.#blocked);
    for (let from = 0; from < candidates.length && this.#steps < MAX_STEPS; from += size) {
      const leaving = new Set(candidates.slice(from, from + size));
      const fewer = new Set([...kept].filter((operation) => !leaving.has(operation)));
      if (this.#isProof(fewer)) kept = fewer;
    }
    return kept;
  }

  /** Whether there is no order though all others may have happened at any time, or not. */
  #isProof(proof: ReadonlySet<Operation<Input, Output>>): boolean {
    return this.#searchDoubting(proof) !== null;
  }

  /** Of the others, those that are in the longest order. */
  #contextOf(proof: ReadonlySet<Operation<Input, Output>>): ReadonlySet<Operation<Input, Output>> {
    const order = this.#searchDoubting(proof)?.order ?? [];
    const placed = new Set(order.map(({ operation }) => operation));
    return new Set(this.#prefix.filter((one) => placed.has(this.#doubt(one))));
  }

  #searchDoubting(
    proof: ReadonlySet<Operation<Input, Output>>,
  ): Impossible<State, Input, Output> | null {
    return this.#search(this.#prefix.map((one) => (proof.has(one) ? one : this.#doubt(one))));
  }

  /** Null where there is an order, or the search was given up. */
  #search(
    operations: readonly Operation<Input, Output>[],
    maxSteps: number = MAX_STEPS_EACH,
  ): Impossible<State, Input, Output> | null {
    const result = new Search(this.#model, operations, { part: this.#part, maxSteps }).run();
    this.#steps += result.steps;
    return result.kind === 'impossible' ? result : null;
  }

  #doubt(operation: Operation<Input, Output>): Operation<Input, Output> {
    return this.#doubted.get(operation) ?? operation;
  }

  #undoubted(result: Impossible<State, Input, Output>): Impossible<State, Input, Output> {
    const originals = new Map([...this.#doubted].map(([original, doubted]) => [doubted, original]));
    const original = (one: Operation<Input, Output>): Operation<Input, Output> => {
      return originals.get(one) ?? one;
    };
    const order = result.order.map(({ operation, state }) => {
      return { operation: original(operation), state };
    });
    return { ...result, blocked: original(result.blocked), order };
  }
}

/** An operation of which nobody knows already stays itself, so that it is the same in every search. */
function doubt<Input, Output>(operation: Operation<Input, Output>): Operation<Input, Output> {
  if (operation.outcome === 'unknown') return operation;
  const { client, input, invokedAt, invokedMs } = operation;
  return { client, input, invokedAt, invokedMs, outcome: 'unknown', returnedMs: null };
}

function shown<State, Input, Output>(
  model: WholeModel<State, Input, Output>,
  operation: Operation<Input, Output>,
  order: readonly Placed<State, Input, Output>[],
  blocked: Operation<Input, Output>,
): ShownOperation<Input, Output> {
  const { input, outcome } = operation;
  const output = outcome === 'acknowledged' ? operation.output : undefined;
  const position = order.findIndex((placed) => placed.operation === operation);
  const placed = order[position];
  return {
    operation,
    asked: model.describe(input, undefined),
    label: model.describe(input, output),
    place: placed === undefined ? null : position + 1,
    stateAfter: placed === undefined ? null : model.describeState(placed.state),
    isBlocked: operation === blocked,
  };
}
