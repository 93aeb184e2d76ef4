import { on } from 'node:events';
import { test } from 'tap';
import { Hub, type Letter } from '../../examples/custom-transport/hub.js';
import { PortTransport } from '../../examples/custom-transport/port-transport.js';
import { encodeUtf8 } from '../../lib/base/index.js';
import { silentLogger } from '../../lib/observe/index.js';
import { networkTransportSuite } from '../../lib/testing/index.js';
import { SystemClock, systemRandom } from '../../lib/timing/index.js';

networkTransportSuite({
  name: 'message ports',
  test,
  createNetwork: () => {
    const hub = new Hub();
    return {
      transport: () => new PortTransport(hub.openPort()),
      listen: null,
      clock: new SystemClock(),
      random: systemRandom,
    };
  },
});

test('message ports: a handshake that a peer ends too late, after it was dropped, counts for nothing', async (t) => {
  const hub = new Hub();
  const transport = new PortTransport(hub.openPort());
  const calls: string[] = [];
  await transport.start({
    self: 'a',
    listen: null,
    maxFrameBytes: 1024,
    maxQueuedBytes: 1024,
    clock: new SystemClock(),
    random: systemRandom,
    logger: silentLogger,
    handler: {
      greeting: (lane) => encodeUtf8(lane),
      judge: () => ({ accepted: true, peer: 'b', lane: 'control' }),
      receive: () => {},
      peerConnected: (peer) => calls.push(`${peer} connected`),
      peerLost: (peer) => calls.push(`${peer} lost`),
    },
  });
  const peer = hub.openPort();
  const say = (kind: Letter['kind']): void =>
    peer.postMessage({ kind, from: 'b', to: 'a', lane: 'control', bytes: [], sizeBytes: 0 });
  const hear = async (wanted: Letter['kind']): Promise<void> => {
    for await (const [letter] of on(peer, 'message')) if (letter.kind === wanted) return;
  };
  const heard = [hear('joined'), hear('answer'), hear('ready'), hear('bye')];
  say('join');
  await heard[0];
  transport.setPeers(new Map([['b', 'b']]));
  say('hello');
  await heard[1];
  say('answer');
  await heard[2];
  transport.setPeers(new Map());
  await heard[3];
  const answered = hear('answer');
  say('ready');
  say('hello');
  await answered;
  t.strictSame(calls, ['b connected', 'b lost']);
  await transport.close();
  peer.close();
});
