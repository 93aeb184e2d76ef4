import { openKVStore } from 'quorate';
import { memoryNetwork } from 'quorate/transports/memory';
import { putLoad } from './load.js';
import { printRow } from './report.js';

/** Three nodes in this process, in memory: what the core, the driver and the store cost by themselves. */
export async function inProcess(seconds: number): Promise<void> {
  const network = memoryNetwork();
  const members = ['n1', 'n2', 'n3'];
  const stores = await Promise.all(
    members.map((id) => openKVStore({ id, members, transport: network.transport(id) })),
  );
  await Promise.all(stores.map((kv) => kv.ready()));
  const leader = stores.find((kv) => kv.status().role === 'leader');
  if (leader === undefined) throw new Error('no leader');
  for (const inFlight of [1, 64, 1024]) {
    const options = { inFlight, seconds, warmUpSeconds: seconds / 4, valueBytes: 256 };
    printRow('in process, memory', inFlight, await putLoad(leader, options));
  }
  await Promise.all(stores.map((kv) => kv.close()));
}
