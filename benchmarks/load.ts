import type { KVStore } from 'quorate';

export interface LoadResult {
  readonly operations: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keeps `inFlight` puts of `valueBytes` under way for `seconds`, after `warmUpSeconds` that do not count. */
export async function putLoad(
  kv: KVStore,
  options: {
    readonly inFlight: number;
    readonly seconds: number;
    readonly warmUpSeconds: number;
    readonly valueBytes: number;
  },
): Promise<LoadResult> {
  const { inFlight, seconds, warmUpSeconds, valueBytes } = options;
  const value = 'v'.repeat(valueBytes);
  const beginMs = performance.now() + warmUpSeconds * 1000;
  const endMs = beginMs + seconds * 1000;
  const latencies: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const startMs = performance.now();
      if (startMs >= endMs) return;
      next += 1;
      await kv.put(`bench/${next % 10_000}`, value);
      if (startMs >= beginMs) latencies.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  latencies.sort((a, b) => a - b);
  return {
    operations: latencies.length,
    seconds,
    p50Ms: latencies[Math.floor(latencies.length * 0.5)] ?? 0,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
  };
}
