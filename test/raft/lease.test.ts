import t from 'tap';
import { type Configuration, encodeConfiguration, type Input } from '../../lib/raft/index.js';
import { Member, type MemberOptions, TIMING } from './harness.js';
import {
  accepted,
  append,
  heartbeat,
  heartbeatReply,
  lead,
  preVoteRequest,
  timeoutNow,
  voteRequest,
} from './messages.js';
import { configurationOf, GROUP, lines, pack } from './notation.js';

/*
 * Leader leases (Thesis §6.4.1). Leases are 100 ms here, and a voter's promise lasts for 110.
 */

const LEASES: Configuration = {
  ...configurationOf('abc'),
  leadership: { leaderLeaseMs: 100, closeHint: true },
};
const LEASES_ENTRY = pack('configuration', 2, 2, encodeConfiguration(LEASES));
const STAMP = { sentMs: 1000, leaseMs: 100 };

t.test('a lease counts from the moment the heartbeat was sent (schedule C5)', async (t) => {
  const a = leader();
  t.ok(lines(a.tick(TIMING.heartbeatTicks)).includes(heartbeatLine('b')));
  a.nowMs = 1090;
  t.equal(a.leaseIndex(1090), null, 'nobody has promised');
  a.receive({ ...heartbeatReply('b', 'a', 2), lease: STAMP });
  t.equal(a.leaseIndex(1090), 1);
  t.equal(a.leaseIndex(1099.9), 1);
  t.equal(a.leaseIndex(1100), null, 'the answer came late, and that lengthens nothing');
  t.equal(a.leaseIndex(1150), null);
});

t.test('a late answer to an earlier heartbeat shortens no lease', async (t) => {
  const a = leader();
  a.receive({ ...heartbeatReply('b', 'a', 2), lease: { sentMs: 1050, leaseMs: 100 } });
  a.receive({ ...heartbeatReply('b', 'a', 2), lease: STAMP });
  t.equal(a.leaseIndex(1149), 1);
});

t.test('learners promise nothing that counts', async (t) => {
  const configuration = { ...configurationOf('abc', 'l'), leadership: LEASES.leadership };
  const a = leader({ configuration });
  a.receive(accepted('l', 'a', 2, 1), { ...heartbeatReply('l', 'a', 2), lease: STAMP });
  t.equal(a.leaseIndex(1001), null);
});

t.test('a leader of a term without a commit holds no lease (schedule C1)', async (t) => {
  const a = lead(new Member('a', { term: 1, configuration: LEASES }));
  a.receive({ ...heartbeatReply('b', 'a', 2), lease: STAMP });
  t.equal(a.leaseIndex(1001), null);
});

t.test('a lease ends with leadership', async (t) => {
  const a = holder();
  a.receive(heartbeat('b', 'a', 3));
  t.equal(a.leaseIndex(1001), null);
});

t.test('a lease is not relied on while leadership moves, nor in that term again', async (t) => {
  const a = holder();
  a.step({ kind: 'transferLeadership', transferId: 1, to: 'b' });
  t.equal(a.leaseIndex(1001), null);
  a.tick(TIMING.electionMinTicks);
  a.receive(heartbeatReply('b', 'a', 2));
  a.tick(TIMING.electionMaxTicks - TIMING.electionMinTicks);
  a.receive({ ...heartbeatReply('b', 'a', 2), lease: { sentMs: 1050, leaseMs: 100 } });
  t.equal(a.status.role, 'leader', 'the transfer came to nothing');
  t.equal(a.leaseIndex(1051), null, 'but who was told to stand may still do so');
});

t.test('a transfer that told nobody ends without harm to the lease', async (t) => {
  const a = holder();
  a.propose(1, 'x');
  a.finishWrites();
  a.step({ kind: 'transferLeadership', transferId: 1, to: 'b' });
  t.equal(a.leaseIndex(1001), null, 'while it lasts there is none');
  t.same(lines(a.step({ kind: 'peerLost', member: 'b', saidGoodbye: false })), [
    'transfer #1 refused: lagging',
  ]);
  t.equal(a.leaseIndex(1001), 1);
});

t.test('whoever told somebody to stand, and leads a later term, holds leases again', async (t) => {
  const a = holder();
  a.step({ kind: 'resign' });
  a.nowMs = 2000;
  lead(a);
  a.finishWrites();
  a.receive(accepted('b', 'a', 3, 2));
  a.receive({ ...heartbeatReply('b', 'a', 3), lease: { sentMs: 2000, leaseMs: 100 } });
  t.equal(a.leaseIndex(2001), 2);
});

t.test('a voter that has promised votes for nobody, whatever becomes of the term', async (t) => {
  const b = promiser();
  b.tick(TIMING.electionMinTicks);
  b.nowMs = 1109;
  const preVote = lines(b.receive(preVoteRequest('c', 'b', 3, '2/1')));
  t.same(preVote, ['send c preVoteReply term=2 refused']);
  t.same(lines(b.receive(voteRequest('c', 'b', 3, '2/1'))), [], 'passed over');
  // It hears of term 3 otherwise, and is asked again there.
  b.receive({ ...heartbeatReply('a', 'b', 3) });
  t.equal(b.status.term, 3);
  t.ok(
    lines(b.receive(voteRequest('c', 'b', 3, '2/1'))).includes('send c voteReply term=3 refused'),
  );
  b.nowMs = 1110;
  b.receive(voteRequest('c', 'b', 3, '2/1'));
  t.ok(lines(b.finishWrites()).includes('send c voteReply term=3 granted'));
});

t.test('a voter that has promised does not stand either', async (t) => {
  const b = promiser();
  b.nowMs = 1109;
  t.same(lines(b.campaign()), []);
  t.notOk(lines(b.tick(TIMING.electionMaxTicks)).some((line) => line.includes('preVote ')));
  b.nowMs = 1110;
  t.ok(lines(b.campaign()).includes('send c preVote term=3 last=2/1'));
});

t.test('a leader that hands over frees its voters of their promises', async (t) => {
  const b = promiser();
  b.receive(timeoutNow('a', 'b', 2));
  t.ok(lines(b.finishWrites()).includes('send c vote term=3 last=2/1 transfer'));
  const c = promiser('c');
  c.receive({ ...voteRequest('b', 'c', 3, '2/1'), isTransfer: true });
  t.same(lines(c.finishWrites()), ['send b voteReply term=3 granted']);
});

t.test('a voter that starts keeps the promise that it may have made before', async (t) => {
  const b = promiser();
  b.nowMs = 5000;
  b.restart();
  t.same(lines(b.receive(voteRequest('c', 'b', 3, '2/1'))), []);
  b.nowMs = 5110;
  b.receive(voteRequest('c', 'b', 3, '2/1'));
  t.same(lines(b.finishWrites()), ['send c voteReply term=3 granted']);
});

t.test('a single voter leads at once, lease or not', async (t) => {
  const leadership = LEASES.leadership;
  const a = new Member('a', { configuration: { ...configurationOf('a'), leadership } });
  a.campaign();
  a.finishWrites();
  t.equal(a.status.role, 'leader');
});

t.test('a single voter needs no promise, but it holds a lease only while it leads', async (t) => {
  const configuration = { ...configurationOf('a'), leadership: LEASES.leadership };
  const a = new Member('a', { configuration, term: 1, log: '1/1' });
  a.tick();
  t.equal(a.leaseIndex(1), null, 'what it has stored is not known to be decided');
  a.campaign();
  a.finishWrites();
  t.equal(a.leaseIndex(1), null, 'nor is it before its own no-op is (schedule C1)');
  a.finishWrites();
  t.equal(a.leaseIndex(1), 2);
});

t.test('leases begin once their setting is committed, and end when it is appended', async (t) => {
  const a = leader({ configuration: configurationOf('abc') });
  a.nowMs = 1000;
  t.ok(lines(a.step(setting(100))).includes('configured abc lease=100'));
  a.receive(
    { ...heartbeatReply('b', 'a', 2), lease: STAMP },
    { ...heartbeatReply('c', 'a', 2), lease: { ...STAMP, sentMs: 1 } },
  );
  a.receive(accepted('b', 'a', 2, 2));
  t.equal(a.leaseIndex(1001), null, 'b has stored it, and it is not committed');
  a.finishWrites();
  t.equal(a.leaseIndex(1001), 2);
  a.step(setting(null));
  t.equal(a.leaseIndex(1001), null);
});

t.test('only who has stored the setting promises what outlives its restart', async (t) => {
  const a = leader({ configuration: configurationOf('abc') });
  a.step(setting(100));
  a.finishWrites();
  a.receive(accepted('c', 'a', 2, 2), { ...heartbeatReply('b', 'a', 2), lease: STAMP });
  t.equal(a.status.commitIndex, 2);
  t.equal(a.leaseIndex(1001), null);
  a.receive(accepted('b', 'a', 2, 2));
  t.equal(a.leaseIndex(1001), 2);
});

t.test('a promise made before the setting was stored here outlives a restart', async (t) => {
  const snapshot = {
    position: { index: 5, term: 2, logTimeMs: 0, configuration: LEASES },
    reference: { id: 's5', index: 5, term: 2 },
  };
  const ways: ((b: Member) => void)[] = [
    (b) => {
      b.receive({ ...append('a', 'b', 2, { prev: '1/1' }), entries: [LEASES_ENTRY] });
    },
    (b) => {
      b.receive({
        ...{ kind: 'snapshotOffer', group: GROUP, from: 'a', to: 'b', term: 2 },
        snapshot: snapshot.reference,
      });
      b.step({ kind: 'snapshotFetched', snapshotId: 's5', position: snapshot.position });
    },
  ];
  for (const store of ways) {
    const b = new Member('b', { term: 2, log: '1/1', configuration: configurationOf('abc') });
    b.nowMs = 1000;
    b.receive({ ...heartbeat('a', 'b', 2), lease: STAMP });
    b.restart();
    b.nowMs = 1010;
    // What a counts of b from now on is what b does not know of any more.
    store(b);
    b.finishWrites();
    b.nowMs = 1099;
    b.receive({ ...heartbeatReply('a', 'b', 3) });
    const refused = lines(b.receive(voteRequest('c', 'b', 3, '2/9')));
    t.ok(refused.includes('send c voteReply term=3 refused'), refused.join());
  }
});

t.test('a longer lease is not made of promises for a shorter one', async (t) => {
  const a = holder();
  a.step(setting(400));
  a.finishWrites();
  a.receive(accepted('b', 'a', 2, 2));
  t.equal(a.leaseIndex(1099), 2);
  t.equal(a.leaseIndex(1100), null);
});

/** `a` leads term 2 at 1,000 ms, with its no-op committed. */
function leader(options: MemberOptions = {}): Member {
  const a = new Member('a', { term: 1, configuration: LEASES, ...options });
  a.nowMs = 1;
  a.tick();
  a.nowMs = 1000;
  lead(a);
  a.finishWrites();
  a.receive(accepted('b', 'a', 2, 1), accepted('c', 'a', 2, 1));
  return a;
}

/** A leader whose lease b has promised, until 1,100 ms. */
function holder(): Member {
  const a = leader();
  a.receive({ ...heartbeatReply('b', 'a', 2), lease: STAMP });
  return a;
}

/** It follows `a` in term 2, and has promised at 1,000 ms. */
function promiser(id = 'b'): Member {
  const member = new Member(id, { term: 2, log: '2/1', configuration: LEASES });
  member.nowMs = 1;
  member.tick();
  member.nowMs = 1000;
  member.receive(append('a', id, 2, { prev: '2/1' }));
  member.receive({ ...heartbeat('a', id, 2), lease: { sentMs: 7, leaseMs: 100 } });
  return member;
}

function heartbeatLine(to: string): string {
  return `send ${to} heartbeat term=2 commit=1 round=0 lease=1000+100`;
}

function setting(leaderLeaseMs: number | null): Input {
  const leadership = { leaderLeaseMs, closeHint: true };
  return { kind: 'changeLeadership', changeId: 1, leadership, expect: null };
}
