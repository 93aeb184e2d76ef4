import fc from 'fast-check';
import t from 'tap';
import {
  checkLinearizability,
  explain,
  History,
  KVHistory,
  type KVInput,
  type KVOutput,
  kvModel,
  type Model,
  type Operation,
  type PendingCall,
  reducerModel,
  type SeenEntry,
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

t.test('a key of a store, with its revisions', async (t) => {
  const cases: readonly (readonly [name: string, isRight: boolean, lines: string])[] = [
    [
      'put, read, put again, delete, read',
      true,
      'a:put=1 a.1+ a:get a.1@1 a:put=2 a.2 a:get a.2@2 a:delete a.3 a:get a.-',
    ],
    ['a put that says it created what was there', false, 'a:put=1 a.1+ a:put=2 a.2+'],
    ['a put that says something was there', false, 'a:put=1 a.1'],
    ['the right value at another revision', false, 'a:put=1 a.1+ a:get a.1@2'],
    ['a revision that goes back', false, 'a:put=1 a.5+ a:put=2 a.4'],
    ['two puts at once, by revision', true, 'a:put=1 b:put=2 a.2 b.1+ a:get a.1@2'],
    ['two puts at once, against their revisions', false, 'a:put=1 b:put=2 a.2 b.1+ a:get a.2@1'],
    ['a deletion of nothing', true, 'a:delete a.-0 a:put=1 a.1+ a:delete a.2 a:delete a.-9'],
    ['a deletion that missed what was there', false, 'a:put=1 a.1+ a:delete a.-1'],
    ['a deletion of what was not there', false, 'a:delete a.1'],
    [
      'nothing was deleted, at a revision that has passed',
      false,
      'a:put=1 a.1+ b:delete b? a:get a.- a:delete a.-1',
    ],
    ['a condition that holds', true, 'a:put=1/0 a.1+ a:put=2/1 a.2 a:delete/2 a.3'],
    ['a put though its condition did not hold', false, 'a:put=1 a.1+ a:put=2 a.2 a:put=3/1 a.3'],
    ['a put that had to find nothing', false, 'a:put=1 a.1+ a:put=2/0 a.2'],
    [
      'a condition that fails, and what it shows',
      true,
      'a:put=1 a.1+ a:put=2/0 a!1@1 a:put=2/7 a!1@1 a:delete/7 a!1@1',
    ],
    ['a condition that fails though it holds', false, 'a:put=1 a.1+ a:put=2/1 a!1@1'],
    ['a condition that fails and shows the old', false, 'a:put=1 a.1+ a:put=2 a.2 a:put=3/7 a!1@1'],
    ['a condition that fails on nothing', true, 'a:delete/7 a!-'],
    ['a condition that had to find nothing fails on nothing', false, 'a:put=1/0 a!-'],
    ['an unknown put, seen at its revision', true, 'a:put=1 a? b:get b.1@3 b:put=2 b.4'],
    ['an unknown put, seen at two revisions', false, 'a:put=1 a? b:get b.1@3 b:get b.1@4'],
    [
      'an unknown put, seen later than what overwrote it',
      false,
      'a:put=1 a? b:get b.1@3 b:put=2 b.4 b:get b.1@3',
    ],
    [
      'unknown puts of one value, seen one after the other',
      true,
      'a:put=1 a? a:put=1 a? b:get c:get b.1@3 c.1@2',
    ],
    [
      'an unknown put whose condition must be spent first',
      true,
      'a:put=1 a? a:put=1/0 a? b:get b.1@1 b:put=2 b.2 b:get b.1@3',
    ],
    ['an unknown put that nobody saw', true, 'a:put=1 a? b:put=2 b.2'],
    ['an unknown deletion', true, 'a:put=1 a.1+ b:delete b? a:get a.1@1 a:get a.-'],
    ['an unknown deletion that is undone', false, 'a:put=1 a.1+ b:delete b? a:get a.- a:get a.1@1'],
  ];
  for (const [name, isRight, lines] of cases) {
    const operations = toldOfKey(lines);
    const { verdict } = checkLinearizability(kvModel, operations);
    t.equal(verdict, isRight ? 'linearizable' : 'violated', name);
    t.equal(isLinearizable(kvModel, operations), isRight, `${name}, by brute force`);
  }
});

t.test('what returns where another is invoked is concurrent with it', async (t) => {
  const call = { client: 'a', invokedMs: 0, outcome: 'acknowledged', returnedMs: 0 } as const;
  const write = { kind: 'write', value: '1' } as const;
  const operations: readonly Operation<RegisterCall, string>[] = [
    { ...call, input: write, output: '', invokedAt: 1, returnedAt: 2 },
    { ...call, input: { kind: 'read' }, output: '-', invokedAt: 2, returnedAt: 3 },
  ];
  t.equal(checkLinearizability(register, operations).verdict, 'linearizable');
  const [first, second] = operations;
  const later = [first!, { ...second!, invokedAt: 2.5 }];
  t.equal(checkLinearizability(register, later).verdict, 'violated');
});

t.test('who is blamed is the first by whose return no order is left', async (t) => {
  const blamed = (lines: string) => {
    const { counterexamples } = checkLinearizability(kvModel, toldOfKey(lines));
    const { operations } = counterexamples[0]!;
    return operations.map(({ label, place, isBlocked }) => `${isBlocked ? '✗' : place} ${label}`);
  };
  // That a revision has passed is seen when b begins; c, which returns before b, is in order.
  t.same(blamed('a:put=1 a.5+ b:put=2 c:get c.1@5 b.4'), [
    '1 put "1" → @5',
    '✗ put "2" → @4',
    '2 get → "1" @5',
  ]);
  // The put was seen before it returned, so it must have its place by then, too.
  t.same(blamed('a:put=1 b:delete b!1@1 a.1+'), ['1 put "1" → @1', '✗ delete → no: "1" @1']);
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
    { numRuns: 2000, seed: 1 },
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
    { numRuns: 3000, seed: 1 },
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
  for (let seed = 1; seed <= 10; seed += 1) {
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
  for (const lost of [0, 0.05]) {
    for (const fault of [undefined, ...FAULT_NAMES]) {
      const options = { seed: 'cost', operations: 5000, clients: 8, lost };
      const operations = generatedHistory(fault === undefined ? options : { ...options, fault });
      const { verdict, parts } = checkLinearizability(kvModel, operations, {
        maxCounterexamples: 0,
      });
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
  const rejected = told('a:write=1 a! a:write=1 a! a:read a.-');
  const one = checkLinearizability(register, rejected, { maxOperations: 1 });
  t.match(one, { verdict: 'linearizable', parts: [{ operationCount: 1 }] });
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
 * A history of one key in a few words: `a:put=1/7` if the revision is 7, `a.3` acknowledged at revision 3,
 * `a.3+` and created, `a.-3` nothing was deleted, `a.1@3` this value at this revision, `a.-` nothing, `a!` and
 * an entry: the condition failed, `a?` nobody knows.
 */
function toldOfKey(lines: string): readonly Operation<KVInput, KVOutput>[] {
  const history = new KVHistory();
  const calls = new Map<string, PendingCall<KVOutput>>();
  const inputs = new Map<string, KVInput['kind']>();
  for (const [, client, end, rest] of lines.matchAll(/(\w)([:.?!])(\S*)/g)) {
    const call = calls.get(client!);
    if (end === ':') {
      const [, kind, , value, , condition] = /^(\w+)(=(\w+))?(\/(\d+))?$/.exec(rest!)!;
      const ifRevision = condition === undefined ? null : Number(condition);
      const input = keyCall(kind!, value!, ifRevision);
      inputs.set(client!, input.kind);
      calls.set(client!, history.begin(client!, input));
    } else if (end === '?') call!.lose();
    else if (end === '!') call!.acknowledge({ kind: 'conditionFailed', entry: entryOf(rest!) });
    else call!.acknowledge(answerOf(inputs.get(client!)!, rest!));
  }
  return history.operations;
}

function keyCall(kind: string, value: string, ifRevision: number | null): KVInput {
  if (kind === 'get') return { kind, key: 'k', consistency: 'linearizable' };
  return kind === 'put'
    ? { kind, key: 'k', value, ifRevision }
    : { kind: 'delete', key: 'k', ifRevision };
}

function answerOf(kind: KVInput['kind'], text: string): KVOutput {
  if (kind === 'get') return { kind: 'entry', entry: entryOf(text) };
  const revision = Number(/\d+/.exec(text)![0]);
  if (kind === 'put') return { kind, revision, created: text.endsWith('+') };
  return { kind, revision, deleted: !text.startsWith('-') };
}

function entryOf(text: string): SeenEntry | null {
  if (text === '-') return null;
  const [value, revision] = text.split('@');
  return { value: value!, modRevision: Number(revision), createRevision: 1, version: 1 };
}

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
