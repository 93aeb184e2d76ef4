import t, { type Test, test } from 'tap';
import { SteadyPuts } from '../../benchmarks/steady-puts.js';
import { connect } from '../../lib/client/index.js';
import { QuorateError } from '../../lib/index.js';
import type { KVStore } from '../../lib/store/index.js';
import { type Ended, KVCTL, Members, run } from './programs.js';
import { FailingDisk, FullDisk, folderOfDisks, type SmallDisk } from './small-disks.js';
import { until } from './waiting.js';

/*
 * Three processes, of which the leader has its data on a disk that fails, or is full. A few seconds each;
 * many more on a machine that is busy with something else.
 */
t.setTimeout(240_000);

const missingDevice = FailingDisk.missing();
const missingMounts = FullDisk.missing();

test('a leader whose device fails stops at the first error, and nothing acknowledged is lost (faults B5, B6, B8, B32)', {
  skip: missingDevice === null ? false : `a device that fails needs ${missingDevice}`,
}, async (t) => {
  const { disk, members, load } = await loadedCluster(t, (path) => new FailingDisk(path, 64));
  await load.acknowledged(100);
  const failedMs = performance.now();
  disk.fail();
  const ended = await members.running.get('n1')!.ended;
  stoppedBy(t, ended, /EIO: i\/o error, write/);
  await load.acknowledgedSince(failedMs);
  t.not(await members.leader(), 'n1');
  await load.stop();
  t.same(await load.contradictions(), []);
  members.running.delete('n1');
  disk.heal();
  disk.remount();
  await members.start('n1');
  await servesAgain(t, members);
  t.same(await load.contradictions(), []);
});

test('a leader whose disk is full stops, and catches up once there is space (faults B9, B32)', {
  skip: missingMounts === null ? false : `a full disk needs ${missingMounts}`,
}, async (t) => {
  const { disk, members, load } = await loadedCluster(t, (path) => new FullDisk(path, 8));
  const leader = members.running.get('n1')!;
  disk.fill();
  await until(() => leader.stderr.includes('storage.spareFailed'));
  const before = load.acknowledgedCount;
  // What is prepared for later is no reason to stop now.
  await load.acknowledged(before + 20);
  t.equal(leader.child.exitCode, null);
  const ended = await leader.ended;
  const endedMs = performance.now();
  stoppedBy(t, ended, /ENOSPC: no space left on device, write/);
  await load.acknowledgedSince(endedMs);
  t.not(await members.leader(), 'n1');
  await load.stop();
  t.same(await load.contradictions(), []);
  members.running.delete('n1');
  disk.free();
  await members.start('n1');
  await servesAgain(t, members);
  t.same(await load.contradictions(), []);
});

/** Members of which n1 leads, with its data on a disk of its own, and puts at a steady rate to each. */
async function loadedCluster<T extends SmallDisk>(
  t: Test,
  makeDisk: (path: string) => T,
): Promise<{ readonly disk: T; readonly members: Members; readonly load: Load }> {
  const folder = folderOfDisks(t, {
    stop: async () => {
      await load?.close();
      await members?.killAll();
    },
    kill: () => {
      for (const { child } of members?.running.values() ?? []) child.kill('SIGKILL');
      disk?.destroy();
    },
  });
  let load: Load | null = null;
  let disk: T | null = null;
  let members: Members | null = null;
  members = await Members.create(3, folder);
  disk = makeDisk(members.directory('n1'));
  await members.startAll();
  if ((await members.leader()) !== 'n1') await members.ctl(['transfer', 'n1']);
  t.equal(await members.leader(), 'n1');
  load = await Load.start(members);
  return { disk, members, load };
}

/** One line says what has happened, where, and why. */
function stoppedBy(t: Test, { code, stderr }: Ended, reason: RegExp): void {
  t.equal(code, 1);
  const lines = stderr.split('\n').filter((line) => line.startsWith('kvnode: '));
  t.equal(lines.length, 1, 'one line says it');
  t.match(lines[0], /^kvnode: n1 has stopped: ERR_STORAGE: \/\S+\/n1\/log: /, 'which');
  t.match(lines[0], reason, 'why');
}

/** The member that came back is half of a majority. */
async function servesAgain(t: Test, members: Members): Promise<void> {
  await members.end('n3', 'SIGKILL');
  t.match(await members.ctl(['put', 'again', 'there']), { code: 0, stdout: 'OK\n' });
  const got = await run(KVCTL, ['--endpoints', members.client('n1'), 'get', 'again']);
  t.match(got, { code: 0, stdout: 'there\n' });
}

const PER_SECOND = 150;
const VALUE = 'v'.repeat(4096);
const PREFIX = 'load/';

/** Puts of keys of their own, half of them by way of n1 alone, and what each of them was told. */
class Load {
  readonly #clients: readonly KVStore[];
  readonly #puts: SteadyPuts;
  readonly #told = new Map<string, 'acknowledged' | 'unknown' | 'rejected'>();
  #lastMs = 0;
  #acknowledgedCount = 0;

  private constructor(clients: readonly KVStore[]) {
    this.#clients = clients;
    this.#puts = new SteadyPuts(PER_SECOND, (n) => this.#put(n));
  }

  static async start(members: Members): Promise<Load> {
    const endpoints = [[members.client('n1')], [members.client('n2'), members.client('n3')]];
    return new Load(await Promise.all(endpoints.map((some) => connect({ endpoints: some }))));
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  acknowledged(count: number): Promise<void> {
    return until(() => this.#acknowledgedCount >= count);
  }

  acknowledgedSince(ms: number): Promise<void> {
    return until(() => this.#lastMs > ms);
  }

  /** Resolves when every put was told what became of it. */
  async stop(): Promise<void> {
    await this.#puts.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  /** Puts that were acknowledged and are not there, or were rejected and are. */
  async contradictions(): Promise<readonly string[]> {
    const found = new Set<string>();
    for await (const { key, value } of this.#clients[1]!.list({ prefix: PREFIX })) {
      if (value === VALUE) found.add(key);
    }
    const expected = { acknowledged: true, unknown: null, rejected: false } as const;
    return [...this.#told].flatMap(([key, told]) => {
      const isThere = expected[told];
      return isThere === null || isThere === found.has(key) ? [] : [`${told} ${key}`];
    });
  }

  async #put(n: number): Promise<void> {
    const key = `${PREFIX}${n}`;
    try {
      await this.#clients[n % 2]!.put(key, VALUE, { timeoutMs: 3000 });
      this.#told.set(key, 'acknowledged');
      this.#acknowledgedCount += 1;
      this.#lastMs = performance.now();
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      this.#told.set(key, error.outcome === 'rejected' ? 'rejected' : 'unknown');
    }
  }
}
