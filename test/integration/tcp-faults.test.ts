import { randomFillSync } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'tap';
import { OPENINGS } from '../../transports/tcp/framing.js';
import { tcpTransport } from '../../transports/tcp/index.js';
import {
  closeAll,
  drivenClock,
  frame,
  MAX_QUEUED_BYTES,
  pair,
  RawPeer,
  served,
  TcpNode,
  until,
} from './tcp-nodes.js';

const { peer: PEER, client: CLIENT } = OPENINGS;
const GREETING = frame('greeting', 'c control');

test('bad input closes its connection with one line; others are served (faults E1–E4)', async (t) => {
  const [a, b] = await pair();
  const cases: [string, Uint8Array[]][] = [
    ['the connection does not open as one of ours', [Buffer.alloc(500, 0xa7)]],
    ['HTTP on a port for peers', [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')]],
    ['TLS on a port without TLS', [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1])]],
    ['a client connection on the peer port', [CLIENT, frame('ping')]],
    ['a connection of another protocol version', [Buffer.from('QRP2')]],
    ['a frame above the limit', [PEER, Buffer.from([255, 255, 255, 255])]],
    ['a frame above the limit', [PEER, frame('greeting', 'x'.repeat(1025))]],
    ['a frame of length zero', [PEER, Buffer.alloc(9)]],
    ['a frame with a wrong checksum', [PEER, flipped(GREETING)]],
    ['a frame of unknown kind', [PEER, GREETING, Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 7])]],
    ['another cluster', [PEER, frame('greeting', 'mallory control')]],
    ['it greets with our own name', [PEER, frame('greeting', 'a control')]],
    ['a frame before the greeting', [PEER, frame('data', 'too early')]],
    ['a frame before the greeting', [PEER, frame('ping')]],
    ['a second greeting', [PEER, GREETING, GREETING]],
  ];
  const expected = new Set<string>();
  for (const [reason, bytes] of cases) {
    const raw = new RawPeer(a.address);
    raw.write(...bytes, frame('data', 'never parsed after an error'));
    await until(`${reason}: closed`, () => raw.closed);
    expected.add(`connection closed: ${reason}`);
    await until(`${reason}: a line`, () => a.warnings().length === expected.size);
    t.same(a.warnings(), [...expected]);
    const farewell = raw.frames.find(({ kind }) => kind === 'goodbye');
    if (farewell !== undefined) t.equal(Buffer.from(farewell.payload).toString(), reason);
    await served(a, b);
    await served(b, a);
  }
  t.ok(a.received.every((line) => line.startsWith('b ')));
  t.same([...a.events, ...b.events], ['+b', '+a']);
  await closeAll(a.transport, b.transport);
});

test('10,000 bad connections leave memory flat, a few lines, and others served', async (t) => {
  const [a, b] = await pair();
  const noise = randomFillSync(Buffer.alloc(64));
  // A first byte that is none of ours, so that the reason is the same each time.
  noise[0] = 0;
  const openings = [noise, Buffer.concat([PEER, Buffer.from([255, 255, 255, 255])]), CLIENT];
  const flood = async (count: number): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        next += 1;
        const raw = new RawPeer(a.address);
        raw.write(openings[next % openings.length]!);
        await new Promise((resolve) => raw.socket.once('close', resolve));
      }
    };
    await Promise.all(Array.from({ length: 64 }, worker));
  };
  await flood(2000);
  const before = await heldBytes();
  await flood(8000);
  const grown = (await heldBytes()) - before;
  t.ok(grown < 4e6, `${grown} bytes more after 8,000 connections more`);
  t.ok(a.warnings().length <= 9, `${a.warnings().length} lines`);
  await served(a, b);
  t.same(a.events, ['+b']);
  await closeAll(a.transport, b.transport);
});

test('a handshake or a frame that is never finished runs out of time (fault D15)', async (t) => {
  const clock = drivenClock();
  const a = await TcpNode.start('a', { clock });
  const slow = [new RawPeer(a.address), new RawPeer(a.address), new RawPeer(a.address)];
  slow[1]!.write(PEER.subarray(0, 3));
  slow[2]!.write(PEER, GREETING.subarray(0, 12));
  const peer = await RawPeer.greet(a, 'c', 'bulk');
  const pings = await RawPeer.greet(a, 'c', 'control');
  await until('both are connected', () => a.has('+c'));
  // A byte a second is heard, and still the frame ends in time or not at all.
  const unfinished = frame('data', 'x'.repeat(100));
  for (let second = 0; second < 35; second += 1) {
    if (second === 4) t.notOk(slow.some(({ closed }) => closed));
    if (second === 25) t.notOk(peer.closed);
    if (second === 7) await until('handshakes are over', () => slow.every(({ closed }) => closed));
    pings.write(frame('ping'));
    if (!peer.closed) peer.write(unfinished.subarray(second, second + 1));
    await turns();
    clock.advance(1000);
  }
  await until('the frame is over', () => peer.closed);
  t.same(a.warnings(), [
    'connection closed: the handshake took too long',
    'connection closed: a frame took too long',
  ]);
  t.equal(pings.closed, false, 'others are not touched');
  t.same(a.received, []);
  await closeAll(a.transport, pings);
});

test('connections that do not greet are bounded, and peers still get in (fault D15)', async (t) => {
  const a = await TcpNode.start('a', { maxUngreeted: 20 });
  const idle = Array.from({ length: 100 }, () => new RawPeer(a.address));
  await until('most are closed', () => idle.filter(({ closed }) => closed).length === 80);
  const b = await TcpNode.start('b');
  b.setPeers(a);
  await until('a peer connects', () => a.has('+b') && b.has('+a'));
  await served(a, b);
  t.same(a.warnings(), ['connection closed: too many connections without a greeting']);
  await closeAll(a.transport, b.transport, ...idle);
});

test('connections under names that nobody knows are bounded, and peers are served (fault E6)', async (t) => {
  const a = await TcpNode.start('a', { maxStrangers: 10 });
  const b = await TcpNode.start('b');
  a.setPeers(b);
  b.setPeers(a);
  await until('the pair is connected', () => a.has('+b') && b.has('+a'));
  const strangers: RawPeer[] = [];
  for (let i = 0; i < 30; i += 1) {
    strangers.push(await RawPeer.greet(a, `x${i >> 1}`, i % 2 === 0 ? 'control' : 'bulk'));
  }
  const left = (): RawPeer[] => strangers.filter(({ closed }) => !closed);
  await until('the oldest are closed', () => left().length === 10);
  t.same(left(), strangers.slice(20));
  t.same(a.warnings(), ['connection closed: too many connections of nodes that are no peers']);
  t.equal(a.events.filter((event) => event.startsWith('-x')).length, 10);
  await served(a, b);
  await served(b, a);
  t.same(b.events, ['+a']);
  await closeAll(a.transport, b.transport, ...strangers);
});

test('a peer that stops reading costs a bounded queue and nobody else (fault D16, schedule I9)', async (t) => {
  const clock = drivenClock();
  const [a, b] = await pair({ clock });
  const lanes = {
    control: await RawPeer.greet(a, 'c', 'control'),
    bulk: await RawPeer.greet(a, 'c', 'bulk'),
  };
  await until('the deaf peer is connected', () => a.has('+c'));
  lanes.bulk.socket.pause();
  const chunk = 'x'.repeat(64 * 1024);
  const before = await heldBytes();
  let refusals = 0;
  for (let i = 0; i < 2000; i += 1) {
    if (!a.send('c', chunk, 'bulk')) refusals += 1;
    if (i % 20 === 0) await turns();
  }
  t.ok(refusals > 1500, `${refusals} of 2,000 refused`);
  const grown = (await heldBytes()) - before;
  t.ok(grown < 4 * MAX_QUEUED_BYTES, `${grown}: memory follows the limit, not the sender`);
  t.equal(a.send('c', 'heartbeat', 'control'), true, 'bulk does not delay control');
  await until('the heartbeat arrives', () =>
    lanes.control.frames.some(({ kind }) => kind === 'data'),
  );
  await served(a, b);
  for (let second = 0; second < 45 && !lanes.bulk.closed; second += 1) {
    lanes.control.write(frame('ping'));
    lanes.bulk.write(frame('ping'));
    if (second === 40) lanes.bulk.socket.resume();
    await turns();
    clock.advance(1000);
  }
  await until('it is given up', () => lanes.bulk.closed);
  t.equal(a.send('c', 'gone', 'bulk'), false);
  await served(a, b);
  await closeAll(a.transport, b.transport, lanes.control);
});

test('a peer that says nothing is lost; a held event loop alone is not silence (fault D13)', async (t) => {
  const clock = drivenClock();
  const a = await TcpNode.start('a', { clock });
  const lanes = [await RawPeer.greet(a, 'c', 'control'), await RawPeer.greet(a, 'c', 'bulk')];
  await until('connected', () => a.has('+c'));
  for (const lane of lanes) lane.write(frame('ping'));
  await blockUntilDelivered();
  // The timers of six seconds fire before the pings that wait in the sockets are read.
  clock.advance(6000);
  await turns();
  t.same(a.events, ['+c']);
  t.ok(
    lanes.every(({ frames }) => frames.some(({ kind }) => kind === 'ping')),
    'a pings when idle',
  );
  clock.advance(4000);
  await turns();
  t.same(a.events, ['+c']);
  clock.advance(3000);
  await until('it is lost', () => a.has('-c nothing heard'));
  t.equal(a.send('c', 'into the void'), false);
  await closeAll(a.transport, ...lanes);
});

test('a reset in the middle of a frame delivers no part of it, and the peer comes back (fault D12)', async (t) => {
  const a = await TcpNode.start('a');
  const lanes = [await RawPeer.greet(a, 'c', 'control'), await RawPeer.greet(a, 'c', 'bulk')];
  await until('connected', () => a.has('+c'));
  lanes[0]!.write(frame('data', 'whole'), frame('data', 'broken').subarray(0, 13));
  await until('the whole one arrives', () => a.received.length === 1);
  for (const { socket } of lanes) socket.resetAndDestroy();
  await until('it is lost', () => a.has('-c connection reset'));
  const again = [await RawPeer.greet(a, 'c', 'control'), await RawPeer.greet(a, 'c', 'bulk')];
  await until('it is back', () => a.events.length === 3);
  t.same(a.received, ['c control whole']);
  t.same(a.events, ['+c', '-c connection reset', '+c']);
  await closeAll(a.transport, ...again);
});

test('a clean close is told apart from a crash', async (t) => {
  const [a, b] = await pair();
  await b.transport.close();
  await until('a is told', () => a.has('-b goodbye'));
  const lanes = [await RawPeer.greet(a, 'c', 'control'), await RawPeer.greet(a, 'c', 'bulk')];
  await until('connected', () => a.has('+c'));
  for (const { socket } of lanes) socket.destroy();
  await until('a is told', () => a.has('-c closed by the other side'));
  t.same(a.warnings(), []);
  await closeAll(a.transport, ...lanes);
});

test('a later start of a peer takes the place of connections that only seem to live', async (t) => {
  const [a, b] = await pair();
  const lanes = [await RawPeer.greet(a, 'c', 'control'), await RawPeer.greet(a, 'c', 'bulk')];
  await until('connected', () => a.has('+c'));
  const again = [
    await RawPeer.greet(a, 'c', 'control', ' restarted'),
    await RawPeer.greet(a, 'c', 'bulk', ' restarted'),
  ];
  await until('the earlier are dropped', () => lanes.every(({ closed }) => closed));
  t.equal(a.send('c', 'to the new one'), true);
  await until('it arrives', () => again[0]!.frames.some(({ kind }) => kind === 'data'));
  t.same(a.events, ['+b', '+c'], 'it was never without a connection');
  // What a dialed itself is dropped as well, once b is heard under another greeting.
  const impostor = await RawPeer.greet(a, 'b', 'control', ' restarted');
  a.send('b', 'to the later b');
  await until('it arrives', () => impostor.frames.some(({ kind }) => kind === 'data'));
  await closeAll(a.transport, b.transport, impostor, ...again);
});

test('a peer that moves is followed, and what cannot be reached is named (fault D20)', async (t) => {
  const a = await TcpNode.start('a');
  const early = new TcpNode('early');
  await early.listen('127.0.0.1:0');
  await early.transport.close();
  a.setPeers({ name: 'b', address: early.address });
  await until('the refusal is told', () => a.has('?b connection refused'));
  a.setPeers({ name: 'b', address: 'nonsense' });
  const nonsense =
    '?b ERR_CONFIG: address "nonsense" must be host:port, for example 127.0.0.1:7001';
  await until('the nonsense is told', () => a.has(nonsense));
  const b = await TcpNode.start('b');
  const c = await TcpNode.start('c');
  a.setPeers({ name: 'b', address: c.address });
  await until('the wrong name is told', () => a.has('?b b answers as c'));
  a.setPeers(b);
  await until('b is found', () => a.has('+b'));
  await served(a, b);
  t.notOk(a.has('+c'));
  await closeAll(a.transport, b.transport, c.transport);
});

test('a place to listen that cannot be had is ERR_CONFIG in one line', async (t) => {
  const a = await TcpNode.start('a');
  const refused = async (address: string | null, message: string): Promise<void> => {
    await t.rejects(new TcpNode('b').listen(address), { code: 'ERR_CONFIG', message });
  };
  await refused(a.address, `ERR_CONFIG: cannot listen on ${a.address}: address already in use`);
  await refused(
    '192.0.2.1:0',
    'ERR_CONFIG: cannot listen on 192.0.2.1:0: no such address on this machine',
  );
  await refused(null, 'ERR_CONFIG: TCP needs an address to listen on');
  await refused('7001', 'ERR_CONFIG: address "7001" must be host:port, for example 127.0.0.1:7001');
  t.throws(() => tcpTransport({ deadlines: { silenceTimeoutMs: 0 } }), { code: 'ERR_CONFIG' });
  await a.transport.close();
});

test('coming and going leaves no socket and no timer behind (fault D14)', async (t) => {
  const handles = (): number => process.getActiveResourcesInfo().length;
  const a = await TcpNode.start('a');
  const before = handles();
  for (let round = 0; round < 100; round += 1) {
    const b = await TcpNode.start('b');
    b.setPeers(a);
    await until('connected', () => b.has('+a') && a.events.length === 2 * round + 1);
    await b.transport.close();
    await until('lost', () => a.events.length === 2 * round + 2);
  }
  await until('nothing is left', () => handles() <= before);
  await a.transport.close();
  t.equal(a.events.filter((event) => event === '-b goodbye').length, 100);
});

test('a close does not wait for a peer that never answers', async (t) => {
  const a = await TcpNode.start('a', { deadlines: { lingerMs: 40 } });
  const deaf = await RawPeer.greet(a, 'c', 'bulk');
  const control = await RawPeer.greet(a, 'c', 'control');
  await until('connected', () => a.has('+c'));
  deaf.socket.pause();
  for (let i = 0; i < 200; i += 1) a.send('c', 'x'.repeat(64 * 1024), 'bulk');
  await a.transport.close();
  t.same(a.events, ['+c']);
  await closeAll(deaf, control);
});

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

function flipped(bytes: Uint8Array): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  damaged[10]! ^= 1;
  return damaged;
}

/** Enough turns for what was written on loopback to be read. */
async function turns(): Promise<void> {
  for (let i = 0; i < 12; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets the kernel carry what was written, without a turn in which it would be read. */
async function blockUntilDelivered(): Promise<void> {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  await new Promise((resolve) => process.nextTick(resolve));
  Atomics.wait(pause, 0, 0, 20);
}

/** What is still referred to. Buffers are swept aside, in turns of their own. */
async function heldBytes(): Promise<number> {
  collect();
  await turns();
  collect();
  await turns();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test('a close during the start has given the port back when it resolves', async (t) => {
  const first = await TcpNode.start('a');
  const { address } = first;
  await first.transport.close();
  const second = new TcpNode('a');
  const started = t.rejects(second.listen(address), { code: 'ERR_CLOSED' });
  await second.transport.close();
  const third = await TcpNode.start('a', { listen: address });
  await started;
  await third.transport.close();
});
