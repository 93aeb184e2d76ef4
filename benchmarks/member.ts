import { openKVStore } from 'quorate';
import type { Metrics } from 'quorate/interfaces';
import { levelStorage } from 'quorate/storage/level';
import { tcpTransport } from 'quorate/transports/tcp';
import { putLoad } from './load.js';

/* One of three processes. Told what to do by its parent, line by line over IPC. */

const [id = '', members = '{}', folder = ''] = process.argv.slice(2);
const counts = new Map<string, number>();
const metrics: Metrics = {
  count: (name, _labels, by = 1) => counts.set(name, (counts.get(name) ?? 0) + by),
  gauge: () => {},
  observe: () => {},
};
const kv = await openKVStore({
  id,
  members: JSON.parse(members),
  transport: tcpTransport(),
  storage: levelStorage(folder),
  metrics,
});

process.on('message', async (order: { kind: string; inFlight: number; seconds: number }) => {
  if (order.kind === 'ready') {
    await kv.ready();
    process.send?.({ role: kv.status().role });
  }
  if (order.kind === 'load') {
    const { inFlight, seconds } = order;
    counts.clear();
    const cpu = process.cpuUsage();
    const options = { inFlight, seconds, warmUpSeconds: seconds / 4, valueBytes: 256 };
    const result = await putLoad(kv, options);
    const { user, system } = process.cpuUsage(cpu);
    process.send?.({ result, counts: [...counts], cpuMs: (user + system) / 1000 });
  }
  if (order.kind === 'close') {
    await kv.close();
    process.disconnect();
  }
});
