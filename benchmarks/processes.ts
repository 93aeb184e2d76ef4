import { Cluster } from './cluster.js';
import { chosenEngine } from './engines.js';
import { printRow } from './report.js';

/** Three processes on TCP, the load inside the leader's. */
export async function threeProcesses(seconds: number): Promise<void> {
  const cluster = await Cluster.start({ size: 3 });
  try {
    const leader = await cluster.leader();
    for (const inFlight of [1, 64, 256, 1024]) {
      const answer = await cluster.ask(leader, { kind: 'load', inFlight, seconds });
      const counts = new Map(answer.counts);
      const entries = counts.get('quorate_log_entries_written_total') ?? 0;
      const writes = counts.get('quorate_log_writes_total') ?? 1;
      const extra = `${(entries / writes).toFixed(1)} entries/fsync`;
      printRow(`three processes, TCP, ${chosenEngine()}`, inFlight, answer.result, extra);
    }
  } finally {
    await cluster.dispose();
  }
}
