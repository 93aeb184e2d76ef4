import { test } from 'tap';
import { packEntries } from '../../lib/base/index.js';
import { encodeConfiguration, type SnapshotPosition } from '../../lib/raft/index.js';
import { Cluster, Member, type MemberOptions } from './harness.js';
import { append, heartbeat, heartbeatReply, lead, rejected } from './messages.js';
import { configurationOf, GROUP, lines, run } from './notation.js';

const LEADER_LIMITS = { trailingEntries: 2 };

test('compaction', async (t) => {
  t.test('the log forgets what a snapshot covers but for the trailing entries', async (t) => {
    const { cluster } = threeWith(10);
    const a = cluster.member('a');
    t.equal(a.status.firstIndex, 1);
    t.same(lines(a.takeSnapshot('s1')), []);
    t.equal(a.status.lastIndex, 11);
    t.equal(a.status.firstIndex, 10, 'two entries before the snapshot are kept');
  });

  t.test('at maxLogBytes the log forgets all that a snapshot covers', async (t) => {
    const { cluster } = threeWith(10, { trailingEntries: 100, maxLogBytes: 150 });
    const a = cluster.member('a');
    a.takeSnapshot('s1');
    t.ok(a.status.logBytes <= 150);
    t.ok(a.status.firstIndex > 1);
    t.ok(a.status.firstIndex <= 12, 'and no more than that');
  });

  t.test('a log of which nothing is left serves votes and appends (schedule D13)', async (t) => {
    const f = new Member('f', { voters: 'afc', term: 2, log: run(1, 1, 4) });
    f.receive(append('a', 'f', 2, { prev: '1/4', commit: 4 }));
    f.finishWrites();
    f.step({ kind: 'applied', index: 4 });
    f.takeSnapshot('own');
    f.disk.base = { index: 4, term: 1, logTimeMs: 0 };
    f.disk.log = [];
    f.restart();
    const { firstIndex, lastIndex, lastTerm, appliedIndex } = f.status;
    t.same([firstIndex, lastIndex, lastTerm, appliedIndex], [5, 4, 1, 4]);
    t.match(lines(f.campaign()), [/became|preCandidate|send a preVote term=3 last=1\/4/]);
    const effects = f.receive(append('a', 'f', 2, { prev: '1/4', log: '2/5', commit: 5 }));
    t.match(lines(effects), ['write #1 [2/5]']);
    t.same(lines(f.finishWrites()).slice(0, 1), ['send a appendAccepted term=2 match=5']);
  });
});

test('the leader offers a snapshot', async (t) => {
  t.test('to a member whose next entry is compacted away, until it has it', async (t) => {
    const a = leaderThatForgot();
    const offer = 'send c snapshotOffer term=2 s1=2/5';
    const behind = rejected('c', 'a', 2, 4, '0/0');
    const first = a.receive(behind);
    t.same(lines(first), [offer]);
    t.same(a.status.progress.get('c')?.mode, 'snapshot');
    t.same(lines(a.receive(behind)), [], 'an offer at a time');
    t.same(lines(a.receive(heartbeatReply('c', 'a', 2))), [offer], 'it may have been lost');
    t.same(lines(a.receive(acceptance('c', 4))), [], 'less than the snapshot is not enough');
    t.equal(a.status.progress.get('c')?.mode, 'snapshot');
    const after = a.receive(acceptance('c', 5));
    t.same(lines(after), ['send c append term=2 prev=2/5 commit=5 []']);
    t.equal(a.status.progress.get('c')?.mode, 'replicate', 'the leader leaves it (schedule D4)');
  });

  t.test('and keeps what follows it in the log while the member is heard from', async (t) => {
    const a = leaderThatForgot();
    a.receive(rejected('c', 'a', 2, 4, '0/0'));
    commitMore(a, 10);
    a.takeSnapshot('s2');
    t.equal(a.status.firstIndex, 6, 'all after the snapshot that is being sent');
    t.same(lines(a.receive(heartbeatReply('c', 'a', 2)))[0], 'send c snapshotOffer term=2 s1=2/5');
    a.receive(acceptance('c', 5));
    commitMore(a, 1);
    t.equal(a.status.firstIndex, a.status.lastIndex - 2, 'then it is forgotten');
  });

  t.test('the newest one to a member that is silent, or whose snapshot was lost', async (t) => {
    const a = leaderThatForgot();
    a.receive(rejected('c', 'a', 2, 4, '0/0'));
    commitMore(a, 10);
    a.takeSnapshot('s2');
    a.tick(20);
    a.receive(acceptance('b', a.status.lastIndex));
    a.tick(20);
    t.equal(a.status.progress.get('c')?.snapshot?.id, 's2');
    commitMore(a, 10);
    a.takeSnapshot('s3');
    t.equal(a.status.progress.get('c')?.snapshot?.id, 's2');
    const effects = a.step({ kind: 'snapshotLost', snapshotId: 's2' });
    t.match(lines(effects), [/send c snapshotOffer term=2 s3/]);
  });
});

test('a follower takes a snapshot', async (t) => {
  const position = (term: number, index: number): SnapshotPosition => ({
    index,
    term,
    logTimeMs: 7,
    configuration: configurationOf('abf'),
  });
  const follower = (log: string, commit = 0): Member => {
    const f = new Member('f', { voters: 'afc', term: 2, log });
    f.receive(append('a', 'f', 2, { prev: log.split(' ').at(-1) ?? '0/0', commit }));
    f.finishWrites();
    if (commit > 0) f.step({ kind: 'applied', index: commit });
    return f;
  };
  const offer = (term: number, index: number) =>
    ({
      kind: 'snapshotOffer',
      group: GROUP,
      from: 'a',
      to: 'f',
      term: 2,
      snapshot: { id: 's', term, index },
    }) as const;

  t.test('a tail that conflicts goes, and the log continues at once (schedule D2)', async (t) => {
    const f = new Member('f', { voters: 'afc', term: 2, log: '1/1 1/2 1/3 1/4' });
    t.same(
      lines(f.receive(offer(2, 3))),
      ['follower at term 2, leader a', 'fetch s=2/3 from a'].reverse(),
    );
    t.same(lines(f.storeSnapshot('own', position(2, 3))), [
      'restore own at 3',
      'configured abf',
      'write #1 reset=2/3 []',
    ]);
    t.same(lines(f.finishWrites()), ['send a appendAccepted term=2 match=3']);
    t.same(lines(f.step({ kind: 'applied', index: 3 })), []);
    const effects = f.receive(append('a', 'f', 2, { prev: '2/3', log: '2/4', commit: 4 }));
    t.same(lines(effects), ['write #2 [2/4]']);
    t.same(lines(f.finishWrites()), ['send a appendAccepted term=2 match=4', 'apply [2/4]']);
  });

  t.test('a crash at any step of it leads to the same state (schedule D2)', async (t) => {
    for (const step of ['stored', 'told', 'written'] as const) {
      const f = new Member('f', { voters: 'afc', term: 2, log: '1/1 1/2 1/3 1/4' });
      f.receive(offer(2, 3));
      if (step === 'stored') f.disk.snapshot = { id: 'own', position: position(2, 3) };
      else f.storeSnapshot('own', position(2, 3));
      f.restart(step === 'written' ? 1 : 0);
      const { firstIndex, lastIndex, lastTerm, appliedIndex, configuration } = f.status;
      t.same([firstIndex, lastIndex, lastTerm, appliedIndex], [4, 3, 2, 3], step);
      t.same(
        configuration,
        configurationOf('abf'),
        'the configuration is the snapshot’s (schedule D1)',
      );
      const effects = f.receive(append('a', 'f', 2, { prev: '2/3', log: '2/4', commit: 3 }));
      t.match(lines(effects), ['write #1 [2/4]'], step);
    }
  });

  t.test('a write that was under way vouches for nothing after it', async (t) => {
    const f = new Member('f', { voters: 'afc', term: 2, log: '1/1' });
    f.receive(append('a', 'f', 2, { prev: '1/1', log: '1/2 1/3 1/4 1/5' }));
    f.storeSnapshot('own', position(2, 3));
    t.same(lines(f.finishWrites(1)), [], 'the acknowledgement of what is gone is dropped');
    t.equal(f.status.durableIndex, 3);
    t.same(lines(f.finishWrites(1)), ['send a appendAccepted term=2 match=3']);
  });

  t.test('a prefix of the log changes nothing in it (schedule D3)', async (t) => {
    const f = follower('1/1 1/2 1/3 1/4 1/5', 2);
    t.same(lines(f.receive(offer(1, 3))), ['send a appendAccepted term=2 match=3']);
    f.storeSnapshot('own', position(1, 3));
    t.equal(f.status.lastIndex, 5);
    t.equal(f.status.commitIndex, 3);
    t.equal(f.disk.pending.length, 0);
  });

  t.test(
    'an old one rolls nothing back, and the leader hears how far it is (schedule D4)',
    async (t) => {
      const f = follower('1/1 1/2 1/3 1/4 1/5', 4);
      t.same(lines(f.receive(offer(1, 2))), ['send a appendAccepted term=2 match=4']);
      t.same(lines(f.storeSnapshot('own', position(1, 2))), []);
      t.equal(f.status.appliedIndex, 4);
    },
  );

  t.test('a leader passes over one that comes in late: it commits by counting', async (t) => {
    const f = new Member('f', { voters: 'afc', term: 1, log: '1/1 1/2 1/3' });
    lead(f, 'a');
    t.same(lines(f.storeSnapshot('own', position(1, 2))), []);
    t.equal(f.status.commitIndex, 0);
  });

  t.test('what is being applied is neither applied twice nor undone (schedule D6)', async (t) => {
    const f = new Member('f', { voters: 'afc', term: 2, log: '1/1 1/2 1/3' });
    t.match(lines(f.receive(append('a', 'f', 2, { prev: '1/3', commit: 3 }))).join(), /apply/);
    f.storeSnapshot('own', position(2, 6));
    f.finishWrites();
    t.equal(f.status.appliedIndex, 0, 'nothing is applied until the machine is restored');
    f.receive(append('a', 'f', 2, { prev: '2/6', log: '2/7', commit: 7 }));
    t.same(lines(f.finishWrites()).at(-1), 'apply [2/7]');
    f.step({ kind: 'applied', index: 6 });
    f.step({ kind: 'applied', index: 7 });
    t.equal(f.status.appliedIndex, 7);
  });

  t.test('an offer of a leader whose term has passed is refused', async (t) => {
    const f = new Member('f', { voters: 'afc', term: 3 });
    t.same(lines(f.receive(offer(2, 3))), ['send a heartbeatReply term=3 round=0']);
  });
});

test('the configuration in a snapshot is the one at its index (schedule D1)', async (t) => {
  const joint = configurationOf('ab', 'c', 'abc');
  const later = configurationOf('ab');
  const f = new Member('f', { voters: 'afc', term: 1, configuration: configurationOf('afc') });
  const log = packEntries({ group: GROUP, term: 1, firstIndex: 1, logTimeMs: 20 }, [
    { kind: 'noop', commandVersion: 0, payload: new Uint8Array(0) },
    { kind: 'configuration', commandVersion: 0, payload: encodeConfiguration(joint) },
    { kind: 'noop', commandVersion: 0, payload: new Uint8Array(0) },
    { kind: 'configuration', commandVersion: 0, payload: encodeConfiguration(later) },
  ]);
  f.receive({ ...append('a', 'f', 1, { commit: 3 }), entries: log });
  f.finishWrites();
  f.step({ kind: 'applied', index: 3 });
  t.same(f.status.configuration, later, 'the latest is in force before it is committed');
  f.takeSnapshot('s1');
  t.same(f.disk.snapshot?.position.configuration, joint, 'a joint configuration stays joint');
  t.equal(f.disk.snapshot?.position.logTimeMs, 20);
  f.receive(heartbeat('a', 'f', 1, { commit: 4 }));
  f.finishWrites();
  f.step({ kind: 'applied', index: 4 });
  f.takeSnapshot('s2');
  t.same(f.disk.snapshot?.position.configuration, later);
});

test('a member that was down across compaction catches up by a snapshot', async (t) => {
  const { cluster } = threeWith(3);
  cluster.crash('c');
  const a = cluster.member('a');
  propose(cluster, 20);
  a.takeSnapshot('s1');
  propose(cluster, 5);
  cluster.restart('c');
  cluster.tick('a', 2);
  cluster.settle();
  t.equal(a.status.progress.get('c')?.mode, 'snapshot');
  t.match(cluster.events.at(-1), 'c: fetch s1=1/24 from a');
  cluster.perform('c', cluster.member('c').storeSnapshot('own', a.disk.snapshot!.position));
  cluster.perform('c', cluster.member('c').step({ kind: 'applied', index: 24 }));
  cluster.settle();
  t.equal(cluster.member('c').status.appliedIndex, a.status.lastIndex);
  t.equal(a.status.progress.get('c')?.mode, 'replicate');
  const appliedHere = cluster.applied.get('c')!.map(({ index }) => index);
  t.same(appliedHere, [1, 2, 3, 4, 25, 26, 27, 28, 29], 'each entry once, none that it covers');
});

/** Three members, `a` leading term 1, with `count` commands applied everywhere. */
function threeWith(
  count: number,
  limits: MemberOptions['limits'] = LEADER_LIMITS,
): { readonly cluster: Cluster } {
  const cluster = new Cluster([...'abc'].map((id) => new Member(id, { limits })));
  cluster.elect('a');
  propose(cluster, count);
  cluster.tick('a', 2);
  cluster.settle();
  return { cluster };
}

function propose(cluster: Cluster, count: number): void {
  for (let i = 0; i < count; i += 1) {
    cluster.perform('a', cluster.member('a').propose(i, `command ${i}`));
    cluster.settle();
  }
}

/** `a`, leading term 2 with entries 1 to 5, of which a snapshot covers all and two are held. */
function leaderThatForgot(): Member {
  const a = lead(new Member('a', { term: 1, log: run(1, 1, 4), limits: LEADER_LIMITS }));
  a.finishWrites();
  a.receive(acceptance('b', 5));
  a.step({ kind: 'applied', index: 5 });
  a.takeSnapshot('s1');
  return a;
}

function commitMore(a: Member, count: number): void {
  for (let i = 0; i < count; i += 1) a.propose(i, `more ${i}`);
  a.finishWrites();
  a.receive(acceptance('b', a.status.lastIndex));
  a.step({ kind: 'applied', index: a.status.lastIndex });
}

function acceptance(from: string, matchIndex: number) {
  return { kind: 'appendAccepted', group: GROUP, from, to: 'a', term: 2, matchIndex } as const;
}
