import t from 'tap';
import { maxFrameBytes, packEntries, resolveLimits } from '../../lib/base/index.js';
import type {
  CommittedCommand,
  SnapshotDescription,
  SnapshotStorage,
} from '../../lib/interfaces/index.js';
import { Applier } from '../../lib/node/applier.js';
import { SnapshotServer } from '../../lib/node/snapshot-transfer.js';
import { noMetrics } from '../../lib/observe/index.js';
import type { AppendRequest } from '../../lib/raft/index.js';
import { decodeRaftMessage, unpackLinkFrame } from '../../lib/wire/index.js';
import type { FrameInFlight } from '../../transports/memory/index.js';
import { append, EchoMachine, MEMBERS, rig, text8 } from './group-rig.js';
import { failureOf, World } from './world.js';

/*
 * More than can be carried: what is refused is told, and nobody stands for election because of it.
 */

t.test(
  'clients that flood a group whose entries do not get through cause no election (schedule G7)',
  async (t) => {
    const limits = { maxPendingCalls: 200 };
    const world = new World();
    const stores = await world.openAll({ limits });
    const leader = await world.leaderOf(stores);
    const { term } = leader.status();
    world.network.setFaults({ drop: ({ lane }) => lane === 'bulk' });
    const outcomes = new Map<string, number>();
    const calls: Promise<void>[] = [];
    for (let round = 0; round < 20; round += 1) {
      for (const kv of stores) {
        for (let i = 0; i < 50; i += 1) {
          const call = kv.put(`k${i}`, 'v'.repeat(1000), { timeoutMs: 3000 }).then(
            () => 'done',
            ({ code }: { code: string }) => code,
          );
          calls.push(call.then((code) => void outcomes.set(code, (outcomes.get(code) ?? 0) + 1)));
        }
      }
      await world.elapse(100);
      t.ok(leader.status().pendingCalls <= 200, 'calls that wait are bounded');
    }
    t.match(leader.status(), { role: 'leader', term });
    world.network.setFaults({});
    await world.run(Promise.all(calls));
    t.equal(calls.length, 3000, 'every call settles (schedule G5)');
    t.ok((outcomes.get('ERR_BUSY') ?? 0) > 1000, JSON.stringify([...outcomes]));
    t.match(leader.status(), { role: 'leader', term });
    t.match(await world.run(leader.put('after', '1')), { created: true });
    for (const kv of stores) await world.run(kv.close());
  },
);

t.test('a batch of many large values is split and causes no election (schedule G6)', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const { term } = leader.status();
  world.network.setFaults({ delayMs: [5, 40] });
  const value = 'v'.repeat(256 * 1024);
  const puts = Array.from({ length: 40 }, (_, i) => leader.put(`large/${i}`, value));
  await world.run(Promise.all(puts));
  await world.until(() =>
    stores.every((kv) => kv.status().appliedIndex === leader.status().lastIndex),
  );
  t.match(leader.status(), { role: 'leader', term });
  t.match(await world.run(failureOf(leader.put('k', 'v'.repeat(2 ** 21)))), {
    code: 'ERR_TOO_LARGE',
  });
  for (const kv of stores) await world.run(kv.close());
});

t.test('a large batch is split across messages, and an entry never', async (t) => {
  const world = new World();
  const limits = { maxAppendBytes: 4096 };
  const stores = await world.openAll({ limits });
  const leader = await world.leaderOf(stores);
  const appends: AppendRequest[] = [];
  world.network.setFaults({ drop: (frame) => keepAppend(frame, appends) });
  const values = [...Array.from({ length: 40 }, () => 'v'.repeat(1000)), 'w'.repeat(100_000)];
  await world.run(Promise.all(values.map((value, i) => leader.put(`k${i}`, value))));
  const sizes = appends.map(({ entries }) => entries.map(({ packed }) => packed.length));
  const split = sizes.filter(({ length }) => length > 1);
  t.ok(split.length >= 2 * Math.floor(40 / 4), 'to each of two followers');
  for (const entries of split) {
    t.ok(entries.reduce((sum, size) => sum + size, 0) <= limits.maxAppendBytes, entries.join());
  }
  const large = sizes.filter((entries) => entries.some((size) => size > 100_000));
  t.ok(large.length >= 2);
  t.ok(
    large.every(({ length }) => length === 1),
    'the largest goes whole, and by itself',
  );
  for (const kv of stores) await world.run(kv.close());
});

t.test('what decides who leads never waits behind entries', async (t) => {
  const world = new World();
  const stores = await world.openAll();
  const leader = await world.leaderOf(stores);
  const lanes = new Set<string>();
  world.network.setFaults({
    drop: ({ bytes, lane }) => {
      const { channel, payload } = unpackLinkFrame(bytes);
      if (channel === 'raft') lanes.add(`${decodeRaftMessage(payload).kind} ${lane}`);
      return false;
    },
  });
  await world.run(leader.put('k', 'v'));
  await world.elapse(500);
  await world.run(leader.get('k'));
  await world.crash(leader);
  await world.leaderOf(stores.filter((kv) => kv !== leader));
  await world.elapse(500);
  t.same([...lanes].sort(), [
    'append bulk',
    'appendAccepted control',
    'heartbeat control',
    'heartbeatReply control',
    'preVote control',
    'preVoteReply control',
    'vote control',
    'voteReply control',
  ]);
  for (const kv of stores) await world.run(kv.close());
});

t.test('a follower that is stuck costs its leader one window, and no log (fault H1)', async (t) => {
  const world = new World();
  const limits = {
    maxAppendBytes: 4096,
    maxInflightBytes: 32 * 1024,
    maxLogBytes: 100_000,
    trailingEntries: 10,
  };
  const stores = await world.openAll({ limits });
  const leader = await world.leaderOf(stores);
  const stuck = stores.find((kv) => kv !== leader)!;
  const installed: string[] = [];
  world.events.on('raft.snapshotInstalled', ({ nodeId }) => installed.push(nodeId));
  const hold = world.disk(stuck.id).hold({ kind: 'append' });
  let sentBytes = 0;
  world.network.setFaults(
    {
      drop: ({ bytes, lane }) => {
        // The others only ask whether something was lost.
        if (lane === 'bulk' && bytes.length > 1000) sentBytes += bytes.length;
        return false;
      },
    },
    { from: leader.id, to: stuck.id },
  );
  for (let i = 0; i < 100; i += 1) {
    const ten = Array.from({ length: 10 }, (_, j) => leader.put(`k${j}`, `${i}`.padEnd(1000)));
    await world.run(Promise.all(ten));
  }
  t.ok(sentBytes > 0);
  t.ok(
    sentBytes <= limits.maxInflightBytes + maxFrameBytes(resolveLimits(limits)),
    `${sentBytes} bytes of a million were sent`,
  );
  t.same(installed, []);
  hold.release();
  await world.until(() => stuck.status().appliedIndex === leader.status().lastIndex);
  t.same(installed, [stuck.id], 'the log had forgotten what it needs');
  for (const kv of stores) await world.run(kv.close());
});

t.test('commands that wait hold so many bytes and no more, wherever they came from', async (t) => {
  const { group, deliver, time } = await rig({
    maxPendingBytes: 500,
    ask: () => new Promise(() => {}),
  });
  const wait = { timeoutMs: 100 };
  const busy = { code: 'ERR_BUSY', outcome: 'rejected', message: /maxPendingBytes/ };
  const command = new Uint8Array(100);
  const submit = (): Promise<unknown> => failureOf(group.calls.submit(command, 1, wait));
  const parked = Array.from({ length: 5 }, submit);
  t.match(await submit(), busy, 'there is no leader');
  await deliver(append(MEMBERS.b, 2, [1, 1], [], 1));
  t.match(await submit(), busy, 'they were forwarded to one');
  await time.elapse(101);
  group.tick();
  for (const failure of await Promise.all(parked)) t.match(failure, { code: 'ERR_TIMEOUT' });
  const large = failureOf(group.calls.submit(new Uint8Array(1000), 1, wait));
  const own = group.calls.propose(command, 1, wait);
  t.match(await failureOf(own), busy, 'one passes when nothing waits, however large');
  const request = {
    kind: 'propose',
    group: 'g',
    command,
    commandVersion: 1,
    timeoutMs: 0,
  } as const;
  t.match(await failureOf(group.calls.serve(request, wait)), busy, 'nor for a peer');
  await time.elapse(101);
  group.tick();
  t.match(await large, { code: 'ERR_TIMEOUT', outcome: 'unknown' });
});

t.test(
  'a machine that is slow is asked for as much as fits a few milliseconds (schedule G6)',
  (t) => {
    for (const perCommandMs of [0.01, 1, 5, 30]) {
      let nowMs = 0;
      const machine = new SlowMachine(() => {
        nowMs += perCommandMs;
      });
      const applier = new Applier({ machine, clock: { now: () => nowMs }, onApplied: () => {} });
      const commands = Array.from({ length: 3000 }, () => command());
      applier.add(packEntries({ group: 'g', term: 1, firstIndex: 1, logTimeMs: 0 }, commands));
      let longestMs = 0;
      while (!applier.isIdle) {
        const begunMs = nowMs;
        applier.run();
        longestMs = Math.max(longestMs, nowMs - begunMs);
      }
      t.equal(machine.applied.length, 3000);
      t.ok(longestMs < 8 + perCommandMs, `${longestMs} ms at ${perCommandMs} ms a command`);
    }
    t.end();
  },
);

t.test('of many snapshots that are read at once few are open (fault H3)', async (t) => {
  let open = 0;
  let most = 0;
  const server = new SnapshotServer({
    storage: {
      ...NO_SNAPSHOTS,
      open: async (id) => {
        open += 1;
        most = Math.max(most, open);
        const description = snapshotOf(id);
        const close = async (): Promise<void> => {
          open -= 1;
        };
        return { description, read: async () => new Uint8Array(1), close };
      },
    },
    metrics: noMetrics,
    find: snapshotOf,
    onLost: async () => {},
  });
  for (let offset = 0; offset < 3; offset += 1) {
    for (let i = 0; i < 20; i += 1) {
      await server.serve({ group: 'g', snapshotId: `s${i}`, offset });
    }
  }
  t.ok(most <= 5, `${most} open`);
  await server.stop();
  t.equal(open, 0);
});

/** Takes an append apart; loses nothing. */
function keepAppend({ bytes }: FrameInFlight, appends: AppendRequest[]): boolean {
  const { channel, payload } = unpackLinkFrame(bytes);
  const message = channel === 'raft' ? decodeRaftMessage(payload) : null;
  if (message?.kind === 'append') appends.push(message);
  return false;
}

class SlowMachine extends EchoMachine {
  readonly #work: () => void;

  constructor(work: () => void) {
    super();
    this.#work = work;
  }

  override apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    for (const _ of commands) this.#work();
    return super.apply(commands);
  }
}

function command() {
  return { kind: 'command', commandVersion: 1, payload: text8('x') } as const;
}

function snapshotOf(id: string): SnapshotDescription {
  return { id, index: 1, term: 1, logTimeMs: 0, configuration: new Uint8Array(0), sizeBytes: 3 };
}

const NO_SNAPSHOTS: Omit<SnapshotStorage, 'open'> = {
  create: () => Promise.reject(new Error('nothing is written')),
  list: async () => [],
  remove: async () => {},
};
