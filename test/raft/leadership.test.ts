import t from 'tap';
import type { Input, RaftLimits } from '../../lib/raft/index.js';
import { Member, TIMING } from './harness.js';
import {
  accepted,
  append,
  heartbeat,
  heartbeatReply,
  lead,
  preVoteReply,
  preVoteRequest,
  timeoutNow,
  voteReply,
  voteRequest,
} from './messages.js';
import { configurationOf, lines } from './notation.js';

/*
 * How a group keeps, loses and hands on its leader (Raft §5.2, Thesis §3.10, §6.4.1, §9.6).
 */

/** The wait after which a member of `random: () => 0.5` stands again: 1 + floor(5 / 2). */
const SHORT_TICKS = 3;
/** Its whole timeout. */
const WHOLE_TICKS = 15;

const STANDS_AGAIN = 'send b preVote term=3 last=0/0';

t.test('a candidate of a split vote stands again after a short wait (Raft §5.2)', async (t) => {
  const a = candidate();
  a.receive(voteReply('b', 'a', 2, false));
  t.same(lines(a.tick(SHORT_TICKS - 1)), []);
  t.ok(lines(a.tick()).includes(STANDS_AGAIN));
});

t.test('a candidate that hears nothing waits for a whole timeout', async (t) => {
  const a = candidate();
  t.same(lines(a.tick(WHOLE_TICKS - 1)), []);
  t.ok(lines(a.tick()).includes(STANDS_AGAIN));
});

t.test('of five, one whom some would have and some refuse asks again soon', async (t) => {
  const a = new Member('a', { term: 1, voters: 'abcde' });
  a.campaign();
  a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 1, false));
  t.same(lines(a.tick(SHORT_TICKS - 1)), []);
  t.ok(lines(a.tick()).includes('send b preVote term=2 last=0/0'));
});

t.test('a pre-vote that nobody grants waits for a whole timeout', async (t) => {
  const a = new Member('a', { term: 1, voters: 'abcde' });
  a.campaign();
  for (const voter of 'bcd') a.receive(preVoteReply(voter, 'a', 1, false));
  t.equal(a.status.role, 'follower');
  t.same(lines(a.tick(WHOLE_TICKS - 1)), []);
  t.ok(lines(a.tick()).includes('election timed out'));
});

t.test('three short waits in a row are followed by a whole timeout', async (t) => {
  const a = new Member('a', { term: 1, voters: 'abcde' });
  const refusals = 'cd'.split('').map((voter) => preVoteReply(voter, 'a', 1, false));
  a.campaign();
  for (let i = 0; i < 3; i += 1) {
    a.receive(preVoteReply('b', 'a', 2), ...refusals);
    t.ok(lines(a.tick(SHORT_TICKS)).includes('send b preVote term=2 last=0/0'));
  }
  a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 1, false));
  t.same(lines(a.tick(WHOLE_TICKS - 1)), []);
  t.ok(lines(a.tick()).includes('send b preVote term=2 last=0/0'));
  // That whole timeout begins the count anew.
  a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 1, false));
  t.ok(lines(a.tick(SHORT_TICKS)).includes('send b preVote term=2 last=0/0'));
});

t.test('one whom some would have and nobody refuses waits for the others', async (t) => {
  const a = new Member('a', { term: 1, voters: 'abcde' });
  a.campaign();
  a.receive(preVoteReply('b', 'a', 2));
  t.same(lines(a.tick(WHOLE_TICKS - 1)), []);
});

t.test('short waits are counted anew once a leader was heard', async (t) => {
  const a = new Member('a', { term: 2, voters: 'abcd' });
  const split = [preVoteReply('b', 'a', 3), preVoteReply('c', 'a', 2, false)];
  a.campaign();
  for (let i = 0; i < 3; i += 1) {
    a.receive(...split);
    a.tick(SHORT_TICKS);
  }
  a.receive(heartbeat('d', 'a', 2));
  a.step(broke('d'));
  t.ok(lines(a.tick(2)).includes('send b preVote term=3 last=0/0'));
  a.receive(...split);
  t.ok(lines(a.tick(SHORT_TICKS)).includes('send b preVote term=3 last=0/0'));
});

t.test(
  'votes that come again count for nothing once the election is over (schedule A7)',
  async (t) => {
    const a = leader();
    const again = [voteReply('b', 'a', 2), voteReply('c', 'a', 2)];
    t.same(lines(a.receive(...again)), []);
    a.step({ kind: 'resign' });
    t.same(lines(a.receive(...again)), []);
    t.equal(a.status.role, 'follower');
  },
);

t.test('who cannot keep a vote lets its timeouts pass, whole ones', async (t) => {
  const b = follower();
  const passed = (ticks: number): number =>
    Array.from({ length: ticks }, () => b.step({ kind: 'tick', mayStand: false }))
      .flatMap(lines)
      .filter((line) => line === 'election timed out').length;
  t.equal(passed(3 * WHOLE_TICKS), 3);
  t.equal(b.status.role, 'follower', 'it does not stand');
});

t.test('a leader that is heard ends a short wait that came to nothing', async (t) => {
  // It could not stand, or may not: the wait is over all the same.
  const hung = follower();
  const learner = follower('l', { configuration: configurationOf('abc', 'l') });
  for (const member of [hung, learner]) {
    member.step(broke('a'));
    for (let i = 0; i < SHORT_TICKS; i += 1) member.step({ kind: 'tick', mayStand: false });
    member.receive(heartbeat('a', member.id, 2));
    t.same(lines(member.tick(TIMING.electionMinTicks - 1)), []);
    t.equal(member.status.leader, 'a', 'a follower goes on following between heartbeats');
  }
});

t.test('the timeout begins anew in a new term, and only there', async (t) => {
  let drawn = 0;
  const random = (): number => {
    drawn += 1;
    return 0.5;
  };
  const b = follower('b', { random });
  const before = drawn;
  b.tick(WHOLE_TICKS - 1);
  // c may know less, and gets no vote. It has told of a term all the same.
  b.receive(voteRequest('c', 'b', 3, '1/1'));
  t.equal(drawn, before + 1);
  t.same(lines(b.tick(WHOLE_TICKS - 1)), []);
  b.receive(heartbeat('c', 'b', 3), heartbeat('c', 'b', 3));
  t.equal(drawn, before + 1, 'not with every heartbeat');
});

t.test('a leader that is heard during a short wait ends it', async (t) => {
  const a = candidate();
  a.receive(voteReply('b', 'a', 2, false), heartbeat('b', 'a', 2));
  t.same(lines(a.tick(TIMING.electionMinTicks - 1)), []);
  t.match(a.status, { role: 'follower', leader: 'b' });
});

t.test('a member whose leader broke its connections stands within a few ticks', async (t) => {
  const b = follower();
  t.same(lines(b.step(broke('a'))), ['follower at term 2, leader -']);
  t.ok(lines(b.tick(2)).includes('send c preVote term=3 last=2/1'));
});

t.test('a broken connection never puts off what is due sooner', async (t) => {
  const late = follower();
  late.tick(WHOLE_TICKS - 1);
  late.step(broke('a'));
  t.ok(lines(late.tick()).includes('send c preVote term=3 last=2/1'));
  const early = follower();
  early.tick(5);
  early.step(broke('a'));
  t.same(lines(early.tick()), [], 'the wait counts from now');
  t.ok(lines(early.tick()).includes('send c preVote term=3 last=2/1'));
});

t.test('a leader that says goodbye is no hint', async (t) => {
  const b = follower();
  t.same(lines(b.step({ kind: 'peerLost', member: 'a', saidGoodbye: true })), []);
  t.equal(b.status.leader, 'a');
});

t.test('it grants what it would have refused for that leader, and nobody else does', async (t) => {
  const b = follower();
  const c = follower('c');
  const before = lines(b.receive(preVoteRequest('c', 'b', 3, '2/1')));
  t.same(before, ['send c preVoteReply term=2 refused']);
  b.step(broke('a'));
  const after = lines(b.receive(preVoteRequest('c', 'b', 3, '2/1')));
  t.same(after, ['send c preVoteReply term=3 granted']);
  t.same(lines(c.receive(voteRequest('b', 'c', 3, '2/1'))), [], 'c still hears a');
});

t.test('a leader that lives after all is followed again, and nobody stands', async (t) => {
  const b = follower();
  b.step(broke('a'));
  b.receive(heartbeat('a', 'b', 2));
  t.equal(b.status.leader, 'a');
  t.same(lines(b.tick(TIMING.electionMinTicks - 1)), []);
});

t.test(
  'broken connections of somebody else, or of an earlier leader, change nothing',
  async (t) => {
    const b = follower();
    t.same(lines(b.step(broke('c'))), []);
    const a = candidate();
    t.same(lines(a.step(broke('a'))), []);
    t.same(lines(b.tick(TIMING.electionMinTicks)), []);
  },
);

t.test('the hint is off where the configuration says so, and while leases are on', async (t) => {
  for (const leadership of [
    { leaderLeaseMs: null, closeHint: false },
    { leaderLeaseMs: 50, closeHint: true },
  ]) {
    const b = follower('b', { configuration: { ...configurationOf('abc'), leadership } });
    t.same(lines(b.step(broke('a'))), []);
    t.equal(b.status.leader, 'a');
  }
});

t.test(
  'a leader that hands over takes no proposals until it knows better (Thesis §3.10)',
  async (t) => {
    const a = leader();
    t.same(lines(a.step(transfer('b'))), ['send b timeoutNow term=2']);
    t.same(lines(a.propose(1, 'x')), ['proposal #1 rejected: transferring']);
    // What is told once may be lost: it is told again, and after an election timeout no more.
    t.ok(lines(a.tick(TIMING.heartbeatTicks)).includes('send b timeoutNow term=2'));
    a.receive(heartbeatReply('b', 'a', 2));
    const rest = lines(a.tick(TIMING.electionMaxTicks - TIMING.heartbeatTicks));
    t.ok(rest.includes('transfer #1 refused: tookTooLong'));
    t.ok(lines(a.propose(2, 'x')).includes('proposed #2 at 2/2'));
  },
);

t.test('the chosen member is told to stand once it holds all that there is', async (t) => {
  const a = leader();
  a.propose(1, 'x');
  a.finishWrites();
  t.same(lines(a.step(transfer('b'))), []);
  t.same(lines(a.receive(accepted('c', 'a', 2, 2))), [
    'send b append term=2 prev=2/2 commit=2 []',
    'send c append term=2 prev=2/2 commit=2 []',
    'apply [2/2]',
  ]);
  t.ok(lines(a.receive(accepted('b', 'a', 2, 2))).includes('send b timeoutNow term=2'));
});

t.test('by itself a leader chooses the voter that is most caught up', async (t) => {
  const a = leader();
  a.propose(1, 'x');
  a.receive(accepted('c', 'a', 2, 2));
  t.ok(lines(a.step(transfer())).includes('send c timeoutNow term=2'));
});

t.test('leadership is handed to nobody but another voter that keeps up', async (t) => {
  const configuration = configurationOf('abc', 'l');
  const a = leader({ configuration });
  a.receive(accepted('l', 'a', 2, 1));
  for (const to of ['a', 'l', 'z']) {
    t.same(lines(a.step(transfer(to))), ['transfer #1 refused: noTarget'], to);
  }
  const silent = leader();
  for (let i = 0; i < TIMING.electionMinTicks; i += 1) {
    silent.tick();
    silent.receive(heartbeatReply('c', 'a', 2));
  }
  t.same(lines(silent.step(transfer('b'))), ['transfer #1 refused: lagging']);
  const ahead = leader({ limits: { maxInflightBytes: 10 } });
  ahead.propose(1, 'x');
  ahead.propose(2, 'y');
  t.same(lines(ahead.step(transfer('b'))), ['transfer #1 refused: lagging']);
  t.same(lines(ahead.step(transfer())), ['transfer #1 refused: noTarget']);
  t.same(lines(follower().step(transfer('c'))), ['transfer #1 refused: notLeader']);
});

t.test(
  'who is not heard yet, or has a long way to go, is told apart by a new leader',
  async (t) => {
    const limits = { maxInflightBytes: 10 };
    const fresh = lead(new Member('a', { term: 1, log: '1/1 1/2 1/3', limits }));
    fresh.finishWrites();
    t.same(lines(fresh.step(transfer('b'))), [], 'it may hold everything');
    const compacted = { index: 5, term: 1, logTimeMs: 0 };
    const far = lead(new Member('a', { term: 1, compacted }));
    far.finishWrites();
    far.receive(accepted('b', 'a', 2, 2));
    t.same(lines(far.step(transfer('b'))), ['transfer #1 refused: lagging'], 'it needs a snapshot');
  },
);

t.test('nobody is told to stand before it holds everything, however long that takes', async (t) => {
  const a = leader();
  a.propose(1, 'x');
  a.step(transfer('b'));
  t.notOk(lines(a.tick(2 * TIMING.heartbeatTicks)).some((line) => line.includes('timeoutNow')));
});

t.test('the members do not change while leadership moves', async (t) => {
  const a = leader();
  a.step(transfer('b'));
  t.same(lines(a.change(7, { kind: 'remove', member: 'c' })), ['change #7 rejected: transferring']);
});

t.test('a transfer ends when a change that was under way removes the chosen one', async (t) => {
  const a = leader();
  a.change(7, { kind: 'remove', member: 'b' });
  a.finishWrites();
  a.step(transfer('b'));
  // The joint configuration is committed, and left.
  a.receive(accepted('c', 'a', 2, 2));
  t.same(
    lines(a.tick()).filter((line) => line.startsWith('transfer')),
    ['transfer #1 refused: noTarget'],
  );
});

t.test('a second transfer waits for the end of the first', async (t) => {
  const a = leader();
  a.step(transfer('b'));
  t.same(lines(a.step({ kind: 'transferLeadership', transferId: 2, to: 'c' })), [
    'transfer #2 refused: underWay',
  ]);
});

t.test('a transfer to a member whose connections break ends at once', async (t) => {
  const a = leader();
  a.step(transfer('b'));
  t.same(lines(a.step(broke('c'))), [], 'another one');
  t.same(lines(a.step(broke('b'))), ['transfer #1 refused: lagging']);
  t.same(lines(a.step(transfer('b'))), ['transfer #1 refused: lagging'], 'it is gone');
});

t.test(
  'who is told to stand asks for votes at once, and followers of the leader grant',
  async (t) => {
    const b = follower();
    t.same(lines(b.receive(timeoutNow('a', 'b', 2))), [
      'write #1 term=3 vote=b []',
      'candidate at term 3, leader -',
    ]);
    const asked = b.finishWrites();
    t.same(lines(asked), [
      'send a vote term=3 last=2/1 transfer',
      'send c vote term=3 last=2/1 transfer',
    ]);
    const c = follower('c');
    for (const effect of asked) {
      if (effect.kind === 'send' && effect.message.to === 'c') c.receive(effect.message);
    }
    t.same(lines(c.finishWrites()), ['send b voteReply term=3 granted']);
  },
);

t.test('who had lost sight of the leader stands all the same when it is told to', async (t) => {
  const b = follower();
  b.campaign();
  t.equal(b.status.role, 'preCandidate');
  b.receive(timeoutNow('a', 'b', 2));
  t.ok(lines(b.finishWrites()).includes('send c vote term=3 last=2/1 transfer'));
});

t.test('a later candidacy is none that the leader wanted', async (t) => {
  const b = follower();
  b.receive(timeoutNow('a', 'b', 2));
  b.finishWrites();
  b.tick(WHOLE_TICKS);
  b.receive(preVoteReply('c', 'b', 4));
  t.ok(lines(b.finishWrites()).includes('send c vote term=4 last=2/1'));
});

t.test('only the leader of the term can tell a follower to stand, and only a voter', async (t) => {
  const b = follower();
  t.same(lines(b.receive(timeoutNow('c', 'b', 2), timeoutNow('a', 'b', 1))), []);
  const learner = follower('l', { configuration: configurationOf('abc', 'l') });
  t.same(lines(learner.receive(timeoutNow('a', 'l', 2))), []);
  const a = leader();
  t.same(lines(a.receive(timeoutNow('b', 'a', 2))), [], 'a leader is none of them (schedule A16)');
});

t.test(
  'a leader that hears of a later term from a TimeoutNow steps down (schedule A14)',
  async (t) => {
    const a = leader();
    const seen = lines(a.receive(timeoutNow('b', 'a', 5)));
    t.equal(a.status.term, 6, seen.join());
    t.not(a.status.role, 'leader');
  },
);

t.test('who does not lead has nothing to hand over', async (t) => {
  const b = follower();
  t.same(lines(b.step({ kind: 'resign' })), []);
  t.equal(b.status.leader, 'a');
});

t.test('a leader that cannot keep up tells the most caught-up voter to stand', async (t) => {
  const a = leader();
  t.same(lines(a.step({ kind: 'resign' })), [
    'send b timeoutNow term=2',
    'follower at term 2, leader -',
  ]);
});

t.test('a leader hands over to the highest priority that keeps up, after a time', async (t) => {
  const a = preferring({ b: 9, c: 5 });
  t.same(untilTold(a, PATIENCE_TICKS - 1), []);
  t.same(untilTold(a, 1), ['b'], 'ten of the longest election timeouts');
  t.same(untilTold(preferring({ b: 5, c: 9 }), PATIENCE_TICKS), ['c']);
  t.same(lines(a.propose(1, 'x')), ['proposal #1 rejected: transferring']);
});

t.test('a leader hands over to nobody of its own priority, or of a lower one', async (t) => {
  for (const priorities of [{}, { a: 5, b: 5 }, { b: 0 }, { b: 1 }, { a: 2 }]) {
    t.same(untilTold(preferring(priorities), 2 * PATIENCE_TICKS), []);
  }
});

t.test('nobody is preferred who is silent, lags behind or does not vote', async (t) => {
  t.same(untilTold(preferring({ b: 5 }), 2 * PATIENCE_TICKS, 'c'), [], 'silent');
  const learner = preferring({ l: 5 }, configurationOf('abc', 'l'));
  t.same(untilTold(learner, 2 * PATIENCE_TICKS, 'bcl'), [], 'no voter');
  const lagging = preferring({ b: 5 });
  lagging.propose(1, 'x');
  lagging.finishWrites();
  lagging.receive(accepted('c', 'a', 2, 2));
  t.same(untilTold(lagging, 2 * PATIENCE_TICKS), [], 'it lacks what stood there long ago');
  lagging.receive(accepted('b', 'a', 2, 2));
  t.same(untilTold(lagging, 1), ['b'], 'as soon as it has it');
  const far = preferring({ b: 5 }, configurationOf('abc'), { maxInflightBytes: 10 });
  untilTold(far, PATIENCE_TICKS - 1);
  far.propose(1, 'x');
  far.propose(2, 'y');
  untilTold(far, 1);
  t.match(lines(far.propose(3, 'z')), ['proposed #3 at 2/4'], 'more than a window is on its way');
});

t.test('no priority moves leadership while something else does', async (t) => {
  const changing = preferring({ b: 5 });
  untilTold(changing, PATIENCE_TICKS - 1);
  changing.step({
    kind: 'changeMembership',
    changeId: 1,
    change: { kind: 'changePriority', member: 'b', priority: 6 },
    expect: null,
  });
  changing.receive(accepted('b', 'a', 2, 2));
  t.same(untilTold(changing, 1), [], 'a change that is not committed');
  changing.finishWrites();
  t.same(untilTold(changing, 1), ['b'], 'it is now');
  const early = preferring({ b: 5 });
  untilTold(early, PATIENCE_TICKS - 1);
  early.step(transfer('c'));
  t.same(untilTold(early, 1), [], 'a transfer to somebody else');
  const unsettled = preferring({ b: 5 }, configurationOf('abc'), {}, false);
  unsettled.receive(accepted('b', 'a', 2, 1));
  t.same(untilTold(unsettled, 2 * PATIENCE_TICKS), [], 'nothing of the term is committed');
});

t.test('a preferred member that does not take over is asked less and less often', async (t) => {
  const a = preferring({ b: 5 });
  const toldAt: number[] = [];
  for (let tick = 1; tick <= 8 * PATIENCE_TICKS; tick += 1) {
    const before = lines(a.propose(tick, 'x'))[0]?.startsWith('proposed') ?? false;
    a.finishWrites();
    const { lastIndex } = a.status;
    a.receive(accepted('b', 'a', 2, lastIndex), accepted('c', 'a', 2, lastIndex));
    if (untilTold(a, 1).length > 0 && before) toldAt.push(tick);
  }
  t.same(toldAt, [PATIENCE_TICKS, 3 * PATIENCE_TICKS, 7 * PATIENCE_TICKS]);
  t.equal(a.status.role, 'leader', 'and the leader goes on between');
});

t.test('one that leads for a moment whenever it is told to is asked less often, too', async (t) => {
  /** Until `a` tells b again, after b has led for so many ticks; as many as `a` leads at most. */
  const waitedAfter = (ledTicks: number): number => {
    const a = preferring({ b: 5 });
    t.same(untilTold(a, PATIENCE_TICKS), ['b']);
    for (let tick = 0; tick < ledTicks; tick += 1) {
      a.receive(heartbeat('b', 'a', 3));
      a.tick();
    }
    lead(a);
    a.finishWrites();
    const { term, lastIndex } = a.status;
    for (const member of ['b', 'c']) a.receive(accepted(member, 'a', term, lastIndex));
    let ticks = 1;
    while (untilTold(a, 1, 'bc', term).length === 0 && ticks < 4 * PATIENCE_TICKS) ticks += 1;
    return ticks;
  };
  t.equal(waitedAfter(10), 2 * PATIENCE_TICKS - 10, 'from when it was told');
  t.equal(waitedAfter(10 * 2 * PATIENCE_TICKS), PATIENCE_TICKS, 'it has led long enough');
});

/** `a` leads term 2, and b has all of its log. */
function leader(options: ConstructorParameters<typeof Member>[1] = {}): Member {
  const a = lead(new Member('a', { term: 1, ...options }));
  a.finishWrites();
  a.receive(accepted('b', 'a', 2, 1), accepted('c', 'a', 2, 1));
  return a;
}

/** Ten of the longest election timeouts. */
const PATIENCE_TICKS = 10 * TIMING.electionMaxTicks;

/** `a` leads term 2 of members with these priorities, who hold its log. */
function preferring(
  priorities: Readonly<Record<string, number>>,
  configuration = configurationOf('abc'),
  limits: Partial<RaftLimits> = {},
  isCommitted = true,
): Member {
  const preferred = { ...configuration, priorities: new Map(Object.entries(priorities)) };
  const a = lead(new Member('a', { term: 1, configuration: preferred, limits }));
  if (!isCommitted) return a;
  a.finishWrites();
  for (const member of ['b', 'c', ...configuration.learners]) {
    a.receive(accepted(member, 'a', 2, 1));
  }
  return a;
}

/** Whom `a` tells to stand within so many ticks, in which only some are heard. */
function untilTold(a: Member, ticks: number, heard = 'bc', term = 2): readonly string[] {
  const told = new Set<string>();
  for (let i = 0; i < ticks; i += 1) {
    for (const effect of a.tick()) {
      if (effect.kind === 'transferRefused') throw new Error('nobody has asked for a transfer');
      if (effect.kind === 'send' && effect.message.kind === 'timeoutNow')
        told.add(effect.message.to);
    }
    for (const member of heard) a.receive(heartbeatReply(member, 'a', term));
  }
  return [...told];
}

function transfer(to: string | null = null): Input {
  return { kind: 'transferLeadership', transferId: 1, to };
}

function broke(member: string): Input {
  return { kind: 'peerLost', member, saidGoodbye: false };
}

/** `a` of three, standing in term 2. */
function candidate(): Member {
  const a = new Member('a', { term: 1 });
  a.campaign();
  a.receive(preVoteReply('b', 'a', 2));
  a.finishWrites();
  return a;
}

/** A member that follows `a` in term 2, with one entry. */
function follower(id = 'b', options: ConstructorParameters<typeof Member>[1] = {}): Member {
  const member = new Member(id, { term: 2, log: '2/1', ...options });
  member.receive(append('a', id, 2, { prev: '2/1' }));
  return member;
}
