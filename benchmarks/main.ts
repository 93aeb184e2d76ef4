import { parseArgs } from 'node:util';
import { catchUp } from './catch-up.js';
import { chooseEngine } from './engines.js';
import { failover } from './failover.js';
import { handOver } from './hand-over.js';
import { hungDisk } from './hung-disk.js';
import { inProcess } from './in-process.js';
import { members } from './members.js';
import { millionKeys } from './million-keys.js';
import { threeProcesses } from './processes.js';
import { walAppends } from './wal-appends.js';
import { walBusyPool } from './wal-busy-pool.js';
import { walGroups, walRecovery } from './wal-starts.js';

/*
 * `npm run bench -- NAME …` runs what is named, one after the other; without a name, proposals per
 * second. Ratios within one run say more than figures. `--storage level` compares the engines.
 */

interface BenchmarkOptions {
  /** How long one line of a throughput table is measured. */
  readonly seconds: number;
  /** How often something is repeated that takes its time. Undefined: as often as it is to be shown. */
  readonly count: number | undefined;
}

const benchmarks: Readonly<Record<string, (options: BenchmarkOptions) => Promise<void>>> = {
  'in-process': ({ seconds }) => inProcess(seconds),
  members: () => members(),
  failover: ({ count }) => failover(count ?? 200),
  'hung-disk': ({ count }) => hungDisk(count ?? 50),
  'hand-over': ({ count }) => handOver(count ?? 200),
  'catch-up': () => catchUp(),
  processes: ({ seconds }) => threeProcesses(seconds),
  'million-keys': () => millionKeys(),
  wal: async ({ seconds }) => {
    await walAppends(seconds);
    await walRecovery();
    await walGroups();
  },
  'wal-starts': async () => {
    await walRecovery();
    await walGroups();
  },
  'wal-busy-pool': ({ seconds }) => walBusyPool(seconds),
};

const DEFAULT_NAMES = ['in-process', 'processes'];

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    count: { type: 'string' },
    storage: { type: 'string', default: 'wal' },
  },
  allowPositionals: true,
});
const names = positionals.length === 0 ? DEFAULT_NAMES : positionals;
const unknown = names.filter((name) => !Object.hasOwn(benchmarks, name));
if (unknown.length > 0) {
  const known = Object.keys(benchmarks).join(', ');
  process.stderr.write(`no benchmark ${unknown.join(', ')}; there are ${known}\n`);
  process.exit(1);
}
// What was begun is cleaned up on the way out.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
chooseEngine(values.storage);
const count = values.count === undefined ? undefined : Number(values.count);
const options = { seconds: Number(values.seconds), count };
for (const name of names) await benchmarks[name]?.(options);
