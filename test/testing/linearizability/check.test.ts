import fc from 'fast-check';
import t from 'tap';
import {
  checkLinearizability,
  explain,
  History,
  kvModel,
  type Model,
  type Operation,
  reducerModel,
} from '../../../lib/testing/index.js';
import { isLinearizable } from './brute-force.js';
import { FAULT_NAMES, generatedHistory } from './generated.js';
import { drawnHistory, kvCalls, type RegisterCall, registerCalls } from './small-histories.js';

/** A register and nothing that shortens the search. */
const register: Model<string, RegisterCall, string> = {
  init: () => '-',
  step: (state, input, output) => {
    if (input.kind === 'write') return input.value;
    if (input.kind === 'swap') return output === undefined || output === state ? input.value : null;
    return output === undefined || output === state ? state : null;
  },
};

/** The same with every hint. */
const hinted: Model<string, RegisterCall, string> = {
  ...register,
  fingerprint: (state) => state,
  isRead: ({ kind }) => kind === 'read',
  overwrites: ({ kind }) => kind !== 'read',
};

t.test('a register', async (t) => {
  const cases: readonly (readonly [name: string, isRight: boolean, lines: string])[] = [
    ['nothing happened', true, ''],
    ['a read of what was written', true, 'a:write=1 a. b:read b.1'],
    ['a read of what was written before', false, 'a:write=1 a. a:write=2 a. b:read b.1'],
    ['a read beside the write sees the old', true, 'a:write=1 a. a:write=2 b:read b.1 a.'],
    ['a read beside the write sees the new', true, 'a:write=1 a. a:write=2 b:read b.2 a.'],
    ['a read that goes back', false, 'a:write=1 a. a:write=2 b:read b.2 b:read b.1 a.'],
    ['another reader goes back', false, 'a:write=1 a. a:write=2 b:read b.2 c:read c.1 a.'],
    ['two readers at once may differ', true, 'a:write=1 a. a:write=2 b:read c:read b.2 c.1 a.'],
    ['a lost update', false, 'a:write=1 a. b:write=2 b. c:read c.1'],
    ['a value that nobody wrote', false, 'a:write=1 a. b:read b.3'],
    ['a read from the future', false, 'b:read b.1 a:write=1 a.'],
    ['an unknown write that did not happen', true, 'a:write=1 a? b:read b.-'],
    ['an unknown write that happened late', true, 'a:write=1 a? b:read b.- b:read b.1'],
    ['an unknown write that is undone', false, 'a:write=1 a? b:read b.1 b:read b.-'],
    ['an unknown write after another', true, 'a:write=1 a? b:write=2 b. b:read b.2 b:read b.1'],
    [
      'an unknown write that happened twice',
      false,
      'a:write=1 a? b:read b.1 b:write=2 b. b:read b.2 b:read b.1',
    ],
    ['a rejected write', true, 'a:write=1 a! b:read b.-'],
    ['a rejected write that happened', false, 'a:write=1 a! b:read b.1'],
    ['a write still under way', true, 'a:write=1 b:read b.1 b:read b.1'],
    ['an unknown swap whose answer is lost', true, 'a:swap=1 a? b:swap=2 b.1 c:read c.2'],
    ['two swaps that saw the same', false, 'a:swap=1 b:swap=2 a.- b.-'],
    ['two swaps in a row', true, 'a:swap=1 b:swap=2 a.2 b.-'],
  ];
  for (const [name, isRight, lines] of cases) {
    const operations = told(lines);
    for (const model of [register, hinted]) {
      const { verdict } = checkLinearizability(model, operations);
      t.equal(verdict, isRight ? 'linearizable' : 'violated', name);
    }
    t.equal(isLinearizable(register, operations), isRight, `${name}, by brute force`);
  }
});

t.test('agrees with brute force on every small history of a register', async (t) => {
  const counts = { right: 0, wrong: 0 };
  fc.assert(
    fc.property(drawnHistory(registerCalls, 7), (operations) => {
      const isRight = isLinearizable(register, operations);
      counts[isRight ? 'right' : 'wrong'] += 1;
      const expected = isRight ? 'linearizable' : 'violated';
      return [register, hinted].every((model) => {
        return checkLinearizability(model, operations).verdict === expected;
      });
    }),
    { numRuns: 3000, seed: 1 },
  );
  t.ok(counts.right > 300 && counts.wrong > 300, JSON.stringify(counts));
});

t.test('agrees with brute force on every small history of a key', async (t) => {
  const counts = { right: 0, wrong: 0 };
  fc.assert(
    fc.property(drawnHistory(kvCalls, 6), (operations) => {
      const isRight = isLinearizable(kvModel, operations);
      counts[isRight ? 'right' : 'wrong'] += 1;
      const expected = isRight ? 'linearizable' : 'violated';
      return checkLinearizability(kvModel, operations).verdict === expected;
    }),
    { numRuns: 5000, seed: 1 },
  );
  t.ok(counts.right > 300 && counts.wrong > 300, JSON.stringify(counts));
});

t.test('a counter-example fails by itself, however little of the history it is', async (t) => {
  let shrunk = 0;
  fc.assert(
    fc.property(drawnHistory(registerCalls, 8), (operations) => {
      const { counterexamples } = checkLinearizability(hinted, operations);
      for (const { operations: kept, outOf } of counterexamples) {
        if (kept.length < outOf) shrunk += 1;
        const own = kept.map(({ operation }) => operation);
        if (isLinearizable(register, own)) return false;
        if (kept.filter(({ isBlocked }) => isBlocked).length !== 1) return false;
      }
      return true;
    }),
    { numRuns: 1000, seed: 2 },
  );
  t.ok(shrunk > 100, `${shrunk} were smaller`);
});

t.test('accepts what a right store answered, and refuses the same with one fault', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const options = { seed, operations: 600, clients: 6, lost: 0.03, keys: 2 };
    const right = checkLinearizability(kvModel, generatedHistory(options));
    t.equal(right.verdict, 'linearizable', `seed ${seed}`);
    for (const fault of FAULT_NAMES) {
      const wrong = checkLinearizability(kvModel, generatedHistory({ ...options, fault }));
      t.equal(wrong.verdict, 'violated', `seed ${seed}: ${fault}`);
      t.ok(wrong.counterexamples[0]!.operations.length <= 6, explain(wrong));
    }
  }
});

t.test('takes 5,000 operations of 8 clients on one key in about a second', async (t) => {
  for (const lost of [0, 0.01, 0.05]) {
    for (const fault of [undefined, ...FAULT_NAMES]) {
      const options = { seed: 'cost', operations: 5000, clients: 8, lost };
      const operations = generatedHistory(fault === undefined ? options : { ...options, fault });
      const { verdict, parts } = checkLinearizability(kvModel, operations);
      t.equal(verdict, fault === undefined ? 'linearizable' : 'violated');
      // Steps and not seconds: a million take about two.
      t.ok(parts[0]!.steps < 500_000, `${fault ?? 'right'}: ${parts[0]!.steps} steps`);
    }
  }
});

t.test('past its budget a part is inconclusive, and counted as neither', async (t) => {
  const operations = generatedHistory({ seed: 1, operations: 200, clients: 4, keys: 2 });
  const fewSteps = checkLinearizability(kvModel, operations, { maxSteps: 50 });
  t.equal(fewSteps.verdict, 'inconclusive');
  t.same(
    fewSteps.parts.map(({ verdict }) => verdict),
    ['inconclusive', 'inconclusive'],
  );
  const fewOperations = checkLinearizability(kvModel, operations, { maxOperations: 50 });
  t.equal(fewOperations.verdict, 'inconclusive');
  t.match(explain(fewOperations), /2 inconclusive\)\n {2}"k\d": given up, \d+ operations, 0 steps/);
  const wrong = generatedHistory({ seed: 1, operations: 200, clients: 4, fault: 'stale read' });
  const other = operations.filter(({ input }) => input.key === 'k2');
  const both = checkLinearizability(kvModel, [...wrong, ...other], { maxOperations: 200 });
  t.equal(both.verdict, 'violated', 'one that is violated counts most');
});

t.test("a user's own reducer is a model", async (t) => {
  const counter = {
    initial: null,
    apply: (count: number | null, add: number) => {
      const next = (count ?? 0) + add;
      return { state: next, result: next };
    },
    query: (count: number | null) => count,
  };
  const model = reducerModel(counter);
  const history = new History<Parameters<typeof model.step>[1], number | null>();
  const lost = history.begin('a', { kind: 'apply', command: 1 });
  history.begin('b', { kind: 'apply', command: 2 }).acknowledge(2);
  lost.lose();
  history.begin('b', { kind: 'query', query: null }).acknowledge(3);
  t.equal(checkLinearizability(model, history.operations).verdict, 'linearizable');
  history.begin('b', { kind: 'query', query: null }).acknowledge(2);
  const result = checkLinearizability(model, history.operations);
  t.equal(result.verdict, 'violated');
  t.match(explain(result), 'the history: ');
});

/**
 * A history in a few words: `a:write=1` client a begins, `a.` it is answered, `a.1` with this, `a?` nobody
 * knows, `a!` it was rejected.
 */
function told(lines: string): readonly Operation<RegisterCall, string>[] {
  const history = new History<RegisterCall, string>();
  const calls = new Map<string, ReturnType<typeof history.begin>>();
  for (const [, client, end, rest] of lines.matchAll(/(\w)([:.?!])(\S*)/g)) {
    if (end === ':') {
      const [kind, value = ''] = rest!.split('=');
      const input: RegisterCall =
        kind === 'read' ? { kind } : { kind: kind === 'swap' ? 'swap' : 'write', value };
      calls.set(client!, history.begin(client!, input));
    } else if (end === '.') calls.get(client!)!.acknowledge(rest!);
    else if (end === '?') calls.get(client!)!.lose();
    else calls.get(client!)!.reject();
  }
  return history.operations;
}
