/**
 * Frames of 128 bytes over loopback, between two transports of one process: the round trip of one
 * frame at a time, and frames per second when many are queued in one turn.
 *
 *     node dist/benchmarks/frames.js
 */
import type { TransportContext, TransportHandler } from '../lib/interfaces/index.js';
import { silentLogger } from '../lib/observe/index.js';
import { SystemClock, systemRandom } from '../lib/timing/index.js';
import { tcpTransport } from '../transports/tcp/index.js';

const FRAME = new Uint8Array(128).fill(7);
const ROUND_TRIPS = 20_000;
const BURST = 1000;
const BURSTS = 1000;

const clock = new SystemClock();

interface End {
  readonly transport: ReturnType<typeof tcpTransport>;
  readonly address: string;
  onFrame: () => void;
  connected: Promise<void>;
}

async function open(self: string): Promise<End> {
  const transport = tcpTransport();
  let onConnected: () => void = () => {};
  const connected = new Promise<void>((resolve) => {
    onConnected = resolve;
  });
  const handler: TransportHandler = {
    greeting: (lane) => Buffer.from(`${self} ${lane}`),
    judge: (greeting) => {
      const [peer = '', lane] = Buffer.from(greeting).toString().split(' ');
      return { accepted: true, peer, lane: lane === 'bulk' ? 'bulk' : 'control' };
    },
    receive: () => end.onFrame(),
    peerConnected: () => onConnected(),
    peerLost: () => {},
  };
  const context: TransportContext = {
    self,
    listen: '127.0.0.1:0',
    maxFrameBytes: 1024 * 1024,
    maxQueuedBytes: 32 * 1024 * 1024,
    clock,
    random: systemRandom,
    logger: silentLogger,
    handler,
  };
  const { address } = await transport.start(context);
  const end: End = { transport, address: address ?? '', onFrame: () => {}, connected };
  return end;
}

async function roundTrips(a: End, b: End): Promise<number[]> {
  const tookMs: number[] = [];
  b.onFrame = () => b.transport.send('a', FRAME, 'control');
  for (let i = 0; i < ROUND_TRIPS; i += 1) {
    const startMs = clock.now();
    await new Promise<void>((resolve) => {
      a.onFrame = resolve;
      a.transport.send('b', FRAME, 'control');
    });
    tookMs.push(clock.now() - startMs);
  }
  return tookMs.sort((x, y) => x - y);
}

async function framesPerSecond(a: End, b: End): Promise<number> {
  let received = 0;
  const all = new Promise<void>((resolve) => {
    b.onFrame = () => {
      received += 1;
      if (received === BURST * BURSTS) resolve();
    };
  });
  const startMs = clock.now();
  for (let burst = 0; burst < BURSTS; burst += 1) {
    for (let i = 0; i < BURST; i += 1) a.transport.send('b', FRAME, 'bulk');
    while (received < (burst - 8) * BURST)
      await new Promise<void>((resolve) => clock.soon(resolve));
  }
  await all;
  return (BURST * BURSTS * 1000) / (clock.now() - startMs);
}

const a = await open('a');
const b = await open('b');
a.transport.setPeers(new Map([['b', b.address]]));
await Promise.all([a.connected, b.connected]);
await roundTrips(a, b);
const trips = await roundTrips(a, b);
const at = (share: number): string =>
  ((trips[Math.floor(trips.length * share)] ?? 0) * 1000).toFixed(0);
console.log(`round trip of 128 B: p50 ${at(0.5)} µs, p99 ${at(0.99)} µs`);
await framesPerSecond(a, b);
console.log(`frames of 128 B, joined: ${(await framesPerSecond(a, b)).toFixed(0)} per second`);
await a.transport.close();
await b.transport.close();
