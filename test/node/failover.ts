import { World } from './world.js';

/** Milliseconds of virtual time until a write succeeds again, for one death of a leader a seed. */
export interface FailoverOptions {
  readonly seeds: number;
  /** Whether the broken connections are seen: otherwise the leader is cut off in silence. */
  readonly reset: boolean;
}

/** Sorted. Every death meets three new nodes in `fast` timing, 0.2 to 3 ms apart. */
export async function failoverTimes({ seeds, reset }: FailoverOptions): Promise<readonly number[]> {
  const times: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const world = new World({ seed });
    world.network.setFaults({ delayMs: [0.2, 3] });
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    await world.run(leader.put('before', '1'));
    await world.elapse(200 + ((seed * 37) % 100));
    const diedMs = world.time.clock.now();
    if (reset) world.network.crash(leader.id);
    else world.network.isolate(leader.id);
    const rest = stores.filter((kv) => kv !== leader);
    await world.until(() => rest.some((kv) => kv.status().role === 'leader'));
    const next = rest.find((kv) => kv.status().role === 'leader')!;
    await world.run(next.put('after', '1'));
    times.push(world.time.clock.now() - diedMs);
    for (const kv of stores) await world.run(kv.close());
  }
  return times.sort((a, b) => a - b);
}

/**
 * Milliseconds of virtual time until a write succeeds again, for one leader a seed whose disk hangs. Sorted.
 * What was acknowledged is read back.
 */
export async function hungDiskTimes({ seeds }: { seeds: number }): Promise<readonly number[]> {
  const times: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const world = new World({ seed });
    world.network.setFaults({ delayMs: [0.2, 3] });
    const stores = await world.openAll();
    const leader = await world.leaderOf(stores);
    await world.run(leader.put('before', '1'));
    await world.elapse(200 + ((seed * 37) % 100));
    const hungMs = world.time.clock.now();
    const hold = world.disk(leader.id).hold();
    // A disk that nobody writes to hangs unnoticed.
    const stuck = leader.put('stuck', '1').catch((error: unknown) => error);
    const rest = stores.filter((kv) => kv !== leader);
    await world.until(() => rest.some((kv) => kv.status().role === 'leader'));
    const next = rest.find((kv) => kv.status().role === 'leader')!;
    await world.run(next.put('after', '1'));
    times.push(world.time.clock.now() - hungMs);
    for (const key of ['before', 'after']) {
      if ((await world.run(next.get(key))) !== '1') throw new Error(`${key} is lost`);
    }
    hold.release();
    await world.run(stuck);
    for (const kv of stores) await world.run(kv.close());
  }
  return times.sort((a, b) => a - b);
}

/** The value that `share` of the sorted times do not pass. */
export function percentile(times: readonly number[], share: number): number {
  return times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
}

const [, script, seeds] = process.argv;
if (script === import.meta.filename) {
  for (const reset of [false, true]) {
    const times = await failoverTimes({ seeds: Number(seeds ?? 100), reset });
    const at = (share: number): string => percentile(times, share).toFixed(0);
    const what = reset ? 'connections reset' : 'leader silent';
    process.stdout.write(`${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms\n`);
  }
}
