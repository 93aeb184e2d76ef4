import { test } from 'tap';
import { at, type Entry, packEntries } from '../../lib/base/index.js';
import type { CommittedCommand } from '../../lib/interfaces/index.js';
import { GroupDisk, joinWrites } from '../../lib/node/group-disk.js';
import { noMetrics } from '../../lib/observe/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { resolveTiming } from '../../lib/timing/index.js';
import { accepted, CONFIGURATION, EchoMachine, MEMBERS, rig, text8 } from './group-rig.js';
import { failureOf, World } from './world.js';

test('a single node neither leads nor answers before its disk has answered (schedules A15, F1)', async (t) => {
  const world = new World({ members: ['n1'] });
  const first = await world.openStore('n1');
  await world.run(first.put('k', '1'));
  await world.run(first.close());
  const saves = world.disk('n1').hold({ kind: 'save' });
  const kv = await world.openStore('n1');
  await world.elapse(2000);
  t.not(kv.status().role, 'leader', 'its own vote is not durable');
  saves.release();
  await world.run(kv.ready());
  const appends = world.disk('n1').hold({ kind: 'append' });
  const put = watched(kv.put('k', '2'));
  await world.elapse(100);
  t.equal(put.isOver(), false);
  t.equal(await kv.get('k', { consistency: 'stale' }), '1');
  appends.release();
  await world.run(put.promise);
  t.equal(await kv.get('k', { consistency: 'stale' }), '2');
  await world.run(kv.close());
});

test('what a single node acknowledged survives the loss of all that was not synced (schedule F1)', async (t) => {
  const world = new World({ members: ['n1'] });
  const kv = await world.openStore('n1');
  const acknowledged: string[] = [];
  const puts = Array.from({ length: 20 }, (_, i) =>
    kv.put(`k${i}`, 'v').then(
      () => acknowledged.push(`k${i}`),
      () => {},
    ),
  );
  await world.until(() => acknowledged.length > 0);
  await world.crash(kv);
  await world.run(Promise.all(puts));
  const again = await world.openStore('n1');
  await world.run(again.ready());
  for (const key of acknowledged) t.equal(await world.run(again.get(key)), 'v', key);
  await world.run(again.close());
});

test('what three nodes acknowledged survives the loss of power to all of them (schedule F1, fault A11)', async (t) => {
  for (let events = 0; events < 40; events += 4) {
    const { world, leader, followers } = await cluster();
    const stores = [leader, ...followers];
    const acknowledged: string[] = [];
    const puts = Array.from({ length: 30 }, (_, i) =>
      at(stores, i % 3)
        .put(`k${i}`, 'v')
        .then(
          () => acknowledged.push(`k${i}`),
          () => {},
        ),
    );
    for (let event = 0; event < events; event += 1) await world.time.next();
    for (const kv of stores) {
      world.network.crash(kv.id);
      world.disk(kv.id).crash();
    }
    const kept = [...acknowledged];
    for (const kv of stores) await world.run(kv.close());
    await world.run(Promise.all(puts));
    const again = [];
    for (const id of world.members) again.push(await world.openStore(id));
    const next = await world.leaderOf(again);
    for (const key of kept) t.equal(await world.run(next.get(key)), 'v', `${key} after ${events}`);
    await close(world, again);
  }
});

test('every command is applied once, whatever write of the disk a crash cuts short (schedules F2, G3)', async (t) => {
  const limits = { snapshotEntries: 7, trailingEntries: 1, maxAppendBytes: 60 };
  let isWhole = false;
  let writes = 0;
  for (; !isWhole; writes += 1) {
    const world = new World({ members: ['n1'], seed: writes + 1 });
    const first = await world.openMachine('n1', new LedgerMachine(), { limits });
    await world.run(first.ready());
    const hold = world.disk('n1').hold();
    let acknowledged = 0;
    const work = (async (): Promise<void> => {
      for (let i = 0; i < 40; i += 5) {
        const five = Array.from({ length: 5 }, (_, j) => first.propose(text8(`${i + j}`)));
        await Promise.all(five);
        acknowledged += 5;
      }
    })().catch(() => {});
    let isOver = false;
    work.then(() => {
      isOver = true;
    });
    for (let released = 0; released < writes && !isOver; ) {
      if (hold.releaseFirst()) released += 1;
      await world.elapse(1);
    }
    isWhole = isOver;
    world.disk('n1').crash({ keep: () => writes % 2 });
    hold.release();
    await world.run(first.close());
    await world.run(work);
    const machine = new LedgerMachine();
    const again = await world.openMachine('n1', machine, { limits });
    await world.run(again.ready());
    await world.run(again.propose(text8('last')));
    const held = machine.held.slice(0, -1);
    t.same(
      machine.held,
      [...held.map((_, i) => `${i}`), 'last'],
      `after ${writes} writes: none is missing, none is there twice`,
    );
    t.ok(held.length >= acknowledged);
    await world.run(again.close());
  }
  t.ok(writes > 10, `${writes} crashes`);
});

test('a leader whose disk is full stops with its calls unknown, and comes back (schedule F5, fault B9)', async (t) => {
  const { world, leader, followers } = await cluster();
  const follower = at(followers, 0);
  world.disk(leader.id).failNext({ kind: 'append' });
  const own = failureOf(leader.put('own', 'v'));
  const forwarded = follower.put('forwarded', 'v').then(
    () => null,
    (error: unknown) => error,
  );
  const read = follower.get('none');
  t.match(await world.run(own), { code: 'ERR_STORAGE', outcome: 'unknown' });
  t.match((await world.run(leader.closed)).cause, { code: 'ERR_STORAGE' });
  t.match((await world.run(forwarded)) ?? { outcome: 'unknown' }, { outcome: 'unknown' });
  t.equal(await world.run(read), null, 'a read is asked of the next leader');
  const next = await world.leaderOf(followers);
  await world.run(next.put('k', 'v'));
  // There is room again.
  const again = await world.openStore(leader.id);
  await world.until(() => again.status().appliedIndex === next.status().lastIndex);
  t.equal(await again.get('k', { consistency: 'stale' }), 'v');
  await close(world, [again, ...followers]);
});

test('a put is not acknowledged while no follower has it on disk, and one is enough', async (t) => {
  const { world, leader, followers } = await cluster();
  const holds = followers.map((kv) => world.disk(kv.id).hold({ kind: 'append' }));
  const put = watched(leader.put('k', 'v'));
  await world.elapse(200);
  t.equal(put.isOver(), false);
  t.ok(
    holds.every((hold) => hold.waiting.length === 1),
    'both have it in memory',
  );
  holds[0]?.release();
  await world.run(put.promise);
  holds[1]?.release();
  await close(world, [leader, ...followers]);
});

test('the leader counts itself only once its own disk has answered (schedule B17)', async (t) => {
  const { world, leader, followers } = await cluster();
  const [follower, silent] = followers as [KVStore, KVStore];
  world.network.isolate(silent.id);
  const hold = world.disk(leader.id).hold({ kind: 'append' });
  const put = watched(leader.put('k', 'v'));
  const { lastIndex } = leader.status();
  await world.elapse(100);
  t.equal(follower.status().durableIndex, lastIndex + 1, 'one follower has it');
  t.equal(leader.status().commitIndex, lastIndex, 'and that is no majority');
  t.equal(put.isOver(), false);
  hold.release();
  await world.run(put.promise);
  await close(world, [leader, ...followers]);
});

test('a leader does not apply past its own disk, whatever the others hold (schedule B17)', async (t) => {
  const { world, leader, followers } = await cluster();
  const hold = world.disk(leader.id).hold({ kind: 'append' });
  const put = watched(leader.put('k', 'v'));
  await world.elapse(100);
  const { commitIndex, appliedIndex, durableIndex } = leader.status();
  t.ok(commitIndex > durableIndex, 'a majority without it has committed');
  t.equal(appliedIndex, durableIndex);
  t.equal(put.isOver(), false);
  hold.release();
  await world.run(put.promise);
  await close(world, [leader, ...followers]);
});

test('no vote is granted before it is durable, and one that was lost can be given anew (schedule A1)', async (t) => {
  const { world, leader, followers } = await cluster();
  const [candidate, voter] = followers as [KVStore, KVStore];
  const leaders = new Map<number, Set<string>>();
  world.events.on('raft.stateChanged', ({ nodeId, to, term }) => {
    if (to === 'leader') leaders.set(term, (leaders.get(term) ?? new Set()).add(nodeId));
  });
  const hold = world.disk(voter.id).hold({ kind: 'save' });
  await world.crash(leader);
  await world.elapse(5000);
  t.ok(hold.waiting.length > 0, 'it was asked');
  t.equal(leaders.size, 0, 'nobody leads without it');
  await world.crash(voter);
  hold.release();
  const again = await world.openStore(voter.id);
  await world.run(again.put('k', 'v'));
  t.ok(leaders.size > 0);
  t.ok([...leaders.values()].every((ids) => ids.size === 1));
  await close(world, [candidate, again]);
});

test('a vote that could not be saved is not granted, and the node stops (schedule A3)', async (t) => {
  const { world, leader, followers } = await cluster();
  const [candidate, voter] = followers as [KVStore, KVStore];
  world.disk(voter.id).failNext({ kind: 'save' });
  await world.crash(leader);
  const { cause } = await world.run(voter.closed);
  t.equal(cause?.code, 'ERR_STORAGE');
  t.same(world.faults, [`${voter.id} ERR_STORAGE`]);
  await world.elapse(5000);
  t.equal(candidate.status().leader, null);
  await close(world, [candidate, voter]);
});

test('a write that failed stops the node, and nothing after it counts as durable (schedule F8)', async (t) => {
  const { world, leader, followers } = await cluster();
  const { lastIndex } = leader.status();
  for (const kv of followers) world.disk(kv.id).failNext({ kind: 'append' }, { stored: true });
  const put = watched(leader.put('k', 'v', { timeoutMs: 1000 }));
  await world.run(Promise.all(followers.map((kv) => kv.closed)));
  t.equal(leader.status().commitIndex, lastIndex);
  t.match(await world.run(failureOf(put.promise)), { outcome: 'unknown' });
  t.same([...world.faults].sort(), followers.map(({ id }) => `${id} ERR_STORAGE`).sort());
  await close(world, [leader, ...followers]);
});

test('a leader whose disk hangs makes way, and a follower whose disk hung catches up (schedule F6)', async (t) => {
  const { world, leader, followers } = await cluster();
  const hold = world.disk(leader.id).hold({ kind: 'append' });
  const stuck = watched(leader.put('stuck', 'v'));
  await world.until(() => followers.some((kv) => kv.status().role === 'leader'));
  const second = await world.leaderOf(followers);
  await world.run(second.put('k', 'v'));
  await world.elapse(3000);
  t.equal(second.status().role, 'leader', 'and the hung one does not disturb it');
  const follower = followers.find((kv) => kv !== second);
  const other = world.disk(follower?.id ?? '').hold({ kind: 'append' });
  hold.release();
  for (let i = 0; i < 100; i += 1) await world.run(second.put(`k${i}`, 'v'));
  other.release();
  await world.until(() => follower?.status().appliedIndex === second.status().appliedIndex);
  t.equal(await follower?.get('k99', { consistency: 'stale' }), 'v');
  t.equal(stuck.isOver(), true, 'what was proposed before it hung is settled');
  await close(world, [leader, ...followers]);
});

test('a member whose disk hangs neither leads nor stands until the disk has answered (schedule F6)', async (t) => {
  const { group, lead, disk, deliver, time, settle, sent } = await rig();
  await lead(2);
  const hold = disk.hold();
  const given = failureOf(group.calls.propose(text8('x'), 1, {}));
  await settle();
  const election = resolveTiming('fast').electionMaxTicks;
  const pass = async (ticks: number): Promise<void> => {
    for (let i = 0; i < ticks; i += 1) group.tick();
    await settle();
  };
  await pass(election);
  t.equal(group.status().role, 'follower', 'it leads no more');
  sent();
  await pass(4 * election);
  t.equal(group.status().term, 2);
  t.same(sent(), [], 'it asks nobody whether it could win');
  hold.release();
  await time.elapse(1);
  await pass(election);
  t.match(sent(), [{ kind: 'preVote', term: 3 }, { kind: 'preVote' }], 'and stands as anybody');
  await deliver();
  await group.close(null);
  t.match(await given, { outcome: 'unknown' });
});

test('two requests for a vote in one turn are granted to one of them (schedule I1)', async (t) => {
  const { deliver, sent } = await rig();
  const request = {
    kind: 'vote',
    group: 'g',
    to: MEMBERS.a,
    term: 2,
    lastIndex: 1,
    lastTerm: 1,
  } as const;
  await deliver({ ...request, from: MEMBERS.b }, { ...request, from: MEMBERS.c });
  const replies = sent().filter(({ kind }) => kind === 'voteReply');
  t.match(replies, [
    { to: MEMBERS.c, granted: false },
    { to: MEMBERS.b, granted: true },
  ]);
  t.equal(replies.length, 2);
});

test('proposals of one turn are one append to each follower and one write', async (t) => {
  const { group, deliver, sent, lead, disk, machine, settle } = await rig();
  await lead(2);
  await deliver(accepted(MEMBERS.b, 2, 2), accepted(MEMBERS.c, 2, 2));
  sent();
  const syncs = disk.syncCount;
  const results = Array.from({ length: 50 }, (_, i) => group.calls.propose(text8(`${i}`), 1, {}));
  await settle();
  const appends = sent().filter(({ kind }) => kind === 'append');
  t.match(appends, [
    { to: MEMBERS.b, entries: { length: 50 } },
    { to: MEMBERS.c, entries: { length: 50 } },
  ]);
  t.equal(appends.length, 2);
  t.equal(disk.syncCount, syncs + 1);
  await deliver(accepted(MEMBERS.b, 2, 52));
  const texts = (await Promise.all(results)).map((result) => new TextDecoder().decode(result));
  t.same(
    texts,
    results.map((_, i) => `${i}`),
    'each has its own answer',
  );
  t.equal(machine.applied.length, 50);
});

test('with 256 puts in flight a sync makes more than 20 entries durable', async (t) => {
  const { world, leader, followers } = await cluster();
  const before = world.members.map((id) => counts(world, id));
  let begun = 0;
  const client = async (): Promise<void> => {
    while (begun < 2048) {
      begun += 1;
      await leader.put(`k${begun}`, 'v');
    }
  };
  await world.run(Promise.all(Array.from({ length: 256 }, client)));
  for (const [position, id] of world.members.entries()) {
    const now = counts(world, id);
    const perSync =
      (now.entries - before[position]!.entries) / (now.syncs - before[position]!.syncs);
    t.ok(perSync > 20, `${id}: ${perSync.toFixed(1)} entries a sync`);
  }
  await close(world, [leader, ...followers]);
});

test('what arrives while a group is founded is dropped: nobody can know of it yet', async (t) => {
  const { group, disk, deliver, faults, time, settle } = await rig({ isNew: true });
  const hold = disk.hold();
  const founded = group.found(CONFIGURATION);
  await deliver({
    kind: 'heartbeat',
    group: 'g',
    from: MEMBERS.b,
    to: MEMBERS.a,
    term: 5,
    commitIndex: 0,
    readRound: 0,
  });
  await time.elapse(100);
  hold.release();
  await settle();
  await founded;
  t.same(faults, []);
  t.match(group.status(), { term: 1, lastIndex: 1 });
});

test('writes in a row are one: the later state, and the entries that stand after both', (t) => {
  const write = (writeId: number, term: number | null, entries: readonly Entry[]) =>
    ({
      kind: 'write',
      writeId,
      hardState: term === null ? null : { term, votedFor: null },
      entries,
    }) as const;
  const joined = (first: readonly Entry[], second: readonly Entry[]): readonly string[] =>
    joinWrites(write(1, null, first), write(2, null, second)).entries.map(
      ({ term, index }) => `${term}/${index}`,
    );
  t.match(joinWrites(write(1, 3, []), write(2, null, [])), { writeId: 2, hardState: { term: 3 } });
  t.match(joinWrites(write(1, 3, []), write(2, 4, [])), { writeId: 2, hardState: { term: 4 } });
  t.same(joined(entries(1, 5, 2), entries(1, 7, 1)), ['1/5', '1/6', '1/7']);
  t.same(joined(entries(1, 5, 3), entries(2, 6, 1)), ['1/5', '2/6'], 'a truncation in between');
  t.same(joined(entries(1, 5, 2), entries(2, 5, 1)), ['2/5']);
  t.same(joined(entries(1, 5, 2), entries(2, 3, 1)), ['2/3'], 'one that begins before both');
  t.same(joined(entries(1, 5, 1), []), ['1/5']);
  t.end();
});

test('term and vote are durable before anything of a log of that term is asked for (fault A5)', async (t) => {
  const calls: string[] = [];
  const told: number[] = [];
  let saved = (): void => {};
  const disk = new GroupDisk({
    log: {
      open: async () => ({ compacted: { index: 0, term: 0 }, entries: [] }),
      append: async () => void calls.push('append'),
      compact: async () => {},
      reset: async () => void calls.push('reset'),
    },
    state: {
      load: async () => null,
      save: () => {
        calls.push('save');
        return new Promise((resolve) => {
          saved = resolve;
        });
      },
    },
    slowTicks: 30,
    metrics: noMetrics,
    onWritten: (id) => told.push(id),
    onFailed: (cause) => t.fail(String(cause)),
  });
  const hardState = { term: 2, votedFor: null };
  const reset = { index: 4, term: 2 };
  disk.add({ kind: 'write', writeId: 1, hardState, reset, entries: entries(2, 5, 1) });
  disk.start();
  for (let turn = 0; turn < 10; turn += 1) await null;
  t.same(
    calls,
    ['save'],
    'a log of a later term than the one that is stored is refused at a start',
  );
  saved();
  while (told.length === 0) await null;
  t.same(calls, ['save', 'reset', 'append']);
});

test('after a write that failed nothing is written, though it was asked for (schedule F8)', async (t) => {
  const calls: string[] = [];
  const told: string[] = [];
  const disk = new GroupDisk({
    log: {
      open: async () => ({ compacted: { index: 0, term: 0 }, entries: [] }),
      append: async ([first]) => {
        calls.push(`append ${first?.index}`);
        throw new Error('EIO');
      },
      compact: async () => {},
      reset: async () => {},
    },
    state: { load: async () => null, save: async () => {} },
    slowTicks: 30,
    metrics: noMetrics,
    onWritten: (id) => told.push(`written ${id}`),
    onFailed: (cause) => told.push(String(cause)),
  });
  const write = { kind: 'write', hardState: null } as const;
  disk.add({ ...write, writeId: 1, entries: entries(1, 1, 1) });
  disk.start();
  while (told.length === 0) await null;
  disk.add({ ...write, writeId: 2, entries: entries(1, 2, 1) });
  disk.start();
  t.same(calls, ['append 1']);
  t.same(told, ['Error: EIO']);
});

test('a disk that failed is not asked again by whoever does not know it yet', async (t) => {
  const { group, disk, deliver, lead, faults } = await rig();
  await lead(2);
  await deliver(accepted(MEMBERS.b, 2, 2));
  disk.failNext();
  const failures = ['x', 'y'].map((text) => failureOf(group.calls.propose(text8(text), 1, {})));
  await deliver();
  t.match(await Promise.all(failures), [
    { code: 'ERR_STORAGE', outcome: 'unknown' },
    { outcome: 'unknown' },
  ]);
  t.equal(faults.length, 1, 'told once');
});

/** Keeps every command in order, and says so in its snapshot: what is applied twice is there twice. */
class LedgerMachine extends EchoMachine {
  held: string[] = [];

  override apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    for (const { command } of commands) this.held.push(new TextDecoder().decode(command));
    return super.apply(commands);
  }

  override snapshot(): AsyncIterable<Uint8Array> {
    const state = text8(JSON.stringify(this.held));
    return (async function* () {
      yield state;
    })();
  }

  override async restore(chunks?: AsyncIterable<Uint8Array>): Promise<void> {
    const text: string[] = [];
    for await (const chunk of chunks ?? []) text.push(new TextDecoder().decode(chunk));
    this.held = JSON.parse(text.join(''));
  }
}

function entries(term: number, firstIndex: number, count: number): readonly Entry[] {
  const draft = { kind: 'command', commandVersion: 1, payload: text8('x') } as const;
  return packEntries({ group: 'g', term, firstIndex, logTimeMs: 0 }, Array(count).fill(draft));
}

async function cluster(): Promise<{
  world: World;
  leader: KVStore;
  followers: readonly KVStore[];
}> {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  await world.until(() =>
    stores.every((kv) => kv.status().appliedIndex === leader.status().lastIndex),
  );
  return { world, leader, followers: stores.filter((kv) => kv !== leader) };
}

function counts(world: World, id: string): { readonly syncs: number; readonly entries: number } {
  const { syncCount: syncs, syncedEntryCount: entries } = world.disk(id);
  return { syncs, entries };
}

/** A promise whose end can be looked at. A rejection is for whoever awaits `promise`. */
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
