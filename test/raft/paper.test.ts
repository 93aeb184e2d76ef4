import t from 'tap';
import { encodeUtf8, packEntries } from '../../lib/base/index.js';
import { encodeConfiguration, type Input } from '../../lib/raft/index.js';
import { Cluster, Member, TIMING, touching } from './harness.js';
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
import { configurationOf, GROUP, lines, printLog, run } from './notation.js';

/*
 * One sentence of the papers, one test. `Raft` is the extended paper, `Thesis` the dissertation.
 */

t.test('Raft §5.1 terms', async (t) => {
  t.test('one that hears of a later term moves there, whatever it was', async (t) => {
    const [follower, candidate, leader] = membersOfEachRole();
    for (const member of [follower, candidate, leader]) {
      member.receive(append('b', 'a', 9));
      t.match(member.status, { role: 'follower', term: 9, votedFor: null, leader: 'b' });
    }
  });

  t.test('a request of an earlier term is refused, and told the present one', async (t) => {
    const a = new Member('a', { term: 3 });
    t.same(
      lines(a.receive(voteRequest('b', 'a', 2), append('b', 'a', 2), heartbeat('b', 'a', 2))),
      [
        'send b voteReply term=3 refused',
        'send b heartbeatReply term=3 round=0',
        'send b heartbeatReply term=3 round=0',
      ],
    );
    t.equal(a.status.leader, null);
  });

  t.test('an answer of an earlier term means nothing', async (t) => {
    const a = lead(new Member('a', { term: 3 }));
    const before = a.status;
    const answers = [
      accepted('b', 'a', 3, 1),
      rejected('b', 'a', 3, 1, '0/0'),
      heartbeatReply('b', 'a', 3, 1),
    ];
    t.same(lines(a.receive(...answers, voteReply('c', 'a', 3, false))), []);
    t.same(a.status, before);
  });

  t.test('term and vote reach the disk together, and a restart remembers both', async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(voteRequest('c', 'b', 4));
    b.finishWrites();
    b.restart();
    t.match(b.status, { term: 4, votedFor: 'c' });
  });

  t.test(
    'what is for another member, of another group or from itself is passed over',
    async (t) => {
      const a = new Member('a', { term: 1 });
      const request = voteRequest('b', 'a', 2);
      t.same(
        lines(
          a.receive(
            { ...request, to: 'x' },
            { ...request, group: `${GROUP}2` },
            { ...request, from: 'a' },
          ),
        ),
        [],
      );
      t.equal(a.status.term, 1);
    },
  );
});

t.test('Raft §5.2 leader election', async (t) => {
  t.test('whatever a member was before a crash, it begins as a follower', async (t) => {
    for (const member of membersOfEachRole()) {
      const { term } = member.status;
      member.restart(1);
      t.match(member.status, { role: 'follower', leader: null });
      t.ok(member.status.term >= term, 'and forgets no term that it spoke of');
    }
  });

  t.test(
    'the votes of a majority elect, and one less does not, of one to nine voters',
    async (t) => {
      for (let count = 1; count <= 9; count += 1) {
        const voters = 'abcdefghi'.slice(0, count);
        const others = [...voters.slice(1)];
        const needed = Math.floor(count / 2);
        const short = new Member('a', { voters });
        lead(short, others.slice(0, needed).join(''));
        t.equal(short.status.role, 'leader', `${needed} of ${others.length} others`);
        if (needed === 0) continue;
        const a = new Member('a', { voters });
        a.campaign();
        a.receive(...others.slice(0, needed).map((id) => preVoteReply(id, 'a', 1)));
        a.finishWrites();
        a.receive(...others.slice(0, needed - 1).map((id) => voteReply(id, 'a', 1)));
        t.equal(a.status.role, 'candidate', `${needed - 1} of ${others.length} others`);
      }
    },
  );

  t.test('a candidate that hears from a leader of an earlier term goes on standing', async (t) => {
    const candidate = new Member('a', { term: 4 });
    candidate.campaign();
    candidate.receive(preVoteReply('b', 'a', 5));
    candidate.finishWrites();
    t.same(lines(candidate.receive(append('c', 'a', 4), heartbeat('c', 'a', 4))), [
      'send c heartbeatReply term=5 round=0',
      'send c heartbeatReply term=5 round=0',
    ]);
    t.match(candidate.status, { role: 'candidate', term: 5, leader: null });
    candidate.receive(voteReply('b', 'a', 5));
    t.equal(candidate.status.role, 'leader');
  });

  t.test('a candidate that nobody answers stands again, in the next term', async (t) => {
    const [, a] = membersOfEachRole();
    const { term } = a.status;
    t.equal(lines(a.tick(15))[0], 'election timed out');
    a.receive(preVoteReply('b', 'a', term + 1));
    t.same(lines(a.finishWrites()), [
      `send b vote term=${term + 1} last=0/0`,
      `send c vote term=${term + 1} last=0/0`,
    ]);
  });

  t.test('a member starts as a follower and stands when it hears from nobody', async (t) => {
    const a = new Member('a');
    t.match(a.status, { role: 'follower', term: 0, leader: null });
    t.same(lines(a.tick(14)), []);
    t.same(lines(a.tick(1)), [
      'election timed out',
      'send b preVote term=1 last=0/0',
      'send c preVote term=1 last=0/0',
      'preCandidate at term 0, leader -',
    ]);
  });

  t.test('appends and heartbeats of the leader keep a follower from standing', async (t) => {
    const b = new Member('b');
    for (const message of [append('a', 'b', 1), heartbeat('a', 'b', 1)]) {
      b.receive(message);
      b.tick(14);
    }
    t.match(b.status, { role: 'follower', leader: 'a' });
    b.tick(1);
    t.match(b.status, { role: 'preCandidate', leader: null });
  });

  t.test('a granted vote keeps a follower from standing, a refused one does not', async (t) => {
    const b = new Member('b', { log: '1/1', term: 1 });
    b.tick(14);
    b.receive(voteRequest('a', 'b', 2, '1/1'));
    b.tick(14);
    t.equal(b.status.role, 'follower');
    b.receive(voteRequest('c', 'b', 2, '1/1'));
    b.tick(1);
    t.equal(b.status.role, 'preCandidate');
    const c = new Member('c', { term: 2 });
    c.tick(14);
    c.receive(voteRequest('a', 'c', 2));
    c.tick(14);
    t.equal(c.status.role, 'follower', 'nor does one of its own term');
  });

  t.test(
    'a candidate with the votes of a majority leads and says so with an append to everyone',
    async (t) => {
      const a = new Member('a', { voters: 'abcde', term: 1 });
      a.campaign();
      a.receive(preVoteReply('b', 'a', 2), preVoteReply('c', 'a', 2));
      a.finishWrites();
      t.same(lines(a.receive(voteReply('b', 'a', 2))), []);
      t.same(lines(a.receive(voteReply('c', 'a', 2))), [
        'write #2 [2/1]',
        ...[...'bcde'].map((id) => `send ${id} append term=2 prev=0/0 commit=0 [2/1]`),
        'leader at term 2, leader a',
      ]);
      t.same(lines(a.tick(TIMING.heartbeatTicks)), [
        'heartbeat timed out',
        ...[...'bcde'].map((id) => `send ${id} heartbeat term=2 commit=0 round=0`),
      ]);
    },
  );

  t.test('a later leadership begins its heartbeats anew', async (t) => {
    const a = lead(new Member('a'));
    a.tick(1);
    a.receive(heartbeat('b', 'a', 2));
    lead(a);
    t.same(lines(a.tick(1)), []);
    t.equal(lines(a.tick(1)).length, 3);
  });

  t.test('a candidate that a majority refuses gives up', async (t) => {
    const [, a] = membersOfEachRole();
    const { term } = a.status;
    t.same(lines(a.receive(voteReply('b', 'a', term, false))), []);
    t.same(lines(a.receive(voteReply('c', 'a', term, false))), [
      `follower at term ${term}, leader -`,
    ]);
  });

  t.test('a candidate follows whoever leads its term', async (t) => {
    const [, a] = membersOfEachRole();
    const { term } = a.status;
    a.receive(heartbeat('b', 'a', term));
    t.match(a.status, { role: 'follower', term, leader: 'b', votedFor: 'a' });
  });

  t.test('a member that follows somebody votes for nobody else in that term', async (t) => {
    const b = new Member('b', { term: 2 });
    b.receive(heartbeat('a', 'b', 2));
    t.same(lines(b.receive(voteRequest('c', 'b', 2))), ['send c voteReply term=2 refused']);
    t.same(b.status.votedFor, null);
  });

  t.test('the same candidate gets the same answer when it asks again', async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(voteRequest('a', 'b', 2));
    b.finishWrites();
    t.same(lines(b.receive(voteRequest('a', 'b', 2))), ['send a voteReply term=2 granted']);
  });

  t.test('a timeout is drawn anew, between its ends, each time that a role begins', async (t) => {
    const draws = [0, 0.999, 0.5];
    const a = new Member('a', { voters: 'a', random: () => draws.shift() ?? 0 });
    t.same(lines(a.tick(9)), []);
    t.equal(lines(a.tick(1))[0], 'election timed out');
    const b = new Member('b', { random: () => 0.999 });
    t.same(lines(b.tick(18)), []);
    t.equal(lines(b.tick(1))[0], 'election timed out');
    const timeouts = [0.1, 0.8];
    const c = new Member('c', { random: () => timeouts.shift() ?? 0.3 });
    t.same(lines(c.tick(11)).length, 4);
    t.same(lines(c.tick(17)), []);
    t.equal(lines(c.tick(1))[0], 'election timed out');
  });

  t.test('two leaders of one term are an impossibility that stops the member', async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(heartbeat('a', 'b', 1));
    t.throws(() => b.receive(heartbeat('c', 'b', 1)), {
      message: 'violated: a term has one leader',
    });
    const [, , leader] = membersOfEachRole();
    t.throws(() => leader.receive(append('b', 'a', leader.status.term)), {
      message: 'violated: a term has one leader',
    });
  });
});

t.test('Raft §5.3 log replication', async (t) => {
  t.test('a member that does not lead takes no proposal, and appends nothing', async (t) => {
    const [follower, candidate] = membersOfEachRole();
    for (const member of [follower, candidate]) {
      t.same(lines(member.propose(1, 'x')), ['proposal #1 rejected: notLeader']);
      t.equal(member.status.lastIndex, 0);
    }
  });

  t.test('a follower that never answers is sent what it lacks for ever', async (t) => {
    const cluster = new Cluster([...'abc'].map((id) => new Member(id)));
    cluster.elect('a');
    const toC = touching('c');
    cluster.step('a', proposal('x'));
    cluster.settle(toC);
    t.equal(cluster.member('a').status.commitIndex, 2, 'it is decided without c');
    for (let i = 0; i < 500; i += 1) {
      cluster.tick('a');
      cluster.settle(toC);
    }
    cluster.tick('a', TIMING.heartbeatTicks);
    cluster.settle();
    t.match(cluster.member('c').status, { lastIndex: 2, commitIndex: 2 });
  });

  t.test('a leader never changes or removes what stands in its own log', async (t) => {
    const a = lead(new Member('a', { term: 1, log: '1/1 1/2 1/3' }));
    const before = printLog(a.log);
    a.receive(
      rejected('b', 'a', 2, 3, '0/0'),
      accepted('c', 'a', 2, 1),
      rejected('c', 'a', 2, 3, '1/1'),
      append('b', 'a', 1, { prev: '0/0', log: '1/1' }),
      heartbeatReply('b', 'a', 2),
    );
    a.propose(1, 'x');
    a.tick(30);
    t.match(printLog(a.log), before.slice(0, -1));
    t.equal(a.status.lastIndex, 5);
  });

  t.test('an append that comes twice is answered twice, and changes nothing again', async (t) => {
    const b = new Member('b');
    const message = append('a', 'b', 1, { log: '1/1 1/2', commit: 1 });
    b.receive(message);
    const first = lines(b.finishWrites()).filter((line) => line.startsWith('send'));
    const { log } = b;
    t.same(lines(b.receive(message)), first);
    t.equal(b.log, log);
  });

  t.test('the leader makes every log of Figure 7 equal to its own', async (t) => {
    const figure = {
      a: '1/1 1/2 1/3 4/4 4/5 5/6 5/7 6/8 6/9 6/10',
      b: '1/1 1/2 1/3 4/4 4/5 5/6 5/7 6/8 6/9',
      c: '1/1 1/2 1/3 4/4',
      d: '1/1 1/2 1/3 4/4 4/5 5/6 5/7 6/8 6/9 6/10 6/11',
      e: '1/1 1/2 1/3 4/4 4/5 5/6 5/7 6/8 6/9 6/10 7/11 7/12',
      f: '1/1 1/2 1/3 4/4 4/5 4/6 4/7',
      g: '1/1 1/2 1/3 2/4 2/5 2/6 3/7 3/8 3/9 3/10 3/11',
    };
    const members = Object.entries(figure).map(([id, log]) => {
      return new Member(id, { voters: 'abcdefg', term: 7, log });
    });
    const cluster = new Cluster(members);
    cluster.elect('a');
    for (const { id, log, status } of members) {
      t.equal(printLog(log), `[${figure.a} 8/11]`, `the log of ${id}`);
      t.equal(status.commitIndex, 11, id);
    }
  });

  t.test(
    'the leader appends, sends to all at once and commits when a majority holds it',
    async (t) => {
      const a = lead(new Member('a', { term: 1 }));
      a.finishWrites();
      a.receive(accepted('b', 'a', 2, 1), accepted('c', 'a', 2, 1));
      t.same(lines(a.propose(1, 'x', 'y')), [
        'proposed #1 at 2/2',
        'write #3 [2/2 2/3]',
        'send b append term=2 prev=2/1 commit=1 [2/2 2/3]',
        'send c append term=2 prev=2/1 commit=1 [2/2 2/3]',
      ]);
      t.same(lines(a.finishWrites()), []);
      t.same(lines(a.receive(accepted('c', 'a', 2, 3))), [
        'send b append term=2 prev=2/3 commit=3 []',
        'send c append term=2 prev=2/3 commit=3 []',
        'apply [2/2 2/3]',
      ]);
    },
  );

  t.test('a follower learns what is committed and applies it in order', async (t) => {
    const b = new Member('b');
    b.receive(append('a', 'b', 1, { log: '1/1 1/2' }));
    b.finishWrites();
    t.same(lines(b.receive(heartbeat('a', 'b', 1, { commit: 1 }))).slice(1), ['apply [1/1]']);
    t.same(lines(b.receive(append('a', 'b', 1, { prev: '1/2', commit: 2 }))), [
      'send a appendAccepted term=1 match=2',
      'apply [1/2]',
    ]);
  });

  t.test('a follower refuses an append whose predecessor it does not hold', async (t) => {
    const b = new Member('b', { term: 2, log: '1/1 1/2' });
    t.same(lines(b.receive(append('a', 'b', 2, { prev: '1/3', log: '2/4' }))).slice(0, 1), [
      'send a appendRejected term=2 prev=3 hint=1/2',
    ]);
    t.same(lines(b.receive(append('a', 'b', 2, { prev: '2/2', log: '2/3' }))), [
      'send a appendRejected term=2 prev=2 hint=1/2',
    ]);
    t.equal(b.status.lastIndex, 2);
  });

  t.test('a conflicting entry is removed with all that follow it, and replaced', async (t) => {
    const b = new Member('b', { term: 1, log: '1/1 1/2 1/3' });
    t.same(lines(b.receive(append('c', 'b', 2, { prev: '1/1', log: '2/2' }))), [
      'write #1 term=2 vote=- [2/2]',
      'follower at term 2, leader c',
    ]);
    t.equal(b.status.lastIndex, 2);
  });

  t.test('the leader goes back to where the logs agree, and on from there', async (t) => {
    const a = lead(new Member('a', { term: 3, log: '1/1 1/2 3/3' }));
    t.same(lines(a.receive(rejected('b', 'a', 4, 3, '2/3'))), [
      'send b append term=4 prev=1/2 commit=0 [3/3 4/4]',
    ]);
    a.receive(accepted('b', 'a', 4, 4));
    t.match(a.status.progress.get('b'), { mode: 'replicate', matchIndex: 4, nextIndex: 5 });
  });

  t.test('however large a hint is, the leader goes back by one entry at least', async (t) => {
    const a = lead(new Member('a', { term: 1, log: run(1, 1, 9) }));
    a.receive(rejected('b', 'a', 2, 9, '9/99'));
    t.match(a.status.progress.get('b'), { nextIndex: 9 });
  });

  t.test('a rejection that was overtaken changes nothing', async (t) => {
    const a = lead(new Member('a', { term: 1, log: run(1, 1, 9) }));
    a.receive(rejected('b', 'a', 2, 9, '1/5'));
    t.same(lines(a.receive(rejected('b', 'a', 2, 9, '1/2'))), []);
    t.match(a.status.progress.get('b'), { nextIndex: 6 });
  });

  t.test('a match beyond the leader’s log, or from a stranger, counts for nothing', async (t) => {
    const a = lead(new Member('a'));
    a.finishWrites();
    t.same(lines(a.receive(accepted('b', 'a', 1, 99), accepted('z', 'a', 1, 1))), []);
    t.equal(a.status.commitIndex, 0);
  });

  t.test(
    'an acknowledgement waits for the disk, a refusal and a heartbeat’s answer do not',
    async (t) => {
      const b = new Member('b', { term: 1 });
      b.receive(append('a', 'b', 1, { log: '1/1' }));
      const sent = lines(b.receive(heartbeat('a', 'b', 1), append('a', 'b', 1, { prev: '1/5' })));
      t.same(sent, [
        'send a heartbeatReply term=1 round=0',
        'send a appendRejected term=1 prev=5 hint=1/1',
      ]);
      t.same(lines(b.finishWrites()), ['send a appendAccepted term=1 match=1']);
    },
  );

  t.test('what reached memory only is not there after a crash', async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(append('a', 'b', 1, { log: '1/1' }));
    b.receive(append('a', 'b', 1, { prev: '1/1', log: '1/2' }));
    b.restart(1);
    t.match(b.status, { lastIndex: 1, durableIndex: 1, commitIndex: 0 });
  });

  t.test('a heartbeat never speaks of more than the receiver is known to hold', async (t) => {
    const a = lead(new Member('a'));
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1));
    t.same(lines(a.tick(2)), [
      'heartbeat timed out',
      'send b heartbeat term=1 commit=1 round=0',
      'send c heartbeat term=1 commit=0 round=0',
    ]);
  });

  t.test('an append that begins before the log does adds what is new', async (t) => {
    const compacted = { index: 5, term: 1, logTimeMs: 0 };
    const b = new Member('b', { term: 1, compacted, log: '1/6' });
    b.receive(append('a', 'b', 1, { prev: '1/2', log: '1/3 1/4 1/5 1/6 1/7', commit: 7 }));
    t.same(lines(b.finishWrites()), ['send a appendAccepted term=1 match=7', 'apply [1/7]']);
    t.same(lines(b.receive(append('a', 'b', 1, { prev: '1/1', log: '1/2' }))), [
      'send a appendAccepted term=1 match=2',
    ]);
  });

  t.test(
    'a follower commits nothing by its own count, even where it is the only voter',
    async (t) => {
      const b = new Member('b', { voters: 'b', term: 2 });
      b.receive(append('a', 'b', 2, { log: '2/1' }));
      t.same(lines(b.finishWrites()), ['send a appendAccepted term=2 match=1']);
      t.equal(b.status.commitIndex, 0);
    },
  );

  t.test('an old acknowledgement ends no search for where the logs part', async (t) => {
    const a = lead(new Member('a', { term: 1, log: run(1, 1, 9) }));
    a.receive(accepted('b', 'a', 2, 5), rejected('b', 'a', 2, 9, '1/7'));
    t.match(a.status.progress.get('b'), { mode: 'probe', nextIndex: 8 });
    a.receive(accepted('b', 'a', 2, 3));
    t.match(a.status.progress.get('b'), { mode: 'probe', matchIndex: 5, nextIndex: 8 });
  });

  t.test('what a follower is found to hold is not sent to it again', async (t) => {
    const limits = { maxInflightAppends: 1, maxAppendBytes: 1 };
    const a = lead(new Member('a', { term: 1, log: run(1, 1, 9), limits }));
    a.receive(rejected('b', 'a', 2, 9, '1/1'), accepted('b', 'a', 2, 2));
    t.match(a.status.progress.get('b'), { mode: 'replicate', nextIndex: 4 });
    t.ok(
      lines(a.receive(accepted('b', 'a', 2, 7))).includes(
        'send b append term=2 prev=1/7 commit=0 [1/8]',
      ),
    );
    t.match(a.status.progress.get('b'), { matchIndex: 7, nextIndex: 9 });
  });

  t.test('log time goes on by elapsed time and never back', async (t) => {
    const a = lead(new Member('a', { voters: 'a' }), '');
    const stamps = [50, 20, 80.9].map((nowMs) => {
      a.nowMs = nowMs;
      a.propose(1, 'x');
      return a.log.at(-1)?.logTimeMs;
    });
    t.same(stamps, [50, 50, 80]);
    const late = new Member('a', { voters: 'a' });
    late.nowMs = 100;
    late.tick();
    late.nowMs = 20;
    lead(late, '');
    late.nowMs = 100;
    late.propose(1, 'x');
    t.equal(late.log.at(-1)?.logTimeMs, 0, 'a clock that goes back stands still');
  });
});

t.test('Raft §5.4 safety', async (t) => {
  t.test('who could win in Figure 7 is decided by the logs of the others (§5.4.1)', async (t) => {
    // The last entries of a to g as above. A log can win where four of the seven grant it their vote.
    const last = { a: '6/10', b: '6/9', c: '4/4', d: '6/11', e: '7/12', f: '4/7', g: '3/11' };
    const winners = Object.entries(last).filter(([, position]) => {
      const grants = Object.entries(last).filter(([id, own]) => {
        const [term = 0, index = 0] = own.split('/').map(Number);
        const compacted = { term, index, logTimeMs: 0 };
        const voter = new Member(id, { voters: 'abcdefg', term: 7, compacted });
        return lines(voter.receive(preVoteRequest('z', id, 8, position))).some((line) =>
          line.endsWith('granted'),
        );
      });
      return grants.length >= 4;
    });
    t.same(
      winners.map(([id]) => id),
      ['a', 'b', 'd', 'e'],
    );
  });

  t.test(
    'a candidate whose log is behind is refused its vote and its pre-vote (§5.4.1)',
    async (t) => {
      const b = new Member('b', { term: 2, log: '1/1 2/2' });
      t.same(lines(b.receive(preVoteRequest('a', 'b', 3, '2/1'))), [
        'send a preVoteReply term=2 refused',
      ]);
      t.ok(
        lines(b.receive(voteRequest('a', 'b', 3, '1/9'))).includes(
          'send a voteReply term=3 refused',
        ),
      );
      t.match(b.status, { term: 3, votedFor: null });
    },
  );

  t.test('only entries of the leader’s own term are committed by counting (§5.4.2)', async (t) => {
    const a = lead(new Member('a', { term: 1, log: '1/1' }));
    a.finishWrites();
    a.receive(accepted('b', 'a', 2, 1));
    t.equal(a.status.commitIndex, 0);
    a.receive(accepted('b', 'a', 2, 2));
    t.equal(a.status.commitIndex, 2, 'the older one follows along');
  });
});

t.test('Raft §6 configurations', async (t) => {
  t.test('a configuration counts from its append, and no longer once it is cut off', async (t) => {
    const b = new Member('b', { term: 1, configuration: configurationOf('abc') });
    const payload = encodeConfiguration(configurationOf('abd', 'e', 'abc'));
    const position = { group: GROUP, term: 1, firstIndex: 1, logTimeMs: 0 };
    const entries = packEntries(position, [{ kind: 'configuration', commandVersion: 0, payload }]);
    t.same(lines(b.receive({ ...append('a', 'b', 1), entries })), [
      'configured abd outgoing=abc learners=e',
      'write #1 [1/1]',
      'follower at term 1, leader a',
    ]);
    t.same(lines(b.receive(append('c', 'b', 2, { log: '2/1' }))), [
      'configured abc',
      'write #2 term=2 vote=- [2/1]',
      'follower at term 2, leader c',
    ]);
    b.restart(1);
    t.same(
      b.status.configuration,
      configurationOf('abd', 'e', 'abc'),
      'and counts again after a crash',
    );
  });
});

t.test('Raft §8 the no-op that opens a term', async (t) => {
  t.test('entries of earlier terms are committed without any proposal', async (t) => {
    const cluster = new Cluster(
      [...'abc'].map((id) => new Member(id, { term: 1, log: '1/1 1/2' })),
    );
    cluster.elect('a');
    for (const id of 'abc') t.match(cluster.member(id).status, { commitIndex: 3, lastTerm: 2 });
  });

  t.test('a single member decides alone what its log held', async (t) => {
    const a = new Member('a', { voters: 'a', term: 1, log: '1/1' });
    a.campaign();
    t.same(lines([...a.finishWrites(), ...a.finishWrites()]), [
      'write #2 [2/2]',
      'leader at term 2, leader a',
      'apply [1/1 2/2]',
    ]);
  });
});

t.test('Thesis §4.2.3 disruptive members', async (t) => {
  t.test(
    'a candidate is passed over by those who hear from a leader, and by the leader',
    async (t) => {
      const b = new Member('b', { term: 1 });
      b.receive(heartbeat('a', 'b', 1));
      b.tick(TIMING.electionMinTicks - 1);
      t.same(lines(b.receive(voteRequest('c', 'b', 5))), []);
      b.tick(1);
      t.match(lines(b.receive(voteRequest('c', 'b', 5))), [
        'write #1 term=5 vote=c []',
        'follower at term 5, leader -',
      ]);
      const [, , leader] = membersOfEachRole();
      leader.tick(TIMING.electionMaxTicks - 1);
      t.same(lines(leader.receive(voteRequest('c', 'a', 9), preVoteRequest('c', 'a', 2, '9/9'))), [
        'send c preVoteReply term=1 refused',
      ]);
      t.same(leader.status.role, 'leader');
    },
  );

  t.test('a leader learns of a later term from those it leads', async (t) => {
    const [, , leader] = membersOfEachRole();
    leader.receive(heartbeatReply('c', 'a', 9));
    t.match(leader.status, { role: 'follower', term: 9 });
  });
});

t.test('Thesis §9.6 pre-vote', async (t) => {
  t.test('a pre-vote is refused while a leader is heard from', async (t) => {
    const b = new Member('b', { term: 1 });
    b.receive(heartbeat('a', 'b', 1));
    t.same(lines(b.receive(preVoteRequest('c', 'b', 2))), ['send c preVoteReply term=1 refused']);
  });

  t.test('a pre-vote for a term that has come is refused and told the term', async (t) => {
    const b = new Member('b', { term: 4 });
    t.same(lines(b.receive(preVoteRequest('c', 'b', 4), preVoteRequest('c', 'b', 2))), [
      'send c preVoteReply term=4 refused',
      'send c preVoteReply term=4 refused',
    ]);
    const c = new Member('c', { term: 3 });
    c.campaign();
    c.receive(preVoteReply('b', 'c', 4, false));
    t.match(c.status, { role: 'follower', term: 4 });
  });

  t.test('one that a majority refuses to hear raises no term', async (t) => {
    const a = new Member('a', { term: 1 });
    a.campaign();
    t.same(lines(a.receive(preVoteReply('b', 'a', 1, false), preVoteReply('c', 'a', 1, false))), [
      'follower at term 1, leader -',
    ]);
    t.equal(a.disk.pending.length, 0);
  });

  t.test('a member that is no voter never stands', async (t) => {
    const l = new Member('l', { configuration: configurationOf('abc', 'l') });
    l.receive(heartbeat('a', 'l', 1));
    t.same(lines(l.tick(100)), ['follower at term 1, leader -']);
    t.same(lines(l.campaign()), []);
  });

  t.test('a learner that is asked for its vote gives it', async (t) => {
    const l = new Member('l', { configuration: configurationOf('abc', 'l'), term: 1 });
    l.receive(voteRequest('a', 'l', 2));
    t.same(lines(l.finishWrites()), ['send a voteReply term=2 granted']);
  });
});

t.test('Thesis §6.2 check-quorum', async (t) => {
  t.test('a leader that hears from no majority for an election timeout steps down', async (t) => {
    const [, , leader] = membersOfEachRole();
    leader.tick(TIMING.electionMaxTicks - 1);
    t.equal(leader.status.role, 'leader');
    leader.tick(1);
    t.match(leader.status, { role: 'follower', leader: null, term: 1 });
  });

  t.test(
    'any answer of its term counts, of each voter once and in each timeout anew',
    async (t) => {
      const answers = [
        accepted('b', 'a', 1, 0),
        rejected('b', 'a', 1, 0, '0/0'),
        heartbeatReply('b', 'a', 1),
      ];
      for (const answer of answers) {
        const [, , leader] = membersOfEachRole();
        leader.receive(answer);
        leader.tick(TIMING.electionMaxTicks);
        t.equal(leader.status.role, 'leader', answer.kind);
        leader.tick(TIMING.electionMaxTicks);
        t.equal(leader.status.role, 'follower', answer.kind);
      }
      const five = lead(new Member('a', { configuration: configurationOf('abcde', 'l') }), 'bc');
      five.receive(
        heartbeatReply('b', 'a', 1),
        heartbeatReply('b', 'a', 1),
        heartbeatReply('l', 'a', 1),
      );
      five.tick(TIMING.electionMaxTicks);
      t.equal(five.status.role, 'follower');
    },
  );
});

t.test('Thesis §6.4 read-only queries', async (t) => {
  t.test(
    'a read is answered at the commit index of its beginning, once a majority confirms',
    async (t) => {
      const a = lead(new Member('a'));
      a.finishWrites();
      a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
      a.read(1);
      a.propose(1, 'x');
      a.finishWrites();
      a.receive(accepted('b', 'a', 1, 2));
      t.equal(a.status.commitIndex, 2);
      t.ok(lines(a.receive(heartbeatReply('b', 'a', 1, 1))).includes('read #1 ready at 1'));
    },
  );

  t.test('a single voter confirms itself', async (t) => {
    const a = lead(new Member('a', { voters: 'a' }), '');
    t.same(lines(a.read(1)), []);
    t.same(lines(a.finishWrites()), ['read #1 ready at 1', 'apply [1/1]']);
    t.same(lines(a.read(2)), ['read #2 ready at 1']);
  });

  t.test(
    'reads beyond eight open rounds share the next, and a lost heartbeat loses none',
    async (t) => {
      const a = lead(new Member('a'));
      a.finishWrites();
      a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
      for (let i = 1; i <= 20; i += 1) a.read(i);
      const again = lines(a.tick(2));
      t.ok(again.includes('send b heartbeat term=1 commit=1 round=8'));
      const ready = lines(a.receive(heartbeatReply('b', 'a', 1, 8)));
      t.equal(ready.filter((line) => line.startsWith('read')).length, 8);
      t.ok(ready.includes('send b heartbeat term=1 commit=1 round=9'));
      t.equal(
        lines(a.receive(heartbeatReply('c', 'a', 1, 9))).filter((line) => line.startsWith('read'))
          .length,
        12,
      );
    },
  );

  t.test('a late answer takes back no later confirmation', async (t) => {
    const a = lead(new Member('a', { voters: 'abcde' }), 'bc');
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1), accepted('d', 'a', 1, 1));
    a.read(1);
    a.read(2);
    a.receive(heartbeatReply('b', 'a', 1, 2), heartbeatReply('b', 'a', 1, 1));
    t.same(
      lines(a.receive(heartbeatReply('c', 'a', 1, 2))).filter((line) => line.startsWith('read')),
      ['read #1 ready at 1', 'read #2 ready at 1'],
    );
  });

  t.test('reads of a leader that steps down are rejected, each once', async (t) => {
    const a = lead(new Member('a'));
    a.read(1);
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1));
    for (let i = 2; i <= 12; i += 1) a.read(i);
    const rejections = lines(a.tick(2 * TIMING.electionMaxTicks)).filter((line) =>
      line.startsWith('read'),
    );
    t.same(
      rejections,
      Array.from({ length: 12 }, (_, i) => `read #${i + 1} rejected: notLeader`),
    );
  });

  t.test('a follower answers no read', async (t) => {
    t.same(lines(new Member('b').read(1)), ['read #1 rejected: notLeader']);
  });
});

t.test('Thesis §10.2.1 writing to the leader’s disk in parallel, pipelining', async (t) => {
  t.test(
    'appends leave beside the leader’s own write, and before earlier ones are answered',
    async (t) => {
      const a = lead(new Member('a'));
      a.receive(accepted('b', 'a', 1, 1));
      for (const [id, index] of [
        [1, 2],
        [2, 3],
        [3, 4],
      ] as const) {
        const sent = lines(a.propose(id, 'x'));
        t.ok(sent.includes(`send b append term=1 prev=1/${index - 1} commit=0 [1/${index}]`));
      }
      t.equal(a.disk.pending.length, 4);
      t.equal(a.status.commitIndex, 0);
    },
  );

  t.test('a follower whose log is not known is sent one append at a time', async (t) => {
    const a = lead(new Member('a'));
    t.notOk(lines(a.propose(1, 'x')).some((line) => line.includes('append')));
    // The probe may be lost: the answer to a heartbeat allows the next.
    t.same(lines(a.receive(heartbeatReply('c', 'a', 1))), [
      'send c append term=1 prev=0/0 commit=0 [1/1 1/2]',
    ]);
    t.same(lines(a.receive(accepted('b', 'a', 1, 1))), [
      'send b append term=1 prev=1/1 commit=0 [1/2]',
    ]);
  });

  t.test('news of a commit waits where the window is full', async (t) => {
    const a = lead(new Member('a', { limits: { maxInflightAppends: 1 } }));
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
    a.propose(1, 'x');
    a.finishWrites();
    const sent = lines(a.receive(accepted('c', 'a', 1, 2)));
    t.ok(sent.includes('send c append term=1 prev=1/2 commit=2 []'));
    t.notOk(sent.some((line) => line.startsWith('send b')));
  });

  t.test('news of a commit takes no place in the window', async (t) => {
    const a = lead(new Member('a', { limits: { maxInflightAppends: 1 } }));
    a.finishWrites();
    t.ok(
      lines(a.receive(accepted('b', 'a', 1, 1))).includes(
        'send b append term=1 prev=1/1 commit=1 []',
      ),
    );
    t.ok(lines(a.propose(1, 'x')).includes('send b append term=1 prev=1/1 commit=1 [1/2]'));
  });

  t.test('a window that is full opens with the answers, and says nothing until then', async (t) => {
    const a = lead(new Member('a', { limits: { maxInflightAppends: 1 } }));
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 1));
    a.propose(1, 'x');
    t.notOk(lines(a.propose(2, 'y')).some((line) => line.startsWith('send b')));
    t.ok(
      lines(a.receive(accepted('b', 'a', 1, 2))).includes(
        'send b append term=1 prev=1/2 commit=1 [1/3]',
      ),
    );
  });
});

t.test('what a core is given is checked', async (t) => {
  const timings = [
    { heartbeatTicks: 0, electionMinTicks: 10, electionMaxTicks: 20 },
    { heartbeatTicks: 10, electionMinTicks: 10, electionMaxTicks: 20 },
    { heartbeatTicks: 1, electionMinTicks: 20, electionMaxTicks: 20 },
  ];
  for (const timing of timings)
    t.throws(() => new Member('a', { timing }), { message: /violated/ });
  t.throws(() => new Member('a', { limits: { maxInflightAppends: 0 } }), {
    message: 'violated: a limit lets at least one pass',
  });
  t.throws(() => new Member('a', { term: 1, log: '2/1' }), {
    message: 'violated: the stored term is not behind the stored log',
  });
  const a = new Member('a');
  t.throws(() => a.step({ kind: 'written', writeId: 1 }), {
    message: 'violated: the disk completes a write that it was given',
  });
  t.throws(() => a.step({ kind: 'applied', index: 1 }), {
    message: 'violated: only what was handed over is applied',
  });
  t.throws(() => a.receive(heartbeat('b', 'a', 1, { commit: 1 })), {
    message: 'violated: what is committed stands in the log',
  });
});

/** A follower, a candidate of term 1 and a leader of term 1, all named `a`, of three. */
function membersOfEachRole(): readonly [Member, Member, Member] {
  const candidate = new Member('a');
  candidate.campaign();
  candidate.receive(preVoteReply('b', 'a', 1));
  candidate.finishWrites();
  return [new Member('a'), candidate, lead(new Member('a'))];
}

function proposal(command: string): Input {
  const payload = encodeUtf8(command);
  return {
    kind: 'propose',
    proposalId: 1,
    drafts: [{ kind: 'command', commandVersion: 0, payload }],
  };
}
