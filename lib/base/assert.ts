import { InvariantViolation } from './errors.js';

/** States a fact that holds unless the library is wrong. The message is the fact, not its absence. */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new InvariantViolation(`violated: ${fact}`);
}

/** Ends a `switch` over a union: a new member is a compile error wherever it is not handled. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`violated: ${JSON.stringify(value)} is not possible`);
}

/** The element at `index`, which is known to exist. */
export function at<T>(array: readonly T[], index: number): T {
  const value = array[index];
  assert(value !== undefined, 'the index is inside the array');
  return value;
}
