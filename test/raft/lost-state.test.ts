import { test } from 'tap';
import { encodeConfiguration, type SnapshotPosition } from '../../lib/raft/index.js';
import { Member } from './harness.js';
import {
  accepted,
  append,
  heartbeat,
  lead,
  snapshotNeeded,
  timeoutNow,
  voteRequest,
} from './messages.js';
import { configurationOf, GROUP, lines, pack, run } from './notation.js';

test('a member that lost its state', async (t) => {
  t.test('hands over nothing that a heartbeat or an append calls committed', async (t) => {
    const c = stateless(4);
    t.same(lines(c.receive(heartbeat('a', 'c', 1, { commit: 7 }))), [
      'send a snapshotNeeded term=1 reaching=4',
      'send a heartbeatReply term=1 round=0',
      'follower at term 1, leader a',
    ]);
    const appended = append('a', 'c', 1, { prev: '1/7', log: '1/8', commit: 8 });
    t.same(lines(c.receive(appended)), ['send a snapshotNeeded term=1 reaching=4']);
    t.equal(c.status.commitIndex, 4);
    t.equal(c.status.appliedIndex, 0);
    t.equal(c.status.lastIndex, 7);
  });

  t.test('does not stand, though what is left of its log says that it may', async (t) => {
    const configuration = encodeConfiguration(configurationOf('abc'));
    const c = stateless(4, [...run(1, 1, 5), pack('configuration', 1, 6, configuration)]);
    t.same(c.status.configuration.incoming, ['a', 'b', 'c']);
    t.same(lines(c.tick(60)), []);
    t.same(lines(c.campaign()), []);
    t.same(lines(c.receive(timeoutNow('a', 'c', 1))), []);
  });

  t.test('fetches and installs no snapshot that leaves a gap before its log', async (t) => {
    const c = stateless(4);
    t.same(fetches(c, 3), []);
    const effects = c.storeSnapshot('late', position(3));
    t.same(lines(effects), []);
    t.ok(c.status.lacksState);
  });

  t.test(
    'keeps what it had acknowledged after the snapshot, and vouches for it again',
    async (t) => {
      for (const index of [4, 6, 7]) {
        const c = stateless(4);
        t.equal(fetches(c, index).length, 1);
        t.same(lines(c.storeSnapshot('s', position(index))), [
          `restore s at ${index}`,
          'configured abc',
          `send a appendAccepted term=1 match=${index}`,
        ]);
        t.equal(c.status.lastIndex, 7);
        t.equal(c.status.durableIndex, 7);
        t.same(lines(c.receive(append('a', 'c', 1, { prev: '1/7' }))), [
          'send a appendAccepted term=1 match=7',
        ]);
        c.restart();
        t.notOk(c.status.lacksState);
        t.equal(c.status.lastIndex, 7);
      }
    },
  );

  t.test('begins anew after a snapshot that its log does not lead to', async (t) => {
    for (const [index, term] of [
      [6, 2],
      [9, 2],
    ] as const) {
      const c = stateless(4);
      c.receive(heartbeat('a', 'c', 2));
      c.finishWrites();
      const effects = c.storeSnapshot('s', { ...position(index), term });
      t.ok(lines(effects).includes(`write #2 reset=${term}/${index} []`));
      t.equal(c.status.lastIndex, index);
      t.notOk(c.status.lacksState);
    }
  });

  t.test('keeps the leases that it may have granted before it started', async (t) => {
    const leadership = { leaderLeaseMs: 100, closeHint: true };
    const c = stateless(4);
    c.nowMs = 1000;
    fetches(c, 6);
    const configuration = { ...configurationOf('abc'), leadership };
    c.storeSnapshot('s', { ...position(6), configuration });
    c.step({ kind: 'applied', index: 6 });
    c.tick(20);
    c.nowMs = 1105;
    t.same(lines(c.receive(voteRequest('b', 'c', 5, '1/9'))), [], 'it is passed over');
    c.nowMs = 1111;
    c.receive(voteRequest('b', 'c', 5, '1/9'));
    t.same(lines(c.finishWrites()), ['send b voteReply term=5 granted']);
  });

  t.test(
    'that a crash overtakes after the snapshot is stored is a member at its next start',
    async (t) => {
      for (const index of [6, 9]) {
        const c = stateless(4);
        fetches(c, index);
        c.storeSnapshot('s', position(index));
        // A write that empties the log is lost.
        c.restart();
        t.notOk(c.status.lacksState);
        t.equal(c.status.commitIndex, index);
        t.equal(c.status.lastIndex, Math.max(index, 7));
      }
    },
  );
});

test('the leader of a member that lost its state', async (t) => {
  t.test('offers it a snapshot, whatever it was known to hold', async (t) => {
    const a = leaderOf(8);
    a.receive(accepted('c', 'a', 2, 9));
    a.takeSnapshot('s');
    t.equal(a.status.progress.get('c')?.matchIndex, 9);
    const asked = snapshotNeeded('c', 'a', 2, 4);
    t.same(lines(a.receive(asked)), ['send c snapshotOffer term=2 s=2/9']);
    t.same(lines(a.receive(asked)), [], 'an offer at a time');
    a.receive(accepted('c', 'a', 2, 9));
    t.equal(a.status.progress.get('c')?.mode, 'replicate');
  });

  t.test('hands over to somebody else', async (t) => {
    const a = leaderOf(8);
    a.receive(accepted('c', 'a', 2, 9));
    a.takeSnapshot('s');
    a.receive(snapshotNeeded('c', 'a', 2, 4));
    const effects = a.step({ kind: 'transferLeadership', transferId: 1, to: 'c' });
    t.same(lines(effects), ['transfer #1 refused: lagging']);
  });

  t.test('has a snapshot taken where there is none, once at each question', async (t) => {
    const a = leaderOf(8);
    t.same(lines(a.receive(snapshotNeeded('c', 'a', 2, 4))), ['take a snapshot']);
    a.propose(1, 'x');
    a.finishWrites();
    const [, , ...rest] = lines(a.propose(2, 'y'));
    t.notOk(
      rest.some((line) => line.startsWith('send c append')),
      'and sends it no entries',
    );
    t.same(lines(a.takeSnapshot('s')), ['send c snapshotOffer term=2 s=2/9']);
    t.same(lines(a.receive(snapshotNeeded('c', 'a', 2, 4))), [], 'that will do');
  });
});

/** c of a, b and c at term 1, with entries up to 7, of which all up to `index` are lost. */
function stateless(index: number, log = run(1, 1, 7)): Member {
  const c = new Member('c', { term: 1, log });
  c.disk.snapshot = { id: 'damaged', position: position(7) };
  c.disk.loseSnapshot(index);
  c.restart();
  return c;
}

function position(index: number): SnapshotPosition {
  return { index, term: 1, logTimeMs: 0, configuration: configurationOf('abc') };
}

/** What it does about an offer of a, with its disk. */
function fetches(c: Member, index: number): readonly string[] {
  const snapshot = { id: 's', index, term: 1 };
  const offer = { kind: 'snapshotOffer', group: GROUP, from: 'a', to: 'c', term: 1 } as const;
  const effects = c.receive({ ...offer, snapshot });
  return lines([...effects, ...c.finishWrites()]).filter((line) => line.startsWith('fetch'));
}

/** a leads term 2 with b, which holds all `count` entries and the one that opened the term. */
function leaderOf(count: number): Member {
  const a = new Member('a', { term: 1, log: run(1, 1, count) });
  lead(a, 'b');
  a.finishWrites();
  a.receive(accepted('b', 'a', 2, count + 1));
  a.step({ kind: 'applied', index: count + 1 });
  return a;
}
