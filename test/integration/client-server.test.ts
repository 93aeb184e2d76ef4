import { connect as connectSocket, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { connect } from '../../lib/client/index.js';
import { openKVStore } from '../../lib/index.js';
import { FunctionLogger, type LogLine } from '../../lib/observe/index.js';
import { serveClients } from '../../lib/server/index.js';
import { bytes, createKVStore, json, type KVStore, utf8 } from '../../lib/store/index.js';
import { SeededRandom } from '../../lib/testing/seeded-random.js';
import { CLIENT_PROTOCOL_VERSION, encodeClientFrame } from '../../lib/wire/index.js';
import { memoryNetwork } from '../../transports/memory/index.js';
import { gatherFrames, OPENINGS, type QueuedFrame } from '../../transports/tcp/framing.js';
import { ServedBackend } from '../client/memory-servers.js';
import { until } from './waiting.js';

const NONSENSE = Uint8Array.from([255, 255, 255]);

t.test('a store is used over TCP as if it were here', async (t) => {
  const { address } = await served(t);
  const store = await connect({ endpoints: [address] });
  t.teardown(() => store.close());
  t.same(await store.put('a', 'ä\u{1f600}'), { revision: 1, created: true });
  t.equal(await store.get('a'), 'ä\u{1f600}');
  await t.rejects(store.put('a', 'x', { ifAbsent: true }), {
    code: 'ERR_CONDITION',
    entry: { value: 'ä\u{1f600}' },
  });
  await t.rejects(store.put('k'.repeat(65), 'x'), { code: 'ERR_TOO_LARGE' });
  const wide = store.namespace<Uint8Array>('bin/', bytes);
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => wide.put(`${i}`, Uint8Array.of(i & 255))),
  );
  let count = 0;
  for await (const { key, value } of wide.list()) count += value[0] === (Number(key) & 255) ? 1 : 0;
  t.equal(count, 300);
  await store.ready();
  t.equal(store.status().id, 'n1');
});

t.test('values other than text have their codec', async (t) => {
  const { address } = await served(t);
  const store = await connect({ endpoints: [address], values: json<{ n: number }>() });
  t.teardown(() => store.close());
  await store.put('a', { n: 1 });
  t.same(await store.get('a'), { n: 1 });
});

t.test('a client goes on with another server when its own is closed', async (t) => {
  const first = await served(t);
  const second = await served(t);
  const store = await connect({ endpoints: [first.address, second.address] });
  t.teardown(() => store.close());
  await store.put('k', 'v');
  await first.close();
  t.equal(await store.get('k'), null, 'the second server holds other data');
  t.equal(second.backend.asked.length, 1);
});

t.test('closing the port answers what is under way and refuses the rest', async (t) => {
  const { address, backend, close } = await served(t);
  const store = await connect({ endpoints: [address] });
  t.teardown(() => store.close());
  const { promise: held, resolve: release } = deferred();
  backend.before = () => held;
  const put = store.put('k', 'v');
  await until(() => backend.asked.length === 1);
  const slow = await dial(address);
  let answered = '';
  slow.on('data', (chunk: Buffer) => {
    answered += chunk.toString('latin1');
  });
  // It is let in with the next look at the sockets, and greets only while the port closes.
  for (let turns = 0; turns < 2; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  const closing = close();
  const call = { kind: 'put', key: Buffer.from('x'), value: NONSENSE, condition: null } as const;
  const frames = [
    encodeClientFrame({ kind: 'hello', protocolVersion: CLIENT_PROTOCOL_VERSION }),
    encodeClientFrame({ kind: 'request', id: 1, timeoutMs: 1000, call }),
  ].map((payload): QueuedFrame => ({ kind: 'data', payload }));
  const ping: QueuedFrame = { kind: 'ping', payload: new Uint8Array(0) };
  slow.write(Buffer.concat([OPENINGS.client, ...gatherFrames([ping, ...frames])]));
  await until(() => answered.includes('ERR_CLOSED') || backend.asked.length > 1);
  await t.rejects(store.put('late', 'v', { timeoutMs: 100 }), {
    code: 'ERR_CLOSED',
    outcome: 'rejected',
  });
  release();
  t.same(await put, { revision: 1, created: true });
  await closing;
  t.equal(backend.asked.length, 1);
  await close();
});

t.test(
  'bad input closes its connection with one line, and the others are served (faults E1, E2, D15)',
  async (t) => {
    const { address, lines, backend } = await served(t);
    const store = await connect({ endpoints: [address] });
    t.teardown(() => store.close());
    const random = new SeededRandom('bad input');
    const inputs: Readonly<Record<string, Uint8Array>> = {
      'random bytes': random.bytes(1000),
      'a peer opening': Buffer.from('QRP1'),
      'an opening of another version': Buffer.from('QRC9'),
      'an oversized length': Buffer.from('51524331fffffff0', 'hex'),
      'a length of zero': Buffer.from('5152433100000000', 'hex'),
      TLS: Buffer.from('16030100ff', 'hex'),
    };
    for (const [name, input] of Object.entries(inputs)) {
      const before = lines.length;
      const socket = await dial(address);
      socket.write(input);
      await closed(socket);
      t.ok(lines.length - before <= 1, `${name}: ${lines.length - before} lines`);
      await store.put('k', name);
    }
    t.equal(backend.asked.length, Object.keys(inputs).length);
    t.ok(lines.length > 0);
  },
);

t.test('10,000 bad connections leave memory flat, a few lines, and others served', async (t) => {
  const { address, lines } = await served(t);
  const store = await connect({ endpoints: [address] });
  t.teardown(() => store.close());
  const garbage: readonly QueuedFrame[] = [
    { kind: 'ping', payload: new Uint8Array(0) },
    { kind: 'data', payload: NONSENSE },
  ];
  const inputs = [
    Buffer.alloc(64),
    Buffer.from('51524331ffffffff', 'hex'),
    Buffer.from('QRP1'),
    Buffer.concat([Buffer.from('QRC1'), ...gatherFrames(garbage)]),
  ];
  const flood = async (count: number): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        next += 1;
        const socket = await dial(address);
        socket.write(inputs[next % inputs.length]!);
        await closed(socket);
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
  };
  await flood(2000);
  const before = await heldBytes();
  await flood(8000);
  const grown = (await heldBytes()) - before;
  t.ok(grown < 4e6, `${grown} bytes more after 8,000 connections more`);
  t.ok(lines.length <= 40, `${lines.length} lines`);
  await store.put('k', 'v');
});

t.test('a client that vanishes aborts its calls (fault D12)', async (t) => {
  const { address, backend } = await served(t);
  const store = await connect({ endpoints: [address] });
  backend.before = () => new Promise(() => {});
  const get = store.get('k').catch((error) => error);
  await until(() => backend.signals.length === 1);
  await store.close();
  t.match(await get, { code: 'ERR_CLOSED', outcome: 'unknown' });
  await until(() => backend.signals[0]!.aborted);
  t.pass('the signal of the call is aborted');
});

t.test(
  'a client writes through the loss of the leader and loses nothing that was acknowledged',
  async (t) => {
    const network = memoryNetwork();
    const ids = ['n1', 'n2', 'n3'];
    const nodes = await Promise.all(
      ids.map(async (id) => {
        const kv = await openKVStore({ id, members: ids, transport: network.transport(id) });
        const server = await serveClients(kv, { listen: '127.0.0.1:0' });
        t.teardown(() => server.close().then(() => kv.close()));
        return { id, kv, server };
      }),
    );
    const endpoints = nodes.map(({ server }) => server.address);
    const store = await connect({ endpoints: ['127.0.0.1:1', ...endpoints] });
    t.teardown(() => store.close());
    await store.ready();
    const leaderId = store.status().leader?.id;
    const acknowledged: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      if (i === 20) {
        const leader = nodes.find(({ id }) => id === leaderId)!;
        network.crash(leader.id);
        void leader.server.close().then(() => leader.kv.close());
      }
      const key = `k${i}`;
      const outcome = await store.put(key, key).then(
        () => 'done',
        (error) => error.outcome,
      );
      t.not(outcome, 'rejected', `${key} has ten seconds to get through`);
      if (outcome === 'done') acknowledged.push(key);
    }
    t.ok(acknowledged.length >= 58, `${acknowledged.length} of 60 were acknowledged`);
    for (const key of acknowledged) t.equal(await store.get(key), key);
    const keys: string[] = [];
    for await (const { key } of store.list({ prefix: 'k' })) keys.push(key);
    t.ok(acknowledged.every((key) => keys.includes(key)));
  },
);

t.test('connections beyond the limit are told so, and those before go on', async (t) => {
  const { address } = await served(t, { maxClientConnections: 2 });
  const [a, b] = [await connect({ endpoints: [address] }), await connect({ endpoints: [address] })];
  t.teardown(() => Promise.all([a.close(), b.close()]));
  await t.rejects(connect({ endpoints: [address], callTimeoutMs: 200 }), {
    outcome: 'rejected',
    message: /too many client connections/,
  });
  await a.put('k', 'v');
  t.equal(await b.get('k'), 'v');
  await a.close();
  await until(async () => {
    const again = await connect({ endpoints: [address], callTimeoutMs: 200 }).catch(() => null);
    await again?.close();
    return again !== null;
  });
});

t.test(
  'an address that is none, a port in use and a foreign store are told in one line',
  async (t) => {
    const { address, store } = await served(t);
    await t.rejects(connect({ endpoints: ['nowhere'] }), {
      code: 'ERR_CONFIG',
      message: /nowhere/,
    });
    await t.rejects(serveClients(store, { listen: address }), {
      code: 'ERR_CONFIG',
      message: /already in use/,
    });
    await t.rejects(serveClients(store.namespace('a/', utf8), { listen: '127.0.0.1:0' }), {
      code: 'ERR_CONFIG',
    });
  },
);

interface Served {
  readonly address: string;
  readonly store: KVStore<string>;
  readonly backend: ServedBackend;
  readonly lines: LogLine[];
  readonly close: () => Promise<void>;
}

async function served(
  t: { teardown(fn: () => Promise<void>): void },
  limits: { maxClientConnections?: number } = {},
): Promise<Served> {
  const backend = new ServedBackend();
  const store = createKVStore(backend, utf8);
  const lines: LogLine[] = [];
  const logger = new FunctionLogger((line) => lines.push(line));
  const server = await serveClients(store, { listen: '127.0.0.1:0', limits, logger });
  t.teardown(() => server.close());
  return { address: server.address, store, backend, lines, close: () => server.close() };
}

function dial(address: string): Promise<Socket> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connectSocket(Number(port), host, () => resolve(socket));
    socket.on('error', () => {});
  });
}

function closed(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** What is still referred to. */
async function heldBytes(): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
