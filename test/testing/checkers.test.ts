import t from 'tap';
import { at, type Entry, packEntries } from '../../lib/base/index.js';
import { Elections } from '../../lib/testing/checkers/elections.js';
import { Logs } from '../../lib/testing/checkers/logs.js';
import { Violations } from '../../lib/testing/checkers/violation.js';
import { Votes } from '../../lib/testing/checkers/votes.js';

t.test('two leaders of a term are reported, and one that leads it twice is not', async (t) => {
  const violations = new Violations();
  const elections = new Elections(violations);
  elections.elected('a', 3);
  elections.elected('a', 3);
  t.equal(violations.first, null);
  elections.elected('b', 3);
  t.match(violations.first?.message, /term 3 has two leaders, a and b/);
});

t.test('a second vote, a vote that is gone and a term that goes back are reported', async (t) => {
  const after = (change: (votes: Votes) => void): string | undefined => {
    const violations = new Violations();
    const votes = new Votes(violations);
    votes.saved('a', { term: 4, votedFor: 'b' });
    change(votes);
    return violations.first?.message;
  };
  t.equal(
    after((votes) => votes.loaded('a', { term: 4, votedFor: 'b' })),
    undefined,
  );
  t.match(
    after((votes) => votes.saved('a', { term: 4, votedFor: 'c' })),
    /vote for c in term 4/,
  );
  t.match(
    after((votes) => votes.loaded('a', null)),
    /term 0 after term 4/,
  );
  t.match(
    after((votes) => votes.loaded('a', { term: 4, votedFor: null })),
    /vote for null/,
  );
});

t.test('a log that breaks its promises is reported', async (t) => {
  const after = (change: (logs: Logs) => void): string | undefined => {
    const violations = new Violations();
    const logs = new Logs(violations);
    for (const member of ['a', 'b']) {
      logs.opened(member, { compacted: { index: 0, term: 0 }, entries: [] });
      logs.appended(member, [entry(1, 1), entry(2, 1)]);
      logs.stored(member, 2);
    }
    logs.committed('a', 2, 1);
    change(logs);
    return violations.first?.message;
  };
  t.equal(
    after((logs) => {
      logs.committed('b', 2, 1);
      logs.appended('b', [entry(3, 2)]);
      logs.elected('b', 2);
    }),
    undefined,
  );
  t.match(
    after((logs) => logs.appended('a', [entry(2, 2)])),
    /replaces entry 2 of term 1, which it has applied/,
  );
  t.match(
    after((logs) => {
      logs.appended('b', [entry(2, 2)]);
      logs.committed('b', 2, 2);
    }),
    /applied entry 2 of term 2, where one of term 1/,
  );
  t.match(
    after((logs) => {
      logs.appended('b', [entry(2, 2)]);
      logs.elected('b', 3);
    }),
    /leads term 3 without entry 2/,
  );
  t.match(
    after((logs) => logs.opened('a', { compacted: { index: 0, term: 0 }, entries: [entry(1, 1)] })),
    /not with what was durable up to 2/,
  );
  t.match(
    after((logs) => {
      logs.appended('a', [entry(3, 1, 'x')]);
      logs.appended('b', [entry(3, 1, 'y')]);
    }),
    /another entry 3 of term 1/,
  );
  t.match(
    after((logs) => logs.committed('a', 3, 1)),
    /entry 3, which is not in its log/,
  );
});

function entry(index: number, term: number, text = ''): Entry {
  const draft = { kind: 'command', commandVersion: 0, payload: Buffer.from(text) } as const;
  const position = { group: 'default', term, firstIndex: index, logTimeMs: 0 };
  return at(packEntries(position, [draft]), 0);
}
