import t from 'tap';
import { encodeUtf8 } from '../../lib/base/index.js';
import { defineStateMachine } from '../../lib/node/define-state-machine.js';
import { utf8 } from '../../lib/store/index.js';
import { stateMachineSuite } from '../../lib/testing/state-machine-suite.js';

type Scores = Readonly<Record<string, number>>;
type Won = { readonly player: string; readonly points: number };

const scoreboard = () =>
  defineStateMachine({
    initial: {} satisfies Scores as Scores,
    apply: (scores, { player, points }: Won) => {
      const total = (scores[player] ?? 0) + points;
      return { state: { ...scores, [player]: total }, result: total };
    },
    query: (scores, player: string) => scores[player] ?? null,
  });

const { encodeCommand, encodeQuery } = bound(scoreboard());

stateMachineSuite({
  name: 'a reducer',
  test: (name, body) => t.test(name, body),
  create: scoreboard,
  commands: ['ann', 'bob', 'ann', 'eve'].map((player) => encodeCommand({ player, points: 3 })),
  queries: ['ann', 'bob', 'none'].map(encodeQuery),
  badCommands: [new Uint8Array(0), new Uint8Array([0xff]), encodeUtf8('{'), encodeUtf8('')],
});

t.test(
  'commands, results, queries and answers are typed and go through their codecs',
  async (t) => {
    const machine = defineStateMachine({
      initial: 0,
      apply: (count, word: string, { logTimeMs }) => {
        return { state: count + word.length, result: { count, logTimeMs } };
      },
      query: (count, factor: number) => count * factor,
      codecs: { command: utf8 },
    });
    t.same(machine.encodeCommand('héé'), encodeUtf8('héé'));
    const entry = { index: 2, term: 1, logTimeMs: 70, commandVersion: 0 };
    const [result] = machine.apply([{ ...entry, command: machine.encodeCommand('four') }]);
    const decoded: { readonly count: number } = machine.decodeResult(result!);
    t.same(decoded, { count: 0, logTimeMs: 70 });
    const answer: number = machine.decodeAnswer(machine.query(machine.encodeQuery(10)));
    t.equal(answer, 40);
    // @ts-expect-error A command of another type does not pass.
    t.throws(() => machine.encodeCommand(7), { code: 'ERR_ENCODING' });
    const [refused] = machine.apply([{ ...entry, command: new Uint8Array([0xff]) }]);
    t.throws(() => machine.decodeResult(refused!), { code: 'ERR_ENCODING' });
  },
);

t.test('a reducer may have nothing to tell', async (t) => {
  const machine = defineStateMachine({
    initial: 0,
    apply: (count, by: number) => ({ state: count + by, result: undefined }),
    query: () => undefined,
  });
  const command = machine.encodeCommand(1);
  const [result] = machine.apply([{ index: 2, term: 1, logTimeMs: 0, commandVersion: 0, command }]);
  t.equal(machine.decodeResult(result!), undefined);
  t.equal(machine.decodeAnswer(machine.query(encodeUtf8('null'))), undefined);
});

t.test('what the reducer throws is thrown: to skip a command would diverge', async (t) => {
  const machine = defineStateMachine({
    initial: 0,
    apply: (): { state: number; result: null } => {
      throw new Error('mine');
    },
    query: (count) => count,
  });
  const entry = { index: 2, term: 1, logTimeMs: 0, commandVersion: 0, command: encodeUtf8('1') };
  t.throws(() => machine.apply([entry]), { message: 'mine' });
});

t.test('bytes that are not a state are ERR_CORRUPT, and the state stays', async (t) => {
  const machine = scoreboard();
  const command = machine.encodeCommand({ player: 'ann', points: 1 });
  machine.apply([{ index: 2, term: 1, logTimeMs: 0, commandVersion: 0, command }]);
  const broken = (async function* () {
    yield encodeUtf8('{"ann":');
  })();
  await t.rejects(machine.restore(broken), { code: 'ERR_CORRUPT' });
  t.equal(machine.decodeAnswer(machine.query(machine.encodeQuery('ann'))), 1);
});

/** The encoders of a machine as plain functions. */
function bound(machine: ReturnType<typeof scoreboard>) {
  return {
    encodeCommand: (command: Won) => machine.encodeCommand(command),
    encodeQuery: (player: string) => machine.encodeQuery(player),
  };
}
