import { test } from 'tap';
import { TickLoop } from '../../lib/node/tick-loop.js';
import { VirtualClock } from '../../lib/testing/index.js';
import { MEMBERS, rig } from './group-rig.js';
import { World } from './world.js';

const { a: A, b: B } = MEMBERS;

/** 15 to 30 ticks, with a chance that always says one half. */
const TIMEOUT_TICKS = 22;

test('ticks that were missed are one tick (schedule I3)', (t) => {
  const clock = new VirtualClock();
  const ticks: number[] = [];
  const loop = new TickLoop({
    clock,
    tickMs: 10,
    maxHeldMs: 75,
    onTick: () => ticks.push(clock.now()),
    onDelayed: () => {},
  });
  loop.start();
  clock.advance(30);
  t.same(ticks, [10, 20, 30]);
  clock.hold(1000);
  clock.advance(0);
  t.same(ticks.splice(0), [10, 20, 30, 1030], 'one for the thousand');
  clock.advance(20);
  t.same(ticks.splice(0), [1040, 1050], 'and then as before');
  clock.hold(14);
  clock.advance(6);
  t.same(ticks.splice(0), [1064, 1070], 'a tick that is a little late keeps the rhythm');
  loop.stop();
  clock.advance(100);
  t.same(ticks, []);
  t.end();
});

test('a loop that is stopped between a tick and its poll ticks no more', (t) => {
  const clock = new VirtualClock();
  let ticks = 0;
  const loop = new TickLoop({
    clock,
    tickMs: 10,
    maxHeldMs: 75,
    onTick: () => {
      ticks += 1;
    },
    onDelayed: () => loop.stop(),
  });
  loop.start();
  clock.hold(1000);
  clock.advance(100);
  t.equal(ticks, 0);
  t.equal(clock.pending, 0, 'and no timer is left');
  t.end();
});

test('heartbeats that wait when a stall ends are heard before the tick (schedule I2)', async (t) => {
  const { group, time, sent } = await rig();
  const { clock } = time;
  const loop = new TickLoop({
    clock,
    tickMs: 10,
    maxHeldMs: 75,
    onTick: () => group.tick(),
    onDelayed: () => {},
  });
  const heartbeat = {
    kind: 'heartbeat',
    group: 'g',
    from: B,
    to: A,
    term: 2,
    commitIndex: 0,
    readRound: 0,
  } as const;
  loop.start();
  group.receive(heartbeat);
  for (let stall = 0; stall < 5; stall += 1) {
    // One tick before an election, five timeouts pass in which nothing runs.
    await time.elapse(TIMEOUT_TICKS * 10 - 5);
    sent();
    clock.hold(1500);
    // The tick is due first; what waits in the socket is read by the poll that follows it.
    clock.soon(() => clock.soon(() => group.receive(heartbeat)));
    await time.elapse(5);
    t.same(
      sent().map(({ kind }) => kind),
      ['heartbeatReply'],
    );
  }
  t.match(group.status(), { role: 'follower', term: 2 });
  await time.elapse(300);
  t.match(
    sent().map(({ kind }) => kind),
    ['preVote', 'preVote'],
    'real silence does lead to an election',
  );
  loop.stop();
});

test('a tick that comes with a heartbeat in the inbox is stepped after it', async (t) => {
  const { group, time, sent, deliver } = await rig();
  const heartbeat = {
    kind: 'heartbeat',
    group: 'g',
    from: B,
    to: A,
    term: 2,
    commitIndex: 0,
    readRound: 0,
  } as const;
  await deliver(heartbeat);
  const tick = async (): Promise<void> => {
    group.tick();
    await time.elapse(0);
  };
  await tick();
  for (let round = 0; round < 5; round += 1) {
    for (let ticks = 1; ticks < TIMEOUT_TICKS - 1; ticks += 1) await tick();
    group.receive(heartbeat);
    await tick();
  }
  t.notOk(sent().some(({ kind }) => kind === 'preVote'));
});

test('jumps of the wall clock change nothing: nobody looks at it (schedule I4)', async (t) => {
  const world = new World();
  let looks = 0;
  world.time.clock.wallNow = () => {
    looks += 1;
    return looks * -3_600_000;
  };
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const { term } = leader.status();
  for (let i = 0; i < 10; i += 1) {
    await world.run(leader.put('k', 'v'));
    await world.elapse(500);
  }
  t.equal(looks, 0);
  t.match(leader.status(), { role: 'leader', term });
  for (const kv of stores) await world.run(kv.close());
});

test('a held loop is told each time, and logged once a minute with a timing that would hold', async (t) => {
  const world = new World({ members: ['n1'] });
  const held: number[] = [];
  world.events.on('timer.loopDelayed', ({ heldMs }) => held.push(Math.round(heldMs)));
  const kv = await world.openStore('n1');
  await world.run(kv.ready());
  const warnings = (): readonly string[] =>
    world.lines
      .filter(({ fields }) => fields['event'] === 'timer.loopDelayed')
      .map(({ message }) => message);
  for (const ms of [50, 200, 400]) {
    world.time.clock.hold(ms);
    await world.elapse(100);
  }
  t.equal(held.length, 2, 'less than half of the shortest election timeout is nothing');
  t.equal(warnings().length, 1);
  t.match(
    warnings()[0],
    /more than half of the shortest election timeout \(150 ms\).*electionTimeoutMinMs: 800, /s,
  );
  await world.elapse(61_000);
  world.time.clock.hold(200);
  await world.elapse(100);
  t.equal(warnings().length, 2);
  await world.run(kv.close());
});
