import type { Operation } from './history.js';

/**
 * What a service should be if one copy of it took one call at a time. States are values, never null:
 * `step` changes nothing that it is given.
 */
export interface Model<State, Input, Output> {
  /** Before the first operation; `part` is what `partition` said of the operations that follow. */
  init(part: string): State;
  /**
   * The state after an operation that answered `output`, or null where the machine cannot answer so. An
   * `output` of undefined: it took effect, and nobody knows what it answered.
   */
  step(state: State, input: Input, output: Output | undefined): State | null;
  /**
   * Which part of the state the operation is about. Parts that know nothing of each other are checked one
   * by one, which is what makes long histories affordable. Default: all is one part.
   */
  partition?(input: Input): string;
  /** Two states are the same where their texts are. Default: their JSON. */
  fingerprint?(state: State): string;
  /** Whether the operation changes no state, whatever the state is: the search is shorter for it. */
  isRead?(input: Input): boolean;
  /**
   * Whether the state behind the operation does not depend on the state before it. The search is shorter for
   * it where many operations are unknown; `false` is always right.
   */
  overwrites?(input: Input): boolean;
  /**
   * Whether no state from this one on can give the answer any more, as where it names a revision that has
   * passed. The search is shorter for it; `false` is always right.
   */
  isPast?(state: State, input: Input, output: Output): boolean;
  /**
   * What the operations of one part tell of each other, said of them singly: as many, each in its place. An
   * unknown write whose value somebody read is one that took effect before that read returned, say. Neither an
   * order may become possible by it nor one impossible.
   */
  prepare?(operations: readonly Operation<Input, Output>[]): readonly Operation<Input, Output>[];
  /** A few words for a counter-example; `output` as in `step`. Default: JSON. */
  describe?(input: Input, output: Output | undefined): string;
  /** A few words for a counter-example. Default: the fingerprint. */
  describeState?(state: State): string;
}

/** A deterministic machine as two functions, such as `defineStateMachine` takes. */
export interface Reducer<State, Command, Result, Query, Answer> {
  /** Before the first command. */
  readonly initial: State;
  /** The next state and what to tell the caller. */
  readonly apply: (
    state: State,
    command: Command,
  ) => { readonly state: State; readonly result: Result };
  /** Reads the state, and changes nothing. */
  readonly query: (state: State, query: Query) => Answer;
}

/** What is asked of a reducer. */
export type ReducerInput<Command, Query> =
  | { readonly kind: 'apply'; readonly command: Command }
  | { readonly kind: 'query'; readonly query: Query };

/**
 * The model of a reducer whose results depend on state and command alone. Answers are compared as JSON.
 * One part unless `partition` tells parts that no command spans: each of them begins at `initial`.
 */
export function reducerModel<State, Command, Result, Query, Answer>(
  { initial, apply, query }: Reducer<State, Command, Result, Query, Answer>,
  partition: (input: ReducerInput<Command, Query>) => string = () => '',
): Model<{ readonly held: State }, ReducerInput<Command, Query>, Result | Answer> {
  return {
    init: () => ({ held: initial }),
    step: (state, input, output) => {
      if (input.kind === 'query') {
        return isAnswer(output, query(state.held, input.query)) ? state : null;
      }
      const next = apply(state.held, input.command);
      return isAnswer(output, next.result) ? { held: next.state } : null;
    },
    partition,
    isRead: (input) => input.kind === 'query',
    describeState: ({ held }) => JSON.stringify(held) ?? '',
  };
}

/** Answers that are undefined tell nothing, whoever is asked. */
function isAnswer(told: unknown, right: unknown): boolean {
  return told === undefined || JSON.stringify(told) === JSON.stringify(right);
}

/** The model with every method there. */
export class WholeModel<State, Input, Output> implements Required<Model<State, Input, Output>> {
  readonly #model: Model<State, Input, Output>;

  constructor(model: Model<State, Input, Output>) {
    this.#model = model;
  }

  init(part: string): State {
    return this.#model.init(part);
  }

  step(state: State, input: Input, output: Output | undefined): State | null {
    return this.#model.step(state, input, output);
  }

  partition(input: Input): string {
    return this.#model.partition?.(input) ?? '';
  }

  fingerprint(state: State): string {
    return this.#model.fingerprint?.(state) ?? JSON.stringify(state) ?? '';
  }

  isRead(input: Input): boolean {
    return this.#model.isRead?.(input) ?? false;
  }

  overwrites(input: Input): boolean {
    return this.#model.overwrites?.(input) ?? false;
  }

  isPast(state: State, input: Input, output: Output): boolean {
    return this.#model.isPast?.(state, input, output) ?? false;
  }

  prepare(operations: readonly Operation<Input, Output>[]): readonly Operation<Input, Output>[] {
    return this.#model.prepare?.(operations) ?? operations;
  }

  describe(input: Input, output: Output | undefined): string {
    const described = this.#model.describe?.(input, output);
    if (described !== undefined) return described;
    const asked = JSON.stringify(input) ?? '';
    return output === undefined ? asked : `${asked} → ${JSON.stringify(output)}`;
  }

  describeState(state: State): string {
    return this.#model.describeState?.(state) ?? this.fingerprint(state);
  }
}
