import { createServer, type Socket } from 'node:net';
import { test } from 'tap';
import { SystemClock } from '../../lib/timing/index.js';
import { OPENINGS } from '../../transports/tcp/framing.js';
import { clientAcceptor, guessOpening, listen } from '../../transports/tcp/index.js';
import { Client, EchoServer, echoOptions } from './tcp-doors.js';
import { drivenClock, frame, MAX_FRAME_BYTES, RawPeer, TcpNode, until } from './tcp-nodes.js';

test('a client and a server exchange frames of any size, in order, until one closes', async (t) => {
  const server = await EchoServer.open();
  const client = await Client.dial(server.address);
  const sent = ['', 'a', 'b'.repeat(MAX_FRAME_BYTES), 'c'];
  for (const text of sent) t.equal(client.connection.send(Buffer.from(text)), true);
  t.equal(client.connection.send(new Uint8Array(MAX_FRAME_BYTES + 1)), false);
  await until('the echoes', () => client.received.length === sent.length);
  t.ok(client.received.every((text, i) => text === sent[i]));
  client.connection.close();
  client.connection.close();
  t.same(client.closed, ['closed']);
  t.equal(client.connection.send(Buffer.from('late')), false);
  await until('the server is told', () => server.closed.length === 1);
  t.same(server.closed, ['goodbye']);

  const second = await Client.dial(server.address);
  await server.close();
  await until('the client is told', () => second.closed.length === 1);
  t.same(second.closed, ['goodbye']);
  t.same(server.closed, ['goodbye', 'closed']);
  t.same(server.lines, []);
});

test('dial rejects, and says why, when frames could never be sent', async (t) => {
  const refused = await EchoServer.open();
  await refused.close();
  const { address } = refused;
  await t.rejects(Client.dial(address), {
    code: 'ERR_UNREACHABLE',
    outcome: 'rejected',
    message: `ERR_UNREACHABLE: ${address}: connection refused`,
  });
  await t.rejects(Client.dial('nowhere'), { code: 'ERR_CONFIG' });

  const node = await TcpNode.start('a');
  await t.rejects(Client.dial(node.address), {
    code: 'ERR_PROTOCOL',
    message: `ERR_PROTOCOL: ${node.address}: a peer connection on the client port`,
  });
  await until('the node says so', () => node.warnings().length === 1);
  t.same(node.warnings(), ['connection closed: a client connection on the peer port']);
  await node.transport.close();

  const web = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const bound = web.address();
  const port = typeof bound === 'object' ? bound!.port : 0;
  await t.rejects(Client.dial(`127.0.0.1:${port}`), { code: 'ERR_PROTOCOL' });
  web.close();
});

test('a dial that nobody answers ends by its signal, or by the deadline', async (t) => {
  const sockets: Socket[] = [];
  const silent = await listen('127.0.0.1:0', (socket) => sockets.push(socket));
  const controller = new AbortController();
  const dialing = Client.dial(silent.address, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await t.rejects(dialing, {
    code: 'ERR_ABORTED',
    name: 'AbortError',
    cause: { message: 'enough' },
  });
  await t.rejects(Client.dial(silent.address, { signal: controller.signal }), {
    code: 'ERR_ABORTED',
  });

  const clock = drivenClock();
  const late = Client.dial(silent.address, { clock });
  clock.advance(7000);
  await t.rejects(late, { message: /the handshake took too long/ });
  for (const socket of sockets) socket.destroy();
  silent.server.close();
});

test('bad input on the client port closes that connection with one line; others are served', async (t) => {
  const server = await EchoServer.open();
  const client = await Client.dial(server.address);
  const cases: [string, Uint8Array[]][] = [
    ['a peer connection on the client port', [OPENINGS.peer, frame('greeting', 'a control')]],
    ['a frame above the limit', [OPENINGS.client, Buffer.from([255, 255, 255, 255])]],
    ['a frame of length zero', [OPENINGS.client, Buffer.alloc(9)]],
    ['the connection does not open as one of ours', [Buffer.alloc(300, 0xee)]],
    ['a frame before the ping', [OPENINGS.client, frame('data', 'too early')]],
    [
      'a greeting on the client port',
      [OPENINGS.client, frame('ping'), frame('greeting', 'a bulk')],
    ],
  ];
  const expected: string[] = [];
  for (const [reason, bytes] of cases) {
    const raw = new RawPeer(server.address, 'client');
    raw.write(...bytes);
    await until(`${reason}: closed`, () => raw.closed);
    expected.push(`connection closed: ${reason}`);
    await until(`${reason}: a line`, () => server.lines.length === expected.length);
    t.same(
      server.lines.map(({ message }) => message),
      expected,
    );
    const count = client.received.length;
    client.connection.send(Buffer.from('still served'));
    await until('the echo', () => client.received.length === count + 1);
  }
  await server.close();
});

test('more clients than the limit are told so', async (t) => {
  const server = await EchoServer.open({ maxConnections: 2 });
  const clients = [await Client.dial(server.address), await Client.dial(server.address)];
  await t.rejects(Client.dial(server.address), { message: /too many client connections/ });
  clients[0]!.connection.close();
  await until('the place is free', () => server.closed.length === 1);
  const again = await Client.dial(server.address);
  again.connection.close();
  await server.close();
});

test('a server that vanishes is noticed by its silence (fault D13)', async (t) => {
  const clock = drivenClock();
  const mute: Socket[] = [];
  const half = await listen('127.0.0.1:0', (socket) => {
    mute.push(socket);
    socket.write(Buffer.concat([OPENINGS.client, frame('ping')]));
    socket.resume();
  });
  const client = await Client.dial(half.address, { clock });
  for (let second = 0; second < 7; second += 1) {
    clock.advance(1000);
    await new Promise((resolve) => new SystemClock().afterPoll(() => resolve(null)));
  }
  await until('it is given up', () => client.closed.length === 1);
  t.same(client.closed, ['nothing heard']);
  for (const socket of mute) socket.destroy();
  half.server.close();
});

test('a port that looks at the first bytes can put them back', async (t) => {
  const acceptor = clientAcceptor({ ...echoOptions([], []), maxConnections: 10 });
  const guesses: string[] = [];
  const port = await listen('127.0.0.1:0', (socket) => {
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      guesses.push(guessOpening(first));
      if (guessOpening(first) !== 'client') return socket.end('HTTP/1.1 200 OK\r\n\r\n');
      socket.unshift(first);
      acceptor.accept(socket);
      return undefined;
    });
  });
  const client = await Client.dial(port.address);
  client.connection.send(Buffer.from('through'));
  await until('the echo', () => client.received.length === 1);
  const raw = new RawPeer(port.address, 'client');
  raw.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  await until('an answer', () => raw.closed);
  t.same(guesses, ['client', 'http']);
  client.connection.close();
  await acceptor.close();
  port.server.close();
});
