import { lineLogger, openKVStore } from 'quorate';
import type { Metrics } from 'quorate/interfaces';
import { serveClients } from 'quorate/server';
import { tcpTransport } from 'quorate/transports/tcp';
import { chosenEngine, openEngine } from './engines.js';
import { putLoad } from './load.js';
import type { Answers, Look, MemberSettings, NumberedAnswer, NumberedOrder } from './orders.js';

/* One member of a cluster of processes. Told what to do by its parent, over IPC; ends with it. */

const settings: MemberSettings = JSON.parse(process.argv[2] ?? '{}');
const { id, members, clientAddress, folder, limits } = settings;
const counts = new Map<string, number>();
let installed: Look['installed'] = null;
const add = (name: string, by = 1): void => {
  counts.set(name, (counts.get(name) ?? 0) + by);
};
const metrics: Metrics = {
  count: (name, _labels, by) => add(name, by),
  gauge: () => {},
  observe: () => {},
};
process.on('disconnect', () => process.exit(1));
const logger = lineLogger({
  write: (line) => process.stderr.write(line),
  format: 'json',
  level: 'error',
  wallNow: () => Date.now(),
});
const transport = tcpTransport();
const storage = openEngine(chosenEngine(), folder);
const kv = await openKVStore({
  id,
  members,
  transport,
  storage,
  clientAddress,
  limits,
  metrics,
  logger,
});
kv.events.on('raft.snapshotCreated', () => add('raft.snapshotCreated'));
kv.events.on('raft.snapshotInstalled', ({ index, sizeBytes }) => {
  add('raft.snapshotInstalled');
  installed = { index, sizeBytes };
});
const clients = await serveClients(kv, { listen: clientAddress });

process.on('message', ({ number, order }: NumberedOrder) => {
  perform(order).then(
    (answer) => say({ number, answer }),
    (error: unknown) => say({ number, answer: null, failure: String(error) }),
  );
});
say({ number: 0, answer: null });

async function perform(order: NumberedOrder['order']): Promise<Answers[keyof Answers]> {
  switch (order.kind) {
    case 'ready':
      await kv.ready();
      return { role: kv.status().role };
    case 'load': {
      const { inFlight, seconds } = order;
      counts.clear();
      const options = { inFlight, seconds, warmUpSeconds: seconds / 4, valueBytes: 256 };
      return { result: await putLoad(kv, options), counts: [...counts] };
    }
    case 'look':
      return look(order.collect);
    case 'close':
      await clients.close();
      await kv.close();
      setImmediate(() => process.exit(0));
      return null;
  }
}

function look(collect: boolean): Look {
  if (collect) globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    status: kv.status(),
    residentBytes: rss,
    heapBytes: heapUsed + external,
    counts: [...counts],
    installed,
  };
}

function say(answer: NumberedAnswer): void {
  process.send?.(answer);
}
