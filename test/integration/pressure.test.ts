import t from 'tap';
import { ask, statusOf, threeMembers } from './member-processes.js';

/*
 * More work than fits an election timeout, on three processes: whoever leads goes on leading.
 */

/** Ten times the longest election timeout. */
const MS = 5000;

t.test(
  'machines that apply for ten election timeouts cause no election (schedule G6)',
  async (t) => {
    const timing = { heartbeatMs: 50, electionTimeoutMinMs: 300, electionTimeoutMaxMs: 500 };
    const nodes = await threeMembers(t, { applyMs: 2, timing });
    const before = await Promise.all(nodes.map(statusOf));
    const leader = nodes.find((_, i) => before[i]?.role === 'leader');
    // More than a second of work is under way at any time.
    const flooded = await ask(leader, { kind: 'flood', ms: MS, inFlight: 600, valueBytes: 10 });
    t.same(Object.keys(outcomesOf(flooded)), ['done'], 'and no call fails');
    const after = await Promise.all(nodes.map(statusOf));
    for (const [i, { term, leader: followed }] of after.entries()) {
      t.same({ term, followed }, { term: before[i]?.term, followed: before[i]?.leader });
    }
  },
);

t.test('clients that flood every member cause no election (schedule G7)', async (t) => {
  // Three cores of work find two, or less: a timing that a busy machine can keep.
  const timing = { heartbeatMs: 100, electionTimeoutMinMs: 600, electionTimeoutMaxMs: 1200 };
  const nodes = await threeMembers(t, { timing });
  const before = await Promise.all(nodes.map(statusOf));
  const order = { kind: 'flood', ms: 3000, inFlight: 200, valueBytes: 4096 } as const;
  const floods = await Promise.all(nodes.map((node) => ask(node, order)));
  for (const flooded of floods) t.ok((outcomesOf(flooded)['done'] ?? 0) > 100);
  t.comment(JSON.stringify(floods));
  const after = await Promise.all(nodes.map(statusOf));
  for (const [i, { term, leader }] of after.entries()) {
    t.same({ term, leader }, { term: before[i]?.term, leader: before[i]?.leader });
  }
});

function outcomesOf(flooded: unknown): Readonly<Record<string, number>> {
  return (flooded as { readonly outcomes: Record<string, number> }).outcomes;
}
