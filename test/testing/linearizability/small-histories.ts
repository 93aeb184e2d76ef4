import fc from 'fast-check';
import {
  History,
  type KVInput,
  type KVOutput,
  type Operation,
} from '../../../lib/testing/index.js';

/** A call of a register; a swap answers what it replaced. */
export type RegisterCall =
  | { readonly kind: 'read' }
  | { readonly kind: 'write' | 'swap'; readonly value: string };

/** What was asked, and what might have been answered, right or wrong. */
interface DrawnCall<Input, Output> {
  readonly input: Input;
  readonly output: Output;
}

/** Few values, some of which are written twice. */
const values = fc.constantFrom('1', '2', '3');
const revisions = fc.integer({ min: 1, max: 4 });

export const registerCalls: fc.Arbitrary<DrawnCall<RegisterCall, string>> = fc.oneof(
  fc.record({
    input: fc.record({ kind: fc.constant('read' as const) }),
    output: fc.constantFrom('-', '1', '2', '3'),
  }),
  fc.record({
    input: fc.record({ kind: fc.constant('write' as const), value: values }),
    output: fc.constant(''),
  }),
  fc.record({
    input: fc.record({ kind: fc.constant('swap' as const), value: values }),
    output: fc.constantFrom('-', '1', '2', '3'),
  }),
);

const entries = fc.option(
  fc.record({ value: values, modRevision: revisions }).map(({ value, modRevision }) => {
    return { value, modRevision, createRevision: 1, version: 1 };
  }),
);
const conditions = fc.option(fc.integer({ min: 0, max: 3 }), { freq: 2 });
const failures = entries.map((entry) => ({ kind: 'conditionFailed' as const, entry }));
const key = fc.constant('k');

export const kvCalls: fc.Arbitrary<DrawnCall<KVInput, KVOutput>> = fc.oneof(
  fc.record({
    input: fc.record({
      kind: fc.constant('get' as const),
      key,
      consistency: fc.constant('linearizable' as const),
    }),
    output: fc.record({ kind: fc.constant('entry' as const), entry: entries }),
  }),
  fc.record({
    input: fc.record({
      kind: fc.constant('put' as const),
      key,
      value: values,
      ifRevision: conditions,
    }),
    output: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('put' as const),
          revision: revisions,
          created: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: failures },
    ),
  }),
  fc.record({
    input: fc.record({ kind: fc.constant('delete' as const), key, ifRevision: conditions }),
    output: fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('delete' as const),
          revision: revisions,
          deleted: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: failures },
    ),
  }),
);

/** Up to `maxCalls` calls of three clients, begun and ended in any order. */
export function drawnHistory<Input, Output>(
  calls: fc.Arbitrary<DrawnCall<Input, Output>>,
  maxCalls: number,
): fc.Arbitrary<readonly Operation<Input, Output>[]> {
  const turn = fc.record({
    client: fc.integer({ min: 0, max: 2 }),
    call: calls,
    end: fc.constantFrom('acknowledge', 'acknowledge', 'acknowledge', 'lose', 'reject'),
  });
  return fc.array(turn, { minLength: 2, maxLength: maxCalls * 2 }).map((turns) => {
    const history = new History<Input, Output>();
    const running = new Map<number, () => void>();
    for (const { client, call, end } of turns) {
      const finish = running.get(client);
      running.delete(client);
      if (finish !== undefined) {
        finish();
        continue;
      }
      const pending = history.begin(`c${client}`, call.input);
      running.set(client, () => {
        if (end === 'acknowledge') pending.acknowledge(call.output);
        else if (end === 'lose') pending.lose();
        else pending.reject();
      });
    }
    return history.operations;
  });
}
