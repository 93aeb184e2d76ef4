/**
 * Real processes under faults: `npm run chaos -- [--minutes M] [--nodes 3|5] [--seed S] [--faults A,B] [--failures DIR]`.
 * The exit code is 1 where a promise was broken, or a control found nothing.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { explain, formatHistory } from '../../lib/testing/index.js';
import { FAULTS, runChaos } from './chaos.js';
import { runMemoryControl } from './memory-control.js';
import { controlFaults, memoryReportOf, reportOf } from './report.js';
import type { Fault } from './scene.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    clients: { type: 'string', default: '8' },
    faults: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    failures: { type: 'string', default: 'chaos-failure' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) {
  console.log(`npm run chaos -- [flags]: kvnode processes under faults, and what their clients saw

  --minutes M     how long faults go on; default 1
  --nodes N       founders; default 3
  --seed S        decides what is done to them, not how they run: two runs are never alike; default 1
  --clients N     default 8
  --faults A,B    only these of ${FAULTS.map(({ name }) => name).join(', ')}
  --failures DIR  where logs and history go when something is wrong; default chaos-failure
  --verbose       the processes log every step`);
} else {
  process.exitCode = await chaos();
}

async function chaos(): Promise<number> {
  const { seed, failures } = values;
  const minutes = Number(values.minutes);
  const nodes = Number(values.nodes);
  const faults = possible(wished(values.faults));
  console.log(
    `chaos: ${nodes} processes on TCP, ${minutes} minutes, seed ${seed}, Node ${process.version}`,
  );
  const result = await runChaos({
    nodes,
    seconds: minutes * 60,
    seed,
    faults,
    clients: Number(values.clients),
    pauseMs: 60,
    logsTo: failures,
    flags: values.verbose ? ['--verbose'] : [],
    onProgress: (line) => console.log(`  ${line}`),
  });
  const memory = await runMemoryControl(seed);
  for (const line of [...reportOf(result), ...memoryReportOf(memory)]) console.log(line);
  const wrong = [...result.violations, ...controlFaults(result, memory)];
  if (result.check.verdict === 'violated') console.log(explain(result.check));
  if (wrong.length > 0) {
    mkdirSync(failures, { recursive: true });
    writeFileSync(join(failures, 'history.jsonl'), formatHistory(result.operations));
    console.log(`logs and history are in ${failures}`);
  }
  for (const sentence of wrong) console.log(`WRONG: ${sentence}`);
  console.log(wrong.length === 0 ? 'verdict: it held' : 'verdict: IT DID NOT HOLD');
  return wrong.length === 0 ? 0 : 1;
}

function wished(list: string | undefined): readonly Fault[] {
  if (list === undefined) return FAULTS;
  return list.split(',').map((name) => {
    const fault = FAULTS.find((one) => one.name === name.trim());
    if (fault === undefined) throw new Error(`there is no fault ${name}; see --help`);
    return fault;
  });
}

function possible(faults: readonly Fault[]): readonly Fault[] {
  return faults.filter(({ name, missing }) => {
    const why = missing?.() ?? null;
    if (why !== null) console.log(`  without ${name}: it needs ${why}`);
    return why === null;
  });
}
