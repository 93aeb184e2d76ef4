import { test } from 'tap';
import { type Entry, packEntries, QuorateError } from '../../lib/base/index.js';
import type { Message } from '../../lib/raft/index.js';
import type { KVStore } from '../../lib/store/index.js';
import type { PeerAnswer } from '../../lib/wire/index.js';
import {
  accepted,
  append,
  EchoMachine,
  MEMBERS,
  type Rig,
  type RigOptions,
  rig,
  text8,
} from './group-rig.js';
import { failureOf, World } from './world.js';

const { a: A, b: B, c: C } = MEMBERS;
const HEARTBEAT = { kind: 'heartbeat', group: 'g', to: A, commitIndex: 0, readRound: 0 } as const;

test('a proposal whose place is taken by a committed entry of another term is rejected (schedule B24)', async (t) => {
  const { group, deliver, machine } = await leading();
  const x = group.calls.propose(text8('X'), 1, {});
  await deliver();
  const failure = failureOf(x);
  await deliver(append(B, 3, [2, 2], ['Y'], 3));
  t.match(await failure, { code: 'ERR_NOT_LEADER', outcome: 'rejected', retriable: true });
  t.same(machine.applied, ['3 Y'], 'what was committed there is not its answer');
});

test('an overwrite that is not committed proves nothing: the proposal may still commit (Raft §5.4.2, Figure 8)', async (t) => {
  const { group, deliver } = await leading();
  const x = watched(group.calls.propose(text8('X'), 1, {}));
  await deliver();
  await deliver(append(B, 3, [2, 2], ['Y'], 2));
  t.equal(group.status().lastTerm, 3, 'Y stands where X stood');
  t.equal(x.isOver(), false);
  await deliver(appendOf(C, 4, [2, 2], [...packed(2, 3, 'X'), ...packed(4, 4, 'Z')], 4));
  t.same(await x.promise, text8('X'), 'a later leader brought it back');
});

test('two proposals at one index are told apart by their terms', async (t) => {
  const { group, deliver, lead } = await leading();
  const [, , x] = ['V', 'W', 'X'].map((text) => failureOf(group.calls.propose(text8(text), 1, {})));
  await deliver();
  t.equal(group.status().lastIndex, 5, 'X stands there');
  await deliver(append(C, 4, [2, 2], ['Y'], 2));
  await lead(5);
  const second = group.calls.propose(text8('second'), 1, {});
  await deliver();
  t.equal(
    group.status().lastIndex,
    5,
    'and now the other does, after the entry that opens the term',
  );
  await deliver(accepted(B, 5, 5));
  t.match(await x, { code: 'ERR_NOT_LEADER', outcome: 'rejected' });
  t.same(await second, text8('second'));
});

test('before it is proposed a call is rejected, afterwards its outcome is unknown: deadline, abort, close', async (t) => {
  const waiting = await rig();
  const queued = failureOf(waiting.group.calls.submit(text8('x'), 1, { timeoutMs: 100 }));
  await waiting.time.elapse(101);
  waiting.group.tick();
  t.match(await queued, {
    code: 'ERR_NO_LEADER',
    outcome: 'rejected',
    message: /no leader for 0.1 s/,
  });
  const aborting = new AbortController();
  const parked = failureOf(waiting.group.calls.submit(text8('x'), 1, { signal: aborting.signal }));
  aborting.abort(new Error('enough'));
  t.match(await parked, {
    code: 'ERR_ABORTED',
    name: 'AbortError',
    outcome: 'rejected',
    cause: { message: 'enough' },
  });
  t.match(await failureOf(waiting.group.calls.submit(text8('x'), 1, { signal: aborting.signal })), {
    code: 'ERR_ABORTED',
    outcome: 'rejected',
  });
  const closed = failureOf(waiting.group.calls.submit(text8('x'), 1, {}));
  await waiting.group.close(null);
  t.match(await closed, { code: 'ERR_CLOSED', outcome: 'rejected' });

  const { group, time, deliver } = await leading();
  const late = failureOf(group.calls.propose(text8('x'), 1, { timeoutMs: 100 }));
  const stop = new AbortController();
  const stopped = failureOf(group.calls.propose(text8('y'), 1, { signal: stop.signal }));
  const open = failureOf(group.calls.propose(text8('z'), 1, {}));
  await deliver();
  await time.elapse(101);
  group.tick();
  t.match(await late, { code: 'ERR_TIMEOUT', outcome: 'unknown', retriable: false });
  stop.abort();
  t.match(await stopped, { code: 'ERR_ABORTED', outcome: 'unknown' });
  await group.close(null);
  t.match(await open, { code: 'ERR_CLOSED', outcome: 'unknown' });
  t.equal(group.calls.size, 0);
  t.match(await failureOf(group.calls.propose(text8('x'), 1, {})), {
    code: 'ERR_CLOSED',
    outcome: 'rejected',
  });
});

test('what settles late is passed over, and is not remembered for ever', async (t) => {
  const { group, deliver, time } = await leading();
  const given = failureOf(group.calls.propose(text8('x'), 1, { timeoutMs: 10 }));
  await deliver();
  await time.elapse(11);
  group.tick();
  t.match(await given, { outcome: 'unknown' });
  t.equal(group.calls.proposals.size, 0);
  await deliver(accepted(B, 2, 3));
  t.equal(group.appliedIndex, 3, 'it happened all the same');
});

test('calls that run out of time while there is no leader are not remembered', async (t) => {
  const { group, time } = await rig();
  for (let i = 0; i < 3; i += 1) {
    const given = failureOf(group.calls.submit(text8('x'), 1, { timeoutMs: 10 }));
    t.equal(group.calls.parkedCount, 1);
    await time.elapse(11);
    group.tick();
    t.match(await given, { code: 'ERR_NO_LEADER', outcome: 'rejected' });
    t.equal(group.calls.parkedCount, 0);
  }
});

test('limits are refused at once: too many calls, too many bytes, too large a command, a wrong deadline', async (t) => {
  const { group, deliver, sent } = await leading({ maxPendingCalls: 2, maxUncommittedBytes: 500 });
  t.match(await failureOf(group.calls.propose(new Uint8Array(1001), 1, {})), {
    code: 'ERR_TOO_LARGE',
    outcome: 'rejected',
    message: /1001 bytes; 1000 is the limit/,
  });
  t.match(await failureOf(group.calls.propose(text8('x'), 1, { timeoutMs: 0 })), {
    code: 'ERR_CONFIG',
  });
  await deliver();
  t.same(sent(), [], 'nothing was proposed');
  const first = group.calls.propose(new Uint8Array(600), 1, {});
  await deliver();
  const second = failureOf(group.calls.propose(text8('y'), 1, {}));
  t.match(await failureOf(group.calls.propose(text8('z'), 1, {})), {
    code: 'ERR_BUSY',
    outcome: 'rejected',
    message: /maxPendingCalls/,
  });
  await deliver();
  t.match(await second, { code: 'ERR_BUSY', outcome: 'rejected', message: /maxUncommittedBytes/ });
  await deliver(accepted(B, 2, 3));
  t.equal((await first).length, 600);
});

test('a burst of one turn is held to the limit of uncommitted bytes as well (fault H2)', async (t) => {
  const { group, deliver } = await leading({ maxUncommittedBytes: 500 });
  const burst = Array.from({ length: 30 }, () =>
    watched(group.calls.propose(new Uint8Array(100), 1, {}).catch((error: unknown) => error)),
  );
  await deliver();
  const refused = burst.filter(({ isOver }) => isOver());
  t.equal(refused.length, 25);
  t.match(await refused[0]?.promise, { code: 'ERR_BUSY', outcome: 'rejected' });
  await deliver(accepted(B, 2, group.status().lastIndex));
  t.equal((await Promise.all(burst.map(({ promise }) => promise))).length, 30, 'all settle');
});

test('a node that does not lead refuses a proposal with a hint, and never forwards what was forwarded', async (t) => {
  const { group, deliver, asked } = await rig({ ask: never });
  await deliver({ ...HEARTBEAT, from: B, term: 2 });
  const own = failureOf(group.calls.propose(text8('x'), 1, {}));
  const call = {
    kind: 'propose',
    group: 'g',
    command: text8('x'),
    commandVersion: 1,
    timeoutMs: 0,
  } as const;
  const served = failureOf(group.calls.serve(call, {}));
  const read = failureOf(group.calls.serve({ kind: 'readIndex', group: 'g', timeoutMs: 0 }, {}));
  await deliver();
  for (const failure of [await own, await served, await read]) {
    t.match(failure, { code: 'ERR_NOT_LEADER', outcome: 'rejected', leader: { id: 'b' } });
  }
  t.same(asked, []);
});

test('what was certainly rejected is asked again, within the deadline of the call', async (t) => {
  const answers = [rejected('ERR_NOT_LEADER'), rejected('ERR_UNREACHABLE')];
  const { group, deliver, asked, time } = await rig({
    ask: async () => {
      const error = answers.shift();
      if (error !== undefined) throw error;
      return { kind: 'propose', result: text8('done') };
    },
  });
  await deliver({ ...HEARTBEAT, from: B, term: 2 });
  const done = group.calls.submit(text8('x'), 1, { timeoutMs: 1000 });
  for (let i = 0; i < 3; i += 1) {
    await time.elapse(30);
    group.tick();
  }
  t.same(await done, text8('done'));
  t.match(
    asked.map(({ peer }) => peer),
    ['b', 'b', 'b'],
  );
  const budgets = asked.map(({ call }) => call.timeoutMs);
  t.equal(budgets[0], 1000);
  t.ok((budgets[2] ?? 0) < 1000, 'a later question has less time');
});

test('a write whose answer cannot be read has an unknown outcome (fault G8)', async (t) => {
  const world = new World();
  const leader = await world.openMachine('n1', new EchoMachine());
  const second = await world.openStore('n2');
  const third = await world.openStore('n3');
  t.equal((await world.leaderOf([leader, second, third])).id, 'n1', 'the founder leads');
  t.match(await world.run(failureOf(second.put('k', 'v'))), {
    code: 'ERR_PROTOCOL',
    outcome: 'unknown',
  });
  await world.until(() => second.status().appliedIndex >= 3);
  t.equal(await second.get('k', { consistency: 'stale' }), 'v', 'it happened');
  for (const node of [leader, second, third]) await world.run(node.close());
});

test('what may have happened is not asked again', async (t) => {
  const { group, deliver, asked, time } = await rig({
    ask: async () => {
      throw new QuorateError('ERR_UNREACHABLE', { message: 'lost', outcome: 'unknown' });
    },
  });
  await deliver({ ...HEARTBEAT, from: B, term: 2 });
  t.match(await failureOf(group.calls.submit(text8('x'), 1, {})), {
    code: 'ERR_UNREACHABLE',
    outcome: 'unknown',
  });
  await time.elapse(100);
  group.tick();
  t.equal(asked.length, 1);
});

test('a call that waits for a leader goes to the next one as soon as there is one', async (t) => {
  const { group, deliver, asked } = await rig({
    ask: async () => ({ kind: 'propose', result: text8('done') }),
  });
  const done = group.calls.submit(text8('x'), 1, {});
  await deliver();
  t.same(asked, []);
  await deliver({ ...HEARTBEAT, from: C, term: 2 });
  t.same(await done, text8('done'));
  t.same(
    asked.map(({ peer }) => peer),
    ['c'],
  );
});

test('reads of one turn share a question, and wait until this node has applied the answer', async (t) => {
  const { group, deliver, asked } = await rig({
    ask: async () => ({ kind: 'readIndex', index: 2 }),
  });
  await deliver({ ...HEARTBEAT, from: B, term: 2 });
  const reads = [group.calls.readBarrier({}), group.calls.readBarrier({})].map(watched);
  await deliver();
  t.equal(asked.length, 1);
  t.same(
    reads.map((read) => read.isOver()),
    [false, false],
    'entry 2 is not here yet',
  );
  await deliver(append(B, 2, [1, 1], ['x'], 2));
  t.same(await Promise.all(reads.map((read) => read.promise)), [2, 2]);
});

test('a read that was lost on the way, or asked of a leader that is gone, is asked again', async (t) => {
  const answers: (() => Promise<PeerAnswer>)[] = [
    async () => {
      throw new QuorateError('ERR_UNREACHABLE', { message: 'lost', outcome: 'unknown' });
    },
    never,
    async () => ({ kind: 'readIndex', index: 0 }),
  ];
  const { group, deliver, asked, time } = await rig({ ask: () => (answers.shift() ?? never)() });
  await deliver({ ...HEARTBEAT, from: B, term: 2 });
  const read = group.calls.readBarrier({});
  await time.elapse(30);
  group.tick();
  await deliver();
  t.equal(asked.length, 2, 'nothing happened, so it may be asked again');
  await deliver({ ...HEARTBEAT, from: C, term: 3 });
  t.equal(await read, 0);
  t.same(
    asked.map(({ peer }) => peer),
    ['b', 'b', 'c'],
  );
});

test('a deadline that no question between nodes can carry is cut to what it can', async (t) => {
  const { group, deliver, asked } = await rig({
    ask: async () => ({ kind: 'propose', result: text8('done') }),
  });
  await deliver({ ...HEARTBEAT, from: B, term: 2 });
  await group.calls.submit(text8('x'), 1, { timeoutMs: Number.POSITIVE_INFINITY });
  t.equal(asked[0]?.call.timeoutMs, 2 ** 32 - 1);
});

test('every node accepts every call, and sees at once what another has acknowledged', async (t) => {
  const { world, stores } = await cluster();
  for (let i = 0; i < 12; i += 1) {
    const [writer, reader] = [stores[i % 3], stores[(i + 1) % 3]];
    await world.run(writer!.put('k', String(i)));
    t.equal(await world.run(reader!.get('k')), String(i));
  }
  await close(world, stores);
});

test('a forwarded put that the network repeats happens once', async (t) => {
  const { world, stores, followers } = await cluster();
  world.network.setFaults({ duplicate: 1, delayMs: [0, 3] });
  for (let i = 0; i < 20; i += 1) {
    const writer = followers[i % 2];
    await world.run(writer!.put(`k${i}`, 'v'));
  }
  await world.elapse(100);
  for (let i = 0; i < 20; i += 1) {
    t.equal((await world.run(stores[0]!.getEntry(`k${i}`)))?.version, 1);
  }
  await close(world, stores);
});

test('a new leader answers no read before an entry of its own term is committed (schedule C1)', async (t) => {
  const { world, leader, followers } = await cluster();
  await world.run(leader.put('k', 'new'));
  const holds = followers.map((kv) => world.disk(kv.id).hold({ kind: 'append' }));
  await world.crash(leader);
  await world.until(() => followers.some((kv) => kv.status().role === 'leader'));
  const next = followers.find((kv) => kv.status().role === 'leader');
  const reads = followers.map((kv) => watched(kv.get('k')));
  await world.elapse(100);
  t.equal(next?.status().role, 'leader');
  t.same(
    reads.map((read) => read.isOver()),
    [false, false],
  );
  for (const hold of holds) hold.release();
  t.same(await world.run(Promise.all(reads.map((read) => read.promise))), ['new', 'new']);
  await close(world, followers);
});

test('calls of a follower wait through a change of leader and go through', async (t) => {
  const { world, leader, followers } = await cluster();
  await world.crash(leader);
  // Once the connection is gone, what is asked of the old leader is certainly not sent.
  await world.elapse(1);
  const calls = followers.flatMap((kv) => [kv.put(kv.id, 'v'), kv.get('x'), kv.ready()]);
  await world.run(Promise.all(calls));
  t.equal(await world.run(followers[0]!.get(followers[1]!.id)), 'v');
  await close(world, followers);
});

test('without a quorum every call settles with an outcome, on the old leader too (schedule G5)', async (t) => {
  const { world, leader, followers } = await cluster({ callTimeoutMs: 2000 });
  const [gone, left] = followers as [KVStore, KVStore];
  await world.crash(gone);
  world.network.isolate(leader.id);
  const outcomes = [leader, left].map((kv) => [
    failureOf(kv.put('k', 'v')),
    failureOf(kv.get('k')),
    failureOf(kv.ready()),
  ]);
  const [old, other] = await world.run(Promise.all(outcomes.map((work) => Promise.all(work))));
  t.match(
    old?.map(({ outcome }) => outcome),
    ['unknown', 'rejected', 'rejected'],
  );
  t.match(old?.[0], { code: 'ERR_TIMEOUT' });
  t.match(
    old?.[1],
    { code: 'ERR_NO_LEADER', message: /no leader for 2.0 s; / },
    'it has stepped down',
  );
  // The follower had forwarded its put before it could know.
  t.match(
    other?.map(({ outcome }) => outcome),
    ['unknown', 'rejected', 'rejected'],
  );
  t.same(
    [leader, left].map((kv) => kv.status().pendingCalls),
    [0, 0],
  );
  world.network.heal();
  await world.run(left.put('k', 'w'));
  await close(world, [leader, left]);
});

test('a proposal that a snapshot passes over settles, and its outcome is unknown (schedule G5)', async (t) => {
  const limits = { snapshotEntries: 20, trailingEntries: 1 };
  const world = new World();
  const stores = await world.openAll({ limits });
  const leader = await world.leaderOf(stores);
  const others = stores.filter((kv) => kv !== leader);
  world.network.isolate(leader.id);
  const put = failureOf(leader.put('lost', 'v', { timeoutMs: 60_000 }));
  const next = await world.leaderOf(others);
  for (let i = 0; i < 60; i += 1) await world.run(next.put('k', `${i}`));
  const installed: string[] = [];
  world.events.on('raft.snapshotInstalled', ({ nodeId }) => installed.push(nodeId));
  const startedMs = world.time.clock.now();
  world.network.heal();
  t.match(await world.run(put), {
    code: 'ERR_NOT_LEADER',
    outcome: 'unknown',
    message: /snapshot/,
  });
  t.ok(world.time.clock.now() - startedMs < 5000, 'long before its deadline');
  t.same(installed, [leader.id]);
  await close(world, stores);
});

test('every call settles when its node stops: closed, aborted or with its disk (schedule G5)', async (t) => {
  for (const how of ['close', 'abort', 'disk'] as const) {
    const { world, leader, followers } = await cluster();
    const { signal, abort } = controller();
    const hold = world.disk(leader.id).hold({ kind: 'append' });
    const others = followers.map((kv) => world.disk(kv.id).hold({ kind: 'append' }));
    const calls = [leader, ...followers].flatMap((kv) => [failureOf(kv.put('k', 'v', { signal }))]);
    await world.elapse(50);
    if (how === 'abort') abort();
    if (how === 'disk') world.disk(leader.id).failNext();
    hold.release();
    if (how === 'close') await world.run(leader.close());
    const failures = await world.run(Promise.all(calls));
    const code = { close: 'ERR_CLOSED', abort: 'ERR_ABORTED', disk: 'ERR_STORAGE' }[how];
    t.match(failures[0], { code, outcome: 'unknown' }, how);
    t.ok(
      failures.every(({ outcome }) => outcome === 'unknown'),
      'forwarded ones too',
    );
    for (const other of others) other.release();
    await close(world, [leader, ...followers]);
  }
});

async function cluster(options: { callTimeoutMs?: number } = {}): Promise<{
  world: World;
  stores: readonly KVStore[];
  leader: KVStore;
  followers: readonly KVStore[];
}> {
  const world = new World();
  const stores = await world.openAll(options);
  const leader = await world.leaderOf(stores);
  return { world, stores, leader, followers: stores.filter((kv) => kv !== leader) };
}

/** A leader of term 2 whose no-op is committed at 2. */
async function leading(options: RigOptions = {}): Promise<Rig> {
  const rigged = await rig(options);
  await rigged.lead(2);
  await rigged.deliver(accepted(B, 2, 2));
  rigged.sent();
  return rigged;
}

function controller(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const aborting = new AbortController();
  return { signal: aborting.signal, abort: () => aborting.abort() };
}

function packed(term: number, firstIndex: number, text: string): readonly Entry[] {
  const draft = { kind: 'command', commandVersion: 1, payload: text8(text) } as const;
  return packEntries({ group: 'g', term, firstIndex, logTimeMs: 0 }, [draft]);
}

function appendOf(
  from: string,
  term: number,
  [prevTerm, prevIndex]: readonly [number, number],
  entries: readonly Entry[],
  commitIndex: number,
): Message {
  return {
    kind: 'append',
    group: 'g',
    from,
    to: A,
    term,
    prevIndex,
    prevTerm,
    commitIndex,
    entries,
  };
}

function rejected(code: 'ERR_NOT_LEADER' | 'ERR_UNREACHABLE'): QuorateError {
  return new QuorateError(code, { message: 'as the test wants' });
}

function never(): Promise<PeerAnswer> {
  return new Promise(() => {});
}

/** A promise whose end can be looked at. */
function watched<T>(promise: Promise<T>): { readonly promise: Promise<T>; isOver(): boolean } {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  promise.then(over, over);
  return { promise, isOver: () => isOver };
}

async function close(world: World, stores: readonly KVStore[]): Promise<void> {
  for (const kv of stores) await world.run(kv.close());
}
