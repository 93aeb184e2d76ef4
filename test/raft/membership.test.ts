import t from 'tap';
import type { Entry, MemberId } from '../../lib/base/index.js';
import {
  configurationVersion,
  decodeConfiguration,
  type Effect,
  encodeConfiguration,
  type MembershipChange,
} from '../../lib/raft/index.js';
import { Cluster, Member, TIMING, touching } from './harness.js';
import { accepted, append, heartbeat, heartbeatReply, lead, voteRequest } from './messages.js';
import { configurationOf, GROUP, lines, pack } from './notation.js';

/*
 * Changes of the members (Raft §6, Thesis §4), and the schedules of section E.
 */

t.test('a learner is added at once, by its leader, and is sent the log', async (t) => {
  const a = leaderOf('abc');
  t.same(lines(a.change(7, add('d'))), [
    'configured abc learners=d',
    'change #7 at 1/2',
    'write #3 [1/2]',
    'send b append term=1 prev=1/1 commit=1 [1/2]',
    'send c append term=1 prev=1/1 commit=1 [1/2]',
    'send d append term=1 prev=1/2 commit=1 []',
  ]);
});

t.test('a voter is added and removed through both majorities (Raft §6)', async (t) => {
  const cluster = clusterOf('abc', 'd');
  cluster.change('a', { kind: 'promote', member: 'd' });
  t.same(configurationsOf(cluster.member('d')), ['abcd outgoing=abc', 'abcd']);
  cluster.change('a', { kind: 'remove', member: 'b' });
  t.same(configurationsOf(cluster.member('d')).slice(2), ['acd outgoing=abcd', 'acd']);
  t.notOk(cluster.member('a').status.progress.has('b'));
});

t.test('one step puts a learner in the place of a voter', async (t) => {
  const cluster = clusterOf('abc', 'd');
  cluster.change('a', { kind: 'replace', member: 'b', by: 'd' });
  t.same(configurationsOf(cluster.member('c')), ['acd outgoing=abc', 'acd']);
  t.same(cluster.member('d').status.configuration.addresses.has('b'), false, 'b is forgotten');
});

t.test('a learner that takes the place of a learner is one as before', async (t) => {
  const cluster = clusterOf('abc', 'de');
  cluster.change('a', { kind: 'replace', member: 'd', by: 'e' });
  t.same(configurationsOf(cluster.member('c')), ['abc learners=e']);
});

t.test(
  'a change that cannot be made is refused with its reason, and changes nothing',
  async (t) => {
    const a = leaderOf('abc', 'd');
    const refused: readonly (readonly [MembershipChange, string])[] = [
      [add('b'), 'alreadyMember'],
      [add('d'), 'alreadyMember'],
      [{ kind: 'promote', member: 'x' }, 'unknownMember'],
      [{ kind: 'promote', member: 'b' }, 'notLearner'],
      [{ kind: 'promote', member: 'd' }, 'notCaughtUp'],
      [{ kind: 'remove', member: 'x' }, 'unknownMember'],
      [{ kind: 'replace', member: 'x', by: 'd' }, 'unknownMember'],
      [{ kind: 'replace', member: 'b', by: 'x' }, 'unknownMember'],
      [{ kind: 'replace', member: 'b', by: 'c' }, 'notLearner'],
      [{ kind: 'replace', member: 'b', by: 'd' }, 'notCaughtUp'],
      [{ kind: 'replace', member: 'd', by: 'b' }, 'notLearner'],
      [{ kind: 'changeAddresses', member: 'x', addresses: addressesOf('x') }, 'unknownMember'],
    ];
    for (const [change, reason] of refused) {
      t.same(lines(a.change(1, change)), [`change #1 rejected: ${reason}`], JSON.stringify(change));
    }
    const single = leaderOf('a', 'd');
    t.same(lines(single.change(1, { kind: 'remove', member: 'a' })), [
      'change #1 rejected: noVoters',
    ]);
    const follower = new Member('b');
    t.same(lines(follower.change(1, add('d'))), ['change #1 rejected: notLeader']);
  },
);

t.test('whoever expects another configuration than the one in force changes nothing', async (t) => {
  const a = leaderOf('abc');
  const seen = configurationVersion(a.status.configuration);
  a.change(1, add('d'), seen);
  a.finishWrites();
  a.receive(accepted('b', 'a', 1, 2));
  t.same(lines(a.change(2, { kind: 'remove', member: 'd' }, seen)), [
    'change #2 rejected: versionMismatch',
  ]);
  const now = configurationVersion(a.status.configuration);
  t.match(lines(a.change(3, { kind: 'remove', member: 'd' }, now)), ['configured abc']);
  t.equal(configurationVersion(a.status.configuration), seen, 'equal configurations, equal tokens');
});

t.test('addresses change, and the member stays the same', async (t) => {
  const cluster = clusterOf('abc');
  const addresses = { peer: 'elsewhere:1', client: 'elsewhere:2' };
  cluster.change('a', { kind: 'changeAddresses', member: 'b', addresses });
  t.same(cluster.member('c').status.configuration.addresses.get('b'), addresses);
  t.same(cluster.member('c').status.configuration.incoming, ['a', 'b', 'c']);
});

t.test('a priority stays with its member, and goes to whoever takes its place', async (t) => {
  const cluster = clusterOf('abc', 'd');
  const before = configurationVersion(cluster.member('a').status.configuration);
  const priorities = (): unknown[] => [
    ...(cluster.member('c').status.configuration.priorities ?? []),
  ];
  cluster.change('a', { kind: 'changePriority', member: 'b', priority: 7 });
  cluster.change('a', { kind: 'replace', member: 'b', by: 'd' });
  t.same(priorities(), [['d', 7]]);
  cluster.change('a', { kind: 'changePriority', member: 'd', priority: 1 });
  t.same(priorities(), [], 'as if nothing had been said');
  cluster.change('a', { kind: 'changePriority', member: 'd', priority: 0 });
  cluster.change('a', { kind: 'remove', member: 'd' });
  t.same(priorities(), []);
  t.not(configurationVersion(cluster.member('a').status.configuration), before);
});

t.test('a leader that hands over changes nothing meanwhile', async (t) => {
  const a = leaderOf('abc');
  const handing = { kind: 'transferLeadership', transferId: 1, to: 'b' } as const;
  t.match(lines(a.step(handing)), ['send b timeoutNow term=1']);
  t.same(lines(a.change(1, add('d'))), ['change #1 rejected: transferring']);
});

t.test('no change before the leader’s own term has committed (schedule E1)', async (t) => {
  // S1 of term 1 has left (1,2), which adds e, on itself and on e.
  const b = lead(new Member('b', { voters: 'abcd', term: 1, log: '1/1' }), 'cd');
  t.same(lines(b.change(1, { kind: 'remove', member: 'a' })), [
    'change #1 rejected: termNotCommitted',
  ]);
  b.finishWrites();
  b.receive(accepted('c', 'b', 2, 2));
  t.match(b.change(2, { kind: 'remove', member: 'a' }).at(0), { kind: 'changeRejected' });
  b.receive(accepted('d', 'b', 2, 2));
  t.match(lines(b.change(3, { kind: 'remove', member: 'a' })), ['configured bcd outgoing=abcd']);
});

t.test('a second change is refused while the first is under way (schedule E2)', async (t) => {
  const a = leaderOf('abc', 'd');
  a.change(1, { kind: 'remove', member: 'c' });
  t.match(a.status.configuration.outgoing, ['a', 'b', 'c']);
  t.same(lines(a.change(2, add('e'))), ['change #2 rejected: changeInFlight']);
  a.finishWrites();
  const left = lines(a.receive(accepted('b', 'a', 1, 2)));
  t.match(left.at(0), 'configured ab learners=d');
  t.same(lines(a.change(3, add('e'))), ['change #3 rejected: changeInFlight'], 'not left yet');
  a.finishWrites();
  a.receive(accepted('b', 'a', 1, 3));
  t.match(lines(a.change(4, add('e'))), ['configured ab learners=de']);
});

t.test(
  'a change that is cut off was never in force, and one on disk is after a restart (schedule E3)',
  async (t) => {
    const b = new Member('b', { term: 1 });
    const learner = pack('configuration', 1, 1, encodeConfiguration(configurationOf('abc', 'd')));
    b.receive(appendOf('a', 'b', 1, learner));
    b.finishWrites();
    b.restart();
    t.same(b.status.configuration.learners, ['d']);
    b.receive(append('c', 'b', 2, { log: '2/1' }));
    t.same(b.status.configuration.learners, []);
  },
);

t.test(
  'a new leader takes over a change that is not committed, and finishes it (schedules E4, E7, fault F8)',
  async (t) => {
    const cluster = clusterOf('abc', 'd');
    cluster.step('a', change(1, { kind: 'promote', member: 'd' }));
    cluster.settle(({ to, kind }) => kind === 'append' && to !== 'b');
    t.same(configurationsOf(cluster.member('b')), ['abcd outgoing=abc']);
    cluster.crash('a');
    cluster.elect('b');
    cluster.tickAll(TIMING.heartbeatTicks);
    cluster.settle();
    for (const id of 'bcd') {
      t.same(configurationsOf(cluster.member(id)), ['abcd outgoing=abc', 'abcd'], id);
    }
    cluster.restart('a');
    cluster.tick('b', TIMING.heartbeatTicks);
    cluster.settle();
    t.same(configurationsOf(cluster.member('a')), ['abcd outgoing=abc', 'abcd']);
  },
);

t.test('a new leader leaves a joint configuration once its own term has committed', async (t) => {
  const b = new Member('b', { voters: 'ab', term: 1 });
  const joint = pack('configuration', 1, 1, encodeConfiguration(configurationOf('abc', '', 'ab')));
  b.receive({ ...appendOf('a', 'b', 1, joint), commitIndex: 1 });
  b.finishWrites();
  b.tick(TIMING.electionMinTicks);
  lead(b, 'ac');
  b.tick();
  b.finishWrites();
  t.match(b.status, { role: 'leader', commitIndex: 1, lastIndex: 2 });
  b.receive(accepted('a', 'b', 2, 2));
  t.match(b.status, { commitIndex: 2, lastIndex: 3 });
  t.same(configurationsOf(b), ['abc outgoing=ab', 'abc']);
});

t.test(
  'a leave entry that a new leader finds is not followed by another (schedule E7)',
  async (t) => {
    const cluster = clusterOf('abc', 'd');
    cluster.step('a', change(1, { kind: 'promote', member: 'd' }));
    // The joint entry is committed and the leave entry reaches b alone.
    cluster.settle(({ kind, to }) => kind === 'append' && to !== 'b' && isLeft(cluster, 'a'));
    t.same(configurationsOf(cluster.member('b')), ['abcd outgoing=abc', 'abcd']);
    cluster.crash('a');
    cluster.elect('b');
    cluster.tick('b', TIMING.heartbeatTicks);
    cluster.settle();
    t.same(configurationsOf(cluster.member('c')), ['abcd outgoing=abc', 'abcd']);
  },
);

t.test('a joint configuration needs both majorities (schedules E5, E6)', async (t) => {
  const grown = lead(
    new Member('a', { configuration: configurationOf('abc', '', 'a'), log: '', term: 0 }),
    'b',
  );
  grown.finishWrites();
  t.equal(grown.status.commitIndex, 0, 'the outgoing voter alone commits nothing');
  grown.receive(accepted('b', 'a', 1, 1));
  t.equal(grown.status.commitIndex, 1);
  const alone = new Member('a', { configuration: configurationOf('abc', '', 'a') });
  alone.campaign();
  alone.finishWrites();
  t.equal(alone.status.role, 'preCandidate', 'one voter of the smaller half elects nobody');
  const moved = lead(new Member('a', { configuration: configurationOf('ade', '', 'abc') }), 'bd');
  moved.finishWrites();
  moved.receive(accepted('b', 'a', 1, 1), accepted('c', 'a', 1, 1));
  t.equal(moved.status.commitIndex, 0, 'the outgoing majority alone commits nothing');
  moved.receive(accepted('d', 'a', 1, 1));
  t.equal(moved.status.commitIndex, 1);
});

t.test(
  'a removed leader leads until that is committed, without its own vote, and then follows (schedules E8, B15, fault F2)',
  async (t) => {
    const a = leaderOf('abc');
    a.change(1, { kind: 'remove', member: 'a' });
    a.finishWrites();
    a.receive(accepted('b', 'a', 1, 2), accepted('c', 'a', 1, 2));
    a.finishWrites();
    t.same(a.status.configuration.incoming, ['b', 'c']);
    t.equal(a.status.role, 'leader');
    t.same(lines(a.receive(accepted('b', 'a', 1, 3))), [], 'a and b are no majority of b and c');
    const over = lines(a.receive(accepted('c', 'a', 1, 3)));
    t.ok(over.some((line) => line.startsWith('send b append term=1 prev=1/3 commit=3')));
    t.match(over.at(-1), 'follower at term 1, leader -');
    t.same(lines(a.tick(100)), [], 'it does not stand');
  },
);

t.test('the others elect one of themselves after a leader has left (schedule E8)', async (t) => {
  const cluster = clusterOf('abc');
  cluster.change('a', { kind: 'remove', member: 'a' });
  t.equal(cluster.member('a').status.role, 'follower');
  for (let i = 0; i < 2 * TIMING.electionMaxTicks; i += 1) {
    for (const id of 'bc') cluster.tick(id);
    cluster.settle();
  }
  const leaders = [...cluster.members.values()].filter(({ status }) => status.role === 'leader');
  t.equal(leaders.length, 1);
  t.not(leaders[0]?.id, 'a');
});

t.test('one that an uncommitted change removes may be the only one that can win', async (t) => {
  const cluster = clusterOf('ab');
  cluster.step('a', change(1, { kind: 'remove', member: 'a' }));
  cluster.settle(({ kind }) => kind === 'append' && isLeft(cluster, 'a'));
  t.same(configurationsOf(cluster.member('a')).at(-1), 'b');
  t.same(configurationsOf(cluster.member('b')).at(-1), 'b outgoing=ab');
  for (const id of 'ab') {
    cluster.crash(id);
    cluster.restart(id);
  }
  cluster.elect('b');
  t.not(cluster.member('b').status.role, 'leader', 'its log is the shorter one');
  cluster.elect('a');
  t.match(cluster.member('a').status, { role: 'follower', commitIndex: 4 }, 'it has led, and left');
  cluster.elect('b');
  t.equal(cluster.member('b').status.role, 'leader');
});

t.test(
  'a removed member is sent the log until its removal is committed (schedule E8)',
  async (t) => {
    const cluster = clusterOf('abc');
    cluster.change('a', { kind: 'remove', member: 'c' });
    t.same(configurationsOf(cluster.member('c')), ['ab outgoing=abc', 'ab'], 'c has heard of it');
    t.equal(cluster.member('c').status.commitIndex, cluster.member('a').status.commitIndex);
    cluster.tick('a', TIMING.heartbeatTicks);
    t.same(cluster.take(touching('c')), [], 'and of nothing since');
    const { term } = cluster.member('a').status;
    cluster.tick('c', 100);
    cluster.settle();
    t.match(cluster.member('a').status, { role: 'leader', term }, 'it disturbs nobody (fault F3)');
  },
);

t.test('one that was removed and does not know it raises no term (fault F3)', async (t) => {
  const cluster = clusterOf('abc');
  cluster.step('a', change(1, { kind: 'remove', member: 'c' }));
  cluster.settle(touching('c'));
  const { term } = cluster.member('a').status;
  for (let i = 0; i < 100; i += 1) {
    for (const id of 'abc') cluster.tick(id);
    cluster.settle();
  }
  t.match(cluster.member('a').status, { role: 'leader', term });
});

t.test('a learner does not stand, and its vote does not count (schedule E11)', async (t) => {
  const d = new Member('d', { configuration: configurationOf('abc', 'd') });
  t.same(lines(d.campaign()), []);
  t.same(lines(d.tick(100)), []);
  const a = leaderOf('abc', 'd');
  a.propose(1, 'x');
  a.finishWrites();
  a.receive(accepted('d', 'a', 1, 2));
  t.equal(a.status.commitIndex, 1);
  a.receive(accepted('b', 'a', 1, 2));
  t.equal(a.status.commitIndex, 2);
});

t.test(
  'a learner that does not know of its promotion grants a vote (schedule E10, fault F9)',
  async (t) => {
    const d = new Member('d', { configuration: configurationOf('ab', 'd'), term: 1 });
    d.receive(voteRequest('b', 'd', 2, '1/1'));
    t.same(lines(d.finishWrites()), ['send b voteReply term=2 granted']);
  },
);

t.test('a vote is given by the log, not by who is a member (schedule A22)', async (t) => {
  const cluster = new Cluster([...'abc'].map((id) => new Member(id, { voters: 'ab' })));
  cluster.elect('a');
  cluster.step('a', change(1, add('c')));
  cluster.settle(touching('b'));
  cluster.tick('b', 1);
  cluster.settle();
  cluster.tick('a', TIMING.heartbeatTicks);
  cluster.settle();
  cluster.step('a', change(2, { kind: 'promote', member: 'c' }));
  // The joint entry reaches everyone; the entry that leaves it reaches c, and not b.
  cluster.settle(({ to, kind }) => to === 'b' && kind === 'append' && isLeft(cluster, 'a'));
  t.same(configurationsOf(cluster.member('c')).at(-1), 'abc');
  t.same(configurationsOf(cluster.member('b')).at(-1), 'abc outgoing=ab');
  cluster.crash('a');
  cluster.elect('c');
  t.equal(cluster.member('c').status.role, 'leader');
});

t.test(
  'a member of which one knows nothing is voted for all the same (schedule A22)',
  async (t) => {
    const b = new Member('b', { voters: 'ab', term: 1, log: '1/1' });
    b.receive(voteRequest('c', 'b', 2, '1/2'));
    t.same(lines(b.finishWrites()), ['send c voteReply term=2 granted']);
  },
);

t.test('progress is kept over changes of the members (schedule E14)', async (t) => {
  const a = leaderOf('a', 'bcd');
  a.receive(...[...'bcd'].map((id) => accepted(id, 'a', 1, 1)));
  a.change(1, { kind: 'promote', member: 'b' });
  a.finishWrites();
  a.receive(...[...'bcd'].map((id) => accepted(id, 'a', 1, 2)));
  a.finishWrites();
  a.receive(...[...'bcd'].map((id) => accepted(id, 'a', 1, 3)));
  a.change(2, { kind: 'promote', member: 'c' });
  for (const id of 'bcd') {
    t.match(a.status.progress.get(id), { matchIndex: 3, mode: 'replicate' }, id);
  }
  const sent = lines(a.propose(9, 'x')).filter((line) => line.startsWith('send d append'));
  t.equal(sent.length, 1, 'the last learner is sent entries as before');
});

t.test('what a learner held long ago does not promote it', async (t) => {
  const a = leaderOf('abc', 'd');
  a.receive(accepted('d', 'a', 1, 1));
  const promote = { kind: 'promote', member: 'd' } as const;
  // The others answer; d is gone.
  for (let i = 0; i < TIMING.electionMinTicks; i += 1) {
    a.tick();
    a.receive(heartbeatReply('b', 'a', 1), heartbeatReply('c', 'a', 1));
  }
  t.same(lines(a.change(1, promote)), ['change #1 rejected: notCaughtUp']);
  a.receive(heartbeatReply('d', 'a', 1));
  t.match(lines(a.change(2, promote)), ['configured abcd outgoing=abc']);
});

t.test('a learner that answers and lags behind is not promoted (fault F6)', async (t) => {
  const a = leaderOf('abc', 'd');
  a.receive(accepted('d', 'a', 1, 1));
  for (let i = 0; i < 3 * TIMING.electionMinTicks; i += 1) {
    a.propose(i, 'x');
    a.tick();
    a.receive(...[...'bcd'].map((id) => heartbeatReply(id, 'a', 1)));
  }
  const promote = { kind: 'promote', member: 'd' } as const;
  t.same(lines(a.change(1, promote)), ['change #1 rejected: notCaughtUp']);
  // It need not hold what was appended since the last round began.
  a.receive(accepted('d', 'a', 1, 25));
  t.match(lines(a.change(2, promote)), ['configured abcd outgoing=abc']);
});

t.test('five become one and five again, under proposals (fault F14)', async (t) => {
  const cluster = clusterOf('abcde');
  let count = 0;
  const propose = (): void => {
    count += 1;
    cluster.perform('a', cluster.member('a').propose(count, `p${count}`));
    cluster.settle();
  };
  for (const member of 'bcde') {
    propose();
    cluster.change('a', { kind: 'remove', member });
  }
  t.same(cluster.member('a').status.configuration.incoming, ['a']);
  for (const member of 'bcde') {
    propose();
    cluster.change('a', add(member));
    cluster.change('a', { kind: 'promote', member });
  }
  cluster.tick('a', TIMING.heartbeatTicks);
  cluster.settle();
  t.same(cluster.member('a').status.configuration.incoming, [...'abcde']);
  const commands = (id: string): readonly Entry[] =>
    (cluster.applied.get(id) ?? []).filter(({ kind }) => kind === 'command');
  for (const id of 'abcde') t.equal(commands(id).length, count, id);
});

t.test('a leader whose heartbeat is answered by a stranger counts nobody', async (t) => {
  const b = new Member('b', { term: 1 });
  b.receive(heartbeat('a', 'b', 1));
  t.equal(b.status.leader, 'a');
  const a = leaderOf('abc');
  t.same(lines(a.receive(accepted('x', 'a', 1, 1), heartbeatReply('x', 'a', 1))), []);
});

/** A cluster whose `a` leads and whose `change` carries a change through. */
class ChangingCluster extends Cluster {
  change(leader: MemberId, asked: MembershipChange): readonly Effect[] {
    const effects = this.step(leader, change(1, asked));
    for (let i = 0; i < 3; i += 1) {
      this.settle();
      this.tick(leader, TIMING.heartbeatTicks);
    }
    this.settle();
    return effects;
  }

  tickAll(count: number): void {
    for (const id of this.members.keys()) if (!this.isDown(id)) this.tick(id, count);
  }
}

t.test('a learner knows by which entry it is one until it knows that it is decided', async (t) => {
  const named = (learners: string, index: number, voters = 'ab'): Entry =>
    pack('configuration', 1, index, encodeConfiguration(configurationOf(voters, learners)));
  const first = named('', 1);
  const undecided = (log: readonly Entry[], commit = 0, limits = {}): unknown => {
    const d = new Member('d', { voters: 'ab', term: 1, log, limits });
    d.receive(append('a', 'd', 1, { prev: `1/${log.length}`, commit }));
    d.step({ kind: 'applied', index: commit });
    if (commit > 0) d.takeSnapshot('s');
    return d.undecidedAdmission;
  };
  t.same(undecided([first, named('d', 2), named('dc', 3)]), { index: 2, term: 1 }, 'the first one');
  t.equal(undecided([first, named('d', 2), named('dc', 3)], 2), null, 'it is decided');
  t.same(undecided([first]), { index: 0, term: 0 }, 'it was sent a beginning of the log');
  t.equal(undecided([first, named('d', 2), named('', 3, 'abd')]), null, 'it votes');
  const removed = [first, named('d', 2), named('', 3)];
  t.equal(undecided(removed, 3), null, 'it was removed');
  const forgotten = undecided([...removed, named('c', 4)], 4, { trailingEntries: 1 });
  t.equal(forgotten, null, 'and its log has forgotten that it was a member');
});

t.test('an entry is overtaken where what is decided leaves no room for it', async (t) => {
  const compacted = { index: 4, term: 1, logTimeMs: 0 };
  const a = new Member('a', { term: 3, compacted, log: '1/5 3/6 3/7' });
  a.receive(append('b', 'a', 3, { prev: '3/7', commit: 6 }));
  for (const [index, term, isOvertaken] of [
    [3, 2, false], // It is not known any more what stood there.
    [4, 1, false],
    [4, 2, true],
    [5, 1, false],
    [5, 2, true],
    [6, 3, false],
    [7, 3, false], // Not yet decided.
    [7, 2, true], // After one of term 3 stands none of an earlier term.
    [9, 2, true],
    [9, 3, false],
    [9, 4, false],
  ] as const) {
    t.equal(a.isOvertaken({ index, term }), isOvertaken, `${term}/${index}`);
  }
});

function clusterOf(voters: string, learners = ''): ChangingCluster {
  const configuration = configurationOf(voters, learners);
  const members = [...voters, ...learners].map((id, position) => {
    // Nobody's election timeout is another's.
    return new Member(id, { configuration, random: () => position / 10 });
  });
  const cluster = new ChangingCluster(members);
  cluster.elect('a');
  cluster.settle();
  return cluster;
}

/** `a`, leading term 1, with its no-op committed and the learners not heard from. */
function leaderOf(voters: string, learners = ''): Member {
  const a = lead(new Member('a', { configuration: configurationOf(voters, learners) }), 'bc');
  a.finishWrites();
  const others = [...voters].filter((id) => id !== 'a');
  a.receive(...others.map((id) => accepted(id, 'a', 1, 1)));
  return a;
}

function add(member: MemberId): MembershipChange {
  return { kind: 'addLearner', member, addresses: addressesOf(member) };
}

function addressesOf(member: MemberId): { readonly peer: string; readonly client: null } {
  return { peer: `${member}:1`, client: null };
}

function change(changeId: number, asked: MembershipChange) {
  return { kind: 'changeMembership', changeId, change: asked, expect: null } as const;
}

function appendOf(from: MemberId, to: MemberId, term: number, ...log: readonly Entry[]) {
  return { ...append(from, to, term), entries: log, group: GROUP };
}

/** The configurations in a member's log, in the notation of effects. */
function configurationsOf({ log }: Member): readonly string[] {
  return log
    .filter(({ kind }) => kind === 'configuration')
    .map(({ payload }) =>
      lines([{ kind: 'configured', configuration: decodeConfiguration(payload) }]),
    )
    .map(([line = '']) => line.replace('configured ', ''));
}

/** Whether the leader has appended the entry that leaves its joint configuration. */
function isLeft(cluster: Cluster, leader: MemberId): boolean {
  return configurationsOf(cluster.member(leader)).at(-1)?.includes('outgoing') === false;
}
