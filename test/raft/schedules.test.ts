import t from 'tap';
import { encodeConfiguration, type Message } from '../../lib/raft/index.js';
import { Cluster, Member, type MemberOptions, touching } from './harness.js';
import {
  accepted,
  append,
  heartbeat,
  heartbeatReply,
  lead,
  preVoteReply,
  preVoteRequest,
  rejected,
  voteReply,
  voteRequest,
} from './messages.js';
import { configurationOf, lines, printLog, run } from './notation.js';

/*
 * Schedules that broke real implementations, one test each, named after the catalogue's numbers.
 */

t.test(
  'a vote is granted once it is durable, and once a term across a crash (schedule A1)',
  async (t) => {
    const b = new Member('b', { term: 1 });
    t.same(lines(b.receive(voteRequest('a', 'b', 2))), [
      'write #1 term=2 vote=a []',
      'follower at term 2, leader -',
    ]);
    b.restart();
    t.same(lines(b.receive(voteRequest('c', 'b', 2))), [
      'write #1 term=2 vote=c []',
      'follower at term 2, leader -',
    ]);
    t.same(lines(b.finishWrites()), ['send c voteReply term=2 granted']);
    t.same(lines(b.receive(voteRequest('a', 'b', 2))), ['send a voteReply term=2 refused']);
    b.restart();
    t.same(lines(b.receive(voteRequest('a', 'b', 2))), ['send a voteReply term=2 refused']);
  },
);

t.test('a candidate asks for votes once its own is durable (schedule A1)', async (t) => {
  const a = new Member('a', { term: 1 });
  a.campaign();
  t.same(lines(a.receive(preVoteReply('b', 'a', 2))), [
    'write #1 term=2 vote=a []',
    'candidate at term 2, leader -',
  ]);
  t.same(lines(a.finishWrites()), ['send b vote term=2 last=0/0', 'send c vote term=2 last=0/0']);
});

t.test(
  'a vote whose save never succeeds is never granted, whatever else happens (schedule A3)',
  async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(voteRequest('a', 'b', 2));
    const sent = b.receive(
      voteRequest('a', 'b', 2),
      preVoteRequest('c', 'b', 3),
      heartbeat('c', 'b', 2),
    );
    t.notOk(lines(sent).some((line) => line.includes('voteReply term=2 granted')));
    b.restart();
    t.equal(b.status.votedFor, b.disk.hardState?.votedFor);
    t.equal(b.status.term, 1);
  },
);

t.test('stepping down within a term keeps the vote (schedule A4)', async (t) => {
  const c = new Member('c', { term: 2, voters: 'abcde' });
  c.campaign();
  c.receive(preVoteReply('a', 'c', 3), preVoteReply('b', 'c', 3));
  c.finishWrites();
  c.receive(append('b', 'c', 3));
  t.match(c.status, { role: 'follower', leader: 'b', votedFor: 'c' });
  t.same(lines(c.receive(voteRequest('d', 'c', 3, '9/9'))), ['send d voteReply term=3 refused']);
});

t.test('the later last term wins, then the longer log (schedule A5)', async (t) => {
  const cases = [
    ['2/1', '1/2', false],
    ['1/2', '2/1', true],
    ['2/3', '2/2', false],
    ['2/3', '2/3', true],
    ['2/3', '3/1', true],
    ['3/1', '2/9', false],
  ] as const;
  for (const [own, candidates, granted] of cases) {
    const compacted = { term: Number(own[0]), index: Number(own[2]), logTimeMs: 0 };
    const b = new Member('b', { term: 3, compacted });
    const preVote = lines(b.receive(preVoteRequest('a', 'b', 4, candidates)));
    t.same(preVote, [`send a preVoteReply term=${granted ? '4 granted' : '3 refused'}`]);
    b.receive(voteRequest('a', 'b', 4, candidates));
    b.finishWrites();
    t.equal(b.status.votedFor, granted ? 'a' : null, `voter at ${own}, candidate at ${candidates}`);
  }
});

t.test('votes are counted by distinct voters (schedule A6)', async (t) => {
  const a = new Member('a', { term: 1, configuration: configurationOf('abcde', 'l') });
  a.campaign();
  a.receive(preVoteReply('b', 'a', 2), preVoteReply('b', 'a', 2), preVoteReply('l', 'a', 2));
  t.equal(a.status.role, 'preCandidate');
  a.receive(preVoteReply('c', 'a', 2));
  a.finishWrites();
  a.receive(
    voteReply('b', 'a', 2),
    voteReply('b', 'a', 2),
    voteReply('l', 'a', 2),
    voteReply('z', 'a', 2),
  );
  t.equal(a.status.role, 'candidate');
  a.receive(voteReply('c', 'a', 2));
  t.equal(a.status.role, 'leader');
});

t.test('votes of an earlier candidacy do not count in a later one (schedule A7)', async (t) => {
  const a = new Member('a', { term: 1 });
  for (const term of [2, 3]) {
    a.campaign();
    a.receive(preVoteReply('b', 'a', term));
    a.finishWrites();
  }
  t.match(a.status, { role: 'candidate', term: 3 });
  t.same(lines(a.receive(voteReply('b', 'a', 2), voteReply('c', 'a', 2))), []);
  t.match(a.status, { role: 'candidate', term: 3 });
});

t.test('pre-votes that arrive after they are of use start nothing (schedule A7)', async (t) => {
  const a = new Member('a', { term: 1 });
  a.campaign();
  a.receive(preVoteReply('b', 'a', 2));
  a.finishWrites();
  t.same(lines(a.receive(preVoteReply('c', 'a', 2), preVoteReply('b', 'a', 3))), []);
  a.receive(voteReply('b', 'a', 2));
  t.same(lines(a.receive(preVoteReply('c', 'a', 2), preVoteReply('c', 'a', 3))), []);
  t.match(a.status, { role: 'leader', term: 2 });
  // Back among those who ask, now for term 3: grants of term 2 say nothing about it.
  a.receive(heartbeat('b', 'a', 2 + 1));
  a.campaign();
  t.same(lines(a.receive(preVoteReply('c', 'a', 5))), []);
  t.match(a.status, { role: 'preCandidate', term: 3 });
});

t.test(
  'fifty pre-votes change neither term, vote, leader, timer nor disk (schedule A8)',
  async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(heartbeat('a', 'b', 1));
    b.tick(10);
    const before = b.status;
    const request = preVoteRequest('c', 'b', 2);
    const answers = lines(b.receive(...Array.from({ length: 50 }, () => request)));
    t.same(
      answers,
      Array.from({ length: 50 }, () => 'send c preVoteReply term=2 granted'),
    );
    t.same(b.status, before);
    t.same(lines(b.tick(4)), []);
    t.equal(lines(b.tick(1))[0], 'election timed out');
  },
);

t.test(
  'one with the longer log and the older term learns the term and wins (schedule A9)',
  async (t) => {
    const cluster = new Cluster([
      new Member('a', { term: 5, log: run(4, 1, 10) }),
      new Member('b', { term: 7, log: run(4, 1, 8), random: () => 0.9 }),
    ]);
    for (let i = 0; i < 6 * 20 && cluster.member('a').status.role !== 'leader'; i += 1) {
      cluster.tick('a');
      cluster.tick('b');
      cluster.settle();
    }
    t.match(cluster.member('a').status, { role: 'leader', leader: 'a' });
    t.ok(cluster.member('a').status.term <= 9);
  },
);

t.test('one that was cut off comes back without a new term or leader (schedule A13)', async (t) => {
  const cluster = threeWithLeader();
  const { term } = cluster.member('a').status;
  for (let i = 0; i < 100 * 15; i += 1) {
    for (const id of 'abc') cluster.tick(id);
    cluster.settle(touching('c'));
  }
  t.equal(cluster.member('c').status.term, term);
  for (let i = 0; i < 40; i += 1) {
    for (const id of 'abc') cluster.tick(id);
    cluster.settle();
  }
  for (const id of 'abc') t.match(cluster.member(id).status, { term, leader: 'a' });
});

t.test(
  'an answer of a later term of any kind unseats the leader and counts for nothing (schedule A14)',
  async (t) => {
    const answers = [
      accepted('b', 'a', 5, 2),
      rejected('b', 'a', 5, 1, '0/0'),
      heartbeatReply('b', 'a', 5, 1),
      voteReply('b', 'a', 5, true),
      voteReply('b', 'a', 5, false),
      preVoteReply('b', 'a', 5, false),
    ];
    for (const answer of answers) {
      const a = leaderOf({ term: 2, log: '2/1' });
      a.receive(accepted('b', 'a', 3, 2));
      a.read(1);
      t.same(
        lines(a.receive(answer)),
        [
          'read #1 rejected: notLeader',
          'write #3 term=5 vote=- []',
          'follower at term 5, leader -',
        ],
        answer.kind,
      );
      t.same(lines(a.propose(1, 'x')), ['proposal #1 rejected: notLeader']);
      t.same(lines(a.read(2)), ['read #2 rejected: notLeader']);
    }
  },
);

t.test('the vote of a single voter counts once it is durable (schedule A15)', async (t) => {
  const a = new Member('a', { voters: 'a' });
  t.same(lines(a.campaign()), ['write #1 term=1 vote=a []', 'candidate at term 1, leader -']);
  t.same(lines(a.propose(1, 'x')), ['proposal #1 rejected: notLeader']);
  t.same(lines(a.finishWrites()), ['write #2 [1/1]', 'leader at term 1, leader a']);
  t.equal(a.status.commitIndex, 0);
  t.same(lines(a.finishWrites()), ['apply [1/1]']);
});

t.test('a vote for oneself that is saved too late elects nobody (schedule A15)', async (t) => {
  const a = new Member('a', { voters: 'a' });
  a.campaign();
  a.campaign();
  t.match(a.status, { role: 'candidate', term: 2 });
  t.same(lines(a.finishWrites(1)), []);
  t.match(a.status, { role: 'candidate', term: 2 });
  a.finishWrites(1);
  t.match(a.status, { role: 'leader', term: 2 });
});

t.test('a leader that is asked to campaign stays as it is (schedule A16)', async (t) => {
  const a = leaderOf({});
  const before = a.status;
  t.same(lines(a.campaign()), []);
  t.same(a.status, before);
});

t.test(
  'an entry of an older term is not committed by counting (schedule B1, Figure 8)',
  async (t) => {
    const cluster = new Cluster([
      new Member('a', { voters: 'abcde', term: 3, log: '1/1 2/2' }),
      new Member('b', { voters: 'abcde', term: 2, log: '1/1 2/2' }),
      new Member('c', { voters: 'abcde', term: 1, log: '1/1' }),
      new Member('d', { voters: 'abcde', term: 1, log: '1/1' }),
      new Member('e', { voters: 'abcde', term: 3, votedFor: 'e', log: '1/1 3/2' }),
    ]);
    // a leads term 4. Its no-op is lost on the way; (2,2) reaches c, and so a majority.
    cluster.elect('a', carriesIndex(3));
    const a = cluster.member('a');
    t.match(a.status, { role: 'leader', term: 4, commitIndex: 0 });
    const c = cluster.member('c');
    c.receive(append('a', 'c', 4, { prev: '1/1', log: '2/2' }));
    a.receive(accepted('b', 'a', 4, 2));
    cluster.perform('c', c.finishWrites());
    cluster.settle(carriesIndex(3));
    t.same(printLog(c.disk.log), '[1/1 2/2]');
    t.equal(a.status.progress.get('b')?.matchIndex, 2);
    t.equal(a.status.progress.get('c')?.matchIndex, 2);
    t.equal(a.status.commitIndex, 0, 'two of term 2 on three of five prove nothing');
    // With an entry of term 4 on a majority both are decided, and e can win no more.
    a.receive(accepted('b', 'a', 4, 3), accepted('c', 'a', 4, 3));
    t.equal(a.status.commitIndex, 3);
  },
);

t.test('one acknowledgement commits past entries of older terms (schedule B2)', async (t) => {
  const a = leaderOf({ term: 1, log: '1/1' });
  a.finishWrites();
  t.same(lines(a.receive(accepted('b', 'a', 2, 2))).slice(0, 3), [
    'send b append term=2 prev=2/2 commit=2 []',
    'apply [1/1 2/2]',
  ]);
  t.equal(a.status.commitIndex, 2);
});

t.test('a late duplicate of an append removes nothing (schedule B3)', async (t) => {
  const b = new Member('b', { term: 1 });
  const first = append('a', 'b', 1, { log: '1/1' });
  b.receive(first, append('a', 'b', 1, { prev: '1/1', log: '1/2 1/3' }));
  b.finishWrites();
  t.same(lines(b.receive(first)), ['send a appendAccepted term=1 match=1']);
  t.equal(printLog(b.log), '[1/1 1/2 1/3]');
});

t.test(
  'an acknowledgement names what was asked about, never one’s own tail (schedule B4)',
  async (t) => {
    const b = new Member('b', { term: 1, log: '1/1 1/2 1/3' });
    t.same(lines(b.receive(append('c', 'b', 2, { prev: '1/1' }))), [
      'write #1 term=2 vote=- []',
      'follower at term 2, leader c',
    ]);
    t.same(lines(b.finishWrites()), ['send c appendAccepted term=2 match=1']);
    const c = lead(new Member('c', { term: 1, log: '1/1' }));
    c.propose(1, 'x');
    c.finishWrites();
    c.receive(accepted('b', 'c', 2, 1));
    t.match(c.status.progress.get('b'), { matchIndex: 1 });
    t.equal(c.status.commitIndex, 0);
    c.receive(rejected('b', 'c', 2, 2, '1/2'));
    t.match(c.status.progress.get('b'), { matchIndex: 1 }, 'a hint is no match');
  },
);

t.test(
  'a follower commits what the append vouches for, not its own tail (schedule B5)',
  async (t) => {
    const b = new Member('b', { term: 1, log: '1/1 1/2' });
    b.receive(append('c', 'b', 2, { prev: '1/1', commit: 2 }));
    t.same(lines(b.finishWrites()), ['send c appendAccepted term=2 match=1']);
    t.match(b.status, { commitIndex: 1, lastIndex: 2 });
    const early = new Member('b', { term: 1, log: '1/1 1/2' });
    t.ok(
      lines(early.receive(append('c', 'b', 2, { prev: '1/1', commit: 2 }))).includes('apply [1/1]'),
    );
  },
);

t.test('a lower commit index of a new leader changes nothing (schedule B6)', async (t) => {
  const b = new Member('b', { term: 1, log: '1/1 1/2' });
  b.receive(append('a', 'b', 1, { prev: '1/2', commit: 2 }));
  t.equal(b.status.commitIndex, 2);
  b.receive(append('c', 'b', 2, { prev: '1/2', commit: 1 }), heartbeat('c', 'b', 2, { commit: 1 }));
  t.equal(b.status.commitIndex, 2);
});

t.test(
  'what is known to match never goes back, and the next entry follows it (schedule B7)',
  async (t) => {
    const a = leaderOf({ term: 1, log: run(1, 1, 9) });
    a.receive(rejected('b', 'a', 2, 9, '1/4'));
    a.receive(accepted('b', 'a', 2, 5), accepted('b', 'a', 2, 3), rejected('b', 'a', 2, 4, '1/2'));
    const progress = a.status.progress.get('b');
    t.equal(progress?.matchIndex, 5);
    t.equal(progress?.mode, 'replicate');
    t.ok((progress?.nextIndex ?? 0) >= 6);
    // A rejection from before, of something above the match, goes back to the match at most.
    a.receive(rejected('b', 'a', 2, 9, '1/2'));
    t.match(a.status.progress.get('b'), { matchIndex: 5, nextIndex: 6 });
  },
);

t.test('an append over committed entries skips those that are equal (schedule B8)', async (t) => {
  const b = new Member('b', { term: 1, log: '1/1 1/2 1/3' });
  b.receive(append('a', 'b', 1, { prev: '1/3', commit: 3 }));
  t.same(lines(b.receive(append('a', 'b', 1, { log: '1/1 1/2 1/3 1/4', commit: 3 }))), [
    'write #1 [1/4]',
  ]);
  t.equal(printLog(b.log), '[1/1 1/2 1/3 1/4]');
});

t.test('whoever asks to cut off a committed entry is refused loudly (schedule B8)', async (t) => {
  const b = new Member('b', { term: 1, log: '1/1 1/2 1/3' });
  b.receive(append('a', 'b', 1, { prev: '1/3', commit: 3 }));
  t.throws(() => b.receive(append('c', 'b', 2, { prev: '1/1', log: '2/2' })), {
    message: 'violated: what is committed is never truncated',
  });
});

t.test(
  'a hundred conflicting entries of three terms are found in five round trips (schedule B13)',
  async (t) => {
    const shared = run(1, 1, 10);
    const own = [...run(2, 11, 30), ...run(4, 41, 30), ...run(6, 71, 40)];
    const others = [...run(3, 11, 40), ...run(5, 51, 30), ...run(7, 81, 50)];
    const cluster = new Cluster([
      new Member('a', { voters: 'abc', term: 7, log: [...shared, ...others] }),
      new Member('b', { voters: 'abc', term: 7, log: [...shared, ...own] }),
      new Member('c', { voters: 'abc', term: 7 }),
    ]);
    cluster.elect('a', (message) => message.kind === 'append');
    t.equal(cluster.member('a').status.role, 'leader');
    cluster.take();
    cluster.tick('a', 2);
    let roundTrips = 0;
    const ofB = (message: Message): boolean => touching('b')(message);
    cluster.deliver(ofB);
    cluster.deliver(ofB);
    while (cluster.member('a').status.progress.get('b')?.matchIndex !== 131) {
      roundTrips += 1;
      t.ok(roundTrips <= 5, `round trip ${roundTrips}`);
      if (roundTrips > 5) break;
      // Heartbeats in between take back nothing that was learned.
      cluster.tick('a', 2);
      cluster.deliver(ofB);
      cluster.deliver(ofB);
    }
    t.equal(printLog(cluster.member('b').disk.log), printLog(cluster.member('a').disk.log));
  },
);

t.test('a leader outside the configuration does not count itself (schedule B15)', async (t) => {
  const a = new Member('a', { term: 1 });
  lead(a);
  a.finishWrites();
  a.receive(accepted('b', 'a', 2, 1));
  t.equal(a.status.commitIndex, 1);
  const payload = encodeConfiguration(configurationOf('bc'));
  const drafts = [{ kind: 'configuration', commandVersion: 0, payload }] as const;
  a.step({ kind: 'propose', proposalId: 1, drafts });
  a.propose(2, 'bar');
  a.finishWrites();
  a.receive(accepted('b', 'a', 2, 3));
  t.equal(a.status.commitIndex, 1, 'one of the two that decide');
  a.receive(accepted('c', 'a', 2, 3));
  t.equal(a.status.commitIndex, 3);
});

t.test('the leader counts its own entries once they are on its disk (schedule B17)', async (t) => {
  const a = leaderOf({});
  a.finishWrites();
  a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
  a.propose(1, 'x');
  t.same(lines(a.receive(accepted('b', 'a', 1, 2))), []);
  t.equal(a.status.commitIndex, 1, 'its own disk and c have not answered');
  t.same(lines(a.finishWrites()).slice(-1), ['apply [1/2]']);
  t.equal(a.status.commitIndex, 2);
});

t.test(
  'a leader commits by others alone, and applies what its own disk holds (schedule B17)',
  async (t) => {
    const a = leaderOf({});
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
    a.propose(1, 'x');
    const effects = lines(a.receive(accepted('b', 'a', 1, 2), accepted('c', 'a', 1, 2)));
    t.equal(a.status.commitIndex, 2);
    t.notOk(effects.some((line) => line.startsWith('apply')));
    t.same(lines(a.finishWrites()), ['apply [1/2]']);
  },
);

t.test(
  'a proposal is known by the term and index it was given, whoever commits there (schedule B24)',
  async (t) => {
    const a = leaderOf({});
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1));
    t.ok(lines(a.propose(7, 'x')).includes('proposed #7 at 1/2'));
    a.receive(append('b', 'a', 2, { prev: '1/1', log: '2/2', commit: 2 }));
    // What is applied at 2 is of term 2: not what was proposed, and nothing says that it is.
    t.same(lines(a.finishWrites()), ['send b appendAccepted term=2 match=2', 'apply [2/2]']);
  },
);

t.test('a read at a new leader waits for its own term to commit (schedule C1)', async (t) => {
  const b = lead(new Member('b', { term: 1, log: run(1, 1, 5) }), 'c');
  b.receive(heartbeatReply('c', 'b', 2));
  t.same(lines(b.read(1)), [], 'neither answered nor asked about');
  b.finishWrites();
  const begun = lines(b.receive(accepted('c', 'b', 2, 6)));
  t.ok(begun.includes('send c heartbeat term=2 commit=6 round=1'));
  t.ok(lines(b.receive(heartbeatReply('c', 'b', 2, 1))).includes('read #1 ready at 6'));
});

t.test('a read is confirmed by distinct voters, not by learners (schedule C3)', async (t) => {
  const a = lead(new Member('a', { configuration: configurationOf('abc', 'lm') }));
  a.finishWrites();
  a.receive(accepted('b', 'a', 1, 1));
  a.read(1);
  const early = a.receive(
    heartbeatReply('l', 'a', 1, 1),
    heartbeatReply('m', 'a', 1, 1),
    heartbeatReply('z', 'a', 1, 1),
  );
  t.notOk(lines(early).some((line) => line.startsWith('read')));
  t.ok(lines(a.receive(heartbeatReply('c', 'a', 1, 1))).includes('read #1 ready at 1'));
});

t.test(
  'an answer to a heartbeat from before the read confirms nothing (schedule C3)',
  async (t) => {
    const a = leaderOf({});
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
    t.same(lines(a.read(1)), [
      'send b heartbeat term=1 commit=1 round=1',
      'send c heartbeat term=1 commit=1 round=1',
    ]);
    t.same(lines(a.receive(heartbeatReply('b', 'a', 1, 0), heartbeatReply('c', 'a', 1, 0))), []);
    t.same(lines(a.read(2)).length, 2);
    // An answer to round 1 was sent before read 2 began.
    t.same(lines(a.receive(heartbeatReply('b', 'a', 1, 1))), ['read #1 ready at 1']);
    t.same(lines(a.receive(heartbeatReply('c', 'a', 1, 1))), []);
    t.same(lines(a.receive(heartbeatReply('c', 'a', 1, 2))), ['read #2 ready at 1']);
  },
);

t.test(
  'the answers of an earlier leadership confirm no read of a later one (schedule C3)',
  async (t) => {
    const a = leaderOf({});
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1));
    a.read(1);
    a.receive(heartbeat('b', 'a', 2));
    lead(a, 'b');
    a.finishWrites();
    a.receive(accepted('b', 'a', 3, 2));
    t.ok(lines(a.read(2)).includes('send b heartbeat term=3 commit=2 round=2'));
    t.same(lines(a.receive(heartbeatReply('b', 'a', 1, 2), heartbeatReply('b', 'a', 3, 1))), []);
    t.same(lines(a.receive(heartbeatReply('b', 'a', 3, 2))), ['read #2 ready at 2']);
  },
);

for (const voters of ['a', 'abc']) {
  t.test(
    `nothing is acknowledged before it is on disk, with ${voters.length} voters (schedule F1)`,
    async (t) => {
      const cluster = new Cluster([...voters].map((id) => new Member(id, { voters })));
      cluster.elect('a');
      cluster.settle();
      for (const id of voters) cluster.heldDisks.add(id);
      cluster.perform('a', cluster.member('a').propose(1, 'x'));
      cluster.settle();
      t.equal(cluster.member('a').status.commitIndex, 1);
      for (const id of voters) t.equal(cluster.applied.get(id)?.length, 1);
      for (const id of [...voters].slice(0, Math.floor(voters.length / 2) + 1))
        cluster.releaseDisk(id);
      cluster.settle();
      t.equal(cluster.member('a').status.commitIndex, 2);
      // Whatever the others lose now, what was applied is on a majority of disks.
      const stored = [...voters].filter((id) => cluster.member(id).disk.log.length === 2);
      t.ok(stored.length > voters.length / 2);
    },
  );
}

t.test(
  'bytes that are counted as uncommitted are given back to the last (schedule G1)',
  async (t) => {
    const a = leaderOf({ limits: { maxUncommittedBytes: 2000 } });
    a.finishWrites();
    const taken: number[] = [];
    for (let i = 0; i < 10_000; i += 1) {
      const [answer] = a.propose(i, 'some bytes').filter(({ kind }) => kind.startsWith('propos'));
      if (answer?.kind === 'proposed') taken.push(i);
      // What is refused counts nothing, changes of the members included.
      a.change(i, { kind: 'promote', member: 'x' });
      if (i % 100 !== 99) continue;
      a.finishWrites();
      a.receive(accepted('b', 'a', 1, a.status.lastIndex));
      t.equal(a.status.commitIndex, a.status.lastIndex);
    }
    t.ok(taken.length > 1000 && taken.length < 10_000, 'some were refused, and none for ever');
    const large = lines(a.propose(10_000, 'x'.repeat(5000)));
    t.ok(
      large.some((line) => line.startsWith('proposed #10000')),
      'one alone passes, however large',
    );
    t.ok(lines(a.propose(10_001, 'x')).includes('proposal #10001 rejected: busy'));
  },
);

t.test(
  'uncommitted bytes are forgotten with leadership and counted anew (schedule G1)',
  async (t) => {
    const a = leaderOf({ limits: { maxUncommittedBytes: 1000 } });
    a.propose(1, 'x'.repeat(2000));
    a.finishWrites();
    a.receive(append('b', 'a', 2, { log: '2/1' }));
    a.finishWrites();
    lead(a);
    t.ok(lines(a.propose(2, 'x')).some((line) => line.startsWith('proposed #2')));
  },
);

t.test(
  'of two candidates that ask in one step of the driver one gets the vote (schedule I1)',
  async (t) => {
    const b = new Member('b', { term: 1 });
    const effects = b.receive(
      voteRequest('a', 'b', 2),
      voteRequest('c', 'b', 2),
      voteRequest('a', 'b', 2),
    );
    const all = lines([...effects, ...b.finishWrites()]).filter((line) => line.startsWith('send'));
    t.same(all, ['send c voteReply term=2 refused', 'send a voteReply term=2 granted']);
  },
);

for (const [name, start] of [
  ['2^31', 2 ** 31 - 5],
  ['2^32', 2 ** 32 - 5],
  ['2^53', 2 ** 53 - 40],
] as const) {
  t.test(`logs that part are joined at indexes and terms near ${name} (schedule I6)`, async (t) => {
    const compacted = { index: start, term: start, logTimeMs: 0 };
    const shared = run(start, start + 1, 4);
    const own = [...shared, ...run(start + 2, start + 5, 9)];
    const others = [...shared, ...run(start + 1, start + 5, 5)];
    const cluster = new Cluster([
      new Member('a', { term: start + 2, compacted, log: own }),
      new Member('b', { term: start + 2, compacted, log: others }),
      new Member('c', { term: start + 2, compacted }),
    ]);
    cluster.elect('a');
    cluster.perform('a', cluster.member('a').propose(1, 'x'));
    cluster.settle();
    for (const id of 'abc') {
      t.match(cluster.member(id).status, { commitIndex: start + 15, term: start + 3 });
      t.equal(cluster.applied.get(id)?.length, 15);
    }
  });
}

t.test('match indexes are ranked as numbers (schedule I6)', async (t) => {
  const a = leaderOf({});
  for (let i = 0; i < 10; i += 1) a.propose(i, 'x');
  a.finishWrites();
  a.receive(accepted('b', 'a', 1, 2), accepted('c', 'a', 1, 9));
  t.equal(a.status.commitIndex, 9, 'of 11, 9 and 2');
  a.receive(accepted('b', 'a', 1, 10));
  t.equal(a.status.commitIndex, 10, 'of 11, 9 and 10');
});

t.test(
  'a write that was overtaken vouches for nothing of the next leader (rule 2, the ABA race)',
  async (t) => {
    const b = new Member('b', { term: 1, log: run(1, 1, 4) });
    b.receive(append('a', 'b', 1, { prev: '1/4', log: '1/5 1/6 1/7' }));
    t.same(lines(b.receive(append('c', 'b', 2, { prev: '1/4', log: '2/5' }))), [
      'write #2 term=2 vote=- [2/5]',
      'follower at term 2, leader c',
    ]);
    // A duplicate waits like the first.
    t.same(lines(b.receive(append('c', 'b', 2, { prev: '1/4', log: '2/5' }))), []);
    t.same(lines(b.finishWrites(1)), [], 'neither for term 1 nor for (2,5)');
    t.equal(b.status.durableIndex, 4);
    t.same(lines(b.finishWrites(1)), ['send c appendAccepted term=2 match=5']);
    t.equal(b.status.durableIndex, 5);
  },
);

t.test(
  'a truncation takes back what was durable, and the leader’s commit is not applied before it is again (rule 2)',
  async (t) => {
    const b = new Member('b', { term: 1, log: '1/1 1/2 1/3' });
    b.receive(append('c', 'b', 2, { prev: '1/1', log: '2/2 2/3', commit: 3 }));
    t.match(b.status, { durableIndex: 1, commitIndex: 3 });
    t.same(lines(b.finishWrites()), ['send c appendAccepted term=2 match=3', 'apply [2/2 2/3]']);
  },
);

t.test('what was cut off is acknowledged by no promise, of whatever term (rule 2)', async (t) => {
  // No honest leader contradicts itself within its term; a promise trusts the log, not the leader.
  const b = new Member('b', { term: 2, log: run(1, 1, 4) });
  b.receive(append('c', 'b', 2, { prev: '1/4', log: '1/5' }));
  b.receive(append('c', 'b', 2, { prev: '1/4', log: '2/5' }));
  t.same(lines(b.finishWrites(1)), []);
  t.same(lines(b.finishWrites(1)), ['send c appendAccepted term=2 match=5']);
});

t.test('a duplicate append waits like the first (rule 2)', async (t) => {
  const b = new Member('b', { term: 1 });
  const first = append('a', 'b', 1, { log: '1/1 1/2' });
  t.same(lines(b.receive(first)), ['write #1 [1/1 1/2]', 'follower at term 1, leader a']);
  t.same(lines(b.receive(first)), []);
  t.same(lines(b.finishWrites()), ['send a appendAccepted term=1 match=2']);
});

t.test(
  'a vote and an acknowledgement that wait for one write are both kept (rule 2)',
  async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(voteRequest('a', 'b', 2), append('a', 'b', 2));
    t.same(lines(b.finishWrites()), [
      'send a voteReply term=2 granted',
      'send a appendAccepted term=2 match=0',
    ]);
  },
);

t.test('promises do not pile up while the disk hangs (fault B24)', async (t) => {
  const b = new Member('b', { term: 1 });
  b.receive(append('a', 'b', 1, { log: '1/1' }));
  b.receive(append('a', 'b', 1, { prev: '1/1', log: '1/2' }));
  for (let i = 0; i < 1000; i += 1) {
    b.receive(
      append('a', 'b', 1, { log: '1/1' }),
      append('a', 'b', 1, { prev: '1/1', log: '1/2' }),
    );
    b.receive(voteRequest('a', 'b', 1));
  }
  t.same(lines(b.finishWrites()), [
    'send a appendAccepted term=1 match=1',
    'send a appendAccepted term=1 match=2',
  ]);
});

t.test('of promises that wait for one write the one that says most is kept (rule 2)', async (t) => {
  const b = new Member('b', { term: 1 });
  b.receive(append('a', 'b', 1, { log: '1/1 1/2' }), append('a', 'b', 1, { log: '1/1' }));
  t.same(lines(b.finishWrites()), ['send a appendAccepted term=1 match=2']);
});

t.test('the window of a follower is limited in appends and in bytes', async (t) => {
  const a = leaderOf({ limits: { maxInflightAppends: 3, maxAppendBytes: 1 } });
  a.receive(accepted('b', 'a', 1, 1));
  const sent = Array.from({ length: 9 }, (_, i) => a.propose(i, 'x')).flat();
  t.equal(appendsTo('b', sent), 3);
  t.equal(appendsTo('b', a.receive(accepted('b', 'a', 1, 3))), 2, 'two were answered');
  const bytes = leaderOf({ limits: { maxInflightBytes: 250 } });
  bytes.receive(accepted('b', 'a', 1, 1));
  const some = Array.from({ length: 9 }, (_, i) => bytes.propose(i, 'x'.repeat(100))).flat();
  t.equal(appendsTo('b', some), 2, 'the second append crosses 250 bytes');
});

t.test('an append holds as many entries as fit, and at least one', async (t) => {
  const a = leaderOf({ limits: { maxAppendBytes: 100 } });
  a.receive(accepted('b', 'a', 1, 1));
  a.receive(accepted('c', 'a', 1, 1));
  const [append] = a
    .propose(1, 'x'.repeat(10), 'x'.repeat(10), 'x'.repeat(1000), 'x')
    .flatMap((effect) =>
      effect.kind === 'send' && effect.message.to === 'b' ? [effect.message] : [],
    );
  t.match(lines([{ kind: 'send', message: append! }]), [
    'send b append term=1 prev=1/1 commit=1 [1/2 1/3]',
  ]);
});

t.test('appends that are lost in replicate mode are found out by a heartbeat', async (t) => {
  const cluster = threeWithLeader();
  for (let i = 0; i < 5; i += 1) cluster.perform('a', cluster.member('a').propose(i, 'x'));
  cluster.settle(touching('b'));
  t.equal(cluster.member('b').status.lastIndex, 1);
  cluster.tick('a', 2);
  cluster.settle();
  t.match(cluster.member('b').status, { lastIndex: 6, commitIndex: 6 });
});

t.test(
  'one round of heartbeats brings a follower that lost a full window back to the end',
  async (t) => {
    const cluster = threeWithLeader({ limits: { maxInflightAppends: 2, maxAppendBytes: 1 } });
    for (let i = 0; i < 9; i += 1) cluster.perform('a', cluster.member('a').propose(i, 'x'));
    cluster.take((message) => message.kind === 'append');
    cluster.tick('a', 2);
    cluster.settle();
    for (const id of 'abc') t.match(cluster.member(id).status, { lastIndex: 10, commitIndex: 10 });
  },
);

t.test(
  'messages for each committed entry stay few when the network repeats them (M49)',
  async (t) => {
    const cluster = threeWithLeader();
    const before = cluster.sentCount;
    for (let i = 0; i < 200; i += 1) {
      cluster.perform('a', cluster.member('a').propose(i, 'x'));
      while (cluster.messages.length > 0) {
        // Each one that was under way comes twice.
        const sent = cluster.take();
        for (const message of [...sent, ...sent])
          cluster.step(message.to, { kind: 'receive', message });
      }
    }
    t.equal(cluster.member('b').status.commitIndex, 201);
    const perEntry = (cluster.sentCount - before) / 200;
    // To each of two: the entry and the news that it is committed, each answered, each answer doubled.
    t.ok(perEntry <= 12, `${perEntry} messages for an entry`);
  },
);

function leaderOf(options: MemberOptions): Member {
  return lead(new Member('a', options));
}

function threeWithLeader(options: MemberOptions = {}): Cluster {
  const cluster = new Cluster([...'abc'].map((id) => new Member(id, options)));
  cluster.elect('a');
  return cluster;
}

function carriesIndex(index: number): (message: Message) => boolean {
  return (message) =>
    message.kind === 'append' && message.entries.some((entry) => entry.index === index);
}

function appendsTo(id: string, effects: ReturnType<Member['step']>): number {
  return effects.filter(
    (effect) =>
      effect.kind === 'send' && effect.message.kind === 'append' && effect.message.to === id,
  ).length;
}
