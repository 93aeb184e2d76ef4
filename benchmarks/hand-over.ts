import { setTimeout as pass } from 'node:timers/promises';
import type { KVStore } from 'quorate';
import { connect } from 'quorate/client';
import { Cluster } from './cluster.js';
import { distribution, milliseconds, percentile, print, printTarget } from './report.js';

export interface HandOverResult {
  /** From the call to its answer, sorted. */
  readonly callTimes: readonly number[];
  /** The longest put that a transfer met, for one client that writes all the time; sorted. */
  readonly pauses: readonly number[];
  /** Of puts that met no transfer, sorted. */
  readonly putTimes: readonly number[];
}

/** Leadership moves again and again between three processes, under one client that writes all the time. */
export async function handOvers(count: number): Promise<HandOverResult> {
  const cluster = await Cluster.start({ size: 3 });
  const asking = await connect({ endpoints: cluster.endpoints });
  const writing = await connect({ endpoints: cluster.endpoints });
  const puts = new Puts(writing);
  try {
    await pass(1000);
    const callTimes: number[] = [];
    const pauses: number[] = [];
    for (let i = 0; i < count; i += 1) {
      await pass(20 + Math.random() * 30);
      const beganMs = performance.now();
      await asking.transferLeadership();
      const endedMs = performance.now();
      callTimes.push(endedMs - beganMs);
      await pass(20);
      pauses.push(Math.max(...puts.meeting(beganMs, endedMs)));
    }
    return {
      callTimes: callTimes.sort((a, b) => a - b),
      pauses: pauses.sort((a, b) => a - b),
      putTimes: puts.all().sort((a, b) => a - b),
    };
  } finally {
    await puts.close();
    await asking.close();
    await cluster.dispose();
  }
}

/** One put after the other. One that fails ends the benchmark. */
class Puts {
  readonly #kv: KVStore;
  readonly #done: { readonly beganMs: number; readonly endedMs: number }[] = [];
  readonly #running: Promise<void>;
  #isOver = false;

  constructor(kv: KVStore) {
    this.#kv = kv;
    this.#running = this.#run();
  }

  meeting(fromMs: number, toMs: number): readonly number[] {
    return this.#done
      .filter(({ beganMs, endedMs }) => beganMs <= toMs && endedMs >= fromMs)
      .map(({ beganMs, endedMs }) => endedMs - beganMs);
  }

  all(): number[] {
    return this.#done.map(({ beganMs, endedMs }) => endedMs - beganMs);
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#kv.close();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const beganMs = performance.now();
      await this.#kv.put('k', 'v');
      this.#done.push({ beganMs, endedMs: performance.now() });
    }
  }
}

/** `npm run bench -- hand-over` */
export async function handOver(count: number): Promise<void> {
  print(`hand-over: leadership of three processes is handed on ${count} times; timing fast`);
  const { callTimes, pauses, putTimes } = await handOvers(count);
  print(`  until the other leads       ${distribution(callTimes)}`);
  print(`  longest put meanwhile       ${distribution(pauses)}`);
  print(`  any put                     ${distribution(putTimes)}`);
  const p50 = percentile(callTimes, 0.5);
  printTarget('p50 until the other leads', milliseconds(p50), 'under 5 ms', p50 < 5);
}
