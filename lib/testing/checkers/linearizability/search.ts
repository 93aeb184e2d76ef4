import { at } from '../../../base/index.js';
import type { Operation } from './history.js';
import type { WholeModel } from './model.js';

/** An operation that has its place in the order, and the state behind it. */
export interface Placed<State, Input, Output> {
  readonly operation: Operation<Input, Output>;
  readonly state: State;
}

/** What a search came to. */
export type SearchResult<State, Input, Output> = { readonly steps: number } & (
  | { readonly kind: 'found' }
  | { readonly kind: 'gaveUp' }
  | {
      readonly kind: 'impossible';
      /**
       * The first operation by whose return no order is left: all that returned before it can be placed, but
       * not it as well.
       */
      readonly blocked: Operation<Input, Output>;
      /** Where it returned, or was seen to have happened. */
      readonly blockedAt: number;
      /** An order that places all that returned before it. */
      readonly order: readonly Placed<State, Input, Output>[];
    }
);

/** Kind to count, for kinds of which some took effect. */
type Used = ReadonlyMap<number, number>;

const NONE_USED: Used = new Map();

/**
 * Some operations placed in an order, which is a path up the parents. All that is yet to be placed and was
 * invoked before `horizon` is in `open`; whatever else returned is placed.
 */
interface Node<State, Input, Output> {
  readonly parent: Node<State, Input, Output> | null;
  readonly placed: Operation<Input, Output> | null;
  readonly state: State;
  readonly fingerprint: string;
  /** Positions in `known`, ascending. Together they say which operations are placed. */
  readonly open: readonly number[];
  /** The first position that is not yet invoked. */
  readonly next: number;
  /** The first return among `open`: one of the operations invoked before it comes next. */
  readonly horizon: number;
  /** Of each kind of unknown operations that took effect, how many: the first ones. */
  readonly used: Used;
  /** How many of `known` are placed. */
  readonly count: number;
}

/** A node, those reached from it by unknown operations alone, and what of them was tried. */
interface Frame<State, Input, Output> {
  readonly nodes: Node<State, Input, Output>[];
  nodeAt: number;
  openAt: number;
}

type Acknowledged<Input, Output> = Extract<
  Operation<Input, Output>,
  { readonly outcome: 'acknowledged' }
>;

/**
 * Looks for an order of operations that the model allows and that keeps each between its invocation and
 * its return (Wing & Gong 1993). What was reached once, by the operations that are placed and the state, is
 * not looked at again (Lowe 2017).
 *
 * - An unknown operation may take its place at any time after its invocation, or have none. It is tried only
 *   where nothing else fits, fewest first: an operation that never took effect is no different from one that
 *   has yet to, so whatever is possible after some of them is possible after fewer with the same state.
 * - A read that fits and changes nothing is placed at once: no later place allows more.
 */
export class Search<State, Input, Output> {
  readonly #model: WholeModel<State, Input, Output>;
  /** What was prepared, and what it was made of. */
  readonly #originals = new Map<Operation<Input, Output>, Operation<Input, Output>>();
  readonly #known: readonly Acknowledged<Input, Output>[];
  /**
   * Unknown operations by what they ask, each kind in the order of invocation. Of one kind the first will
   * do: it can stand wherever another can.
   */
  readonly #kinds: readonly (readonly Operation<Input, Output>[])[];
  readonly #maxSteps: number;
  readonly #init: State;
  /** By open operations and state, the smallest sets of unknown operations. */
  readonly #seen = new Map<string, Used[]>();
  readonly #frames: Frame<State, Input, Output>[] = [];
  #steps = 0;
  #furthest: Node<State, Input, Output> | null = null;

  /** `operations` are of one part, in any order; rejected ones are passed over. */
  constructor(
    model: WholeModel<State, Input, Output>,
    operations: readonly Operation<Input, Output>[],
    { part, maxSteps }: { readonly part: string; readonly maxSteps: number },
  ) {
    const inOrder = model.prepare(operations).map((operation, position) => {
      this.#originals.set(operation, at(operations, position));
      return operation;
    });
    inOrder.sort((a, b) => a.invokedAt - b.invokedAt);
    this.#model = model;
    this.#known = inOrder.filter((operation) => operation.outcome === 'acknowledged');
    this.#kinds = kindsOf(inOrder.filter(({ outcome }) => outcome === 'unknown'));
    this.#maxSteps = maxSteps;
    this.#init = model.init(part);
  }

  run(): SearchResult<State, Input, Output> {
    const root = this.#arrive(this.#root());
    if (root !== null) this.#frames.push({ nodes: [root], nodeAt: 0, openAt: 0 });
    for (;;) {
      const steps = this.#steps;
      const frame = this.#frames.at(-1);
      if (frame === undefined) return { kind: 'impossible', steps, ...this.#obstacle() };
      const node = frame.nodes[frame.nodeAt];
      if (node?.open.length === 0) return { kind: 'found', steps };
      if (steps > this.#maxSteps) return { kind: 'gaveUp', steps };
      if (node === undefined) this.#frames.pop();
      else this.#tryNext(frame, node);
    }
  }

  /** The next open operation after `node`; when all were tried, unknown ones before them. */
  #tryNext(frame: Frame<State, Input, Output>, node: Node<State, Input, Output>): void {
    const position = node.open[frame.openAt];
    if (position === undefined) {
      frame.nodes.push(...this.#withUnknown(node));
      frame.nodeAt += 1;
      frame.openAt = 0;
      return;
    }
    frame.openAt += 1;
    const operation = at(this.#known, position);
    const state = this.#step(node.state, operation.input, operation.output);
    if (state === null) return;
    const child = this.#arrive(this.#withKnown(node, position, state));
    if (child !== null) this.#frames.push({ nodes: [child], nodeAt: 0, openAt: 0 });
  }

  /** What is reached from `node` by one operation of which nobody knows. */
  #withUnknown(node: Node<State, Input, Output>): Node<State, Input, Output>[] {
    const reached: Node<State, Input, Output>[] = [];
    for (const [kind, operations] of this.#kinds.entries()) {
      const count = node.used.get(kind) ?? 0;
      const operation = operations[count];
      if (operation === undefined || operation.invokedAt > node.horizon) continue;
      // The unknown one before it would leave no trace.
      if (node.placed?.outcome === 'unknown' && this.#model.overwrites(operation.input)) continue;
      const state = this.#step(node.state, operation.input, undefined);
      if (state === null) continue;
      const fingerprint = this.#model.fingerprint(state);
      const used = new Map(node.used).set(kind, count + 1);
      const parent = node;
      const child = this.#arrive({ ...node, parent, placed: operation, state, fingerprint, used });
      if (child !== null) reached.push(child);
    }
    return reached;
  }

  #root(): Node<State, Input, Output> {
    const state = this.#init;
    const fingerprint = this.#model.fingerprint(state);
    const start = { parent: null, placed: null, state, fingerprint, used: NONE_USED, count: 0 };
    return { ...start, ...this.#admit([], 0) };
  }

  #withKnown(
    node: Node<State, Input, Output>,
    position: number,
    state: State,
  ): Node<State, Input, Output> {
    const open = node.open.filter((other) => other !== position);
    return {
      parent: node,
      placed: at(this.#known, position),
      state,
      fingerprint: this.#model.fingerprint(state),
      used: node.used,
      count: node.count + 1,
      ...this.#admit(open, node.next),
    };
  }

  /** Opens what was invoked before the first return among what is open. Takes `open` over. */
  #admit(open: number[], from: number): { open: number[]; next: number; horizon: number } {
    let next = from;
    let horizon = Number.POSITIVE_INFINITY;
    for (const position of open) horizon = Math.min(horizon, at(this.#known, position).returnedAt);
    for (; next < this.#known.length; next += 1) {
      const { invokedAt, returnedAt } = at(this.#known, next);
      if (invokedAt > horizon) break;
      open.push(next);
      horizon = Math.min(horizon, returnedAt);
    }
    return { open, next, horizon };
  }

  /** The node with the reads placed that fit; null where nothing new can come of it. */
  #arrive(reached: Node<State, Input, Output>): Node<State, Input, Output> | null {
    const node = this.#placeReads(reached);
    if (this.#furthest === null || isFurther(node, this.#furthest)) this.#furthest = node;
    if (node.open.length > 0 && (this.#isLost(node) || this.#wasSeen(node))) return null;
    return node;
  }

  #placeReads(reached: Node<State, Input, Output>): Node<State, Input, Output> {
    let node = reached;
    for (let openAt = 0; openAt < node.open.length; ) {
      const position = at(node.open, openAt);
      const { input, output } = at(this.#known, position);
      openAt += 1;
      if (!this.#model.isRead(input)) continue;
      const state = this.#step(node.state, input, output);
      if (state === null || this.#model.fingerprint(state) !== node.fingerprint) continue;
      node = this.#withKnown(node, position, state);
      openAt = 0;
    }
    return node;
  }

  /**
   * Whether an open operation cannot be placed any more. Such a node is still followed where it may lead
   * further than any other did: by how far one gets, the operation is found that is to blame.
   */
  #isLost({ open, state }: Node<State, Input, Output>): boolean {
    const furthest = this.#furthest?.horizon ?? 0;
    return open.some((position) => {
      const { input, output, returnedAt } = at(this.#known, position);
      return returnedAt <= furthest && this.#model.isPast(state, input, output);
    });
  }

  #wasSeen({ open, fingerprint, used }: Node<State, Input, Output>): boolean {
    const key = `${open.join()} ${fingerprint}`;
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      this.#seen.set(key, [used]);
      return false;
    }
    this.#steps += seen.length - 1;
    if (seen.some((fewer) => isWithin(fewer, used))) return true;
    seen.push(used);
    return false;
  }

  #step(state: State, input: Input, output: Output | undefined): State | null {
    this.#steps += 1;
    return this.#model.step(state, input, output);
  }

  #obstacle(): {
    blocked: Operation<Input, Output>;
    blockedAt: number;
    order: readonly Placed<State, Input, Output>[];
  } {
    const order: Placed<State, Input, Output>[] = [];
    const furthest = this.#furthest;
    for (let node = furthest; node !== null; node = node.parent) {
      if (node.placed === null) continue;
      order.push({ operation: this.#original(node.placed), state: node.state });
    }
    order.reverse();
    const blockedAt = furthest?.horizon ?? 0;
    const open = (furthest?.open ?? []).map((position) => at(this.#known, position));
    const blocked = at(
      open.filter(({ returnedAt }) => returnedAt === blockedAt),
      0,
    );
    return { blocked: this.#original(blocked), blockedAt, order };
  }

  #original(operation: Operation<Input, Output>): Operation<Input, Output> {
    return this.#originals.get(operation) ?? operation;
  }
}

function isFurther<State, Input, Output>(
  node: Node<State, Input, Output>,
  other: Node<State, Input, Output>,
): boolean {
  if (node.horizon !== other.horizon) return node.horizon > other.horizon;
  return node.count > other.count;
}

function isWithin(fewer: Used, used: Used): boolean {
  for (const [kind, count] of fewer) {
    if (count > (used.get(kind) ?? 0)) return false;
  }
  return true;
}

function kindsOf<Input, Output>(
  unknown: readonly Operation<Input, Output>[],
): readonly (readonly Operation<Input, Output>[])[] {
  const kinds = new Map<string, Operation<Input, Output>[]>();
  for (const operation of unknown) {
    const asked = JSON.stringify(operation.input) ?? '';
    const kind = kinds.get(asked);
    if (kind === undefined) kinds.set(asked, [operation]);
    else kind.push(operation);
  }
  return [...kinds.values()];
}
