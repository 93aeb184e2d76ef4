import t from 'tap';
import { ask, statusOf, threeMembers } from './member-processes.js';

/*
 * More work than fits an election timeout, on three processes: whoever leads goes on leading.
 */

/** Ten times the longest election timeout of `fast`. */
const MS = 3000;

t.test(
  'machines that apply for ten election timeouts cause no election (schedule G6)',
  async (t) => {
    const nodes = await threeMembers(t, { applyMs: 2 });
    const before = await Promise.all(nodes.map(statusOf));
    const leader = nodes.find((_, i) => before[i]?.role === 'leader');
    // More than a second of work is under way at any time.
    const flooded = await ask(leader, { kind: 'flood', ms: MS, inFlight: 600, valueBytes: 10 });
    t.same(Object.keys(outcomesOf(flooded)), ['done'], 'and no call fails');
    const after = await Promise.all(nodes.map(statusOf));
    for (const [i, { term, elections }] of after.entries()) {
      t.same({ term, elections }, { term: before[i]?.term, elections: 0 });
    }
  },
);

t.test('clients that flood every member cause no election (schedule G7)', async (t) => {
  // Three cores of work find two, or less: a timing that a busy machine can keep.
  const timing = { heartbeatMs: 100, electionTimeoutMinMs: 600, electionTimeoutMaxMs: 1200 };
  const nodes = await threeMembers(t, { timing });
  const before = await Promise.all(nodes.map(statusOf));
  const order = { kind: 'flood', ms: MS, inFlight: 200, valueBytes: 4096 } as const;
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
