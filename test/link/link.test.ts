import t from 'tap';
import {
  InvariantViolation,
  type Limits,
  QuorateError,
  resolveLimits,
} from '../../lib/base/index.js';
import { EmitterEventBus } from '../../lib/events/index.js';
import type { Lane, NetworkTransport, TransportContext } from '../../lib/interfaces/index.js';
import { Link, type PeerStatus, type Sender } from '../../lib/link/index.js';
import { FunctionLogger, type LogLine } from '../../lib/observe/index.js';
import { SeededRandom } from '../../lib/testing/seeded-random.js';
import { VirtualClock } from '../../lib/testing/virtual-clock.js';
import {
  decodeGreeting,
  encodeGreeting,
  packLinkFrame,
  packLinkIdentity,
  unpackLinkFrame,
} from '../../lib/wire/index.js';
import { memoryNetwork } from '../../transports/memory/index.js';

const CLUSTER = '0123456789abcdef';
const OTHER_CLUSTER = 'fedcba9876543210';
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

t.test('a one-way frame reaches the handler of its channel, with who sent it', async (t) => {
  const { a, b, clock } = await pair();
  const received: [Sender, Uint8Array][] = [];
  b.link.handle('raft', { receive: (sender, payload) => received.push([sender, payload]) });
  t.equal(a.link.send('b', 'raft', bytes(1, 2), 'control'), true);
  t.same(received, [], 'not inside send');
  await clock.elapse(10);
  const sender = {
    nodeId: 'a',
    incarnation: a.incarnation,
    instance: a.instance,
    clusterId: CLUSTER,
  };
  t.same(received, [[sender, bytes(1, 2)]]);
  t.same(a.link.send('nobody', 'raft', bytes(1), 'control'), false);
});

t.test(
  'many requests at once get each its own answer, in whatever order they are ready',
  async (t) => {
    const { a, b, clock } = await pair();
    const ready: (() => void)[] = [];
    b.link.handle('kv', {
      request: async (_, payload) => {
        await new Promise<void>((resolve) => ready.push(resolve));
        return bytes(...payload, 99);
      },
    });
    const asked = Array.from({ length: 50 }, (_, i) =>
      a.link.request('b', 'kv', bytes(i), { timeoutMs: 1000 }),
    );
    await clock.elapse(10);
    for (const resolve of ready.reverse()) resolve();
    await clock.elapse(10);
    t.same(
      await Promise.all(asked),
      Array.from({ length: 50 }, (_, i) => bytes(i, 99)),
    );
    t.equal(clock.pending, 0, 'no timer is left');
  },
);

t.test('a request that cannot be sent is rejected, and the error says why', async (t) => {
  const { a, clock, network } = await pair({ maxPendingCalls: 1, maxValueBytes: 1000 });
  const ask = (to: string, size = 1, signal?: AbortSignal): Promise<unknown> =>
    a.link.request(to, 'kv', new Uint8Array(size), { timeoutMs: 1000, signal });
  const rejected = { outcome: 'rejected' };
  await t.rejects(ask('c'), { code: 'ERR_UNREACHABLE', ...rejected, message: /not connected yet/ });
  await t.rejects(ask('b', 400_000), { code: 'ERR_TOO_LARGE', ...rejected });
  await t.rejects(ask('b', 1, AbortSignal.abort('why')), {
    code: 'ERR_ABORTED',
    name: 'AbortError',
    cause: 'why',
    ...rejected,
  });
  const first = t.rejects(ask('b'), { code: 'ERR_UNREACHABLE', outcome: 'unknown' });
  await t.rejects(ask('b'), { code: 'ERR_BUSY', ...rejected });
  network.crash('b');
  await clock.elapse(100);
  await first;
  await t.rejects(ask('b'), { code: 'ERR_UNREACHABLE', ...rejected, message: /connection reset/ });
  await a.link.close();
  await t.rejects(ask('b'), { code: 'ERR_CLOSED', ...rejected });
});

t.test(
  'a request that was sent and not answered settles as unknown, whatever ends it',
  async (t) => {
    const { a, b, clock, network } = await pair();
    b.link.handle('kv', { request: () => new Promise(() => {}) });
    const ask = (timeoutMs: number, signal?: AbortSignal): Promise<unknown> =>
      a.link.request('b', 'kv', bytes(1), { timeoutMs, signal });
    const unknown = { outcome: 'unknown' };

    const late = t.rejects(ask(100), { code: 'ERR_TIMEOUT', ...unknown });
    const controller = new AbortController();
    const aborted = t.rejects(ask(1000, controller.signal), {
      code: 'ERR_ABORTED',
      name: 'AbortError',
      cause: 'enough',
      ...unknown,
    });
    await clock.elapse(10);
    controller.abort('enough');
    await aborted;
    await clock.elapse(95);
    await late;

    const lost = t.rejects(ask(1000), { code: 'ERR_UNREACHABLE', ...unknown });
    await clock.elapse(10);
    network.crash('b');
    await clock.elapse(10);
    await lost;

    const c = await open('c', { network, clock });
    c.link.handle('kv', { request: () => new Promise(() => {}) });
    a.link.setPeers(new Map([['c', 'c']]));
    c.link.setPeers(new Map([['a', 'a']]));
    await clock.elapse(100);
    const closed = a.link.request('c', 'kv', bytes(1), { timeoutMs: 1000 });
    const settled = t.rejects(closed, { code: 'ERR_CLOSED', ...unknown });
    await a.link.close();
    await a.link.close();
    await settled;
  },
);

t.test('deadlines hold whatever the order in which they were set', async (t) => {
  const { a, b, clock } = await pair();
  b.link.handle('kv', { request: () => new Promise(() => {}) });
  const startMs = clock.now();
  const timeouts = [500, 100, 300, 101, 499, 20, 1];
  const tookMs = timeouts.map(async (timeoutMs) => {
    await t.rejects(a.link.request('b', 'kv', bytes(1), { timeoutMs }), { code: 'ERR_TIMEOUT' });
    return clock.now() - startMs;
  });
  await clock.elapse(1000);
  for (const [i, took] of (await Promise.all(tookMs)).entries()) {
    const timeoutMs = timeouts[i]!;
    t.ok(took >= timeoutMs && took <= timeoutMs + 20, `${timeoutMs} ms took ${took} ms`);
  }
  t.equal(clock.pending, 0);
});

t.test(
  'an answer that waits in the socket while the loop is held is not too late (schedule I2)',
  async (t) => {
    const { a, b, clock } = await pair();
    b.link.handle('kv', { request: async () => bytes(7) });
    const answer = a.link.request('b', 'kv', bytes(1), { timeoutMs: 50 });
    clock.hold(500);
    await clock.elapse(10);
    t.same(await answer, bytes(7));
  },
);

t.test(
  'a failure of the other side arrives as it was thrown, and an accident without its text',
  async (t) => {
    const { a, b, clock } = await pair();
    const thrown: unknown[] = [
      new QuorateError('ERR_NOT_LEADER', {
        message: 'c leads',
        leader: { id: 'c', address: '10.0.0.3:7001' },
      }),
      new QuorateError('ERR_TIMEOUT', { message: 'no majority', outcome: 'unknown' }),
      new InvariantViolation('violated: a secret'),
    ];
    b.link.handle('kv', {
      request: async () => {
        throw thrown.shift();
      },
    });
    const ask = async (): Promise<unknown> => {
      const answer = a.link
        .request('b', 'kv', bytes(1), { timeoutMs: 1000 })
        .catch((error) => error);
      await clock.elapse(10);
      return answer;
    };
    t.match(await ask(), {
      code: 'ERR_NOT_LEADER',
      outcome: 'rejected',
      leader: { id: 'c', address: '10.0.0.3:7001' },
      message: 'ERR_NOT_LEADER: c leads',
    });
    t.match(await ask(), { code: 'ERR_TIMEOUT', outcome: 'unknown' });
    const accident = await ask();
    t.match(accident, { code: 'ERR_CLOSED', outcome: 'unknown' });
    t.notMatch(String(accident), /secret/);
    t.equal(b.lines.filter(({ fields }) => fields['event'] === 'link.handlerFailed').length, 1);
  },
);

t.test('a channel that nobody handles answers requests and counts frames', async (t) => {
  const { a, b, clock } = await pair();
  a.link.send('b', 'gossip', bytes(1), 'control');
  const asked = a.link.request('b', 'actor', bytes(1), { timeoutMs: 1000 });
  const refused = t.rejects(asked, { code: 'ERR_PROTOCOL', outcome: 'rejected' });
  await clock.elapse(10);
  await refused;
  t.same(statusOf(b.link, 'a').dropped, { noHandler: 2 });
});

t.test('a handler that throws loses its frame and no other', async (t) => {
  const { a, b, clock } = await pair();
  let calls = 0;
  b.link.handle('raft', {
    receive: () => {
      calls += 1;
      if (calls === 1) throw new Error('first');
    },
  });
  a.link.send('b', 'raft', bytes(1), 'control');
  a.link.send('b', 'raft', bytes(2), 'control');
  await clock.elapse(10);
  t.equal(calls, 2);
  t.match(b.lines, [{ level: 'error', fields: { event: 'link.handlerFailed', peer: 'a' } }]);
});

t.test(
  'requests beyond the limit of one peer are ERR_BUSY, and those of others are served',
  async (t) => {
    const clock = new VirtualClock();
    const network = memoryNetwork({ clock });
    const b = await open('b', { network, clock, limits: { maxPendingCalls: 2 } });
    const [a, c] = [await open('a', { network, clock }), await open('c', { network, clock })];
    const book = new Map(['a', 'b', 'c'].map((id) => [id, id]));
    for (const { link } of [a, b, c]) link.setPeers(book);
    await clock.elapse(10);
    const finish: (() => void)[] = [];
    b.link.handle('kv', {
      request: () => new Promise((resolve) => finish.push(() => resolve(bytes(1)))),
    });
    const ask = (node: Opened): Promise<unknown> =>
      node.link.request('b', 'kv', bytes(1), { timeoutMs: 1000 });
    const served = [ask(a), ask(a), ask(c)];
    const busy = t.rejects(ask(a), { code: 'ERR_BUSY', outcome: 'rejected' });
    await clock.elapse(10);
    await busy;
    for (const each of finish.splice(0)) each();
    await clock.elapse(10);
    t.same(await Promise.all(served), [bytes(1), bytes(1), bytes(1)]);
    const again = ask(a);
    await clock.elapse(10);
    for (const each of finish) each();
    await clock.elapse(10);
    t.same(await again, bytes(1), 'a call that was answered makes room');
  },
);

t.test(
  'an answer that is too late, from another peer or on another channel settles nothing',
  async (t) => {
    const { a, clock, wire } = await wired();
    const asked = a.link.request('b', 'kv', bytes(1), { timeoutMs: 100 });
    const { correlation } = unpackLinkFrame(wire.sent[0]!.frame);
    const answer = (from: string, channel: 'kv' | 'actor', value: number): void => {
      const payload = bytes(value);
      wire.receive(from, frameOf({ channel, kind: 'response', correlation, payload }));
    };
    answer('c', 'kv', 7);
    answer('b', 'actor', 8);
    t.equal(statusOf(a.link, 'c').dropped.lateAnswer, 1);
    answer('b', 'kv', 9);
    t.same(await asked, bytes(9));
    answer('b', 'kv', 9);
    t.equal(statusOf(a.link, 'b').dropped.lateAnswer, 2);
    await clock.elapse(200);
  },
);

t.test('an answer never reaches a later start of the node that asked', async (t) => {
  const { a, wire } = await wired();
  const finish: (() => void)[] = [];
  a.link.handle('kv', {
    request: () => new Promise((resolve) => finish.push(() => resolve(bytes(1)))),
  });
  const request = { channel: 'kv', kind: 'request', correlation: 5, payload: bytes(1) } as const;
  wire.receive('b', frameOf(request, { instance: '1'.repeat(16) }));
  wire.receive('b', frameOf(request, { instance: '2'.repeat(16) }));
  for (const each of finish) each();
  await new Promise<void>((resolve) => setImmediate(resolve));
  t.equal(wire.sent.length, 1, 'the first start is gone');
});

t.test('frames of another cluster are dropped, counted and logged once', async (t) => {
  const { a, wire } = await wired();
  const received: string[] = [];
  for (const channel of ['raft', 'admin'] as const) {
    a.link.handle(channel, { receive: () => received.push(channel) });
  }
  for (const channel of ['raft', 'admin', 'kv'] as const) {
    const frame = { channel, kind: 'oneWay', correlation: 0, payload: bytes(1) } as const;
    wire.receive('b', frameOf(frame, { clusterId: OTHER_CLUSTER }));
  }
  t.same(received, []);
  t.same(statusOf(a.link, 'b').dropped, { wrongCluster: 3 });
  t.equal(a.lines.length, 1);
  t.match(a.lines, [{ level: 'warn', fields: { peer: 'b', reason: 'wrongCluster' } }]);
});

t.test('strangers under many names are refused without a line for each (fault E5)', async (t) => {
  const { a, wire } = await wired();
  let refusals = 0;
  for (let i = 0; i < 1000; i += 1) {
    const greeting = encodeGreeting({
      protocolVersion: 1,
      clusterId: OTHER_CLUSTER,
      nodeId: `x${i}`,
      incarnation: '1'.repeat(16),
      instance: '2'.repeat(16),
      lane: 'bulk',
    });
    if (!wire.context.handler.judge(greeting).accepted) refusals += 1;
  }
  t.equal(refusals, 1000);
  t.same(
    a.lines.filter(({ level }) => level === 'warn'),
    [],
  );
});

t.test('a node without a cluster is heard on admin alone; it hears admin and raft', async (t) => {
  const heard = async (ours: string | null, theirs: string | null): Promise<string[]> => {
    const { a, wire } = await wired({ clusterId: ours });
    const received: string[] = [];
    for (const channel of ['raft', 'admin', 'kv', 'snapshot'] as const) {
      a.link.handle(channel, { receive: () => received.push(channel) });
      const frame = { channel, kind: 'oneWay', correlation: 0, payload: bytes(1) } as const;
      wire.receive('b', frameOf(frame, { clusterId: theirs }));
    }
    return received;
  };
  t.same(await heard(CLUSTER, CLUSTER), ['raft', 'admin', 'kv', 'snapshot']);
  t.same(await heard(CLUSTER, null), ['admin']);
  t.same(await heard(null, CLUSTER), ['raft', 'admin']);
  t.same(await heard(null, null), ['admin']);
});

t.test('once it is set, the cluster id stands in every greeting and frame', async (t) => {
  const { a, wire } = await wired({ clusterId: null });
  t.equal(decodeGreeting(wire.context.handler.greeting('bulk')).clusterId, null);
  a.link.setClusterId(CLUSTER);
  a.link.setClusterId(CLUSTER);
  t.equal(decodeGreeting(wire.context.handler.greeting('control')).clusterId, CLUSTER);
  a.link.send('b', 'raft', bytes(1), 'control');
  const own = { clusterId: CLUSTER, incarnation: a.incarnation, instance: a.instance };
  t.same(unpackLinkFrame(wire.sent[0]!.frame).identity, packLinkIdentity(own));
  t.throws(() => a.link.setClusterId(OTHER_CLUSTER), { name: 'InvariantViolation' });
});

t.test('a greeting is judged by version, name and cluster (faults E4, E5)', async (t) => {
  const { a, wire } = await wired();
  const judge = (changes: object): unknown =>
    wire.context.handler.judge(encodeGreeting({ ...greetingOf('b'), ...changes }));
  t.same(judge({}), { accepted: true, peer: 'b', lane: 'control' });
  t.same(judge({ clusterId: null }), { accepted: true, peer: 'b', lane: 'control' });
  t.match(judge({ protocolVersion: 2 }), { accepted: false, reason: /protocol version 2/ });
  t.match(judge({ nodeId: 'a' }), { accepted: false, reason: /this node/ });
  const wrong = { accepted: false, reason: `belongs to cluster ${OTHER_CLUSTER}` };
  t.same(judge({ clusterId: OTHER_CLUSTER }), wrong);
  t.same(judge({ clusterId: OTHER_CLUSTER }), wrong);
  t.equal(a.lines.length, 1, 'logged once');
  t.match(statusOf(a.link, 'b'), {
    connected: false,
    reason: wrong.reason,
    dropped: { wrongCluster: 2 },
  });
  t.match(wire.context.handler.judge(bytes(1, 2, 3)), { accepted: false });
});

t.test('a frame of another incarnation than the one greeted on its lane is dropped', async (t) => {
  const { a, wire } = await wired();
  const received: string[] = [];
  a.link.handle('raft', { receive: ({ incarnation }) => received.push(incarnation) });
  const frame = { channel: 'raft', kind: 'oneWay', correlation: 0, payload: bytes(1) } as const;
  const [old, young] = ['1'.repeat(16), '2'.repeat(16)];
  wire.receive('b', frameOf(frame, { incarnation: old }));
  wire.context.handler.judge(encodeGreeting({ ...greetingOf('b'), incarnation: young }));
  wire.receive('b', frameOf(frame, { incarnation: old }));
  wire.receive('b', frameOf(frame, { incarnation: young }));
  wire.receive('b', frameOf(frame, { incarnation: old }), 'bulk');
  t.same(received, [old, young, old], 'only the lane that was greeted is judged');
  t.same(statusOf(a.link, 'b').dropped, { wrongIncarnation: 1 });
});

t.test(
  'bytes that are no frame are counted and logged once, whatever they are (fault E1)',
  async (t) => {
    const { a, wire } = await wired();
    const random = new SeededRandom('link');
    for (let i = 0; i < 2000; i += 1)
      wire.receive('b', random.bytes(Math.floor(random.next() * 80)));
    const whole = frameOf({ channel: 'kv', kind: 'failure', correlation: 7, payload: bytes(255) });
    for (let length = 0; length <= whole.length; length += 1)
      wire.receive('b', whole.slice(0, length));
    t.ok((statusOf(a.link, 'b').dropped.malformed ?? 0) > 2000);
    t.equal(a.lines.filter(({ fields }) => fields['reason'] === 'malformed').length, 1);
  },
);

t.test('a failure answer that cannot be read leaves the outcome unknown', async (t) => {
  const { a, wire } = await wired();
  const asked = a.link.request('b', 'kv', bytes(1), { timeoutMs: 100 });
  const { correlation } = unpackLinkFrame(wire.sent[0]!.frame);
  wire.receive('b', frameOf({ channel: 'kv', kind: 'failure', correlation, payload: bytes(255) }));
  await t.rejects(asked, { code: 'ERR_PROTOCOL', outcome: 'unknown' });
});

t.test('an answer that does not fit a frame says that the call may have happened', async (t) => {
  const { a, b, clock } = await pair();
  b.link.handle('kv', { request: async () => new Uint8Array(3 * 1024 * 1024) });
  const asked = a.link.request('b', 'kv', bytes(1), { timeoutMs: 1000 });
  const failed = t.rejects(asked, { code: 'ERR_TOO_LARGE', outcome: 'unknown' });
  await clock.elapse(10);
  await failed;
});

t.test('peers and events tell who is connected, and why somebody is not', async (t) => {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock });
  const events = new EmitterEventBus({
    onListenerError: (e) => t.fail(String(e)),
    onUnobservedFault() {},
  });
  const seen: unknown[] = [];
  events.on('network.peerConnected', ({ peer }) => seen.push(['connected', peer]));
  events.on('network.peerLost', ({ peer, reason }) => seen.push(['lost', peer, reason]));
  events.on('network.messageReceived', ({ from, kind }) => seen.push(['received', from, kind]));
  const a = await open('a', { network, clock, events });
  const b = await open('b', { network, clock });
  a.link.setPeers(
    new Map([
      ['b', '10.0.0.2:7001'],
      ['c', '10.0.0.3:7001'],
      ['a', '10.0.0.1:7001'],
    ]),
  );
  b.link.setPeers(new Map([['a', '10.0.0.1:7001']]));
  t.match(a.link.peers(), [{ id: 'b', connected: false, reason: null }, { id: 'c' }]);
  await clock.elapse(100);
  b.link.send('a', 'raft', bytes(1), 'control');
  await clock.elapse(10);
  t.match(statusOf(a.link, 'b'), {
    address: '10.0.0.2:7001',
    connected: true,
    incarnation: b.incarnation,
    clusterId: CLUSTER,
    reason: null,
  });
  await b.link.close();
  await clock.elapse(10);
  t.match(statusOf(a.link, 'b'), { connected: false, reason: 'goodbye' });
  t.same(seen, [
    ['connected', 'b'],
    ['received', 'b', 'raft'],
    ['lost', 'b', 'goodbye'],
  ]);
});

t.test(
  'what a transport says of a peer it cannot reach stands in the error of a request',
  async (t) => {
    const { a, wire } = await wired();
    wire.accepts = false;
    wire.context.handler.peerUnreachable?.('b', 'connection refused');
    await t.rejects(a.link.request('b', 'kv', bytes(1), { timeoutMs: 100 }), {
      code: 'ERR_UNREACHABLE',
      outcome: 'rejected',
      message: /connection refused/,
    });
  },
);

t.test('strangers that knock and go leave nothing behind', async (t) => {
  const { a, wire } = await wired();
  for (let i = 0; i < 5000; i += 1) {
    wire.context.handler.judge(encodeGreeting(greetingOf(`stranger-${i}`)));
  }
  t.ok(a.link.peers().length <= 300, `${a.link.peers().length} are remembered`);
  t.ok(
    a.link.peers().some(({ id }) => id === 'b'),
    'the address book is not forgotten',
  );
});

interface Opened {
  readonly link: Link;
  readonly lines: LogLine[];
  readonly incarnation: string;
  readonly instance: string;
}

interface Setup {
  readonly clock: VirtualClock;
  readonly network?: ReturnType<typeof memoryNetwork>;
  readonly transport?: NetworkTransport;
  readonly clusterId?: string | null;
  readonly limits?: Partial<Limits>;
  readonly events?: EmitterEventBus;
}

async function open(nodeId: string, setup: Setup): Promise<Opened> {
  const transport = setup.transport ?? setup.network!.transport(nodeId);
  const lines: LogLine[] = [];
  const digit = (nodeId.charCodeAt(0) % 16).toString(16);
  const [incarnation, instance] = [`${digit.repeat(15)}1`, `${digit.repeat(15)}2`];
  const link = new Link({
    transport,
    nodeId,
    incarnation,
    instance,
    clusterId: setup.clusterId === undefined ? CLUSTER : setup.clusterId,
    listen: null,
    limits: resolveLimits(setup.limits),
    clock: setup.clock,
    random: new SeededRandom(nodeId),
    logger: new FunctionLogger((line) => lines.push(line)),
    events: setup.events,
  });
  await link.start();
  return { link, lines, incarnation, instance };
}

/** Two connected links over the in-memory network. */
async function pair(limits: Partial<Limits> = {}): Promise<{
  a: Opened;
  b: Opened;
  clock: VirtualClock;
  network: ReturnType<typeof memoryNetwork>;
}> {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, random: new SeededRandom('network') });
  const a = await open('a', { network, clock, limits });
  const b = await open('b', { network, clock });
  a.link.setPeers(new Map([['b', 'b']]));
  b.link.setPeers(new Map([['a', 'a']]));
  await clock.elapse(10);
  return { a, b, clock, network };
}

/** A transport that ends in the hands of the test. */
class Wire implements NetworkTransport {
  accepts = true;
  readonly sent: { to: string; frame: Uint8Array; lane: Lane }[] = [];
  #context: TransportContext | null = null;

  get context(): TransportContext {
    return this.#context!;
  }

  async start(context: TransportContext): Promise<{ address: null }> {
    this.#context = context;
    return { address: null };
  }

  send(to: string, frame: Uint8Array, lane: Lane): boolean {
    if (this.accepts) this.sent.push({ to, frame, lane });
    return this.accepts;
  }

  receive(from: string, frame: Uint8Array, lane: Lane = 'control'): void {
    this.context.handler.receive(from, frame, lane);
  }

  setPeers(): void {}

  async close(): Promise<void> {}
}

async function wired(setup: { clusterId?: string | null } = {}): Promise<{
  a: Opened;
  clock: VirtualClock;
  wire: Wire;
}> {
  const clock = new VirtualClock();
  const wire = new Wire();
  const a = await open('a', { transport: wire, clock, ...setup });
  a.link.setPeers(new Map([['b', '10.0.0.2:7001']]));
  return { a, clock, wire };
}

function greetingOf(nodeId: string): Parameters<typeof encodeGreeting>[0] {
  return {
    protocolVersion: 1,
    clusterId: CLUSTER,
    nodeId,
    incarnation: '1'.repeat(16),
    instance: '2'.repeat(16),
    lane: 'control',
  };
}

type FrameParts = Omit<Parameters<typeof packLinkFrame>[0], 'identity'>;

function frameOf(
  parts: FrameParts,
  identity: { clusterId?: string | null; incarnation?: string; instance?: string } = {},
): Uint8Array {
  const whole = {
    clusterId: CLUSTER,
    incarnation: '1'.repeat(16),
    instance: '2'.repeat(16),
    ...identity,
  };
  return packLinkFrame({ ...parts, identity: packLinkIdentity(whole) });
}

function statusOf(link: Link, id: string): PeerStatus {
  return link.peers().find((peer) => peer.id === id)!;
}
