import { deepEqual, equal, ok } from 'node:assert/strict';
import { concatBytes, copyBytes } from '../base/index.js';
import type { CommittedCommand, StateMachine } from '../interfaces/index.js';
import type { SuiteTest } from './suite.js';

/** What the suite needs to know of a machine. */
export interface StateMachineSuite {
  /** Put before the name of each test. */
  readonly name: string;
  readonly test: SuiteTest;
  /** A machine in its first state; a new one each time. */
  readonly create: () => StateMachine;
  /** At least four, which together change the state. */
  readonly commands: readonly Uint8Array[];
  /** At least one. Their answers tell the state after all commands from the first state. */
  readonly queries: readonly Uint8Array[];
  /** What the entries say of the layout of `commands`. Default 1. */
  readonly commandVersion?: number | undefined;
  /** Bytes that are no command. Default: none at all, zeros, and noise. */
  readonly badCommands?: readonly Uint8Array[] | undefined;
}

/** Checks the contract of `StateMachine`. */
export function stateMachineSuite(suite: StateMachineSuite): void {
  const { create, queries } = suite;
  const it = (behaviour: string, body: () => Promise<void>): unknown =>
    suite.test(`${suite.name}: ${behaviour}`, body);
  const good = committed(suite, suite.commands);
  const half = Math.ceil(good.length / 2);
  const filled = (commands = good): StateMachine => {
    const machine = create();
    machine.apply(commands);
    return machine;
  };
  const answers = (machine: StateMachine): Uint8Array[] =>
    queries.map((query) => plain(machine.query(query)));

  it('the commands and queries of the suite tell states apart', async () => {
    ok(good.length >= 4, 'at least four commands');
    ok(queries.length >= 1, 'at least one query');
    equal(same(answers(create()), answers(filled())), false);
  });

  it('gives one answer to each command, in order, however they are batched', async () => {
    const [whole, single] = [create(), create()];
    const together = whole.apply(good).map(plain);
    const alone = good.flatMap((command) => single.apply([command]).map(plain));
    equal(together.length, good.length);
    deepEqual(alone, together);
    deepEqual(answers(single), answers(whole));
    deepEqual(create().apply([]), []);
  });

  it('the same commands give the same answers and the same state', async () => {
    const [one, two] = [create(), create()];
    deepEqual(one.apply(good).map(plain), two.apply(good).map(plain));
    deepEqual(answers(one), answers(two));
    deepEqual(await snapshotOf(one), await snapshotOf(two));
  });

  it('keeps nothing of the memory that commands came in', async () => {
    const memory = good.map((entry) => ({ ...entry, command: copyBytes(entry.command) }));
    const machine = filled(memory);
    const before = answers(machine);
    for (const { command } of memory) command.fill(0xee);
    deepEqual(answers(machine), before);
    deepEqual(await snapshotOf(machine), await snapshotOf(filled()));
  });

  it('queries change nothing', async () => {
    const machine = filled();
    const before = await snapshotOf(machine);
    deepEqual(answers(machine), answers(machine));
    deepEqual(await snapshotOf(machine), before);
  });

  it('a snapshot shows the state of the moment it was asked for, whatever is applied later', async () => {
    const machine = filled(good.slice(0, half));
    const expected = await snapshotOf(machine);
    const asked = machine.snapshot();
    machine.apply(good.slice(half, -1));
    const iterator = asked[Symbol.asyncIterator]();
    const first = await iterator.next();
    machine.apply(good.slice(-1));
    const rest = first.done === true ? [] : [first.value, ...(await remaining(iterator))];
    deepEqual(plain(concatBytes(rest)), expected);
    deepEqual(answers(machine), answers(filled()));
  });

  it('a snapshot that is left early, or never begun, disturbs nobody', async () => {
    const machine = filled(good.slice(0, half));
    for await (const _ of machine.snapshot()) break;
    machine.snapshot();
    machine.apply(good.slice(half));
    await machine.snapshot()[Symbol.asyncIterator]().return?.();
    deepEqual(answers(machine), answers(filled()));
    deepEqual(await snapshotOf(machine), await snapshotOf(filled()));
  });

  it('two snapshots may be read at the same time', async () => {
    const machine = filled(good.slice(0, half));
    const expected = [await snapshotOf(machine)];
    const early = machine.snapshot();
    machine.apply(good.slice(half));
    expected.push(await snapshotOf(machine));
    const late = machine.snapshot();
    deepEqual(await Promise.all([joined(early), joined(late)]), expected);
  });

  it('restore gives the state of the snapshot, cut into whatever chunks', async () => {
    const source = filled(good.slice(0, half));
    const snapshot = await snapshotOf(source);
    const later = source.apply(good.slice(half)).map(plain);
    for (const chunkBytes of [1, 7, 4096, Math.max(1, snapshot.length)]) {
      const machine = create();
      await machine.restore(cut(snapshot, chunkBytes));
      deepEqual(await snapshotOf(machine), snapshot);
      deepEqual(machine.apply(good.slice(half)).map(plain), later);
      deepEqual(answers(machine), answers(source));
    }
  });

  it('restore replaces all that was there', async () => {
    const machine = filled();
    await machine.restore(create().snapshot());
    deepEqual(answers(machine), answers(create()));
    deepEqual(machine.apply(good).map(plain), create().apply(good).map(plain));
  });

  it('a snapshot that is cut off is refused, and so is an empty one', async () => {
    const snapshot = await snapshotOf(filled());
    for (const length of [0, 1, Math.floor(snapshot.length / 2), snapshot.length - 1]) {
      const restoring = create().restore(cut(snapshot.subarray(0, length), 64));
      const outcome = await restoring.then(
        () => 'taken',
        () => 'refused',
      );
      equal(outcome, 'refused', `${length} of ${snapshot.length} bytes`);
    }
  });

  it('bytes that are no command are answered, not thrown, and the same everywhere', async () => {
    const bad = committed(suite, suite.badCommands ?? NOISE);
    const [one, two] = [filled(), filled()];
    const given = one.apply(bad).map(plain);
    equal(given.length, bad.length);
    deepEqual(two.apply(bad).map(plain), given);
    deepEqual(await snapshotOf(one), await snapshotOf(two));
  });
}

const NOISE: readonly Uint8Array[] = [
  new Uint8Array(0),
  new Uint8Array(1),
  new Uint8Array(64),
  new Uint8Array(64).fill(0xff),
  new Uint8Array(300).map((_, i) => i * i * 31 + i),
];

function committed(
  { commandVersion = 1 }: StateMachineSuite,
  commands: readonly Uint8Array[],
): CommittedCommand[] {
  return commands.map((command, i) => {
    return { index: i + 2, term: 1, logTimeMs: i * 10, commandVersion, command };
  });
}

function snapshotOf(machine: StateMachine): Promise<Uint8Array> {
  return joined(machine.snapshot());
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  return plain(concatBytes(await remaining(chunks[Symbol.asyncIterator]())));
}

async function remaining(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for (let step = await iterator.next(); step.done !== true; step = await iterator.next()) {
    chunks.push(step.value);
  }
  return chunks;
}

async function* cut(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.length; i += chunkBytes) yield bytes.slice(i, i + chunkBytes);
}

/** A Buffer and a Uint8Array with the same bytes are the same here. */
function plain(bytes: Uint8Array): Uint8Array {
  return copyBytes(bytes);
}

function same(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((bytes, i) => `${bytes}` === `${b[i]}`);
}
