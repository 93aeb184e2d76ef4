import fc from 'fast-check';
import t from 'tap';
import type { Entry } from '../../lib/base/index.js';
import { encodeUtf8, QuorateError } from '../../lib/base/index.js';
import { EntryBlocks } from '../../lib/raft/entry-blocks.js';
import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
} from '../../lib/raft/index.js';
import { LEASE_CLOCK_BOUND } from '../../lib/raft/lease.js';
import { RaftLog } from '../../lib/raft/log.js';
import { electionResult, hasQuorum, quorumValue } from '../../lib/raft/quorum.js';
import { Member } from './harness.js';
import { LeaseSchedule } from './lease-schedule.js';
import { accepted, heartbeatReply, preVoteReply, voteReply } from './messages.js';
import { entry, run } from './notation.js';
import { RandomSchedule, type Sightings } from './random-schedule.js';

const MEMBERS = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8', 'm9'];

const SOME_ENTRIES = ['a', 'bc', 'def', ''].map((command, i) => entry(1, i + 1, command));

/** One to nine voters, simple or joint, with learners among the rest. */
const configurations: fc.Arbitrary<Configuration> = fc
  .record({
    incoming: fc.subarray(MEMBERS, { minLength: 1 }),
    outgoing: fc.oneof(fc.constant<string[]>([]), fc.subarray(MEMBERS, { minLength: 1 })),
    learners: fc.subarray(MEMBERS),
    clusterId: fc.string(),
    client: fc.option(fc.string(), { nil: null }),
    preferred: fc.subarray(MEMBERS),
  })
  .map(({ incoming, outgoing, learners, clusterId, client, preferred }) => ({
    clusterId,
    ...prioritiesOf(preferred.filter((id) => [...incoming, ...outgoing].includes(id))),
    incoming,
    outgoing,
    learners: learners.filter((id) => !incoming.includes(id) && !outgoing.includes(id)),
    addresses: new Map(
      MEMBERS.filter((id) => [...incoming, ...outgoing, ...learners].includes(id)).map((id) => [
        id,
        { peer: `${id}.example:1`, client },
      ]),
    ),
  }));

function prioritiesOf(members: readonly string[]): Pick<Configuration, 'priorities'> {
  if (members.length === 0) return {};
  return { priorities: new Map(members.map((id, i) => [id, i + 2])) };
}

t.test('entries in blocks are an array that loses its ends, and so are their bytes', async () => {
  const share = fc.integer({ min: 0, max: 8 }).map((eighths) => eighths / 8);
  const steps = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 2500 }) }) },
    { weight: 2, arbitrary: fc.record({ dropFirst: share }) },
    { weight: 2, arbitrary: fc.record({ cutTo: share }) },
  );
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 12 }), fc.nat(), (sequence, seed) => {
      const blocks = new EntryBlocks();
      let model: Entry[] = [];
      for (const step of sequence) {
        if ('push' in step) {
          for (let i = 0; i < step.push; i += 1) {
            const one = SOME_ENTRIES[i % SOME_ENTRIES.length]!;
            blocks.push(one);
            model.push(one);
          }
        } else if ('dropFirst' in step) {
          const count = Math.round(step.dropFirst * model.length);
          blocks.dropFirst(count);
          model = model.slice(count);
        } else {
          const length = Math.round(step.cutTo * model.length);
          blocks.cutTo(length);
          model = model.slice(0, length);
        }
        const from = model.length === 0 ? 0 : seed % model.length;
        const held = blocks.slice(from, model.length);
        if (held.some((one, i) => one !== model[from + i])) return false;
        if (blocks.length !== model.length || blocks.last !== model.at(-1)) return false;
        if (blocks.get(-1) !== undefined || blocks.get(model.length) !== undefined) return false;
        if (blocks.bytes !== model.reduce((sum, { packed }) => sum + packed.length, 0))
          return false;
      }
      return true;
    }),
    { numRuns: 200 },
  );
});

t.test('a quorum is what every definition of it says (schedule B16)', async (t) => {
  fc.assert(
    fc.property(
      configurations,
      fc.array(fc.oneof(fc.nat(12), fc.nat(Number.MAX_SAFE_INTEGER)), {
        minLength: 9,
        maxLength: 9,
      }),
      (configuration, matches) => {
        const valueOf = (member: string): number => matches[MEMBERS.indexOf(member)] ?? 0;
        // By trial: the largest of all values that more than half of each side have reached.
        const reached = [0, ...matches].filter((value) =>
          isMajorityOfEach(configuration, (member) => valueOf(member) >= value),
        );
        return quorumValue(configuration, valueOf) === Math.max(...reached);
      },
    ),
    { numRuns: 2000 },
  );
  t.pass();
});

t.test('elections, commits and reads ask the same quorum (schedule B16)', async (t) => {
  const votes = fc.dictionary(fc.constantFrom(...MEMBERS, 'stranger'), fc.boolean());
  fc.assert(
    fc.property(configurations, votes, (configuration, given) => {
      const answers = new Map(Object.entries(given));
      const granted = isMajorityOfEach(configuration, (member) => answers.get(member) === true);
      const possible = isMajorityOfEach(configuration, (member) => answers.get(member) !== false);
      const expected = granted ? 'won' : possible ? 'pending' : 'lost';
      return (
        electionResult(configuration, answers) === expected &&
        hasQuorum(configuration, (member) => answers.get(member) === true) === granted
      );
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

t.test('a core wins, commits and reads where the quorum says so, and nowhere else', async (t) => {
  const chosen = fc.subarray([...MEMBERS, 'stranger']);
  fc.assert(
    fc.property(configurations, chosen, chosen, chosen, (drawn, grant, hold, confirm) => {
      const incoming = [...new Set(['m1', ...drawn.incoming])];
      const learners = drawn.learners.filter((id) => id !== 'm1');
      const address = { peer: 'm1.example:1', client: null };
      const addresses = new Map(drawn.addresses).set('m1', address);
      const configuration = { ...drawn, incoming, learners, addresses };
      const m1 = new Member('m1', { configuration });
      m1.campaign();
      m1.receive(...MEMBERS.map((id) => preVoteReply(id, 'm1', 1)));
      m1.finishWrites();
      m1.receive(...grant.map((id) => voteReply(id, 'm1', 1)));
      const wins = isMajorityOfEach(configuration, (id) => id === 'm1' || grant.includes(id));
      if (wins !== (m1.status.role === 'leader')) return false;
      if (!wins) return true;
      m1.finishWrites();
      m1.receive(...hold.map((id) => accepted(id, 'm1', 1, 1)));
      const commits = isMajorityOfEach(configuration, (id) => id === 'm1' || hold.includes(id));
      if (commits !== m1.status.commitIndex >= 1) return false;
      if (!commits) return true;
      // The joint configuration is left by now: whoever is in force decides.
      const current = m1.status.configuration;
      const reads = [
        ...m1.read(1),
        ...m1.receive(...confirm.map((id) => heartbeatReply(id, 'm1', 1, 1))),
      ].some(({ kind }) => kind === 'readReady');
      return reads === isMajorityOfEach(current, (id) => id === 'm1' || confirm.includes(id));
    }),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('nobody decides where there are no voters', async (t) => {
  const nobody = {
    clusterId: '',
    incoming: [],
    outgoing: [],
    learners: ['m1'],
    addresses: new Map(),
  };
  t.equal(
    quorumValue(nobody, () => 7),
    0,
  );
  t.equal(electionResult(nobody, new Map([['m1', true]])), 'lost');
  t.equal(
    hasQuorum({ ...nobody, outgoing: ['m1'] }, () => true),
    false,
  );
});

t.test('the log finds by halving what a search from the end finds', async (t) => {
  const starts = fc.constantFrom(0, 1, 7, 2 ** 31 - 2, 2 ** 32 - 2, 2 ** 52 - 10, 2 ** 53 - 60);
  const lengths = fc.array(fc.nat(6), { maxLength: 6 });
  fc.assert(
    fc.property(
      starts,
      lengths,
      fc.integer({ min: -2, max: 40 }),
      fc.nat(8),
      (start, runs, offset, term) => {
        const log = new RaftLog({ index: start, term: 1, logTimeMs: 0 }, []);
        for (const [i, count] of runs.entries()) log.append(run(i + 2, log.lastIndex + 1, count));
        const upTo = start + offset;
        let expected = Math.min(upTo, log.lastIndex);
        while (expected > start && (log.termAt(expected) ?? 0) > term) expected -= 1;
        return log.lastIndexWithTermAtMost(upTo, term) === Math.max(expected, start);
      },
    ),
    { numRuns: 1000 },
  );
  t.pass();
});

t.test('the log hands out whole entries up to a limit in bytes, and at least one', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(50), { minLength: 1, maxLength: 20 }),
      fc.nat(19),
      fc.nat(400),
      (sizes, skip, maxBytes) => {
        const all = sizes.map((size, i) => entry(1, i + 1, 'x'.repeat(size)));
        const from = Math.min(skip, all.length - 1);
        const slice = new RaftLog({ index: 0, term: 0, logTimeMs: 0 }, all).sliceBytes(
          from + 1,
          maxBytes,
        );
        const fits = (count: number): boolean =>
          count <= 1 || sizeOf(all.slice(from, from + count)) <= maxBytes;
        const more = slice.length + 1;
        return (
          slice.length >= 1 &&
          slice[0] === all[from] &&
          fits(slice.length) &&
          (from + slice.length === all.length || !fits(more))
        );
      },
    ),
  );
  t.pass();
});

t.test('the log has no gap, and its terms never go back', async (t) => {
  const log = new RaftLog({ index: 4, term: 2, logTimeMs: 0 }, run(2, 5, 2));
  t.throws(() => log.append(run(2, 8, 1)), { message: 'violated: the log has no gap' });
  t.throws(() => log.append(run(1, 7, 1)), {
    message: 'violated: terms never go back along the log',
  });
  t.throws(() => log.slice(4, 5), {
    message: 'violated: entries are read from where the log begins',
  });
  t.throws(() => log.slice(5, 7), {
    message: 'violated: entries are read up to where the log ends',
  });
  t.throws(() => log.truncateFrom(4), { message: 'violated: what is compacted is not truncated' });
});

t.test(
  'a configuration comes back from its bytes as it was, and equal ones are equal bytes',
  async (t) => {
    fc.assert(
      fc.property(configurations, (configuration) => {
        const bytes = encodeConfiguration(configuration);
        const decoded = decodeConfiguration(bytes);
        const { incoming, outgoing, learners, addresses, priorities } = configuration;
        const shuffled: Configuration = {
          learners: [...learners].reverse(),
          outgoing: [...outgoing].reverse(),
          incoming: [...incoming].reverse(),
          addresses: new Map(
            [...addresses].reverse().map(([id, { peer, client }]) => [id, { client, peer }]),
          ),
          clusterId: configuration.clusterId,
          ...(priorities === undefined ? {} : { priorities: new Map([...priorities].reverse()) }),
        };
        t.same(decoded, configuration);
        t.same(encodeConfiguration(shuffled), bytes);
      }),
      { numRuns: 100 },
    );
  },
);

t.test('what is no whole configuration of a known version is ERR_PROTOCOL', async (t) => {
  const good = {
    version: 1,
    clusterId: 'c',
    incoming: ['a'],
    outgoing: [],
    learners: [],
    addresses: [['a', { peer: 'a:1', client: null }]],
  };
  decodeConfiguration(encodeUtf8(JSON.stringify(good)));
  const bad: unknown[] = [
    null,
    [],
    'text',
    { ...good, version: 2 },
    { ...good, clusterId: 1 },
    { ...good, incoming: 'a' },
    { ...good, incoming: [''] },
    { ...good, incoming: ['a', 'a'] },
    { ...good, incoming: ['a', 'b'] },
    { ...good, learners: ['b'] },
    { ...good, addresses: {} },
    { ...good, addresses: [['a']] },
    { ...good, addresses: [['a', null]] },
    { ...good, addresses: [['a', { peer: 1, client: null }]] },
    { ...good, addresses: [['a', { peer: 'a:1' }]] },
    { ...good, priorities: {} },
    { ...good, priorities: [['a']] },
    { ...good, priorities: [[1, 2]] },
    { ...good, priorities: [['a', 101]] },
    { ...good, priorities: [['a', 0.5]] },
    { ...good, priorities: [['z', 2]] },
    {
      ...good,
      priorities: [
        ['a', 2],
        ['a', 3],
      ],
    },
    { ...good, addresses: [...good.addresses, ['z', { peer: 'z:1', client: null }]] },
  ];
  for (const value of bad) {
    const bytes = encodeUtf8(JSON.stringify(value));
    t.throws(() => decodeConfiguration(bytes), { code: 'ERR_PROTOCOL' }, JSON.stringify(value));
  }
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        decodeConfiguration(bytes);
        return false;
      } catch (error) {
        return QuorateError.is(error) && error.code === 'ERR_PROTOCOL';
      }
    }),
  );
});

/*
 * QUORATE_RAFT_SEED=7 runs the schedule of that seed alone, QUORATE_RAFT_RUNS=1000 that many.
 */
t.test('random schedules keep every promise, and heal', async (t) => {
  const only = process.env['QUORATE_RAFT_SEED'];
  const runs = Number(process.env['QUORATE_RAFT_RUNS'] ?? 24);
  const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => `${i + 1}`) : [only];
  const seen = new Map<Sightings, number>();
  for (const seed of seeds) {
    try {
      for (const [sight, count] of new RandomSchedule(seed).run(9000)) {
        seen.set(sight, (seen.get(sight) ?? 0) + count);
      }
    } catch (error) {
      t.fail(
        `QUORATE_RAFT_SEED=${seed} npx tap dist/test/raft/properties.test.js: ${String(error)}`,
        {
          found: error,
        },
      );
    }
  }
  t.comment(JSON.stringify(Object.fromEntries(seen)));
  if (only !== undefined) return;
  // A schedule in which these never happen proves little.
  for (const sight of [
    'elections',
    'commits',
    'reads',
    'truncations',
    'transfers',
    'oldTermCommits',
    'lostWrites',
    'changes',
    'jointElections',
    'removedLeaders',
    'snapshots',
    'restores',
    'leaseReads',
    'leasesOn',
    'leasesOff',
    'lostStates',
    'keptTails',
    'wantedSnapshots',
  ] as const) {
    t.ok((seen.get(sight) ?? 0) >= 5, `${sight} happened`);
  }
});

/*
 * QUORATE_LEASE_SEED=7 runs the schedule of that seed alone, QUORATE_LEASE_RUNS=1000 that many.
 */
t.test(
  'no read under a lease is stale while clocks stay within the bound (fault G7)',
  async (t) => {
    const only = process.env['QUORATE_LEASE_SEED'];
    const runs = Number(process.env['QUORATE_LEASE_RUNS'] ?? 40);
    const seeds = only === undefined ? Array.from({ length: runs }, (_, i) => `${i + 1}`) : [only];
    const seen = new Map<string, number>();
    for (const seed of seeds) {
      try {
        const sightings = new LeaseSchedule(seed, LEASE_CLOCK_BOUND).run(20);
        for (const [sight, count] of Object.entries(sightings)) {
          seen.set(sight, (seen.get(sight) ?? 0) + count);
        }
      } catch (error) {
        t.fail(
          `QUORATE_LEASE_SEED=${seed} npx tap dist/test/raft/properties.test.js: ${String(error)}`,
          { found: error },
        );
      }
    }
    t.comment(JSON.stringify(Object.fromEntries(seen)));
    if (only !== undefined) return;
    for (const [sight, count] of seen) t.ok(count >= 20, `${sight} happened`);
  },
);

t.test('clocks beyond the bound make stale reads, and the same schedules find them', async (t) => {
  const isFound = (seed: string): boolean => {
    try {
      new LeaseSchedule(seed, 0.5).run(20);
      return false;
    } catch (error) {
      return String(error).includes('a read under a lease sees all that was decided');
    }
  };
  const seeds = Array.from({ length: 40 }, (_, i) => `${i + 1}`);
  t.ok(seeds.some(isFound));
});

function isMajorityOfEach(
  { incoming, outgoing }: Configuration,
  has: (member: string) => boolean,
): boolean {
  return [incoming, outgoing].every(
    (voters) => voters.length === 0 || voters.filter(has).length * 2 > voters.length,
  );
}

function sizeOf(log: readonly Entry[]): number {
  return log.reduce((sum, { packed }) => sum + packed.length, 0);
}
