import { rmSync } from 'node:fs';
import { setTimeout as pass } from 'node:timers/promises';
import { type KVStore, QuorateError } from 'quorate';
import { connect } from 'quorate/client';
import { DemoCluster, type DemoMember } from './demo-cluster.js';

const KEY_COUNT = 1000;
const IN_FLIGHT = 64;

/**
 * Three nodes, a crash of the leader, and nothing lost; resolves with the exit code. It prints what
 * it sees, and leaves nothing behind.
 */
export async function runDemo(): Promise<number> {
  const cluster = await DemoCluster.create();
  const onSignal = (): void => {
    cluster.killAll();
    rmSync(cluster.folder, { recursive: true, force: true });
    process.exit(130);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const startedMs = performance.now();
  try {
    await play(cluster);
    await cluster.dispose('SIGTERM');
    say('done', `in ${seconds(startedMs)}; all nodes stopped, all data removed`);
    return 0;
  } catch (error) {
    say('FAILED', error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await cluster.dispose('SIGKILL');
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function play(cluster: DemoCluster): Promise<void> {
  print(`Three processes, TCP between them, a log on disk under each; data in ${cluster.folder}\n`);
  await Promise.all(cluster.members.map(({ id }) => cluster.start(id)));
  const where = cluster.members.map(({ id, peerAddress }) => `${id} ${peerAddress}`);
  say('start', where.join('   '));

  const kv = await connect({ endpoints: cluster.endpoints });
  try {
    await kv.ready();
    const leader = leaderOf(kv);
    say('elect', `${leader} leads in term ${kv.status().term}`);

    const writeMs = performance.now();
    await writeAll(kv);
    const tookMs = performance.now() - writeMs;
    const rate = Math.round((KEY_COUNT / tookMs) * 1000);
    say('write', `${count(KEY_COUNT)} keys, each on two disks before its OK: ${rate} a second`);

    const pauseMs = await crash(cluster, kv, leader);
    const next = await newLeader(cluster, leader);
    say(
      'elect',
      `${next.id} leads in term ${next.term}; writes again ${pauseMs} ms after the kill`,
    );

    const reader = cluster.members.find(({ id }) => id !== leader && id !== next.id);
    if (reader === undefined) throw new Error('no third node');
    const read = await readAll(reader, 'linearizable');
    say('read', `${count(read)} of ${count(KEY_COUNT)} keys from ${reader.id}: nothing is lost`);

    const catchUpMs = await restart(cluster, kv, leader);
    const own = await readAll(cluster.member(leader), 'stale');
    say(
      'restart',
      `${leader} is back and caught up in ${catchUpMs} ms; its own copy: ${count(own)} keys`,
    );
    print(
      `\n  ${count(KEY_COUNT)} writes acknowledged, ${count(KEY_COUNT - read)} lost, ` +
        `1 leader killed, ${pauseMs} ms without writes\n`,
    );
  } finally {
    await kv.close();
  }
}

async function writeAll(kv: KVStore): Promise<void> {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < KEY_COUNT) {
      const number = next;
      next += 1;
      await kv.put(keyOf(number), valueOf(number));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, writer));
}

/** Kills the leader, and answers how many milliseconds later the next write is acknowledged. */
async function crash(cluster: DemoCluster, kv: KVStore, leader: string): Promise<number> {
  await cluster.kill(leader);
  const killedMs = performance.now();
  say('kill', `${leader}, the leader, by SIGKILL`);
  for (;;) {
    try {
      await kv.put('after/the-crash', 'still here');
      return Math.round(performance.now() - killedMs);
    } catch (error) {
      // Written twice, this key holds the same; for others an unknown outcome is not to be retried.
      if (!QuorateError.is(error) || performance.now() - killedMs > 10_000) throw error;
    }
  }
}

/** Asks the nodes that live who leads now. */
async function newLeader(
  cluster: DemoCluster,
  dead: string,
): Promise<{ readonly id: string; readonly term: number }> {
  const endpoints = cluster.members.flatMap((member) =>
    member.id === dead ? [] : member.clientAddress,
  );
  const kv = await connect({ endpoints });
  await kv.ready();
  const { term } = kv.status();
  const id = leaderOf(kv);
  await kv.close();
  return { id, term };
}

/** Counts the keys that a member answers with the value that was written. */
async function readAll(member: DemoMember, consistency: 'linearizable' | 'stale'): Promise<number> {
  const kv = await connectTo(member);
  let found = 0;
  for await (const { key, value } of kv.list({ prefix: 'key/', consistency })) {
    if (key !== keyOf(found) || value !== valueOf(found)) {
      throw new Error(`${keyOf(found)} is not what was written`);
    }
    found += 1;
  }
  await kv.close();
  if (found !== KEY_COUNT) throw new Error(`${KEY_COUNT - found} keys are lost`);
  return found;
}

/** Starts a node again, and answers after how many milliseconds it has applied all that is committed. */
async function restart(cluster: DemoCluster, kv: KVStore, id: string): Promise<number> {
  const { revision } = await kv.put('after/the-restart', 'new');
  const startedMs = performance.now();
  await cluster.start(id);
  const own = await connectTo(cluster.member(id));
  const options = { consistency: 'stale' } as const;
  while ((await own.getEntry('after/the-restart', options))?.modRevision !== revision)
    await pass(5);
  await own.close();
  return Math.round(performance.now() - startedMs);
}

/** A client that asks this member: one without a leader would be passed by for another. */
async function connectTo({ id, clientAddress }: DemoMember): Promise<KVStore> {
  for (;;) {
    const kv = await connect({ endpoints: [clientAddress] });
    const status = kv.status();
    if (status.id === id && status.leader !== null) return kv;
    await kv.close();
    await pass(5);
  }
}

function leaderOf(kv: KVStore): string {
  const { leader } = kv.status();
  if (leader === null) throw new Error('nobody leads');
  return leader.id;
}

function keyOf(number: number): string {
  return `key/${String(number).padStart(4, '0')}`;
}

function valueOf(number: number): string {
  return `value of ${number}`;
}

function count(number: number): string {
  return number.toLocaleString('en-US');
}

function seconds(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}

function say(step: string, what: string): void {
  print(`  ${step.padEnd(8)} ${what}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
