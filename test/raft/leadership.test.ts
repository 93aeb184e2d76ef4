import t from 'tap';
import { Member, TIMING } from './harness.js';
import {
  append,
  heartbeat,
  preVoteReply,
  preVoteRequest,
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
  const a = new Member('a', { term: 1, voters: 'abcd' });
  a.campaign();
  for (let i = 0; i < 3; i += 1) {
    a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 1, false));
    t.ok(lines(a.tick(SHORT_TICKS)).includes('send b preVote term=2 last=0/0'));
  }
  a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 1, false));
  t.same(lines(a.tick(WHOLE_TICKS - 1)), []);
  t.ok(lines(a.tick()).includes('send b preVote term=2 last=0/0'));
  // That whole timeout begins the count anew.
  a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 1, false));
  t.ok(lines(a.tick(SHORT_TICKS)).includes('send b preVote term=2 last=0/0'));
});

t.test('a leader that is heard during a short wait ends it', async (t) => {
  const a = candidate();
  a.receive(voteReply('b', 'a', 2, false), heartbeat('b', 'a', 2));
  t.same(lines(a.tick(TIMING.electionMinTicks - 1)), []);
  t.match(a.status, { role: 'follower', leader: 'b' });
});

t.test('a member whose leader broke its connections stands within a few ticks', async (t) => {
  const b = follower();
  t.same(lines(b.step({ kind: 'leaderLost', leader: 'a' })), ['follower at term 2, leader -']);
  t.ok(lines(b.tick(2)).includes('send c preVote term=3 last=2/1'));
});

t.test('it grants what it would have refused for that leader, and nobody else does', async (t) => {
  const b = follower();
  const c = follower('c');
  const before = lines(b.receive(preVoteRequest('c', 'b', 3, '2/1')));
  t.same(before, ['send c preVoteReply term=2 refused']);
  b.step({ kind: 'leaderLost', leader: 'a' });
  const after = lines(b.receive(preVoteRequest('c', 'b', 3, '2/1')));
  t.same(after, ['send c preVoteReply term=3 granted']);
  t.same(lines(c.receive(voteRequest('b', 'c', 3, '2/1'))), [], 'c still hears a');
});

t.test('a leader that lives after all is followed again, and nobody stands', async (t) => {
  const b = follower();
  b.step({ kind: 'leaderLost', leader: 'a' });
  b.receive(heartbeat('a', 'b', 2));
  t.equal(b.status.leader, 'a');
  t.same(lines(b.tick(TIMING.electionMinTicks - 1)), []);
});

t.test(
  'broken connections of somebody else, or of an earlier leader, change nothing',
  async (t) => {
    const b = follower();
    t.same(lines(b.step({ kind: 'leaderLost', leader: 'c' })), []);
    const a = candidate();
    t.same(lines(a.step({ kind: 'leaderLost', leader: 'a' })), []);
    t.same(lines(b.tick(TIMING.electionMinTicks)), []);
  },
);

t.test('the hint is off where the configuration says so, and while leases are on', async (t) => {
  for (const leadership of [
    { leaderLeaseMs: null, closeHint: false },
    { leaderLeaseMs: 50, closeHint: true },
  ]) {
    const b = follower('b', { configuration: { ...configurationOf('abc'), leadership } });
    t.same(lines(b.step({ kind: 'leaderLost', leader: 'a' })), []);
    t.equal(b.status.leader, 'a');
  }
});

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
