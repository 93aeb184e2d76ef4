import type { KVStore } from 'quorate';
import { connect } from 'quorate/client';
import { at } from '../lib/base/index.js';
import { Cluster } from './cluster.js';
import { chosenEngine } from './engines.js';
import { Ledger } from './ledger.js';
import { claim, print, printTarget } from './report.js';
import { SteadyLoad, type StepResult } from './steady-load.js';

export interface MembersDrillOptions {
  readonly perSecond: number;
  /** Before the first step and after the last. */
  readonly calmMs: number;
  readonly aftermathMs?: number;
  readonly onStep?: (result: StepResult) => void;
}

export interface MembersDrillResult {
  readonly steps: readonly StepResult[];
  readonly all: StepResult;
  readonly issued: number;
  readonly lost: readonly string[];
  /** What failed calls were told. */
  readonly samples: readonly string[];
  /** Voters at the end. */
  readonly voters: readonly string[];
}

/** Every change of the members that a cluster of five goes through, under a steady load of puts. */
export async function membersDrill(options: MembersDrillOptions): Promise<MembersDrillResult> {
  const cluster = await Cluster.start({ size: 3, spares: 3 });
  const clients: KVStore[] = [];
  try {
    const { endpoints } = cluster;
    // Each prefers another server.
    for (let i = 0; i < 4; i += 1) {
      const from = i % endpoints.length;
      const rotated = [...endpoints.slice(from), ...endpoints.slice(0, from)];
      clients.push(await connect({ endpoints: rotated }));
    }
    return await changeMembers(cluster, clients, options);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await cluster.dispose();
  }
}

async function changeMembers(
  cluster: Cluster,
  clients: readonly KVStore[],
  { perSecond, calmMs, aftermathMs, onStep }: MembersDrillOptions,
): Promise<MembersDrillResult> {
  const { membership } = at(clients, 0);
  const ledger = new Ledger();
  const load = new SteadyLoad({ clients, perSecond, ledger, aftermathMs });
  const calm = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, calmMs));
  const add = async (id: string): Promise<void> => {
    await cluster.launch(id);
    const [peerAddress, clientAddress] = [cluster.peerAddress(id), cluster.clientAddress(id)];
    await membership.add(id, { peerAddress, clientAddress });
  };
  const steps: StepResult[] = [];
  const step = async (name: string, action: () => Promise<unknown>): Promise<void> => {
    const result = await load.step(name, action);
    steps.push(result);
    onStep?.(result);
  };
  await step('nothing', calm);
  await step('add n4 as a learner', () => add('n4'));
  await step('add n5 as a learner', () => add('n5'));
  await step('promote n4', () => membership.promote('n4'));
  await step('promote n5', () => membership.promote('n5'));
  const replaced = await follower(cluster);
  await step(`replace ${replaced}, a follower, by n6`, async () => {
    await cluster.launch('n6');
    const [peerAddress, clientAddress] = [cluster.peerAddress('n6'), cluster.clientAddress('n6')];
    await membership.replace(replaced, 'n6', { peerAddress, clientAddress });
  });
  await step(`end ${replaced}`, () => cluster.end(replaced));
  await step('transfer leadership', () => at(clients, 0).transferLeadership());
  const leader = await cluster.leader();
  await step(`remove ${leader}, the leader`, () => membership.remove(leader));
  await step(`end ${leader}`, () => cluster.end(leader));
  await step('nothing', calm);
  const all = await load.stop();
  const lost = await ledger.lost(at(clients, 0));
  const voters = await votersOf(cluster);
  return { steps, all, issued: load.issued, lost, samples: load.samples, voters };
}

async function follower(cluster: Cluster): Promise<string> {
  const leader = await cluster.leader();
  return at(
    cluster.founders.filter((id) => id !== leader),
    0,
  );
}

async function votersOf(cluster: Cluster): Promise<readonly string[]> {
  const { status } = await cluster.look(await cluster.leader());
  return status.members.filter(({ role }) => role === 'voter').map(({ id }) => id);
}

/** `npm run bench -- members` */
export async function members(): Promise<void> {
  const perSecond = 300;
  print(
    `members: five processes on TCP with ${chosenEngine()}, ${perSecond} puts a second on 4 connections`,
  );
  const { all, issued, lost, samples, voters } = await membersDrill({
    perSecond,
    calmMs: 2000,
    onStep: printStep,
  });
  printStep(all);
  const failed = issued - all.acknowledged;
  const percent = (failed / issued) * 100;
  print(`  voters at the end: ${voters.join(' ')}`);
  print(
    `  ${issued} puts, ${all.acknowledged} acknowledged, ${failed} failed, ${lost.length} lost`,
  );
  for (const sample of samples.slice(0, 5)) print(`  for example: ${sample}`);
  printTarget(
    'longest pause',
    `${all.longestPauseMs.toFixed(0)} ms`,
    'under 2 s',
    all.longestPauseMs < 2000,
  );
  printTarget('failed calls', `${percent.toFixed(2)} %`, 'under 1 %', percent < 1);
  claim('every acknowledged write is there', lost.length === 0);
  claim('no call failed but by a retriable error', all.nonRetriable === 0);
}

function printStep({ name, durationMs, longestPauseMs, acknowledged, failures }: StepResult): void {
  const failed = [...failures].map(([code, count]) => `${count} ${code}`).join(', ');
  const cells = [
    name.padEnd(34),
    `${durationMs.toFixed(0)} ms`.padStart(9),
    `longest pause ${longestPauseMs.toFixed(0)} ms`.padStart(22),
    `${acknowledged} puts`.padStart(11),
    failed === '' ? '' : `failed: ${failed}`,
  ];
  print(`  ${cells.join('  ').trimEnd()}`);
}
