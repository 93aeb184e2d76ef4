import type { Model, Operation } from '../../../lib/testing/index.js';

/**
 * Linearizability by its definition: tries every order of every choice of unknown operations. Right, and
 * hopeless for more than a handful.
 */
export function isLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean {
  const parts = new Map<string, Operation<Input, Output>[]>();
  for (const operation of operations) {
    if (operation.outcome === 'rejected') continue;
    const part = model.partition?.(operation.input) ?? '';
    parts.set(part, [...(parts.get(part) ?? []), operation]);
  }
  return [...parts].every(([part, own]) => canFollow(model, model.init(part), own));
}

function canFollow<State, Input, Output>(
  model: Model<State, Input, Output>,
  state: State,
  left: readonly Operation<Input, Output>[],
): boolean {
  if (left.every(({ outcome }) => outcome === 'unknown')) return true;
  return left.some((operation) => {
    const others = left.filter((other) => other !== operation);
    const mustComeFirst = others.some((other) => {
      return other.outcome === 'acknowledged' && other.returnedAt < operation.invokedAt;
    });
    if (mustComeFirst) return false;
    const output = operation.outcome === 'acknowledged' ? operation.output : undefined;
    const next = model.step(state, operation.input, output);
    return next !== null && canFollow(model, next, others);
  });
}
