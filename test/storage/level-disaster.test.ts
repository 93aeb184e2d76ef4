import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { encodeUtf8, packEntries, QuorateError } from '../../lib/base/index.js';
import { openKVStore } from '../../lib/index.js';
import type { SavedSnapshot } from '../../lib/interfaces/index.js';
import { KVStateMachine } from '../../lib/kv/kv-state-machine.js';
import { COMMAND_VERSION, encodeCommand } from '../../lib/kv/machine/index.js';
import { recoverMember, restoreSnapshot } from '../../lib/node/index.js';
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
} from '../../lib/raft/index.js';
import { SeededRandom, storageContext } from '../../lib/testing/index.js';
import { levelStorage } from '../../storage/level/index.js';
import { cuttable } from './cuttable-files.js';
import { scratch } from './scratch.js';

const { fresh, remove } = scratch();
t.teardown(remove);

const FORMER = 'aaaaaaaaaaaaaaaa';
const INCARNATIONS = ['1', '2', '3'].map((digit) => digit.repeat(16));
const MEMBERS = INCARNATIONS.map((incarnation, i) => `n${i + 1}#${incarnation}`);
const CONFIGURATION: Configuration = {
  clusterId: FORMER,
  incoming: MEMBERS,
  outgoing: [],
  learners: [],
  addresses: new Map(MEMBERS.map((member, i) => [member, { peer: `h:${i + 1}`, client: null }])),
};

t.test('a recovery cut short at any call leaves the old member or the new one', async (t) => {
  const template = await directoryOfThree();
  const outcomes: string[] = [];
  for (let calls = 0, isDone = false; !isDone; calls += 1) {
    const directory = join(fresh(), 'data');
    cpSync(template, directory, { recursive: true });
    const { files, cutAfter } = cuttable();
    const storage = levelStorage(directory, { files });
    cutAfter(calls);
    isDone = await succeeds(recoverMember({ storage, force: true }, context()));
    const kv = await openKVStore({ id: 'n3', storage: levelStorage(directory) });
    const { clusterId, members } = kv.status();
    const isNew = clusterId !== FORMER;
    equal(members.length, isNew ? 1 : 3);
    if (isNew) {
      for (let i = 0; i < 5; i += 1) equal(await kv.get(`k${i}`), `v${i}`);
      await kv.put('k5', 'v5');
    }
    await kv.close();
    outcomes.push(isNew ? 'new' : 'old');
    // What was finished is finished, and what was not begun can be.
    const again = recoverMember({ storage: levelStorage(directory), force: true }, context());
    if (isNew) await rejects(again, { code: 'ERR_CONFIG', reason: /needs no recovery/ });
    else equal((await again).isResumed, false);
  }
  const turn = outcomes.indexOf('new');
  ok(turn > 0, 'the first calls change nothing');
  ok(outcomes.length > turn + 5, 'some follow the one that decides');
  ok(outcomes.slice(turn).every((outcome) => outcome === 'new'));
  t.comment(`${turn} cuts before the write that decides, ${outcomes.length - turn} after`);
});

t.test('a recovery ends the log with this member alone, in a term of its own', async () => {
  const directory = await directoryOfThree();
  const storage = levelStorage(directory);
  const { incarnation, clusterId } = await recoverMember({ storage, force: true }, context());
  const identity = { nodeId: 'n3', incarnation, clusterId };
  deepEqual(await storage.open(storageContext()), identity);
  const { state, log } = storage.group('default');
  deepEqual(await state.load(), { term: 3, votedFor: null });
  const { entries } = await log.open();
  equal(entries.length, 7);
  const { index, term, logTimeMs, payload } = entries[6]!;
  deepEqual({ index, term, logTimeMs }, { index: 7, term: 3, logTimeMs: 7 });
  const self = `n3#${incarnation}`;
  deepEqual(decodeConfiguration(payload), {
    clusterId,
    incoming: [self],
    outgoing: [],
    learners: [],
    addresses: new Map([[self, { peer: 'h:3', client: null }]]),
  });
  await storage.close();
});

t.test('a dry run, and one that is refused, change no file of the data', async () => {
  const directory = await directoryOfThree();
  const before = filesOf(directory);
  const told = await recoverMember({ storage: levelStorage(directory), force: false }, context());
  deepEqual(told, {
    nodeId: 'n3',
    isDone: false,
    isResumed: false,
    formerClusterId: FORMER,
    clusterId: null,
    incarnation: null,
    groups: [
      { group: 'default', lastIndex: 6, lastTerm: 2, snapshotIndex: 0, removed: ['n1', 'n2'] },
    ],
  });
  const running = levelStorage(directory);
  await running.open(storageContext());
  const storage = levelStorage(directory);
  await rejects(recoverMember({ storage, force: true }, context()), { code: 'ERR_LOCKED' });
  const identity = { nodeId: 'n3', incarnation: INCARNATIONS[2]!, clusterId: FORMER };
  await running.initialise(identity);
  await running.close();
  ok([...before.keys()].some((path) => path.startsWith('identity')));
  deepEqual(filesOf(directory), before);
});

t.test('a restore cut short at any call is never started from', async (t) => {
  const snapshot = await savedOfFive();
  const outcomes = new Map<string, number>();
  for (let calls = 0, isDone = false; !isDone; calls += 1) {
    const directory = join(fresh(), 'data');
    const { files, cutAfter } = cuttable();
    const storage = levelStorage(directory, { files });
    cutAfter(calls);
    const members = { n1: '' };
    const restoring = restoreSnapshot({ snapshot, storage, id: 'n1', members }, context());
    isDone = await succeeds(restoring);
    const outcome = await started(directory);
    if (isDone) equal(outcome, 'restored');
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    // Nothing of it was stored, or all of it, or it is refused.
    ok(['empty', 'refused', 'restored'].includes(outcome), outcome);
  }
  ok((outcomes.get('refused') ?? 0) > 5);
  t.comment([...outcomes].map(([outcome, count]) => `${count} ${outcome}`).join(', '));
});

/** What a node makes of a directory. */
async function started(directory: string): Promise<string> {
  if (!existsSync(directory)) return 'empty';
  try {
    const kv = await openKVStore({ id: 'n1', storage: levelStorage(directory) });
    try {
      await kv.ready();
      const found = await kv.get('k4');
      return found === 'v4' ? 'restored' : 'empty';
    } finally {
      await kv.close();
    }
  } catch (error) {
    if (QuorateError.is(error) && error.code === 'ERR_CORRUPT') return 'refused';
    throw error;
  }
}

/** The data of n3 of three: founded, and five keys written in term 2. */
async function directoryOfThree(): Promise<string> {
  const directory = join(fresh(), 'data');
  const storage = levelStorage(directory);
  await storage.open(storageContext());
  await storage.initialise({ nodeId: 'n3', incarnation: INCARNATIONS[2]!, clusterId: FORMER });
  const { state, log } = storage.group('default');
  await state.save({ term: 2, votedFor: MEMBERS[0]! });
  await log.open();
  const payload = encodeConfiguration(CONFIGURATION);
  await log.append([
    ...packEntries({ group: 'default', term: 1, firstIndex: 1, logTimeMs: 0 }, [
      { kind: 'configuration', commandVersion: 0, payload },
    ]),
    ...packEntries({ group: 'default', term: 2, firstIndex: 2, logTimeMs: 7 }, commands()),
  ]);
  await storage.close();
  return directory;
}

/** Every file but those of LevelDB, which writes when it is opened, and what is in it. */
function filesOf(directory: string): ReadonlyMap<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const paths = names.filter((name) => !/^(log|LOCK)/.test(name));
  const files = paths.filter((path) => statSync(join(directory, path)).isFile());
  return new Map(files.map((path) => [path, readFileSync(join(directory, path), 'hex')]));
}

async function savedOfFive(): Promise<SavedSnapshot> {
  const machine = new KVStateMachine();
  const made = commands().map(({ payload: command, commandVersion }, i) => {
    return { index: i + 2, term: 2, logTimeMs: 7, commandVersion, command };
  });
  machine.apply(made);
  const chunks: Uint8Array[] = [];
  for await (const chunk of machine.snapshot()) chunks.push(chunk);
  const content = Buffer.concat(chunks);
  const configuration = encodeConfiguration(CONFIGURATION);
  return {
    group: 'default',
    digest: 'd'.repeat(64),
    description: {
      ...{ id: 's', index: 6, term: 2, logTimeMs: 7, configuration },
      sizeBytes: content.length,
    },
    read: async (offset, maxBytes) => new Uint8Array(content.subarray(offset, offset + maxBytes)),
    close: async () => {},
  };
}

function commands(): { kind: 'command'; commandVersion: number; payload: Uint8Array }[] {
  return [0, 1, 2, 3, 4].map((i) => ({
    kind: 'command',
    commandVersion: COMMAND_VERSION,
    payload: encodeCommand({
      kind: 'put',
      key: encodeUtf8(`k${i}`),
      value: encodeUtf8(`v${i}`),
      condition: null,
    }),
  }));
}

function context(): Parameters<typeof recoverMember>[1] {
  return { ...storageContext(), random: new SeededRandom(3) };
}

async function succeeds(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (QuorateError.is(error)) return false;
    throw error;
  }
}
