import { type Counterexample, counterexampleOf } from './counterexample.js';
import type { Operation } from './history.js';
import { type Model, WholeModel } from './model.js';
import { Search } from './search.js';

/** `inconclusive`: the search was given up, so neither is known. */
export type Verdict = 'linearizable' | 'violated' | 'inconclusive';

/** How long a check may take. */
export interface CheckOptions {
  /** Operations of one part; a part with more is inconclusive. Default 5,000. */
  readonly maxOperations?: number | undefined;
  /**
   * Calls of the model's `step` for one part; one that needs more is inconclusive. Default one million, about
   * two seconds. A step in a hard history costs up to some hundred bytes of memory.
   */
  readonly maxSteps?: number | undefined;
  /** Of how many parts a counter-example is made; each takes up to some seconds. Default 3. */
  readonly maxCounterexamples?: number | undefined;
}

/** What became of one part. */
export interface PartVerdict {
  readonly part: string;
  readonly verdict: Verdict;
  /** Operations that may have happened. */
  readonly operationCount: number;
  /** Calls of the model's `step`. */
  readonly steps: number;
}

/** What is known of a history. */
export interface LinearizabilityResult<Input = unknown, Output = unknown> {
  /** `violated` if any part is, otherwise `inconclusive` if any part is. */
  readonly verdict: Verdict;
  /** In the order in which the parts appear. */
  readonly parts: readonly PartVerdict[];
  /** Of the first parts that are violated. */
  readonly counterexamples: readonly Counterexample<Input, Output>[];
}

const MAX_OPERATIONS = 5000;
const MAX_STEPS = 1_000_000;
const MAX_COUNTEREXAMPLES = 3;

/**
 * Whether the operations could have been carried out one after the other, as the model says, each at some
 * moment between its invocation and its return. Rejected operations must not have happened; unknown ones may
 * have happened at any moment after their invocation, or not at all.
 */
export function checkLinearizability<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  options: CheckOptions = {},
): LinearizabilityResult<Input, Output> {
  const { maxOperations = MAX_OPERATIONS, maxSteps = MAX_STEPS } = options;
  const { maxCounterexamples = MAX_COUNTEREXAMPLES } = options;
  const whole = new WholeModel(model);
  const parts: PartVerdict[] = [];
  const counterexamples: Counterexample<Input, Output>[] = [];
  for (const [part, own] of partsOf(whole, operations)) {
    const operationCount = own.length;
    if (operationCount > maxOperations) {
      parts.push({ part, verdict: 'inconclusive', operationCount, steps: 0 });
      continue;
    }
    const result = new Search(whole, own, { part, maxSteps }).run();
    parts.push({ part, verdict: VERDICTS[result.kind], operationCount, steps: result.steps });
    if (result.kind === 'impossible' && counterexamples.length < maxCounterexamples) {
      counterexamples.push(counterexampleOf(whole, own, { part, ...result }));
    }
  }
  return { verdict: verdictOf(parts), parts, counterexamples };
}

const VERDICTS = {
  found: 'linearizable',
  impossible: 'violated',
  gaveUp: 'inconclusive',
} as const satisfies Record<string, Verdict>;

function partsOf<State, Input, Output>(
  model: WholeModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): ReadonlyMap<string, readonly Operation<Input, Output>[]> {
  const parts = new Map<string, Operation<Input, Output>[]>();
  for (const operation of operations) {
    if (operation.outcome === 'rejected') continue;
    const part = model.partition(operation.input);
    const own = parts.get(part);
    if (own === undefined) parts.set(part, [operation]);
    else own.push(operation);
  }
  return parts;
}

function verdictOf(parts: readonly PartVerdict[]): Verdict {
  if (parts.some(({ verdict }) => verdict === 'violated')) return 'violated';
  return parts.some(({ verdict }) => verdict === 'inconclusive') ? 'inconclusive' : 'linearizable';
}
